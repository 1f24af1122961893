package media

import (
	"bytes"
	"log/slog"
	"testing"

	pion "github.com/pion/srtp/v2"
)

// TestTogether: packets of many calls in one round, of every suite and length, are relayed as they are one by one, in both
// directions; one with a wrong tag, one that comes twice, and one that makes the code panic change nothing for the others.
func TestTogether(t *testing.T) {
	os, err := newBackend(0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{Ports: PortRange{Min: 20000, Max: 29999}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(os, r.now, r.config.Log, r.ports.retire)
	t.Cleanup(w.end)
	suites := append([]pion.ProtectionProfile{0}, profiles...)
	var sessions []*Session
	var a, b []*party
	for i := range 24 {
		s := handSession(t, r, w)
		one, other := suites[i%len(suites)], suites[(i/2+1)%len(suites)]
		p, q := newParty(t, s, A, keyOrNil(t, one), keyOrNil(t, one)), newParty(t, s, B, keyOrNil(t, other), keyOrNil(t, other))
		for side, party := range []*party{p, q} {
			if err := w.configure(s.state, Side(side), party.remote(), [32]byte{3, byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		sessions, a, b = append(sessions, s), append(a, p), append(b, q)
	}
	text := func(i int) string { return string(bytes.Repeat([]byte{byte('a' + i)}, 1+i*i)) }
	relay := func(packets int) {
		t.Helper()
		for before := w.tally.packets[received][rtp]; w.tally.packets[received][rtp] < before+uint64(packets); {
			turn(t, w)
		}
	}
	for range 3 {
		for i := range a {
			a[i].say(text(i))
			b[i].say(text(len(b) - 1 - i))
		}
		relay(2 * len(a))
		for i := range a {
			b[i].hears(text(i))
			a[i].hears(text(len(b) - 1 - i))
		}
	}
	const forged, twice, broken = 1, 2, 3 // all of them sealed
	var same []byte
	for i := range a {
		packet := a[i].sealed(text(i))
		switch i {
		case forged:
			packet[len(packet)-1] ^= 1
		case twice:
			same = packet
		case broken:
			sessions[i].state.legs[A].opened = nil
		}
		a[i].write(packet)
	}
	a[twice].write(same)
	relay(len(a)) // one packet panics, one comes twice
	for i := range a {
		if i != forged && i != broken {
			b[i].hears(text(i))
		}
	}
	for _, i := range []int{forged, twice, broken} {
		b[i].silent()
	}
	if d := w.tally.drops; d[DropAuth] != 1 || d[DropReplay] != 1 || d.Total() != 2 || w.tally.panics != 1 || !sessions[broken].state.closed {
		t.Errorf("%v dropped, %d panics", d, w.tally.panics)
	}
}

// TestTogetherNoAllocation: neither does a round of many packets allocate.
func TestTogetherNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	w, s := handWorker(t)
	a, b := newParty(t, s, A, newKey(t, profiles[0]), newKey(t, profiles[0])), newParty(t, s, B, newKey(t, profiles[1]), newKey(t, profiles[1]))
	for side, p := range []*party{a, b} {
		if err := w.configure(s.state, Side(side), p.remote(), [32]byte{3}); err != nil {
			t.Fatal(err)
		}
	}
	const runs, burst = 20, 13
	var packets [][]byte
	for range (runs + 2) * burst {
		packets = append(packets, a.sealed(string(make([]byte, 160))))
	}
	next := func() {
		for _, packet := range packets[:burst] {
			a.write(packet)
		}
		packets = packets[burst:]
		turn(t, w)
	}
	next() // from now on the port may have more than one packet in a round
	if got := testing.AllocsPerRun(runs, next); got != 0 {
		t.Errorf("%v allocations", got)
	}
	for len(w.batch) > 0 {
		turn(t, w)
	}
	if got := w.tally.packets[sent][rtp]; got != (runs+2)*burst {
		t.Errorf("%d packets sent: %v", got, w.tally.drops)
	}
}
