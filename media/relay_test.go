package media

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"

	"callseal/media/srtp"
)

func TestEverySuiteToEverySuite(t *testing.T) {
	r := startRelay(t, Config{Workers: 2, Ports: freeRange(t, 200)})
	suites := append([]pion.ProtectionProfile{0}, profiles...)
	key := func(p pion.ProtectionProfile) *srtp.Key {
		if p == 0 {
			return nil
		}
		return newKey(t, p)
	}
	for _, pa := range suites {
		for _, pb := range suites {
			t.Run(fmt.Sprintf("%d to %d", pa, pb), func(t *testing.T) {
				s := open(t, r)
				a, b := newParty(t, s, A, key(pa), key(pa)), newParty(t, s, B, key(pb), key(pb))
				set(t, s, A, a.remote())
				set(t, s, B, b.remote())
				for i := range 5 {
					text := fmt.Sprintf("from a %d", i)
					a.say(text)
					b.hears(text)
					text = fmt.Sprintf("from b %d", i)
					b.say(text)
					a.hears(text)
				}
				for _, one := range []struct{ from, to *party }{{a, b}, {b, a}} {
					one.from.writeRTCP(report(one.from, one.to))
					one.to.hearRTCP()
				}
				stats := s.Stats()
				for _, side := range []SideStats{stats.Side[A], stats.Side[B]} {
					if side.Received != 5 || side.Sent != 5 || side.ReceivedRTCP != 1 || side.SentRTCP != 1 || side.Drops.Total() != 0 || side.Lost != 0 {
						t.Errorf("figures %+v", side)
					}
				}
			})
		}
	}
}

func TestIPv4ToIPv6(t *testing.T) {
	r := startRelay(t, Config{})
	six := netip.IPv6Loopback()
	s, err := r.Open(loopback, six)
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer s.Close()
	a, b := newParty(t, s, A, nil, nil), newParty(t, s, B, newKey(t, profiles[4]), newKey(t, profiles[4]))
	set(t, s, A, a.remote())
	set(t, s, B, b.remote())
	a.say("over to six")
	b.hears("over to six")
	b.say("over to four")
	a.hears("over to four")
	if err := s.Set(B, a.remote()); !errors.Is(err, ErrFamily) {
		t.Errorf("an IPv4 address on an IPv6 side: %v", err)
	}
}

func TestMux(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	remote := a.remote()
	remote.Mux, remote.RTCP = true, remote.RTP
	set(t, s, A, remote)
	a.toRTCP, a.rtcp = a.to, a.rtp
	a.say("first")
	b.hears("first")
	a.writeRTCP(report(a, b))
	b.hearRTCP() // on its own port
	b.writeRTCP(report(b, a))
	a.hearRTCP() // on the RTP port
	b.say("still audio")
	a.hears("still audio")
}

// TestEarly: nothing is relayed before both sides are set, and what was decrypted least of all: what is kept goes when its own side is
// set, to where there is somebody.
func TestEarly(t *testing.T) {
	r := startRelay(t, Config{Clock: new(fakeClock).Now})
	s := open(t, r)
	a, b := newParty(t, s, A, newKey(t, profiles[0]), newKey(t, profiles[0])), newParty(t, s, B, nil, nil)
	a.say("before the offer")
	awaitKept(t, s, A, 1, 0)
	set(t, s, A, a.remote())
	a.say("before the answer")
	if got := settled(t, s, A, 2); got.Drops.Of(DropNoRoute) != 2 || got.Received != 2 {
		t.Errorf("drops %v", got.Drops)
	}
	b.say("before its answer")
	awaitKept(t, s, B, 1, 0)
	a.silent()
	b.silent()
	set(t, s, B, b.remote())
	a.hears("before its answer")
	a.say("answered")
	b.hears("answered")
}

// TestNeverClear: a side with a key for sending gets nothing in the clear, whatever the other side is.
func TestNeverClear(t *testing.T) {
	r := startRelay(t, Config{})
	_, a, b := call(t, r, false, true)
	secret := "the payload that nobody may read"
	a.say(secret)
	packet, _ := b.read(b.rtp, patience)
	if packet == nil || bytes.Contains(packet, []byte(secret)) {
		t.Fatalf("heard %q", packet)
	}
}

