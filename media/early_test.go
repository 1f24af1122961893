package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"callseal/media/srtp"
)

// awaitKept waits until a side that is not set keeps n packets, and has dropped so many as having come too early.
func awaitKept(t testing.TB, s *Session, side Side, n int, dropped uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the packets cross the kernel
		var has int
		var drops Drops
		s.worker.do(func() { has, drops = int(s.state.legs[side].early), s.state.legs[side].count.drops })
		if has == n && drops.Of(DropEarly) == dropped {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d packets kept, %d dropped, want %d and %d", has, drops.Of(DropEarly), n, dropped)
		}
	}
}

// answering opens a session whose side B is set, and whose side A is yet to answer.
func answering(t testing.TB, r *Relay, sealed bool) (s *Session, a, b *party) {
	t.Helper()
	s = open(t, r)
	key := func() *srtp.Key {
		if sealed {
			return newKey(t, profiles[0])
		}
		return nil
	}
	a, b = newParty(t, s, A, key(), key()), newParty(t, s, B, newKey(t, profiles[1]), newKey(t, profiles[1]))
	set(t, s, B, b.remote())
	return s, a, b
}

func eachWay(t *testing.T, f func(t *testing.T, sealed bool)) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %v", sealed), func(t *testing.T) { f(t, sealed) })
	}
}

// TestAudioBeforeTheAnswer: what came before a side was set is relayed when it is, complete, in order and numbered like the rest
// (RFC 3264 section 5.1).
func TestAudioBeforeTheAnswer(t *testing.T) {
	eachWay(t, func(t *testing.T, sealed bool) {
		clock := &fakeClock{}
		s, a, b := answering(t, startRelay(t, Config{Clock: clock.Now}), sealed)
		const before, behind = 20, 30
		a.seq = 65530 // it wraps among them
		for i := range before {
			a.say(fmt.Sprint(i))
			awaitKept(t, s, A, i+1, 0)
			clock.advance(20 * time.Millisecond)
		}
		b.silent()
		set(t, s, A, a.remote())
		var last []byte
		for i := range before + behind {
			if i >= before {
				a.say(fmt.Sprint(i))
			}
			packet := b.hears(fmt.Sprint(i))
			if last != nil && (seqOf(packet) != seqOf(last)+1 || tsOf(packet) != tsOf(last)+160 || ssrcOf(packet) != ssrcOf(last)) {
				t.Fatalf("packet %d: %x behind %x", i, packet[:12], last[:12])
			}
			last = packet
			if i >= before {
				clock.advance(20 * time.Millisecond)
			}
		}
		b.silent()
		got := s.Stats().Side[A]
		if got.Received != before+behind || got.Drops.Total() != 0 || got.Lost != 0 || got.Heard.Jitter != 0 || got.Heard.LongestGap > 20*time.Millisecond {
			t.Errorf("figures %+v", got)
		}
		if at := s.Stats().Side[B].FirstSent.Sub(got.First); at != before*20*time.Millisecond {
			t.Errorf("the first packet waited for %v", at)
		}
		if sum, _ := s.relay.figures(); sum.packets[received][rtp] != before+behind || sum.packets[sent][rtp] != before+behind {
			t.Errorf("packets %v", sum.packets)
		}
		b.say("and back")
		a.hears("and back")
	})
}

// TestEarlyDropped: of what came before its side was set nothing is relayed that would not be had it come then, and all of it
// is counted.
func TestEarlyDropped(t *testing.T) {
	eachWay(t, func(t *testing.T, sealed bool) {
		clock := &fakeClock{}
		r := startRelay(t, Config{Clock: clock.Now, Ports: freeRange(t, 40)})
		refused := Drops{DropWrongSource: 2}
		if sealed {
			refused = Drops{DropAuth: 2}
		}
		for _, row := range []struct {
			name    string
			before  func(t *testing.T, s *Session, a *party)
			heard   []string
			dropped Drops
		}{
			{"too old", func(t *testing.T, s *Session, a *party) {
				a.say("old")
				awaitKept(t, s, A, 1, 0)
				clock.advance(600 * time.Millisecond)
				a.say("newer")
				awaitKept(t, s, A, 2, 0)
				clock.advance(600 * time.Millisecond)
			}, []string{"newer"}, Drops{DropEarly: 1}},
			{"too old before the answer", func(t *testing.T, s *Session, a *party) {
				a.say("old")
				awaitKept(t, s, A, 1, 0)
				clock.advance(2 * time.Second)
				s.worker.do(s.worker.look)
				awaitKept(t, s, A, 0, 1)
			}, nil, Drops{DropEarly: 1}},
			{"too many", func(t *testing.T, s *Session, a *party) {
				for i := range earlyOfSide + 2 {
					a.say(fmt.Sprint(i))
				}
				awaitKept(t, s, A, earlyOfSide, 2)
			}, numbers(2, earlyOfSide+2), Drops{DropEarly: 2}},
			{"too long", func(t *testing.T, s *Session, a *party) {
				a.say(string(make([]byte, earlyBytes)))
				awaitKept(t, s, A, 0, 1)
			}, nil, Drops{DropEarly: 1}},
			{"reports and junk", func(t *testing.T, s *Session, a *party) {
				a.writeRTCP(report(a, nil))
				awaitKept(t, s, A, 0, 1)
				a.write([]byte{0, 1})
				settled(t, s, A, 2)
			}, nil, Drops{DropEarly: 1, DropSTUN: 1}},
			{"of somebody else", func(t *testing.T, s *Session, a *party) {
				evil := newStranger(t, s, A, evilHost)
				evil.write(evil.plain("injected, plain"))
				awaitKept(t, s, A, 1, 0)
				a.say("genuine")
				awaitKept(t, s, A, 2, 0)
				evil.say("injected")
				awaitKept(t, s, A, 3, 0)
			}, []string{"genuine"}, refused},
		} {
			t.Run(row.name, func(t *testing.T) {
				s, a, b := answering(t, r, sealed)
				row.before(t, s, a)
				b.silent()
				set(t, s, A, a.remote())
				for _, text := range row.heard {
					b.hears(text)
				}
				b.silent()
				if got := s.Stats().Side[A]; got.Drops != row.dropped || got.Received != uint64(len(row.heard)) {
					t.Errorf("%d accepted, dropped %v", got.Received, got.Drops)
				}
				a.say("answered")
				b.hears("answered")
				s.Close()
			})
		}
	})
}

