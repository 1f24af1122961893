package header

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// FuzzCross: no value, however broken, becomes two headers or stops the call.
func FuzzCross(f *testing.F) {
	f.Add("P-Asserted-Identity", `"a\"b" <sip:1;x=2@[2001:db8::1]:5060;user=phone?a=b>;c="d,e", tel:+1-555;x`)
	f.Add("Reason", `SIP;text="a, Q.850 \"b", Q.850;cause=17`)
	f.Add("Privacy", "id;user, critical")
	f.Add("Call-Info", "<http://x.y/z>;purpose=icon, <sip:>;answer-after=0\r\n")
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, from := range transport.Roles() {
			for _, to := range transport.Roles() {
				way := Way{From: from, To: to, Host: "[2001:db8::9]", Rules: NewRules([]string{name}, nil, nil, from == to)}
				for _, h := range way.Cross(every, []sip.Header{sip.NewHeader(name, value)}) {
					if strings.ContainsAny(h.Value(), "\r\n\x00") || h.Value() == "" {
						t.Errorf("%v to %v, %s: %q", from, to, name, h.Value())
					}
				}
			}
		}
	})
}
