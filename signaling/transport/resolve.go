package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// errNoAddress says that a name exists and has no address.
var errNoAddress = errors.New("name has no address")

// resolve lists the addresses of a target, of which there is at least one, in the order in which they are to be tried: that of a Locator where
// the target has no port (RFC 3263 section 4.2), else IPv6 and IPv4 alternating in the resolver's order, beginning with the family it put first
// (RFC 8305 section 4). Those that this machine has no route to come last.
func (e *Endpoint) resolve(ctx context.Context, t *Target) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), t.port())}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Connect)
	defer cancel()
	var list []netip.AddrPort
	var err error
	if l, ok := e.resolver.(Locator); ok && t.Port == 0 {
		list, err = l.Locate(ctx, t.Proto, t.Host)
	} else {
		list, err = e.addresses(ctx, t)
	}
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &net.DNSError{Err: errNoAddress.Error(), Name: t.Host, IsNotFound: true}
	}
	if len(list) > 1 {
		near, far := make([]netip.AddrPort, 0, len(list)), []netip.AddrPort(nil)
		for _, a := range list {
			if e.routed(t, a) {
				near = append(near, a)
			} else {
				far = append(far, a)
			}
		}
		list = append(near, far...)
	}
	return list, nil
}

// routed tells whether this machine can send to an address, from the one that the target's requests leave by.
func (e *Endpoint) routed(t *Target, to netip.AddrPort) bool {
	if s := t.Source.Addr(); s.IsValid() && !s.IsUnspecified() {
		return s.Unmap().Is4() == to.Addr().Is4()
	}
	_, err := e.network.Source(to)
	return err == nil
}

// addresses looks a target's host up.
func (e *Endpoint) addresses(ctx context.Context, t *Target) ([]netip.AddrPort, error) {
	addrs, err := e.resolver.LookupNetIP(ctx, "ip", t.Host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, nil
	}
	var families [2][]netip.AddrPort // as the first, other
	first := addrs[0].Unmap().Is4()
	for _, a := range addrs {
		other := 0
		if a.Unmap().Is4() != first {
			other = 1
		}
		families[other] = append(families[other], netip.AddrPortFrom(a.Unmap(), t.port()))
	}
	return Alternate(families[0], families[1]), nil
}

// Alternate takes from both lists in turn, what is left of the longer one last (RFC 8305 section 4).
func Alternate[T any](a, b []T) []T {
	all := make([]T, 0, len(a)+len(b))
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			all = append(all, a[i])
		}
		if i < len(b) {
			all = append(all, b[i])
		}
	}
	return all
}

// directory remembers the addresses of host names that dialogs are addressed to.
type directory struct {
	mu    sync.Mutex // guards known
	known map[string]*name
}

type name struct {
	addr    netip.Addr // invalid: not found
	until   time.Time  // when it is looked up again
	asking  bool
	waiting []func(netip.Addr)
}

// maxNames bounds them; when it is reached, those that nobody waits for are forgotten.
const maxNames = 256

// look finds the first address of a host name, or the zero Addr. However many ask at once, one question answers them all, in the order in which
// they asked. done must not block.
func (e *Endpoint) look(host string, done func(netip.Addr)) {
	e.names.mu.Lock()
	defer e.names.mu.Unlock()
	n := e.names.entry(host)
	if !n.asking && time.Now().Before(n.until) {
		done(n.addr)
		return
	}
	n.waiting = append(n.waiting, done)
	if n.asking {
		return
	}
	n.asking = true
	if !e.spawn(func() { e.ask(host, n) }) {
		e.names.answer(n, netip.Addr{})
	}
}

// entry gives a name's entry; the caller holds mu.
func (s *directory) entry(host string) *name {
	if n := s.known[host]; n != nil {
		return n
	}
	if len(s.known) >= maxNames {
		for h, n := range s.known {
			if !n.asking {
				delete(s.known, h)
			}
		}
	}
	if s.known == nil {
		s.known = map[string]*name{}
	}
	n := &name{}
	s.known[host] = n
	return n
}

func (e *Endpoint) ask(host string, n *name) {
	ctx, cancel := context.WithTimeout(e.running, e.limits.Connect)
	defer cancel()
	var found netip.Addr
	addrs, err := e.resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) > 0 {
		found = addrs[0].Unmap()
	} else if e.notes.due("name "+host, time.Now()) {
		e.log.Warn("host name in Contact or Route not found, the address that was last heard is used", "name", host, "error", err)
	}
	e.names.mu.Lock()
	defer e.names.mu.Unlock()
	e.names.answer(n, found)
}

// answer tells everybody who waits; the caller holds mu, so that nobody who asks later is answered earlier.
func (s *directory) answer(n *name, a netip.Addr) {
	n.addr, n.asking, n.until = a, false, time.Now().Add(resolveTTL)
	waiting := n.waiting
	n.waiting = nil
	for _, done := range waiting {
		done(a)
	}
}
