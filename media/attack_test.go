package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"
)

// stranger is an attacker: sockets at an address that nobody signalled, who sends to one party's ports what it likes.
type stranger struct {
	*party
	packets uint64 // sent so far
}

func newStranger(t *testing.T, s *Session, side Side, at netip.Addr) *stranger {
	e := &stranger{party: newParty(t, s, side, newKey(t, profiles[0]), nil)}
	e.rtp, e.rtcp = listen(t, at), listen(t, at)
	return e
}

// throw sends all that an attacker has who does not see the call: sealed and plain audio, reports, a BYE, junk.
func (e *stranger) throw(victim *party) {
	e.t.Helper()
	e.say("injected, sealed")
	e.write(e.plain("injected, plain"))
	guess := e.plain("injected, with the SSRC and the next sequence number")
	binary.BigEndian.PutUint32(guess[8:], victim.ssrc)
	binary.BigEndian.PutUint16(guess[2:], victim.seq+1)
	e.write(guess)
	e.writeRTCP(report(e.party, nil))
	writeTo(e.t, e.rtcp, report(victim, nil), e.toRTCP)
	writeTo(e.t, e.rtcp, binary.BigEndian.AppendUint32([]byte{0x81, 203, 0, 1}, victim.ssrc), e.toRTCP)
	e.write(make([]byte, 20))
	e.packets += 7
}

// TestBleedAndInjection: an attacker at another address gets nothing of the call and puts nothing into it, on a sealed
// and on a plain leg: before the first packet of the victim, between its packets, and after a silence of it.
func TestBleedAndInjection(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		t.Run(fmt.Sprintf("sealed %v", sealed), func(t *testing.T) {
			clock := &fakeClock{}
			r := startRelay(t, Config{Clock: clock.Now})
			s, a, b := call(t, r, sealed, true)
			evil := newStranger(t, s, A, evilHost)
			sent := uint64(0)
			attack := func() {
				t.Helper()
				evil.throw(a)
				got := settled(t, s, A, sent+evil.packets)
				if got.Received != sent || got.ReceivedRTCP != 0 {
					t.Errorf("accepted %d and %d RTCP, the victim sent %d", got.Received, got.ReceivedRTCP, sent)
				}
				b.say("to the victim")
				a.hears("to the victim")
				b.silent()
				evil.silent()
			}
			attack()
			for i := range 3 {
				a.say(fmt.Sprint(i))
				b.hears(fmt.Sprint(i))
				sent++
				attack()
			}
			clock.advance(time.Hour)
			if sealed { // on a plain leg who continues the stream after a silence may be the victim behind another NAT
				attack()
			}
		})
	}
}

// TestCopiedPackets: who sees the remote's sealed packets and sends copies of them from elsewhere, even before they
// come themselves, does not get the stream.
func TestCopiedPackets(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	evil := newStranger(t, s, A, evilHost)
	first := a.sealed("first")
	writeTo(t, evil.rtp, first, evil.to)
	b.hears("first")
	a.write(first)
	settled(t, s, A, 2)
	b.say("1")
	a.hears("1")
	for i := range 20 {
		text := fmt.Sprint("copied behind ", i)
		packet := a.sealed(text)
		a.write(packet)
		b.hears(text)
		writeTo(t, evil.rtp, packet, evil.to)
		settled(t, s, A, uint64(2+2*(i+1)))
		b.say("2")
		a.hears("2")
	}
	evil.silent()
	b.silent()
	taken := uint64(2 + 2*20)
	for i := range 20 { // the attacker is faster with every other packet: it wins once
		text := fmt.Sprint("copied before ", i)
		packet := a.sealed(text)
		writeTo(t, evil.rtp, packet, evil.to)
		b.hears(text)
		a.write(packet)
		a.say("its own")
		b.hears("its own")
		taken += 3
		settled(t, s, A, taken)
		b.say("3")
		a.hears("3")
	}
	evil.silent()
}