func numbers(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

// TestEarlyUnderAttack: early packets under another key, copies of the genuine ones and copies from elsewhere put nothing into
// the call and move nothing that is sent.
func TestEarlyUnderAttack(t *testing.T) {
	s, a, b := answering(t, startRelay(t, Config{Clock: new(fakeClock).Now}), true)
	evil := newStranger(t, s, A, evilHost)
	first, forged := a.sealed("first"), a.sealed("second")
	forged[len(forged)-1] ^= 1
	writeTo(t, evil.rtp, first, evil.to) // faster than the victim
	awaitKept(t, s, A, 1, 0)
	a.write(first)
	awaitKept(t, s, A, 2, 0)
	a.write(forged)
	writeTo(t, evil.rtp, evil.sealed("injected"), evil.to)
	awaitKept(t, s, A, 4, 0)
	set(t, s, A, a.remote())
	b.hears("first")
	b.silent()
	if got := s.Stats().Side[A]; got.Received != 1 || got.Drops != (Drops{DropReplay: 1, DropAuth: 2}) {
		t.Errorf("%d accepted, dropped %v", got.Received, got.Drops)
	}
	b.say("to the victim")
	a.hears("to the victim")
	evil.silent()
}

// TestEarlyNotAnswered: packets of a session that ends are counted, and their room is free again.
func TestEarlyNotAnswered(t *testing.T) {
	s, a, _ := answering(t, startRelay(t, Config{Clock: new(fakeClock).Now}), true)
	for range 5 {
		a.say("ringing")
	}
	awaitKept(t, s, A, 5, 0)
	if got := s.Close().Side[A].Drops.Of(DropEarly); got != 5 {
		t.Errorf("%d dropped", got)
	}
	s.worker.do(func() {
		if e := &s.worker.early; len(e.order) != 0 || len(e.free) != earlyPackets {
			t.Errorf("%d kept, %d free", len(e.order), len(e.free))
		}
	})
}

// TestEarlyFlood: strangers who flood the ports before the answer neither put out the audio of who answers nor grow memory.
func TestEarlyFlood(t *testing.T) {
	for _, row := range []struct{ sides, genuine int }{
		{1, earlyOfSide / 3}, // there are three who send
		{40, earlyPackets / 40 / 3},
	} {
		t.Run(fmt.Sprintf("%d sides", row.sides), func(t *testing.T) { earlyFlood(t, row.sides, row.genuine) })
	}
}

func earlyFlood(t *testing.T, sides, genuine int) {
	const rounds = 50
	r := startRelay(t, Config{Clock: new(fakeClock).Now, Ports: freeRange(t, 2*sides+20)})
	s, a, b := answering(t, r, true)
	evil := []*stranger{newStranger(t, s, A, evilHost), newStranger(t, s, A, netip.MustParseAddr("127.0.0.67"))}
	var ringing []*Session
	for range sides - 1 {
		ringing = append(ringing, open(t, r))
	}
	sent := uint64(0)
	flood := func() {
		for i, e := range evil {
			one := e.plain("flood")
			for range 4 - i {
				writeTo(t, e.rtp, one, e.to)
				sent++
			}
			for _, other := range ringing {
				to, _ := other.Local(A)
				writeTo(t, e.rtp, one, to)
				sent++
			}
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the packets cross the kernel
			all := uint64(0)
			s.worker.do(func() { all = s.worker.tally.packets[received][rtp] + uint64(len(s.worker.early.order)) })
			if all >= sent {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d packets taken, want %d", all, sent)
			}
		}
	}
	flood()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range rounds {
		if i >= rounds-12 {
			a.say(fmt.Sprint(i))
			sent++
		}
		flood()
	}
	runtime.ReadMemStats(&after)
	s.worker.do(func() {
		if e := &s.worker.early; len(e.order)+len(e.free) != earlyPackets || s.state.legs[A].early > earlyOfSide {
			t.Errorf("%d kept, %d free, %d for one side", len(e.order), len(e.free), s.state.legs[A].early)
		}
	})
	set(t, s, A, a.remote())
	for i := rounds - genuine; i < rounds; i++ {
		b.hears(fmt.Sprint(i))
	}
	b.silent()
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes more after %d packets", grown, sent)
	}
	t.Logf("%d packets, %v", sent, s.Stats().Side[A].Drops.Of(DropEarly))
}

