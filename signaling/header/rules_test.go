package header

import (
	"regexp"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

func TestRules(t *testing.T) {
	set := map[string]string{"X-Account": "42", "Privacy": "none"}
	for _, row := range []struct {
		name        string
		pass, strip []string
		kind        Kind
		from, to    transport.Role
		in, want    string
	}{
		{"nothing said", nil, nil, Answer, transport.Dialer, transport.Carrier, "X-A: 1|Subject: x|Reason: y", "Reason: y"},
		{"X- headers toward a carrier", []string{"X-a", "X-Acme-*"}, nil, Setup, transport.Dialer, transport.Carrier,
			"X-A: 1|X-B: 2|X-ACME-C: 3|X-CIDNAME: J", "X-A: 1|X-ACME-C: 3|Privacy: none|X-Account: 42"},
		{"all X- headers but those of ours", []string{"X-*"}, nil, Answer, transport.Dialer, transport.Carrier, "X-A: 1|X-CIDNAME: J|X-SBC-Carrier: x", "X-A: 1"},
		{"a carrier's X- toward a dialer", []string{"X-Trunk-Group"}, nil, Setup, transport.Carrier, transport.Dialer,
			"X-Trunk-Group: 7 at 10.1.2.3|X-B: 2", "X-Trunk-Group: 7 at |Privacy: none|X-Account: 42"},
		{"a header in no row", []string{"subject", "P-Charge-Info"}, nil, Message, transport.Dialer, transport.Carrier,
			"Subject: x|P-Charge-Info: <sip:1@10.0.0.11:5060>", "Subject: x|P-Charge-Info: <sip:1@us>"},
		{"Diversion toward a dialer, still rewritten", []string{"Diversion"}, nil, Setup, transport.Carrier, transport.Dialer,
			"Diversion: <sip:1@10.0.0.11>;reason=x", "Diversion: <sip:1@us>;reason=x|Privacy: none|X-Account: 42"},
		{"not in messages where it means nothing", []string{"Diversion"}, nil, Answer, transport.Carrier, transport.Dialer, "Diversion: <sip:1@10.0.0.11>", ""},
		{"a phone's word for who it is", []string{"P-Asserted-Identity"}, nil, Setup, transport.Phone, transport.Carrier,
			"P-Asserted-Identity: <sip:1@h>", "Privacy: none|X-Account: 42"},
		{"strip", nil, []string{"reason", "X-*"}, Answer, transport.Dialer, transport.Phone, "Reason: y|X-A: 1|Retry-After: 3", "Retry-After: 3"},
		{"strip beats pass", []string{"X-*"}, []string{"X-B"}, Answer, transport.Dialer, transport.Carrier, "X-A: 1|X-B: 2", "X-A: 1"},
		{"set replaces", nil, nil, Setup, transport.Dialer, transport.Carrier, "Privacy: critical|P-Early-Media: sendonly", "P-Early-Media: sendonly|Privacy: none|X-Account: 42"},
	} {
		var in []sip.Header
		for line := range strings.SplitSeq(row.in, "|") {
			name, value, _ := strings.Cut(line, ": ")
			in = append(in, sip.NewHeader(name, value))
		}
		way := Way{From: row.from, To: row.to, Rules: NewRules(row.pass, row.strip, set, false), Host: "us"}
		if got := strings.ReplaceAll(crossed(way.Cross(row.kind, in)), "\n", "|"); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestCheckRules(t *testing.T) {
	const d, c = transport.Dialer, transport.Carrier
	for _, row := range []struct{ what, want string }{
		{first(CheckPass(c, "X-Account")), ""},
		{first(CheckPass(c, "X-Acme-*")), ""},
		{first(CheckPass(d, "Diversion")), ""},
		{first(CheckStrip(c, "Reason")), ""},
		{first(CheckSet(c, "P-Asserted-Identity", "<sip:1@x>")), ""},
		{first(CheckPass(c, "")), "is empty"},
		{first(CheckPass(c, "*")), "may have a * only at the end of a name that begins with X-"},
		{first(CheckSet(c, "X-*", "1")), "may have a * only at the end of a name that begins with X-"},
		{first(CheckPass(c, "X Y:")), "is no name of a header"},
		{first(CheckPass(c, "via")), "is made by callseal for each leg by itself"},
		{first(CheckStrip(c, "Contact")), "is made by callseal for each leg by itself"},
		{first(CheckSet(c, "Call-ID", "1")), "is made by callseal for each leg by itself"},
		{first(CheckPass(d, "P-Asserted-Identity")), "is never sent to a dialer"},
		{first(CheckSet(d, "Remote-Party-ID", "<sip:1@x>")), "is never sent to a dialer"},
		{first(CheckPass(c, "X-CIDNAME")), "is never sent to a carrier"},
		{first(CheckSet(c, "X-A", " ")), "has no value"},
		{first(CheckSet(c, "X-A", "1\r\nVia: x")), "has a line break or another control character in its value"},
	} {
		if row.what != row.want {
			t.Errorf("%q, want %q", row.what, row.want)
		}
	}
}

func first(what, _ string) string { return what }

// TestAddresses: where URIs and addresses may stand, and what is left of them.
func TestAddresses(t *testing.T) {
	way := Way{Host: "us"}
	for _, row := range []struct{ in, want string }{
		{"<sip:10.0.0.11>;answer-after=0", "<sip:us>;answer-after=0"},
		{"<SIPS:bob:secret@pbx.inner:5061;transport=tcp;maddr=10.0.0.1>", "<SIPS:bob@us;transport=tcp;maddr=>"},
		{"sip:[2001:db8::1]:5060", "sip:us"},
		{"<https://www.inner.example:8443/a/10.0.0.1.png>", "<https://us/a/.png>"},
		{"<http://Bellcore-dr3>;x", "<http://Bellcore-dr3>;x"},
		{"<urn:alert:service:auto>", "<urn:alert:service:auto>"},
		{`"at 10.0.0.1" <sip:a@h>, <sip:b@10.0.0.2>`, `"at " <sip:a@us>, <sip:b@us>`},
	} {
		if got := way.atOurHost(row.in); got != row.want {
			t.Errorf("%s: %s, want %s", row.in, got, row.want)
		}
	}
	for _, row := range []struct{ in, want string }{
		{`"a, <b> \"c" <sip:1;rn=2@h;user=phone;maddr=10.0.0.1>;reason=x, sip:3@h;counter=1`, "<sip:1;rn=2@us;user=phone>;reason=x, <sip:3@us>;counter=1"},
		{"<tel:+1555;phone-context=inner.example>", "<tel:+1555>"},
		{"<sip:10.0.0.1>", ""},
		{"<sip:10.0.0.1@h>", ""},
		{"<http://h/>", ""},
		{`"open`, ""},
		{"<sip:1@h", ""},
		{`"x" sip:1@h`, ""},
	} {
		if got := way.parties(row.in, "", secrets{}, nil, nil); got != row.want {
			t.Errorf("%s: %s, want %s", row.in, got, row.want)
		}
	}
}

// Whatever is in a message, no value on the other leg holds a control
// character, which could begin another header, and no address of the leg that
// it came from. Identity is exempt from the latter: it is signed.
func TestPropertyNothingLeaks(t *testing.T) {
	const address, v6, inner = "10.98.76.54", "2001:db8:77::1", "pbx.inner"
	host := regexp.MustCompile(`(sips?:|@|http://)pbx\.inner([:>/, ]|$)`)
	pieces := []string{
		address, "[" + v6 + "]", v6, "sip:" + inner, "<sip:1@" + inner + ":5060>", "sips:bob@" + address, `"`, `\`, ",", ";", "<", ">", "@" + inner, "=", " ", "tel:+1",
		"\r\n", "\x00", "\x7f", "privacy=off", "user=phone", "maddr=" + address, "?Reason=" + address, "Q.850;cause=17", "http://" + inner + "/x", "text", "é", "\xff", ":",
	}
	var names []string
	for _, r := range table {
		names = append(names, strings.Replace(r.name, "*", "Foo", 1))
	}
	names = append(names, "Subject", "Warning", "Via", "Contact", "Record-Route")
	rapid.Check(t, func(t *rapid.T) {
		var in []sip.Header
		for range rapid.IntRange(1, 6).Draw(t, "headers") {
			value := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "value"), "")
			in = append(in, sip.NewHeader(rapid.SampledFrom(names).Draw(t, "name"), value))
		}
		way := Way{
			From: rapid.SampledFrom(transport.Roles()).Draw(t, "from"), To: rapid.SampledFrom(transport.Roles()).Draw(t, "to"), Host: "192.0.2.9",
			Rules: NewRules([]string{"X-*", "Subject", "Warning", "Diversion", "Call-Info"}, nil, nil, rapid.Bool().Draw(t, "trust")),
		}
		for _, h := range way.Cross(Kind(rapid.IntRange(1, int(every)).Draw(t, "kind")), in) {
			if strings.ContainsFunc(h.Value(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("%s: %q", h.Name(), h.Value())
			}
			if h.Name() == "Identity" || h.Name() == "Date" {
				continue
			}
			if host.MatchString(h.Value()) {
				t.Fatalf("%v to %v, %s: %q", way.From, way.To, h.Name(), h.Value())
			}
			for _, secret := range []string{address, v6} {
				if strings.Contains(h.Value(), secret) {
					t.Fatalf("%v to %v, %s: %q", way.From, way.To, h.Name(), h.Value())
				}
			}
		}
	})
}
