package media

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"
)

// pad is what makes a key stream: no two packets may share one.
type pad struct {
	key   string
	rtcp  bool
	ssrc  uint32
	index uint64
}

// scan is everything that a relay sent to one side, packet by packet.
type scan struct {
	t    *testing.T
	used map[pad]bool
	open map[string]*pion.Context // by key
}

// listen takes what waits at the party's sockets: every packet must open under the key that the relay was last given
// for it, and have a pad that none had before. The rollover counters are those of pion's context.
func (s *scan) listen(p *party) (packets int) {
	s.t.Helper()
	key := string(p.expect.Master)
	if s.open[key] == nil {
		s.open[key] = oracle(s.t, p.expect)
	}
	context := s.open[key]
	for {
		packet, _ := p.read(p.rtp, time.Millisecond)
		if packet == nil {
			break
		}
		if _, err := context.DecryptRTP(nil, packet, nil); err != nil {
			s.t.Fatalf("packet %d: %v", seqOf(packet), err)
		}
		roc, _ := context.ROC(ssrcOf(packet))
		s.mark(pad{key, false, ssrcOf(packet), uint64(roc)<<16 | uint64(seqOf(packet))})
		packets++
	}
	for {
		packet, _ := p.read(p.rtcp, time.Millisecond)
		if packet == nil {
			return packets
		}
		if _, err := context.DecryptRTCP(nil, packet, nil); err != nil {
			s.t.Fatal(err)
		}
		index := binary.BigEndian.Uint32(packet[len(packet)-14:]) &^ (1 << 31)
		s.mark(pad{key, true, binary.BigEndian.Uint32(packet[4:]), uint64(index)})
	}
}

func (s *scan) mark(p pad) {
	s.t.Helper()
	if s.used[p] {
		s.t.Fatalf("key stream used twice: SSRC %x, index %d, RTCP %v", p.ssrc, p.index, p.rtcp)
	}
	s.used[p] = true
}

// TestNoPadTwice: over holds, transfers, changes of the source's SSRC, restarts of its numbering, reordering, wraps,
// and keys that change, come again and return, no two packets that leave share key, SSRC and index.
func TestNoPadTwice(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, false, true)
	out := &scan{t: t, used: map[pad]bool{}, open: map[string]*pion.Context{}}
	first := b.expect
	transferred := newParty(t, s, B, newKey(t, profiles[0]), newKey(t, profiles[0]))
	steps := []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"hold", func() {
			held := b.remote()
			held.Hold = true
			set(t, s, B, held)
			for range 20 {
				a.say("unheard")
			}
			set(t, s, B, b.remote())
		}},
		{"hold the old way", func() {
			held := b.remote()
			held.RTP, held.RTCP = netip.AddrPort{}, netip.AddrPort{}
			set(t, s, B, held)
			a.say("unheard")
			set(t, s, B, b.remote())
		}},
		{"another SSRC", func() { a.ssrc++; a.seq = 500 }},
		{"a restart of the numbering", func() { a.seq -= 20000 }},
		{"reordering", func() {
			late := a.plain("late")
			a.say("early")
			a.write(late)
		}},
		{"a wrap", func() {
			for range 27 {
				a.seq += 2499
				a.say("on")
			}
		}},
		{"the same keys again", func() { set(t, s, B, b.remote()) }},
		{"a new key", func() { b.expect = newKey(t, profiles[0]); set(t, s, B, b.remote()) }},
		{"a transfer", func() { b = transferred; set(t, s, B, b.remote()) }},
		{"an old key returns", func() { b.expect = first; set(t, s, B, b.remote()) }},
		{"and once more", func() {
			b.expect = newKey(t, profiles[0])
			set(t, s, B, b.remote())
			b.expect = first
			set(t, s, B, b.remote())
		}},
	}
	total := 0
	for round := range 3 {
		for _, step := range steps {
			step.do()
			for i := range 30 {
				a.say(fmt.Sprint(round, step.name, i))
			}
			a.writeRTCP(report(a, b))
			wait(t, s, a)
			total += out.listen(b)
		}
	}
	if total < 3*len(steps)*28 {
		t.Errorf("only %d packets went out", total)
	}
}

// wait sends a packet that is dropped, and returns when it was: all before it has been relayed.
func wait(t *testing.T, s *Session, a *party) {
	t.Helper()
	before := s.Stats().Side[A].Drops.Of(DropSTUN)
	a.write([]byte{0})
	for deadline := time.Now().Add(patience); s.Stats().Side[A].Drops.Of(DropSTUN) == before; time.Sleep(time.Millisecond) { // the packet crosses the kernel
		if time.Now().After(deadline) {
			t.Fatal("not taken")
		}
	}
}