func TestAttackers(t *testing.T) {
	r := startRelay(t, Config{})
	for _, sealed := range []bool{true, false} {
		t.Run(fmt.Sprintf("sealed %v", sealed), func(t *testing.T) {
			s, a, b := call(t, r, sealed, true)
			evil := newParty(t, s, A, newKey(t, profiles[0]), nil)
			evil.rtp, evil.rtcp = listen(t, netip.MustParseAddr("127.0.0.66")), listen(t, netip.MustParseAddr("127.0.0.66"))
			attack := func(n uint64) {
				t.Helper()
				evil.say("injected, sealed")
				evil.write(evil.plain("injected, plain"))
				evil.writeRTCP(report(evil, b))
				got := settled(t, s, A, n)
				if bad := got.Drops.Of(DropAuth) + got.Drops.Of(DropWrongSource); bad < 3 {
					t.Errorf("drops %v", got.Drops)
				}
				b.silent()
			}
			attack(3)
			b.say("to the victim")
			a.hears("to the victim")
			a.say("latched")
			b.hears("latched")
			copied := a.sealed("to be copied")
			a.write(copied)
			b.hears("to be copied")
			writeTo(t, evil.rtp, copied, evil.to)
			attack(3 + 2 + 1 + 3)
			b.say("still to the victim")
			a.hears("still to the victim")
			evil.silent()
		})
	}
}

// TestSealedFollows: a sealed side's remote may move; the first valid packet from its new place says so, a replay from
// elsewhere does not.
func TestSealedFollows(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	a.say("from the old place")
	b.hears("from the old place")
	a.rtp = listen(t, netip.MustParseAddr("127.0.0.7"))
	b.say("into the void")
	settled(t, s, B, 1)
	a.say("from the new place")
	b.hears("from the new place")
	b.say("to the new place")
	if a.hear(); s.Stats().Side[A].Latched != address(a.rtp) {
		t.Errorf("latched %v, want %v", s.Stats().Side[A].Latched, address(a.rtp))
	}
}

// TestReplay: the last 1,000 packets again, none forwarded; and a stream reordered within 64, none lost.
func TestReplay(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	var old [][]byte
	for i := range 1000 {
		packet := a.sealed(fmt.Sprint(i))
		old = append(old, packet)
		a.write(packet)
		b.hears(fmt.Sprint(i))
	}
	for i, packet := range old {
		a.write(packet)
		if i%100 == 99 {
			settled(t, s, A, uint64(1000+i+1))
		}
	}
	got := settled(t, s, A, 2000)
	if got.Drops.Of(DropReplay) != 1000 || got.Received != 1000 {
		t.Errorf("received %d, drops %v", got.Received, got.Drops)
	}
	b.silent()
	for round := range 5 {
		batch := make([][]byte, 64)
		for i := range batch {
			batch[i] = a.sealed(fmt.Sprint(round, i))
		}
		heard := map[string]bool{}
		for i := range batch {
			a.write(batch[len(batch)-1-i])
			heard[string(b.hear()[12:])] = true
		}
		if len(heard) != 64 {
			t.Errorf("round %d: %d of 64 heard", round, len(heard))
		}
	}
}

// TestHold: nothing goes to a side on hold, and afterwards its stream goes on without a hole.
func TestHold(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	a.say("1")
	before := b.hears("1")
	held := b.remote()
	held.Hold, held.RTP = true, netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	set(t, s, B, held)
	for range 50 {
		a.say("unheard")
	}
	if got := settled(t, s, A, 51); got.Drops.Of(DropHeld) != 50 {
		t.Errorf("drops %v", got.Drops)
	}
	b.silent()
	set(t, s, B, b.remote())
	a.say("2")
	if packet := b.hears("2"); seqOf(packet) != seqOf(before)+1 || ssrcOf(packet) != ssrcOf(before) {
		t.Errorf("sequence %d after %d", seqOf(packet), seqOf(before))
	}
}

// TestClearRTCP: RTCP in the clear and SRTCP with E=0 die on a sealed side, each by its name.
func TestClearRTCP(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	writeTo(t, a.rtcp, report(a, b), a.toRTCP)
	if got := settled(t, s, A, 1); got.Drops.Of(DropClearRTCP) != 1 {
		t.Errorf("clear RTCP: %v", got.Drops)
	}
	sealed, err := a.seal.EncryptRTCP(nil, report(a, b), nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)-14] &^= 0x80
	writeTo(t, a.rtcp, sealed, a.toRTCP)
	if got := settled(t, s, A, 2); got.Drops.Of(DropUnencrypted) != 1 {
		t.Errorf("E=0: %v", got.Drops)
	}
	b.silent()
}

