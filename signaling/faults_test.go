package signaling

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// noNames is a resolver that is out of order.
type noNames struct{}

func (noNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no server answers")
}

// Whatever fails here: a dialer hears 503, and a phrase of ours. Any other code
// would say something of the number, and VICIdial would mark the lead.
func TestEveryFaultOfOursIs503(t *testing.T) {
	carrier := func(edit func(*trunk.Trunk)) func(*Config) {
		return func(c *Config) { edit(c.Table.Trunks[1]) }
	}
	closed, err := net.Listen("tcp", carrierIP+":0") // a port that nobody has any more
	if err != nil {
		t.Fatal(err)
	}
	nobody := uint16(closed.Addr().(*net.TCPAddr).Port)
	_ = closed.Close()
	over := func(proto transport.Proto) func(*Config) {
		return carrier(func(t *trunk.Trunk) {
			t.Target.Proto, t.Target.Port, t.Target.TLS = proto, nobody, &transport.ClientTLS{ServerName: "telco.example"}
		})
	}
	for _, c := range []struct {
		name   string
		edit   func(*Config)
		before func(*fixture)
		extra  string // headers of the INVITE
		answer string // of the carrier, which is asked where that is not ""
		body   string
	}{
		{name: "no route", edit: func(c *Config) { c.Table.Routes = nil }},
		{name: "an unknown carrier", extra: "X-SBC-Carrier: nobody\n"},
		{name: "draining", before: func(f *fixture) { f.drain() }},
		{name: "too many calls", edit: func(c *Config) { c.Limits.Calls = 1 }, before: func(f *fixture) { f.answered(9) }},
		{name: "too much memory", edit: func(c *Config) { c.Limits.Memory = 1 }},
		{name: "a panic", before: func(f *fixture) { f.faulty.Store(true) }},
		{name: "no TCP port there", edit: over(transport.TCP)},
		{name: "no TLS port there", edit: over(transport.TLS)},
		{name: "no name", edit: func(c *Config) {
			carrier(func(t *trunk.Trunk) { t.Target.Host = "telco.example" })(c)
			c.Resolver = noNames{}
		}},
		{name: "it rings too long", edit: func(c *Config) { c.Limits.Ring = 50 * time.Millisecond }, answer: "180 Ringing"},
		{name: "no SDP in the answer", answer: "200 OK"},
		{name: "no usable SDP", answer: "200 OK", body: strings.Replace(answerSDP, "m=audio 31000", "m=audio 0", 1)},
		{name: "no SRTP", edit: carrier(func(t *trunk.Trunk) { t.Media, t.Suites = sdp.Required, []sdp.Suite{1} }), answer: "200 OK", body: answerSDP},
		{name: "a redirection", answer: "302 Moved Temporarily"},
		{name: "other services", answer: "380 Alternative Service"},
		{name: "a password", answer: "407 Proxy Authentication Required"},
		{name: "another password", answer: "401 Unauthorized"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.edit)
			if c.before != nil {
				c.before(f)
			}
			f.dialer.send(f.invite(1, c.extra, offer))
			if c.answer != "" {
				invite, extra := f.carrier.want("INVITE "), ""
				if c.body != "" {
					extra = "Content-Type: application/sdp\n"
				}
				f.carrier.answer(invite, c.answer, "carriertag", extra, c.body)
			}
			got := f.dialer.want("SIP/2.0 503 ")
			line, _, _ := strings.Cut(got.text, "\r\n")
			phrase := strings.TrimPrefix(line, "SIP/2.0 503 ")
			if phrase == "" || len(phrase) > 50 || strings.Trim(phrase, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._") != "" {
				t.Errorf("the phrase %q cannot be stored", phrase)
			}
			t.Log(line)
			f.dialer.send(f.inDialog("ACK", 102, 1, got))
			if c.answer == "200 OK" { // nothing of it is left
				f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
				f.wantIdle(t)
			}
		})
	}
}
