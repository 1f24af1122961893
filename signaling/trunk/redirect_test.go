package trunk

import (
	"net/netip"
	"testing"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Where a redirection may lead to, and where it may not.
func TestRedirect(t *testing.T) {
	make := func(name string, role transport.Role, proto transport.Proto, host string, port uint16, sources string) *Trunk {
		return &Trunk{
			Target:  transport.Target{Trunk: name, Role: role, Proto: proto, Host: host, Port: port},
			Sources: []netip.Prefix{netip.MustParsePrefix(sources)},
		}
	}
	udp := make("udp", transport.Carrier, transport.UDP, "sip.telco.example", 5060, "192.0.2.0/28")
	tls := make("tls", transport.Carrier, transport.TLS, "sips.telco.example", 5061, "198.51.100.0/28")
	six := make("six", transport.Carrier, transport.UDP, "2001:db8::1", 0, "2001:db8::/64")
	dialer := make("dialer", transport.Dialer, transport.UDP, "10.0.0.11", 5060, "10.0.0.11/32")
	table := Table{Trunks: []*Trunk{dialer, udp, tls, six}}
	for _, c := range []struct {
		from      *Trunk
		uri, want string
	}{
		{udp, "sip:1@sip.telco.example", "udp named"},
		{udp, "sip:1@SIP.Telco.Example.:5060;transport=tcp", "udp named"},
		{udp, "sip:1@sip.telco.example:5070", ""},
		{udp, "sip:1@192.0.2.7", "udp 192.0.2.7:5060"},
		{udp, "sip:1@192.0.2.7:5070", "udp 192.0.2.7:5070"},
		{udp, "sip:1@192.0.2.77", ""},
		{udp, "sip:1@127.0.0.1", ""},
		{udp, "sip:1@169.254.169.254", ""},
		{udp, "sip:1@10.0.0.11", ""}, // a dialer
		{udp, "sips:1@sip.telco.example", ""},
		{udp, "sips:1@sips.telco.example", "tls named"},
		{udp, "sip:1@sips.telco.example", "tls named"},
		{udp, "sip:1@sips.telco.example.evil.example", ""},
		{tls, "sip:1@198.51.100.3:5099", "tls"},
		{tls, "sips:1@198.51.100.30", ""},
		{udp, "sip:1@[2001:db8::1]", "six named"},
		{udp, "sip:1@[2001:db8::7]:5062", "six [2001:db8::7]:5062"},
		{udp, "tel:+1555", ""},
		{udp, "http://sip.telco.example", ""},
		{dialer, "sip:1@10.0.0.11", "dialer named"},
		{dialer, "sip:1@sip.telco.example", ""},
	} {
		var uri sip.Uri
		if err := sip.ParseUri(c.uri, &uri); err != nil {
			t.Fatal(c.uri, err)
		}
		got := ""
		if p, ok := table.Redirect(c.from, uri); ok {
			got = p.Trunk.Name()
			if p.Named {
				got += " named"
			}
			if p.Addr.IsValid() {
				got += " " + p.Addr.String()
			}
		}
		if got != c.want {
			t.Errorf("%s redirects to %s: %q, want %q", c.from.Name(), c.uri, got, c.want)
		}
	}
}
