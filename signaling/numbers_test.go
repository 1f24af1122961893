package signaling

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"callseal/signaling/header"
)

// A call's numbers on the wire, in both directions, and a caller code that no
// byte sent to the carrier holds.
func TestNumbersOfACall(t *testing.T) {
	const code = "V1123201337000001234"
	us := header.Plan{Country: "1"}
	f := newFixture(t, func(c *Config) {
		c.Table.Trunks[0].Headers = (*header.Rules)(nil).WithNumbers(header.Numbers{
			In:  header.Pair{Called: &header.Rewriter{Strip: 1}},
			Out: header.Pair{Called: &header.Rewriter{Format: header.Digits}, Caller: &header.Rewriter{Format: header.Digits}},
		})
		c.Table.Trunks[1].Headers = (*header.Rules)(nil).WithNumbers(header.Numbers{
			Out: header.Pair{Called: &header.Rewriter{Format: header.Plus, Plan: us}, Caller: &header.Rewriter{Prepend: "77"}},
		}).WithCallerID(header.CallerID{Send: []header.Source{header.Asserted}})
	})
	own := f.invite(1, "X-CIDNAME: ACME "+code+"\nX-Code: "+code+"\nUser-to-User: "+code+"\nReason: SIP;text=\""+code+"\"\n", offer)
	own = strings.NewReplacer("V1234567890123456789", code, "sip:18005551212@", "sip:918005551212@").Replace(own)
	f.dialer.send(own)
	invite := f.carrier.want("INVITE sip:+18005551212@")
	for name, want := range map[string]string{
		"To": "<sip:+18005551212@", "From": `"ACME" <sip:777275551234@`, "Contact": "<sip:777275551234@", "P-Asserted-Identity": `"ACME" <sip:777275551234@`,
	} {
		if got := invite.header(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s...", name, got, want)
		}
	}
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", answerSDP)
	ok := f.dialer.want("SIP/2.0 200")
	f.carrier.want("ACK ")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	if from := ok.header("From"); !strings.Contains(from, code) {
		t.Errorf("the dialer's own name became %s", from)
	}
	f.dialer.send(strings.Replace(f.inDialog("BYE", 103, 1, ok), "\n\n", "\nReason: Q.850;cause=16;text=\""+code+"\"\n\n", 1))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.wantIdle(t)
	for _, text := range f.carrier.seen {
		if strings.Contains(text, code) {
			t.Errorf("the carrier sees the caller code in\n%s", text)
		}
	}
}

// A DID comes without its plus, and a number that is a phone's never alone.
func TestNumbersOfACallThatComesIn(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		digits := &header.Rewriter{Format: header.Digits}
		c.Table.Trunks[0].Headers = (*header.Rules)(nil).WithNumbers(header.Numbers{Out: header.Pair{Called: digits, Caller: digits}}).
			WithCallerID(header.CallerID{Extensions: []*regexp.Regexp{regexp.MustCompile(`\A101\z`)}})
	})
	for n, c := range []struct{ from, want string }{{"+17275551234", "<sip:17275551234@"}, {"101", "<sip:+101@"}} {
		invite := strings.NewReplacer("sip:18005551212@", "sip:+18005551212@", "sip:7275551234@"+dialerIP, "sip:"+c.from+"@"+carrierIP,
			f.Addr("dialers").String(), f.Addr("carriers").String(), f.dialer.addr().String(), f.carrier.addr().String()).Replace(f.invite(n+1, "", offer))
		f.carrier.send(invite)
		got := f.dialer.want("INVITE sip:18005551212@")
		if from := got.header("From"); !strings.Contains(from, c.want) {
			t.Errorf("%s: %s, want %s", c.from, from, c.want)
		}
		f.dialer.answer(got, "486 Busy Here", "dialertag", "", "")
		f.dialer.want("ACK ")
		if to := f.carrier.want("SIP/2.0 486").header("To"); !strings.HasPrefix(to, "<sip:+18005551212@") {
			t.Errorf("the carrier is answered with To %s", to)
		}
	}
}

// counted adds up a counter, or what a histogram has observed, of all label
// values given as name=value.
func (f *fixture) counted(t *testing.T, name string, labels ...string) (n float64) {
	t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var has []string
			for _, l := range m.GetLabel() {
				has = append(has, l.GetName()+"="+l.GetValue())
			}
			if family.GetName() == name && !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
				n += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return n
}

// A call is counted by what its caller code says, and by who carried it.
func TestCallTypes(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1) // V and 19 digits
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	for n, display := range []string{"M1123201337000001234", "S1123201337001234567", "Jane"} {
		f.dialer.send(strings.Replace(f.invite(n+2, "", offer), "V1234567890123456789", display, 1))
		invite := f.carrier.want("INVITE ")
		f.carrier.answer(invite, "486 Busy Here", "carriertag", "", "")
		f.dialer.send(f.inDialog("ACK", 102, n+2, f.dialer.want("SIP/2.0 486")))
	}
	f.wantIdle(t)
	for callType, want := range map[string]string{"auto": "answered", "manual": "busy", "login": "busy", "other": "busy"} {
		class, origin := "4xx", "carrier"
		if want == "answered" {
			class, origin = "2xx", "dialer"
		}
		if n := f.counted(t, "callseal_calls_total", "from=dialer", "to=carrier", "dialer=dialer1", "carrier=telco", "call_type="+callType,
			"outcome="+want, "class="+class, "origin="+origin); n != 1 {
			t.Errorf("%v %s calls %s, want 1", n, callType, want)
		}
		if !strings.Contains(f.logs.String(), "call_type="+callType) {
			t.Errorf("no log line of a call of type %s", callType)
		}
	}
	if n := f.counted(t, "callseal_call_talk_seconds", "from=dialer", "to=carrier", "carrier=telco"); n != 1 {
		t.Errorf("%v calls with telco were timed, want 1", n)
	}
}