func TestJunk(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, false, true)
	for i, row := range []struct {
		name   string
		packet []byte
		want   Drop
	}{
		{"empty", []byte{}, DropShort},
		{"one byte", []byte{0x80}, DropShort},
		{"STUN", append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), DropSTUN},
		{"ZRTP", append([]byte{16, 0, 0, 0}, make([]byte, 12)...), DropZRTP},
		{"DTLS", append([]byte{22, 254, 255}, make([]byte, 20)...), DropDTLS},
		{"TURN", append([]byte{64, 0}, make([]byte, 20)...), DropNotRTP},
		{"version 3", append([]byte{0xc0, 0}, make([]byte, 20)...), DropNotRTP},
		{"header cut off", append([]byte{0x8f, 0}, make([]byte, 12)...), DropHeader},
		{"as long as UDP can", make([]byte, 65507), DropLong},
		{"RTCP that does not add up", []byte{0x80, 200, 0, 9, 1, 2, 3, 4}, DropBadRTCP},
		{"RTCP with nothing for us", []byte{0x81, 203, 0, 1, 1, 2, 3, 4}, DropRTCPKind},
	} {
		a.write(row.packet)
		if got := settled(t, s, A, uint64(i+1)); got.Drops.Of(row.want) == 0 {
			t.Errorf("%s: drops %v, want %v", row.name, got.Drops, row.want)
		}
	}
	writeTo(t, a.rtcp, a.plain("RTP on the RTCP port"), a.toRTCP)
	if got := settled(t, s, A, 12); got.Drops.Of(DropNotRTP) != 3 {
		t.Errorf("RTP on the RTCP port: %v", got.Drops)
	}
	b.silent()
}