// TestEarlyPanic: a panic while early packets are relayed ends that session and no other.
func TestEarlyPanic(t *testing.T) {
	var fault atomic.Pointer[string]
	chosenBackend = func(dscp int) (backend, error) {
		b, err := newBackend(dscp)
		return faulty{b, &fault}, err
	}
	defer func() { chosenBackend = nil }()
	r := startRelay(t, Config{Clock: new(fakeClock).Now})
	_, c, d := call(t, r, true, true)
	s, a, _ := answering(t, r, true)
	a.say("1")
	a.say("2")
	awaitKept(t, s, A, 2, 0)
	sending := "send"
	fault.Store(&sending)
	if err := s.Set(A, a.remote()); !errors.Is(err, ErrClosed) {
		t.Errorf("set: %v", err)
	}
	c.say("unharmed")
	d.hears("unharmed")
	if sum, sessions := r.figures(); sum.panics != 1 || sessions != 1 || sum.drops[DropEarly] != 1 || sum.legs[1] != 2 {
		t.Errorf("%d panics, %d sessions, %v dropped, legs %v", sum.panics, sessions, sum.drops, sum.legs)
	}
}

// TestEarlyNoAllocation: a packet that is kept allocates nothing, but for the very first of a worker; nor does one that makes room
// for another, nor one that is relayed later.
func TestEarlyNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	w, s := handWorker(t)
	w.clock = func() time.Duration { return time.Second }
	a, b := newParty(t, s, A, nil, nil), newParty(t, s, B, nil, nil)
	if err := w.configure(s.state, B, b.remote(), [32]byte{3}); err != nil {
		t.Fatal(err)
	}
	packet := a.plain(string(make([]byte, 160)))
	keep := func() { a.write(packet); turn(t, w) }
	keep()
	if got := testing.AllocsPerRun(2*earlyOfSide, keep); got != 0 {
		t.Errorf("%v allocations", got)
	}
	leg := &s.state.legs[A]
	if leg.early != earlyOfSide {
		t.Errorf("%d kept", leg.early)
	}
	if err := leg.apply(a.remote(), &s.state.legs[B], [32]byte{4}, w.clock()); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(1, func() { w.relayEarly(s.state, A, w.clock()) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if got := w.tally.packets[sent][rtp]; got != earlyOfSide {
		t.Errorf("%d packets sent: %v", got, w.tally.drops)
	}
}

// TestPanicOfPrefetching: a panic while one session's memory is asked for, as another's packet is received, ends the former.
func TestPanicOfPrefetching(t *testing.T) {
	os, err := newBackend(0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{Ports: freeRange(t, 20), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(os, r.now, r.config.Log, r.ports.retire)
	t.Cleanup(w.end)
	var sessions []*Session
	var a, b []*party
	for i := range warmSteps + 1 {
		s := handSession(t, r, w)
		p, q := newParty(t, s, A, newKey(t, profiles[0]), newKey(t, profiles[0])), newParty(t, s, B, nil, nil)
		for side, party := range []*party{p, q} {
			if err := w.configure(s.state, Side(side), party.remote(), [32]byte{3, byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		sessions, a, b = append(sessions, s), append(a, p), append(b, q)
	}
	sessions[0].state.legs[A].opened[0].context = nil
	for i := range a {
		a[i].say(fmt.Sprint(i))
	}
	if w.tokens, err = w.os.wait(w.tokens[:0], false); err != nil {
		t.Fatal(err)
	}
	for next := 0; next < len(w.tokens); { // the packets are received, and no more
		next = w.gather(next)
	}
	if w.tally.panics != 1 || !sessions[0].state.closed || len(w.batch) != len(a) || w.current != nil {
		t.Errorf("%d panics, ended: %v, %d packets", w.tally.panics, sessions[0].state.closed, len(w.batch))
	}
	w.relay(0, 0)
	for i := range b[1:] {
		b[i+1].hears(fmt.Sprint(i + 1))
	}
	if w.tally.panics != 1 || len(w.sessions) != len(a)-1 {
		t.Errorf("%d panics, %d sessions", w.tally.panics, len(w.sessions))
	}
}
