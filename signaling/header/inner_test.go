package header

import (
	"regexp"
	"testing"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Who a call was diverted by reaches a carrier as a number that it knows, and a phone of the house not at all.
func TestDiversions(t *testing.T) {
	origin := NewRules(nil, nil, nil, false).WithCallerID(CallerID{Extensions: []*regexp.Regexp{regexp.MustCompile(`\A86000\d\d\z`)}})
	rewrite, err := NewRewrite("101", "17275550101")
	if err != nil {
		t.Fatal(err)
	}
	digits, plus := &Rewriter{Format: Digits, Plan: Plan{Country: "1"}}, &Rewriter{Format: Plus, Plan: Plan{Country: "1"}}
	mapped := &Rewriter{Rewrites: []Rewrite{rewrite}}
	for _, row := range []struct {
		name, in, want string
		from, to       transport.Role
		pass           []string
		caller         *Rewriter
		dialled        string
	}{
		{"a number", "Diversion: <sip:7275550000@h>;reason=no-answer", "Diversion: <sip:+17275550000@us>;reason=no-answer", transport.Dialer, transport.Carrier, nil, plus, ""},
		{"an extension", `Diversion: "Jane" <sip:100@h>;reason=no-answer`, "", transport.Dialer, transport.Carrier, nil, plus, ""},
		{"an extension behind a number", "Diversion: <sip:7275550000@h>;reason=no-answer, <tel:100>", "Diversion: <sip:7275550000@us>;reason=no-answer", transport.Dialer, transport.Carrier, nil, nil, ""},
		{"a name", "Diversion: <sip:jane.doe@h>", "", transport.Dialer, transport.Carrier, nil, nil, ""},
		{"a phone with a long extension", "Diversion: <sip:7000101@h>, <sip:7000102@h>", "Diversion: <sip:7000102@us>", transport.Dialer, transport.Carrier, nil, nil, ""},
		{"what caller_id.extensions names", "Diversion: <sip:8600051@h>", "", transport.Dialer, transport.Carrier, nil, nil, ""},
		{"an extension that is written as a number", "Diversion: <sip:101@h>", "Diversion: <sip:17275550101@us>", transport.Dialer, transport.Carrier, nil, mapped, ""},
		{"the carrier is to see it", "Diversion: <sip:100@h>", "Diversion: <sip:100@us>", transport.Dialer, transport.Carrier, []string{"diversion"}, nil, ""},
		{"of a carrier", "Diversion: <sip:100@h>", "Diversion: <sip:100@us>", transport.Carrier, transport.Carrier, nil, nil, ""},
		{"history", "History-Info: <sip:7275550000@h?Reason=SIP%3Bcause%3D302>;index=1, <sip:100@h>;index=1.1, <sip:18005551212@h>;index=1.1.1",
			"History-Info: <sip:17275550000@us>;index=1, <sip:00118005551212@us>;index=1.1.1", transport.Dialer, transport.Carrier, nil, digits, "00118005551212"},
		{"history of the number called, with a +", "History-Info: <sip:+18005551212@h>;index=1", "History-Info: <sip:8005551212@us>;index=1", transport.Dialer, transport.Carrier, nil, nil, "8005551212"},
		{"history that is shown", "History-Info: <sip:100@h>;index=1", "History-Info: <sip:100@us>;index=1", transport.Dialer, transport.Carrier, []string{"History-Info"}, nil, "1"},
		{"toward a dialer by headers.pass", "Diversion: <sip:100@h>", "Diversion: <sip:100@us>", transport.Carrier, transport.Dialer, []string{"Diversion"}, nil, ""},
		{"the caller code", "Diversion: <sip:V1234567890123456789@h>", "", transport.Dialer, transport.Carrier, nil, nil, ""},
	} {
		rules := NewRules(row.pass, nil, nil, false).WithNumbers(Numbers{Out: Pair{Caller: row.caller}})
		way := Way{From: row.from, To: row.to, Rules: rules, Origin: origin, Host: "us", Dialled: row.dialled, IsInner: func(user string) bool { return user == "7000101" }}
		if got := crossed(way.Cross(Setup, call(row.in).Headers())); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// What an Identity vouches for is not written anew, and extensions are hidden all the same.
func TestDiversionOfASignedCall(t *testing.T) {
	rules := NewRules(nil, nil, nil, false).WithNumbers(Numbers{Out: Pair{Caller: &Rewriter{Format: Plus, Plan: Plan{Country: "1"}}}})
	way := Way{From: transport.Dialer, To: transport.Carrier, Rules: rules, Host: "us", Dialled: "1"}
	const want = "Diversion: <sip:7275550000@us>"
	var got []sip.Header
	for _, h := range way.Cross(Setup, call("Diversion: <sip:7275550000@h>, <sip:100@h>", "Identity: a.b.c;info=<x>", "Date: Thu, 26 Nov 2026 07:00:00 GMT").Headers()) {
		if h.Name() == "Diversion" {
			got = append(got, h)
		}
	}
	if crossed(got) != want {
		t.Errorf("%s, want %s", crossed(got), want)
	}
}