// TestRebinding: a remote whose NAT gives it another address in mid-call is heard at the first packet and sent to
// again: at once on a sealed leg, within a second on a plain one.
func TestRebinding(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		t.Run(fmt.Sprintf("sealed %v", sealed), func(t *testing.T) {
			clock := &fakeClock{}
			r := startRelay(t, Config{Clock: clock.Now})
			s, a, b := call(t, r, sealed, true)
			a.say("before")
			b.hears("before")
			a.rtp = listen(t, netip.MustParseAddr("127.0.0.7"))
			lost := 0
			for passed := time.Duration(0); ; passed += frame {
				if passed > time.Second {
					t.Fatal("not followed within a second")
				}
				clock.advance(frame)
				a.say("after")
				settled(t, s, A, uint64(lost+2))
				b.say("to the new place")
				if packet, _ := a.read(a.rtp, 20*time.Millisecond); packet != nil {
					break
				}
				lost++
			}
			if sealed && lost > 0 {
				t.Errorf("%d packets lost", lost)
			}
		})
	}
}

// TestReplayOfAll: the last 10,000 packets again, none is relayed.
func TestReplayOfAll(t *testing.T) {
	const all, batch = 10000, 100
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	var old [][]byte
	for i := range all {
		old = append(old, a.sealed("once"))
		a.write(old[i])
		if i%batch == batch-1 {
			settled(t, s, A, uint64(i+1))
			for range batch {
				b.hears("once")
			}
		}
	}
	for i, packet := range old {
		a.write(packet)
		if i%batch == batch-1 {
			settled(t, s, A, uint64(all+i+1))
		}
	}
	got := s.Stats().Side[A]
	if got.Drops.Of(DropReplay) != all || got.Received != all {
		t.Errorf("received %d, drops %v", got.Received, got.Drops)
	}
	b.silent()
}

