package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// errNoAddress says that a name exists and has no address.
var errNoAddress = errors.New("name has no address")

// resolve lists the addresses of a target, IPv6 and IPv4 alternating in the resolver's order, beginning with the family it put first (RFC 8305
// section 4).
func (e *Endpoint) resolve(ctx context.Context, t *Target) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), t.Port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Connect)
	defer cancel()
	addrs, err := e.resolver.LookupNetIP(ctx, "ip", t.Host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: errNoAddress.Error(), Name: t.Host, IsNotFound: true}
	}
	var families [2][]netip.AddrPort // as the first, other
	first := addrs[0].Unmap().Is4()
	for _, a := range addrs {
		other := 0
		if a.Unmap().Is4() != first {
			other = 1
		}
		families[other] = append(families[other], netip.AddrPortFrom(a.Unmap(), t.Port))
	}
	return alternate(families[0], families[1]), nil
}

func alternate(a, b []netip.AddrPort) []netip.AddrPort {
	all := make([]netip.AddrPort, 0, len(a)+len(b))
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