// TestExactBytes: padding, CSRC list, header extension, marker and payload type pass as they are.
func TestExactBytes(t *testing.T) {
	r := startRelay(t, Config{})
	_, a, b := call(t, r, true, false)
	packet := a.plain("")
	packet[0] = 0x80 | 0x20 | 0x10 | 2
	packet[1] = 0x80 | 101
	packet = append(packet, 1, 1, 1, 1, 2, 2, 2, 2)          // CSRC
	packet = append(packet, 0xBE, 0xDE, 0, 1, 0x10, 9, 0, 0) // an extension that pion would write otherwise
	packet = append(packet, "payload"...)
	packet = append(packet, 0, 0, 3)
	// Sealed by our own context, since pion would write the extension anew.
	p, err := srtp.NewProtect(*a.send, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed := append(make([]byte, 0, 256), packet...)
	n, err := p.RTP(sealed, len(sealed))
	if err != nil {
		t.Fatal(err)
	}
	a.write(sealed[:n])
	got := b.hear()
	if !bytes.Equal(got[:2], packet[:2]) || !bytes.Equal(got[12:], packet[12:]) {
		t.Errorf("heard %x, sent %x", got, packet)
	}
}

func TestPorts(t *testing.T) {
	now := &fakeClock{}
	span := freeRange(t, 4)
	r := startRelay(t, Config{Ports: span, Rest: 30 * time.Second, Clock: now.Now})
	one, two := open(t, r), open(t, r)
	for _, s := range []*Session{one, two} {
		for _, side := range []Side{A, B} {
			rtp, rtcp := s.Local(side)
			if rtp.Port()%2 != 0 || rtcp.Port() != rtp.Port()+1 || rtp.Port() < span.Min || rtcp.Port() > span.Max {
				t.Errorf("ports %v and %v", rtp, rtcp)
			}
		}
	}
	if _, err := r.Open(loopback, loopback); !errors.Is(err, ErrNoPorts) {
		t.Errorf("one session too many: %v", err)
	}
	one.Close()
	one.Close()
	if got := r.ports.counts(); got != (PortCounts{Used: 2, Resting: 2}) {
		t.Errorf("after a close: %+v", got)
	}
	now.advance(29 * time.Second)
	if _, err := r.Open(loopback, loopback); !errors.Is(err, ErrNoPorts) {
		t.Errorf("a resting port was given away: %v", err)
	}
	now.advance(time.Second)
	open(t, r)
	if err := one.Set(A, Remote{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Set after Close: %v", err)
	}
}

func TestForeignPorts(t *testing.T) {
	span := freeRange(t, 3)
	for port := span.Min; port < span.Min+4; port++ { // another process has two pairs
		c, err := netListen(t, port)
		if err != nil {
			t.Fatal(err)
		}
		defer c()
	}
	r := startRelay(t, Config{Ports: span})
	if _, err := r.Open(loopback, loopback); !errors.Is(err, ErrNoPorts) {
		t.Errorf("%v", err)
	}
	if got := r.ports.counts(); got.Free != 3 || got.Used != 0 {
		t.Errorf("after the failure: %+v", got)
	}
	if _, err := r.Open(netip.MustParseAddr("192.0.2.1"), loopback); err == nil || errors.Is(err, ErrNoPorts) {
		t.Errorf("an address that is not ours: %v", err)
	}
}

// TestDescriptors: without descriptors Open says so, loses no port, and works again once there are some.
func TestDescriptors(t *testing.T) {
	r := startRelay(t, Config{})
	before := r.ports.counts()
	for spare := range uint64(4) {
		restore := limitDescriptors(t, spare)
		_, err := r.Open(loopback, loopback)
		restore()
		if !errors.Is(err, ErrNoDescriptors) {
			t.Errorf("%d descriptors left: %v", spare, err)
		}
	}
	if got := r.ports.counts(); got.Used != 0 || got.Resting != 0 || before.Used != 0 {
		t.Errorf("ports after the failures: %+v", got)
	}
	open(t, r)
}

func TestAfterRun(t *testing.T) {
	var s *Session
	var r *Relay
	t.Run("running", func(t *testing.T) {
		r = startRelay(t, Config{})
		var a, b *party
		s, a, b = call(t, r, true, true)
		a.say("1")
		b.hears("1")
	})
	if _, err := r.Open(loopback, loopback); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Open: %v", err)
	}
	if err := s.Set(A, Remote{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Set: %v", err)
	}
	if got := s.Close(); got.Side[A].Received != 1 || got.Side[B].Sent != 1 {
		t.Errorf("Close: %+v", got)
	}
}

// TestIdle: a relay with nothing to do uses no processor time to speak of.
func TestIdle(t *testing.T) {
	r := startRelay(t, Config{Workers: 2})
	call(t, r, true, true)
	runtime.GC()
	before := cpuTime(t)
	time.Sleep(300 * time.Millisecond) // real time is what this test is about
	if used := cpuTime(t) - before; used > 100*time.Millisecond {
		t.Errorf("%v of processor time while idle", used)
	}
}

// TestResting: a worker without sessions gives its processor back, and takes it again with the next one.
func TestResting(t *testing.T) {
	clock := &fakeClock{}
	r := startRelay(t, Config{Clock: clock.Now})
	w := r.workers[0]
	becomes := func(want bool) {
		t.Helper()
		got := !want
		for deadline := time.Now().Add(patience); got != want; time.Sleep(time.Millisecond) { // the worker's own sleep ends
			if time.Now().After(deadline) {
				t.Fatalf("resting: %v", got)
			}
			w.do(func() { got = w.resting })
		}
	}
	clock.advance(restAfter)
	becomes(true)
	_, a, b := call(t, r, true, true)
	becomes(false)
	a.say("audio")
	b.hears("audio")
}

// TestGrid: on a grid of wake-ups every packet is relayed too, in order, and a port with many packets does not wait for
// as many wake-ups.
func TestGrid(t *testing.T) {
	r := startRelay(t, Config{Grid: 20 * time.Millisecond})
	s, a, b := call(t, r, true, true)
	_, c, d := call(t, r, true, false)
	const packets = 100
	began := time.Now()
	for i := range packets {
		a.say(fmt.Sprint(i))
	}
	c.say("beside them")
	for i := range packets {
		b.hears(fmt.Sprint(i))
	}
	d.hears("beside them")
	if took := time.Since(began); took > packets*r.config.Grid/2 {
		t.Errorf("%d packets took %v", packets, took)
	}
	began = time.Now()
	s.Stats()
	if took := time.Since(began); took > patience/4 {
		t.Errorf("a nap held a command up for %v", took)
	}
}
