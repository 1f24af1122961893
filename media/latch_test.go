package media

import (
	"net/netip"
	"testing"
	"time"
)

// remoteAt is an address of one side's remote.
func remoteAt(side int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(side + 1)}), port)
}

func TestLatchPlain(t *testing.T) {
	signalled := remoteAt(0, 4000)
	samePort, sameIP, foreign := signalled, remoteAt(0, 5000), remoteAt(8, 4000)
	type packet struct {
		after     time.Duration
		from      netip.AddrPort
		continues bool
		admitted  bool
		target    netip.AddrPort
	}
	const f = 20 * time.Millisecond
	for _, row := range []struct {
		name    string
		packets []packet
	}{
		{"the signalled address", []packet{{0, samePort, false, true, signalled}, {f, samePort, true, true, signalled}}},
		{"another port of its IP", []packet{{0, sameIP, false, true, sameIP}, {f, sameIP, true, true, sameIP}}},
		{"the signalled address takes over", []packet{{0, sameIP, false, true, sameIP}, {f, samePort, false, true, signalled}, {f, sameIP, true, false, signalled}}},
		{"a foreign IP, first", []packet{{0, foreign, false, false, signalled}, {time.Minute, foreign, true, false, signalled}}},
		{"a foreign IP, later", []packet{{0, samePort, false, true, signalled}, {f, foreign, true, false, signalled}}},
		{"a foreign IP after a silence, another stream", []packet{{0, samePort, false, true, signalled}, {time.Minute, foreign, false, false, signalled}}},
		{"a foreign IP after a silence, the same stream", []packet{{0, samePort, false, true, signalled}, {relatchAfter, foreign, true, true, foreign}, {f, sameIP, true, false, foreign}}},
		{"another port after a silence", []packet{{0, samePort, false, true, signalled}, {relatchAfter - 1, sameIP, false, false, signalled}, {1, sameIP, false, true, sameIP}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var l latch
			l.signal(signalled)
			now := time.Duration(0)
			for i, p := range row.packets {
				now += p.after
				if got := l.admit(p.from, p.continues, now); got != p.admitted {
					t.Fatalf("packet %d from %v: admitted %v", i, p.from, got)
				}
				if got := l.target(); got != p.target {
					t.Fatalf("packet %d: target %v, want %v", i, got, p.target)
				}
			}
		})
	}
}

func TestLatchSignal(t *testing.T) {
	here, there, moved := remoteAt(0, 4000), remoteAt(0, 5000), remoteAt(3, 6000)
	nowhere := netip.AddrPortFrom(netip.IPv4Unspecified(), 4000)
	var l latch
	for i, row := range []struct {
		do   func()
		want netip.AddrPort
	}{
		{func() {}, netip.AddrPort{}},
		{func() { l.signal(here) }, here},
		{func() { l.authentic(there, 0) }, there},
		{func() { l.signal(here) }, there},
		{func() { l.signal(nowhere) }, netip.AddrPort{}},
		{func() { l.signal(here) }, there},
		{func() { l.signal(nowhere) }, netip.AddrPort{}},
		{func() { l.signal(moved) }, moved},
		{func() { l.signal(netip.AddrPort{}) }, netip.AddrPort{}},
	} {
		row.do()
		if got := l.target(); got != row.want {
			t.Errorf("step %d: target %v, want %v", i, got, row.want)
		}
	}
}
