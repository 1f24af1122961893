package call

import (
	"net/netip"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestAddressOfAURI(t *testing.T) {
	for _, c := range []struct {
		name string
		uri  sip.Uri
		want string
	}{
		{"IPv4 with port", sip.Uri{Host: "192.0.2.1", Port: 5080}, "192.0.2.1:5080"},
		{"IPv4 without", sip.Uri{Host: "192.0.2.1"}, "192.0.2.1:5060"},
		{"IPv6", sip.Uri{Host: "2001:db8::1"}, "[2001:db8::1]:5060"},
		{"IPv6 in brackets", sip.Uri{Host: "[2001:db8::1]", Port: 5070}, "[2001:db8::1]:5070"},
		{"name", sip.Uri{Host: "pbx.example.com"}, "invalid AddrPort"},
		{"port out of range", sip.Uri{Host: "192.0.2.1", Port: 99999}, "192.0.2.1:5060"},
	} {
		if got := address(c.uri).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestReachable(t *testing.T) {
	for _, c := range []struct {
		name, to, known string
		want            bool
	}{
		{"same family", "192.0.2.1", "192.0.2.9", true},
		{"mapped", "::ffff:192.0.2.1", "192.0.2.9", true},
		{"unspecified", "0.0.0.0", "192.0.2.9", false},
		{"other family", "2001:db8::1", "192.0.2.9", false},
	} {
		if got := reachable(netip.MustParseAddr(c.to), netip.MustParseAddr(c.known)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if reachable(netip.Addr{}, netip.MustParseAddr("192.0.2.9")) {
		t.Error("no address at all is reachable")
	}
}