// TestForgedSSRCs: a million packets, each under an SSRC of its own, make no state and cost no audio. All go through
// the forwarder, a part of them over the network with a call on it.
func TestForgedSSRCs(t *testing.T) {
	const forged, onTheWire, batch = 1_000_000, 20_000, 100
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	evil := newStranger(t, s, A, evilHost)
	a.say("before")
	b.hears("before")
	before := heap()
	packet := append(evil.plain(string(make([]byte, 160))), make([]byte, 10)...)
	for i := range onTheWire {
		binary.BigEndian.PutUint32(packet[8:], uint32(i))
		evil.write(packet)
		if i%batch == batch-1 {
			a.say("audio")
			b.hears("audio")
		}
	}
	var v verdict
	s.worker.do(func() {
		f := forwarder{from: &s.state.legs[A], to: &s.state.legs[B], space: make([]byte, bufSize)}
		buf := append(make([]byte, 0, bufSize), packet...)
		for i := range uint32(forged - onTheWire) {
			binary.BigEndian.PutUint32(buf[8:], onTheWire+i)
			if v = f.packet(buf, len(packet), rtp, address(evil.rtp), time.Second); v.drop != DropAuth {
				return
			}
		}
	})
	if v.drop != DropAuth {
		t.Errorf("the last forged packet was dropped for %v", v.drop)
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d bytes more", grown)
	if grown > 1<<20 && !raceEnabled {
		t.Errorf("%d bytes more", grown)
	}
	if got := s.Stats().Side[A]; got.Lost != 0 || got.Received != 1+onTheWire/batch {
		t.Errorf("received %d, lost %d", got.Received, got.Lost)
	}
	evil.silent()
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestBadTags: 100,000 packets with a wrong tag, from the remote's own address; the call goes on, loses no audio, and
// nothing is logged for a packet. (5,000 a second would take 20 s: they come as fast as the relay takes them.)
func TestBadTags(t *testing.T) {
	const bad, batch = 100_000, 100
	var log bytes.Buffer
	r := startRelay(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	s, a, b := call(t, r, true, true)
	packet := a.sealed(string(make([]byte, 160)))
	a.seq--
	packet[len(packet)-1] ^= 1
	for i := range bad {
		binary.BigEndian.PutUint16(packet[2:], a.seq+1) // else it would be a replay
		a.write(packet)
		if i%batch == batch-1 {
			a.say("audio")
			b.hears("audio")
			b.say("audio")
			a.hears("audio")
		}
	}
	got := s.Stats().Side[A]
	if got.Drops.Of(DropAuth) != bad || got.Received != bad/batch || got.Lost != 0 {
		t.Errorf("received %d, lost %d, drops %v", got.Received, got.Lost, got.Drops)
	}
	if log.Len() > 0 {
		t.Errorf("logged %q", log.String())
	}
}

// TestRefusedSRTCP: SRTCP in the clear, with E=0, under a forged index, or again, is dropped by its cause.
func TestRefusedSRTCP(t *testing.T) {
	for _, profile := range []pion.ProtectionProfile{profiles[0], profiles[4]} {
		t.Run(suiteName(profile), func(t *testing.T) {
			r := startRelay(t, Config{})
			s := open(t, r)
			a, b := newParty(t, s, A, newKey(t, profile), newKey(t, profile)), newParty(t, s, B, newKey(t, profiles[0]), newKey(t, profiles[0]))
			set(t, s, A, a.remote())
			set(t, s, B, b.remote())
			word := 14 // from the end: E flag and index stand before the tag
			if profile == profiles[4] {
				word = 4 // and behind it (RFC 7714 section 9)
			}
			good := a.sealedRTCP(report(a, b))
			changed := func(at int, bits byte) []byte {
				c := bytes.Clone(good)
				c[len(c)-at] ^= bits
				return c
			}
			for i, row := range []struct {
				name   string
				packet []byte
				want   Drop
			}{
				{"in the clear", report(a, b), DropClearRTCP},
				{"E=0", changed(word, 0x80), DropUnencrypted},
				{"a forged index", changed(word-3, 1), DropAuth},
				{"a wrong tag", changed(len(good)-20, 1), DropAuth},
				{"good", good, DropNone},
				{"again", good, DropReplay},
			} {
				writeTo(t, a.rtcp, row.packet, a.toRTCP)
				got := settled(t, s, A, uint64(i+1))
				if row.want == DropNone {
					b.hearRTCP()
				} else if got.Drops.Of(row.want) == 0 {
					t.Errorf("%s: drops %v, want %v", row.name, got.Drops, row.want)
				}
			}
			b.silent()
		})
	}
}

// TestClockSteps: the relay's clock is monotonic, so that the system's may be set; and even one that jumps by an hour
// loses no packet.
func TestClockSteps(t *testing.T) {
	r, err := New(Config{Ports: PortRange{20000, 20009}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.start.String(), "m=") {
		t.Errorf("the clock %v has no monotonic reading", r.start)
	}
	clock := &fakeClock{now: time.Now()}
	r = startRelay(t, Config{Clock: clock.Now})
	s, a, b := call(t, r, true, false)
	for _, step := range []time.Duration{0, time.Hour, -time.Hour, -time.Hour, frame, time.Hour} {
		clock.advance(step)
		a.say("a")
		b.hears("a")
		b.say("b")
		a.hears("b")
		a.writeRTCP(report(a, b))
		b.hearRTCP()
	}
	for side, got := range s.Stats().Side {
		if got.Drops.Total() != 0 || got.Lost != 0 {
			t.Errorf("side %v: %+v", Side(side), got)
		}
	}
}

// TestNoise: random bytes at all ports of a call, in any order, harm nothing.
func TestNoise(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, false)
	random := rand.New(rand.NewPCG(1, 2))
	conns := []*net.UDPConn{a.rtp, a.rtcp, listen(t, evilHost)}
	buf := make([]byte, 300)
	for i := range 5000 {
		for j := range buf {
			buf[j] = byte(random.Uint32())
		}
		to := a.to
		if random.IntN(2) == 0 {
			to = a.toRTCP
		}
		writeTo(t, conns[random.IntN(len(conns))], buf[:random.IntN(len(buf))], to)
		if i%50 == 49 {
			a.say("audio")
			b.hears("audio")
		}
	}
	b.silent()
	if got := s.Stats().Side[A]; got.Received != 100 || got.Lost != 0 {
		t.Errorf("received %d, lost %d", got.Received, got.Lost)
	}
}
