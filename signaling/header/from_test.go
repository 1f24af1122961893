package header

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// call is an INVITE from "V123..." <sip:7275551234@10.0.0.11> to 18005551212.
func call(headers ...string) *sip.Request {
	req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", User: "18005551212", Host: "x"})
	req.AppendHeader(&sip.FromHeader{DisplayName: "V1234567890123456789", Address: sip.Uri{User: "7275551234", Host: "10.0.0.11"}})
	req.AppendHeader(&sip.ToHeader{Address: sip.Uri{User: "+18005551212", Host: "10.0.0.9"}})
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.AppendHeader(sip.NewHeader(name, value))
	}
	return req
}

func TestFrom(t *testing.T) {
	const p, d, c = transport.Phone, transport.Dialer, transport.Carrier
	for _, row := range []struct {
		name     string
		from, to transport.Role
		invite   *sip.Request
		trust    bool
		want     string
	}{
		{"a dialer keeps the caller code", p, d, call("X-CIDNAME: ACME"), false, `"V1234567890123456789" <sip:7275551234@us>;tag=t`},
		{"and from carriers", c, d, call("Privacy: user;id"), false, `"V1234567890123456789" <sip:7275551234@us>;tag=t`},
		{"a phone too", d, p, call("X-CIDNAME: ACME", "Privacy: user"), false, `"V1234567890123456789" <sip:7275551234@us>;tag=t`},
		{"a carrier never sees it", d, c, call(), false, `<sip:7275551234@us>;tag=t`},
		{"nor a phone's name", p, c, call(), false, `<sip:7275551234@us>;tag=t`},
		{"a carrier sees X-CIDNAME", d, c, call(`X-CIDNAME: AC"ME\`), false, `"ACME" <sip:7275551234@us>;tag=t`},
		{"or another carrier's name", c, c, call(), false, `"V1234567890123456789" <sip:7275551234@us>;tag=t`},
		{"user privacy", d, c, call("X-CIDNAME: ACME", "Privacy: user"), false, `"Anonymous" <sip:anonymous@anonymous.invalid>;tag=t`},
		{"user privacy from a carrier", c, p, call("Privacy: user"), false, `"Anonymous" <sip:anonymous@anonymous.invalid>;tag=t`},
		{"a trusted carrier does it itself", d, c, call("X-CIDNAME: ACME", "Privacy: user"), true, `"ACME" <sip:7275551234@us>;tag=t`},
		{"id leaves From", d, c, call("Privacy: id"), false, `<sip:7275551234@us>;tag=t`},
		{"none forbids any service", d, c, call("Privacy: none"), false, `<sip:7275551234@us>;tag=t`},
	} {
		from := Way{From: row.from, To: row.to, Rules: NewRules(nil, nil, nil, row.trust)}.FromOf(row.invite, "t")
		AtHost(from, "us")
		if got := from.Value(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestAnonymousStaysInNobodysDomain(t *testing.T) {
	invite := call()
	invite.From().DisplayName, invite.From().Address = "Anonymous", sip.Uri{Scheme: "sip", User: "anonymous", Host: "Anonymous.Invalid"}
	from := Way{From: transport.Dialer, To: transport.Carrier}.FromOf(invite, "t")
	AtHost(from, "us")
	if got := from.Value(); got != "<sip:anonymous@anonymous.invalid>;tag=t" {
		t.Error(got)
	}
}

// RFC 8224 section 4.1: what is signed must reach the verifier as it was.
func TestASignedCallKeepsItsNumbers(t *testing.T) {
	way := Way{From: transport.Dialer, To: transport.Carrier}
	if got := way.ToUser(call(), "18005551212"); got != "18005551212" {
		t.Errorf("unsigned: %s", got)
	}
	const token = "eyJ.x.y;info=<https://10.0.0.11/a.pem>;alg=ES256 ;ppt=shaken"
	invite := call("Identity: "+token, "Date: Thu, 26 Nov 2026 07:00:00 GMT")
	if got := way.ToUser(invite, "18005551212"); got != "+18005551212" {
		t.Errorf("To of a signed call: %s", got)
	}
	if got := way.FromOf(invite, "t").Address.User; got != "7275551234" {
		t.Errorf("From of a signed call: %s", got)
	}
	if got := crossed(way.Cross(Setup, invite.Headers())); got != "Identity: "+token+"\nDate: Thu, 26 Nov 2026 07:00:00 GMT" {
		t.Errorf("%s", got)
	}
}

func TestPrivacy(t *testing.T) {
	told := []string{
		"P-Asserted-Identity: <sip:1@h>", "Remote-Party-ID: <sip:1@h>;privacy=full", "Diversion: <sip:7275550002@h>;privacy=off, <sip:7275550003@h>;privacy=full",
		"History-Info: <sip:7275550004@h>;index=1, <sip:7275550005@h?Reason=x&Privacy=history>;index=1.1", "Identity: a.b.c;info=<x>",
	}
	for _, row := range []struct {
		wish  string
		trust bool
		want  string // names, and what is left of Privacy
	}{
		{"", false, "P-Asserted-Identity Diversion History-Info Identity"},
		{"none", false, "P-Asserted-Identity Diversion History-Info Identity none"},
		{"id", false, "Diversion History-Info id"},
		{"id;critical", false, "Diversion History-Info id;critical"},
		{"user;id", false, "Diversion History-Info id"},
		{"USER; critical", false, "Diversion History-Info"},
		{"header;session", false, "P-Asserted-Identity Identity"},
		{"history", false, "P-Asserted-Identity Identity"},
		{"id", true, "P-Asserted-Identity Remote-Party-ID Diversion History-Info Identity id"},
		{"user;id", true, "P-Asserted-Identity Remote-Party-ID Diversion History-Info Identity user;id"},
	} {
		headers := told
		if row.wish != "" {
			headers = append(headers[:len(headers):len(headers)], "Privacy: "+row.wish)
		}
		way := Way{From: transport.Dialer, To: transport.Carrier, Rules: NewRules(nil, nil, nil, row.trust), Host: "us"}
		var got []string
		for _, h := range way.Cross(Setup, call(headers...).Headers()) {
			if h.Name() == "Privacy" {
				got = append(got, h.Value())
				continue
			}
			got = append(got, h.Name())
			for name, secret := range map[string]string{"Diversion": "sip:7275550003@", "History-Info": "sip:7275550005@"} {
				if h.Name() == name && strings.Contains(h.Value(), secret) != row.trust {
					t.Errorf("%q: %s", row.wish, h.Value())
				}
			}
		}
		if have := strings.Join(got, " "); have != row.want {
			t.Errorf("Privacy %q, trusted %v: %s, want %s", row.wish, row.trust, have, row.want)
		}
	}
}
