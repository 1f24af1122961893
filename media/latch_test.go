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
			l.signal(signalled, netip.Addr{})
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
		{func() { l.signal(here, netip.Addr{}) }, here},
		{func() { l.authentic(there, 0) }, here},
		{func() { l.authentic(there, 0) }, there},
		{func() { l.signal(here, netip.Addr{}) }, there},
		{func() { l.signal(nowhere, netip.Addr{}) }, netip.AddrPort{}},
		{func() { l.signal(here, netip.Addr{}) }, there},
		{func() { l.signal(nowhere, netip.Addr{}) }, netip.AddrPort{}},
		{func() { l.signal(moved, netip.Addr{}) }, moved},
		{func() { l.signal(netip.AddrPort{}, netip.Addr{}) }, netip.AddrPort{}},
	} {
		row.do()
		if got := l.target(); got != row.want {
			t.Errorf("step %d: target %v, want %v", i, got, row.want)
		}
	}
}

func TestLatchSealed(t *testing.T) {
	signalled, nat, thief := remoteAt(0, 4000), remoteAt(5, 6000), remoteAt(8, 4000)
	type packet struct {
		after  time.Duration
		from   netip.AddrPort
		target netip.AddrPort
	}
	const f = 20 * time.Millisecond
	for _, row := range []struct {
		name    string
		packets []packet
	}{
		{"the signalled address", []packet{{0, signalled, signalled}, {f, signalled, signalled}}},
		{"behind NAT", []packet{{0, nat, signalled}, {f, nat, nat}, {f, nat, nat}}},
		{"a copy that was faster than the first packet", []packet{{0, thief, signalled}, {f, signalled, signalled}, {f, signalled, signalled}}},
		{"a rebinding", []packet{{0, signalled, signalled}, {f, nat, nat}, {f, nat, nat}}},
		{"a copy that was faster, later", []packet{{0, signalled, signalled}, {f, thief, thief}, {f, signalled, signalled}, {f, thief, signalled}, {f, signalled, signalled}}},
		{"the same behind NAT", []packet{{0, nat, signalled}, {f, nat, nat}, {f, thief, thief}, {f, nat, nat}, {f, thief, nat}, {f, thief, nat}}},
		{"a rebinding after a contest", []packet{{0, signalled, signalled}, {f, thief, thief}, {f, signalled, signalled}, {relatchAfter, nat, nat}, {f, nat, nat}}},
		{"two copies in a row, first", []packet{{0, thief, signalled}, {f, thief, thief}, {f, signalled, signalled}, {f, thief, signalled}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var l latch
			l.signal(signalled, netip.Addr{})
			now := time.Duration(0)
			for i, p := range row.packets {
				now += p.after
				l.authentic(p.from, now)
				if got := l.target(); got != p.target {
					t.Fatalf("packet %d from %v: target %v, want %v", i, p.from, got, p.target)
				}
			}
		})
	}
}

// TestLatchNAT: a plain remote that signals a private address may send from the IP that its signaling comes from, and
// from no other; one that signals a public address may not.
func TestLatchNAT(t *testing.T) {
	inner, lan, public := netip.MustParseAddrPort("192.168.1.9:4000"), netip.MustParseAddrPort("[fd00::9]:4000"), netip.MustParseAddrPort("198.51.100.9:4000")
	outer, stranger := netip.MustParseAddrPort("203.0.113.7:61000"), netip.MustParseAddrPort("203.0.113.8:61000")
	for _, row := range []struct {
		name                string
		signalled           netip.AddrPort
		from                netip.Addr
		admits, admitsOther bool
	}{
		{"private, from its NAT", inner, outer.Addr(), true, false},
		{"IPv6 private", lan, outer.Addr(), true, false},
		{"carrier-grade NAT", netip.MustParseAddrPort("100.100.0.1:4000"), outer.Addr(), true, false},
		{"private, source unknown", inner, netip.Addr{}, false, false},
		{"public", public, outer.Addr(), false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var l latch
			l.signal(row.signalled, row.from)
			if got := l.admit(stranger, false, 0); got != row.admitsOther {
				t.Errorf("a stranger is admitted: %v", got)
			}
			if got := l.admit(outer, false, 0); got != row.admits {
				t.Errorf("the NAT's address is admitted: %v", got)
			}
			if row.admits && l.target() != outer {
				t.Errorf("target %v", l.target())
			}
			if !l.admit(row.signalled, false, 0) || l.target() != row.signalled {
				t.Errorf("the signalled address does not take over: target %v", l.target())
			}
		})
	}
}
