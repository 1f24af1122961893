package trunk

import (
	"net/netip"
	"testing"

	"callseal/signaling/transport"
)

func named(name string, role transport.Role, sources ...string) *Trunk {
	t := &Trunk{Target: transport.Target{Trunk: name, Role: role, Proto: transport.TLS}}
	for _, s := range sources {
		t.Sources = append(t.Sources, netip.MustParsePrefix(s))
	}
	return t
}

func table() *Table {
	d1, d2 := named("dialer1", transport.Dialer, "10.0.0.11/32"), named("dialer2", transport.Dialer, "10.0.0.0/24", "2001:db8::/64")
	telco := named("telco", transport.Carrier, "203.0.113.0/28")
	return &Table{Trunks: []*Trunk{d1, d2, telco}, Routes: []Route{
		{From: transport.Dialer, To: To(telco)}, {From: transport.Carrier, To: To(d1)}, {From: transport.Carrier, To: To(d2)},
	}}
}

func name(t *Trunk) string {
	if t == nil {
		return ""
	}
	return t.Name()
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		what, addr, want string
		role             transport.Role
	}{
		{"the first that fits", "10.0.0.11", "dialer1", transport.Dialer},
		{"a network", "10.0.0.12", "dialer2", transport.Dialer},
		{"IPv4 mapped into IPv6", "::ffff:10.0.0.11", "dialer1", transport.Dialer},
		{"IPv6", "2001:db8::5", "dialer2", transport.Dialer},
		{"another role's address", "10.0.0.11", "", transport.Carrier},
		{"a stranger", "192.0.2.1", "", transport.Dialer},
		{"a carrier", "203.0.113.15", "telco", transport.Carrier},
		{"just outside", "203.0.113.16", "", transport.Carrier},
	} {
		if got := name(table().Identify(c.role, netip.MustParseAddr(c.addr))); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestByName(t *testing.T) {
	for want, ok := range map[string]bool{"telco": true, "dialer2": true, "": false, "Telco": false} {
		if got := table().ByName(want); (got != nil) != ok {
			t.Errorf("%q: %v", want, got)
		}
	}
}
