package transport

import (
	"net/netip"
	"sync"
	"time"
)

// guard counts accepted connections, per address and in all.
type guard struct {
	perAddress, total int

	mu    sync.Mutex // guards the rest
	open  int
	using map[netip.Prefix]int
}

func newGuard(l Limits) *guard {
	return &guard{perAddress: l.PerAddress, total: l.Total, using: map[netip.Prefix]int{}}
}

// enter admits a connection, or names the cap that it meets. Who was admitted must leave.
func (g *guard) enter(a netip.Addr) (refusal, bool) {
	p := Neighbourhood(a)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open >= g.total:
		return totalCap, false
	case g.using[p] >= g.perAddress:
		return addressCap, false
	}
	g.open++
	g.using[p]++
	return 0, true
}

func (g *guard) leave(a netip.Addr) {
	p := Neighbourhood(a)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.using[p]--; g.using[p] == 0 {
		delete(g.using, p)
	}
}

// Neighbourhood is what one customer has: an IPv4 address, or an IPv6 /64.
func Neighbourhood(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // cannot fail: the bits fit the address
	return p
}

// notes remembers which remotes have just been written about, so that a misconfigured one that tries again and again costs one log line per
// noteEvery.
type notes struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due says whether a line about key may be written at this time.
func (n *notes) due(key string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.last[key]) < noteEvery {
		return false
	}
	if len(n.last) >= noteRemotes || n.last == nil {
		n.last = map[string]time.Time{}
	}
	n.last[key] = now
	return true
}
