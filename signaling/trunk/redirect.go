package trunk

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Place is where a redirection leads to.
type Place struct {
	Trunk *Trunk
	// Addr is set where another machine of a trunk is meant than the one in its
	// Target, over UDP.
	Addr netip.AddrPort
	// Named tells whether the URI's host is the one of Target.
	Named bool
}

// Redirect says which trunk the URI of a redirection by from leads to. That is
// from itself or another one of its kind, and the URI names the host of the
// trunk's uri or an address in its sources: whatever else it names is dialled by
// nobody. The trunk's own transport is used, and its own name verified; over TCP
// and TLS an address in sources is reached through the trunk's connection.
func (t *Table) Redirect(from *Trunk, uri sip.Uri) (Place, bool) {
	secure := strings.EqualFold(uri.Scheme, "sips")
	if !secure && !strings.EqualFold(uri.Scheme, "sip") {
		return Place{}, false
	}
	if p, ok := from.place(uri, secure); ok {
		return p, true
	}
	for _, other := range t.Trunks {
		if other == from || other.Role() != from.Role() {
			continue
		}
		if p, ok := other.place(uri, secure); ok {
			return p, true
		}
	}
	return Place{}, false
}

func (t *Trunk) place(uri sip.Uri, secure bool) (Place, bool) {
	proto, port := t.Target.Proto, uint16(uri.Port)
	if secure && proto != transport.TLS || uri.Port < 0 || uri.Port > 65535 {
		return Place{}, false
	}
	host := strings.TrimSuffix(strings.Trim(uri.Host, "[]"), ".")
	own := t.Target.Port
	if own == 0 {
		own = proto.DefaultPort()
	}
	if strings.EqualFold(host, strings.TrimSuffix(t.Target.Host, ".")) && (port == 0 || port == own) {
		return Place{Trunk: t, Named: true}, true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !t.Has(addr) || addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != "" {
		return Place{}, false
	}
	if proto.Stream() {
		return Place{Trunk: t}, true
	}
	if port == 0 {
		port = proto.DefaultPort()
	}
	return Place{Trunk: t, Addr: netip.AddrPortFrom(addr.Unmap(), port)}, true
}
