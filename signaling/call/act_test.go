package call

import (
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestContactFor(t *testing.T) {
	ours := func(transport string) sip.Uri {
		return sip.Uri{Scheme: "sip", User: "1", Host: "192.0.2.9", Port: 5071, UriParams: sip.HeaderParams{{K: "transport", V: transport}}}
	}
	for _, c := range []struct{ name, asked, transport, want string }{
		{"sip", "sip", "tls", "sip:1@192.0.2.9:5071;transport=tls"},
		{"sips", "sips", "tls", "sips:1@192.0.2.9:5071"},
		{"sips that came in the clear", "sips", "udp", "sip:1@192.0.2.9:5071;transport=udp"},
	} {
		contact := contactFor(sip.Uri{Scheme: c.asked}, ours(c.transport))
		if got := contact.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
