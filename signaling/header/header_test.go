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

// everything is a message with one of each header that matters, all of them
// naming machines of the leg that they come from.
var everything = []sip.Header{
	&sip.FromHeader{DisplayName: "V1234567890123456789", Address: sip.Uri{Scheme: "sip", User: "7275551234", Host: "10.0.0.11"}},
	sip.NewHeader("X-CIDNAME", "ACME"),
	sip.NewHeader("X-campaignid", "TEST"),
	sip.NewHeader("X-SBC-Carrier", "telco"),
	sip.NewHeader("P-Asserted-Identity", `"V1234567890123456789" <sip:7275551234@10.0.0.11:5060;user=phone;x=10.0.0.11>`),
	sip.NewHeader("Remote-Party-ID", "<sip:7275551234@pbx.inner>;party=calling;privacy=off"),
	sip.NewHeader("Diversion", `"Jane" <sip:7275550100@10.0.0.11>;reason=no-answer`),
	sip.NewHeader("History-Info", "<sip:7275550100@pbx.inner?Reason=SIP%3Bcause%3D302>;index=1, <sip:7275550101@[2001:db8::1]:5060>;index=1.1"),
	sip.NewHeader("Identity", "eyJ.x.y;info=<https://cert.example/a.pem>;alg=ES256;ppt=shaken"),
	sip.NewHeader("Date", "Thu, 26 Nov 2026 07:00:00 GMT"),
	sip.NewHeader("Warning", `399 10.0.0.11 "x"`),
	sip.NewHeader("Reason", "SIP;cause=486, Q.850;cause=17"),
	sip.NewHeader("User-to-User", "56a390f3d2b7310023a2;encoding=hex"),
	sip.NewHeader("P-Early-Media", "sendrecv"),
	sip.NewHeader("Alert-Info", "<http://10.0.0.11/ring>;info=alert-autoanswer, <http://Bellcore-dr1>"),
	sip.NewHeader("Call-Info", "<sip:10.0.0.11>;answer-after=0"),
	sip.NewHeader("Retry-After", "5 (10.0.0.11)"),
	sip.NewHeader("User-Agent", "Asterisk"),
	sip.NewHeader("Content-Type", "application/dtmf-relay"),
	sip.NewHeader("Info-Package", "x"),
	sip.NewHeader("Subject", "lunch"),
}

// crossed writes headers as a message has them.
func crossed(headers []sip.Header) string {
	var lines []string
	for _, h := range headers {
		lines = append(lines, h.Name()+": "+h.Value())
	}
	return strings.Join(lines, "\n")
}

const (
	signed  = "Identity: eyJ.x.y;info=<https://cert.example/a.pem>;alg=ES256;ppt=shaken\nDate: Thu, 26 Nov 2026 07:00:00 GMT\n"
	sounds  = "User-to-User: 56a390f3d2b7310023a2;encoding=hex\nP-Early-Media: sendrecv"
	reason  = "Reason: Q.850;cause=17, SIP;cause=486"
	auto    = "Alert-Info: <http://192.0.2.9/ring>;info=alert-autoanswer, <http://Bellcore-dr1>\nCall-Info: <sip:192.0.2.9>;answer-after=0"
	parties = `Remote-Party-ID: "ACME" <sip:7275551234@192.0.2.9>;party=calling;privacy=off
Diversion: <sip:7275550100@192.0.2.9>;reason=no-answer
History-Info: <sip:7275550100@192.0.2.9>;index=1, <sip:7275550101@192.0.2.9>;index=1.1
`
)

func TestCross(t *testing.T) {
	const p, d, c = transport.Phone, transport.Dialer, transport.Carrier
	asserted := "P-Asserted-Identity: \"ACME\" <sip:7275551234@192.0.2.9;user=phone>\n"
	transit := strings.ReplaceAll(asserted+parties, "ACME", "V1234567890123456789")
	date := strings.Split(signed, "\n")[1] + "\n"
	xs := "X-CIDNAME: ACME\nX-campaignid: TEST\n"
	for _, row := range []struct {
		kind     Kind
		from, to transport.Role
		want     string
	}{
		{Setup, d, c, asserted + parties + signed + reason + "\n" + sounds},
		{Setup, p, c, signed + reason + "\n" + sounds},
		{Setup, c, c, transit + signed + reason + "\n" + sounds},
		{Setup, c, d, signed + reason + "\n" + sounds},
		{Setup, p, d, xs + signed + reason + "\n" + sounds},
		{Setup, d, d, xs + signed + reason + "\n" + sounds},
		{Setup, d, p, "X-campaignid: TEST\n" + date + reason + "\n" + sounds + "\n" + auto},
		{Setup, c, p, date + reason + "\n" + sounds + "\n" + auto},
		{Change, c, d, reason + "\n" + sounds},
		{Change, d, c, reason + "\n" + sounds},
		{Change, d, p, "X-campaignid: TEST\n" + reason + "\n" + sounds + "\n" + auto},
		{Ending, c, d, reason + "\n" + strings.Split(sounds, "\n")[0]},
		{Ending, d, c, reason + "\n" + strings.Split(sounds, "\n")[0]},
		{Answer, c, d, reason + "\n" + sounds + "\nRetry-After: 5 ()"},
		{Answer, d, c, reason + "\n" + sounds + "\nRetry-After: 5 ()"},
		{Answer, d, p, "X-campaignid: TEST\n" + reason + "\n" + sounds + "\n" + auto + "\nRetry-After: 5 ()"},
		{Answer, p, d, "X-campaignid: TEST\n" + reason + "\n" + sounds + "\nRetry-After: 5 ()"},
		{Message, d, c, date + "Content-Type: application/dtmf-relay\nInfo-Package: x"},
		{Message, c, d, date + "Content-Type: application/dtmf-relay\nInfo-Package: x"},
		{Reply, c, d, "Retry-After: 5 ()\nContent-Type: application/dtmf-relay"},
		{Reply, p, d, "X-campaignid: TEST\nRetry-After: 5 ()\nContent-Type: application/dtmf-relay"},
	} {
		got := crossed(Way{From: row.from, To: row.to, Host: "192.0.2.9"}.Cross(row.kind, everything))
		if got != row.want {
			t.Errorf("%v, %v to %v:\n%s\nwant\n%s", row.kind, row.from, row.to, got, row.want)
		}
	}
}

func TestAValueNeverBecomesTwoHeaders(t *testing.T) {
	out := Way{From: transport.Phone, To: transport.Dialer, Host: "h"}.Cross(Setup, []sip.Header{sip.NewHeader("X-A", "1\r\nRoute: <sip:evil>")})
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
	for i, h := range (Way{From: transport.Carrier, To: transport.Dialer}).Cross(Answer, in) {
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
