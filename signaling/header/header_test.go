package header

import (
	"regexp"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

func TestPhrase(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "Busy Here", "Busy Here"},
		{"quote and dashes", "it's -----gone", "it s gone"},
		{"empty", "", ""},
		{"only signs", "!!!", ""},
		{"umlaut", "Störung", "St rung"},
		{"long", strings.Repeat("ab ", 30), strings.TrimSpace(strings.Repeat("ab ", 17)[:50])},
	} {
		if got := Phrase(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	safe := regexp.MustCompile(`^[A-Za-z0-9 ._]{0,50}$`)
	rapid.Check(t, func(t *rapid.T) {
		if p := Phrase(rapid.String().Draw(t, "phrase")); !safe.MatchString(p) {
			t.Fatalf("%q", p)
		}
	})
}

func TestCross(t *testing.T) {
	in := []sip.Header{
		sip.NewHeader("X-CIDNAME", "ACME"),
		sip.NewHeader("X-campaignid", "TEST"),
		sip.NewHeader("P-Asserted-Identity", "<sip:1@10.0.0.1>"),
		sip.NewHeader("Remote-Party-ID", "<sip:1@10.0.0.1>"),
		sip.NewHeader("Identity", "eyJ.x.y;info=<https://c>;alg=ES256"),
		sip.NewHeader("Warning", `399 10.0.0.1 "x"`),
		sip.NewHeader("Reason", `SIP;cause=486, Q.850;cause=17`),
		sip.NewHeader("User-Agent", "Asterisk"),
	}
	for _, c := range []struct {
		from, to transport.Role
		want     string
	}{
		{transport.Dialer, transport.Carrier, "Identity,Reason"},
		{transport.Carrier, transport.Dialer, "Identity,Reason"},
		{transport.Phone, transport.Dialer, "X-CIDNAME,X-campaignid,Identity,Reason"},
		{transport.Dialer, transport.Phone, "X-campaignid,Reason"},
	} {
		var names []string
		for _, h := range Cross(in, c.from, c.to) {
			names = append(names, h.Name())
			if h.Name() == "Reason" && h.Value() != "Q.850;cause=17, SIP;cause=486" {
				t.Errorf("Reason: %s", h.Value())
			}
		}
		if got := strings.Join(names, ","); got != c.want {
			t.Errorf("%v: %s, want %s", c.to, got, c.want)
		}
	}
}

func TestAValueNeverBecomesTwoHeaders(t *testing.T) {
	out := Cross([]sip.Header{sip.NewHeader("X-A", "1\r\nRoute: <sip:evil>")}, transport.Phone, transport.Dialer)
	if len(out) != 1 || strings.ContainsAny(out[0].Value(), "\r\n") {
		t.Errorf("%q", out)
	}
	if got := Clean("M\xfcller\x01 \u00fc\x7f"); got != "M\xfcller  \u00fc " {
		t.Errorf("octets of another character set: %q", got)
	}
}

func TestForeignWordsNameNoMachine(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"No route to 10.9.8.7", "No route to"},
		{"gw 2001:db8::1 down", "gw down"},
		{"gw 2001:db8:0:0:0:0:0:1 down", "gw down"},
		{"sip:x@pbx.example.com unknown", "sip x unknown"},
		{"Q.850 cause 17", "Q.850 cause 17"},
	} {
		if got := Foreign(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestReasonOrder(t *testing.T) {
	var in []sip.Header
	for _, v := range []string{`SIP;cause=480;text="a, Q.850 \"b", X;cause=1`, `SIP;cause=1,Q.850;cause=2`, "Q.850;cause=3"} {
		in = append(in, sip.NewHeader("Reason", v))
	}
	want := []string{`Q.850;cause=2, SIP;cause=1`, "Q.850;cause=3", `SIP;cause=480;text="a, Q.850 \"b", X;cause=1`}
	for i, h := range Cross(in, transport.Carrier, transport.Dialer) {
		if h.Value() != want[i] {
			t.Errorf("%d: %s, want %s", i, h.Value(), want[i])
		}
	}
}

func TestNumber(t *testing.T) {
	var tel sip.Uri
	if err := sip.ParseUri("tel:+1555;phone-context=x", &tel); err != nil {
		t.Fatal(err)
	}
	for want, uri := range map[string]sip.Uri{"+1555": tel, "1%23;x": {Scheme: "sip", User: "1%23;x", Host: "h"}, "": {Scheme: "sip", Host: "h"}} {
		if got := Number(uri); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDisplay(t *testing.T) {
	invite := func(cidname string) *sip.Request {
		req := sip.NewRequest(sip.INVITE, sip.Uri{Host: "x"})
		req.AppendHeader(&sip.FromHeader{DisplayName: "V1234567890123456789", Address: sip.Uri{User: "1", Host: "h"}})
		if cidname != "" {
			req.AppendHeader(sip.NewHeader("X-CIDNAME", cidname))
		}
		return req
	}
	for _, c := range []struct {
		name, cidname, want string
		to                  transport.Role
	}{
		{"dialer keeps the caller code", "ACME", "V1234567890123456789", transport.Dialer},
		{"carrier never sees it", "", "", transport.Carrier},
		{"carrier sees X-CIDNAME", `AC"ME\`, "ACME", transport.Carrier},
	} {
		if got := Display(invite(c.cidname), c.to); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
