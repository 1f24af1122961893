package header

import (
	"errors"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

// rewrites makes the list of "match -> replace".
func rewrites(t *testing.T, lines ...string) (all []Rewrite) {
	t.Helper()
	for _, line := range lines {
		match, replace, _ := strings.Cut(line, " -> ")
		rw, err := NewRewrite(match, replace)
		if err != nil {
			t.Fatal(line, err)
		}
		all = append(all, rw)
	}
	return all
}

func TestRewriter(t *testing.T) {
	us := Plan{Country: "1", National: "1", International: "011"}
	de := Plan{Country: "49", National: "0", International: "00"}
	for _, c := range []struct {
		name     string
		r        *Rewriter
		in, want string
	}{
		{"nothing", nil, "12125550100", "12125550100"},
		{"strip", &Rewriter{Strip: 1}, "912125550100", "12125550100"},
		{"strip takes digits and the plus", &Rewriter{Strip: 1}, "+12125550100", "2125550100"},
		{"a shorter number stays", &Rewriter{Strip: 3}, "911", "911"},
		{"names are not stripped", &Rewriter{Strip: 1, Prepend: "9"}, "asterisk", "asterisk"},
		{"prepend", &Rewriter{Prepend: "4711#"}, "12125550100", "4711%2312125550100"},
		{"prepend leaves no plus inside", &Rewriter{Prepend: "00"}, "+12125550100", "0012125550100"},
		{"digits without a country", &Rewriter{Format: Digits}, "+12125550100", "12125550100"},
		{"what has none stays", &Rewriter{Format: Digits}, "2125550100", "2125550100"},
		{"ten digits", &Rewriter{Format: Plus, Plan: us}, "2125550100", "+12125550100"},
		{"eleven", &Rewriter{Format: Plus, Plan: us}, "12125550100", "+12125550100"},
		{"abroad", &Rewriter{Format: Plus, Plan: us}, "011493012345678", "+493012345678"},
		{"a plus already", &Rewriter{Format: Plus, Plan: us}, "+12125550100", "+12125550100"},
		{"a service", &Rewriter{Format: Plus, Plan: us}, "911", "911"},
		{"too long for E.164", &Rewriter{Format: Plus, Plan: us}, "1234567890123456", "1234567890123456"},
		{"stars are no number", &Rewriter{Format: Plus, Plan: us}, "*672125550100", "*672125550100"},
		{"national", &Rewriter{Format: National, Plan: us}, "+12125550100", "2125550100"},
		{"national of another country", &Rewriter{Format: National, Plan: us}, "+493012345678", "493012345678"},
		{"Germany", &Rewriter{Format: Digits, Plan: de}, "03012345678", "493012345678"},
		{"Germany, abroad", &Rewriter{Format: Plus, Plan: de}, "0012125550100", "+12125550100"},
		{"Germany, bare", &Rewriter{Format: Plus, Plan: de}, "493012345678", "+493012345678"},
		{"all four steps", &Rewriter{Strip: 1, Format: Digits, Prepend: "77", Plan: us, Rewrites: rewrites(t, "77(1.*) -> 88$1")}, "92125550100", "8812125550100"},
		{"the first that fits", &Rewriter{Rewrites: rewrites(t, "2.* -> 0", "1(..).* -> ${1}0", "1.* -> 3")}, "12125550100", "210"},
		{"the whole number", &Rewriter{Rewrites: rewrites(t, "1|2 -> 3")}, "12", "12"},
		{"a name", &Rewriter{Rewrites: rewrites(t, "asterisk|anonymous -> 2125550100")}, "asterisk", "2125550100"},
		{"a hash is written as people do", &Rewriter{Rewrites: rewrites(t, "(.*)#(.*) -> $2#$1")}, "1%232", "2%231"},
		{"an empty result is none", &Rewriter{Rewrites: rewrites(t, "(.*)x -> $1")}, "x", "x"},
		{"half an escape is none", &Rewriter{Rewrites: rewrites(t, "(..).* -> $1")}, "%41", "%41"},
		{"parameters stay", &Rewriter{Format: Digits}, "+12125550100;npdi;rn=12125550000", "12125550100;npdi;rn=12125550000"},
		{"a global number has no context", &Rewriter{Format: Plus, Plan: us}, "2125550100;phone-context=+1;oli=0", "+12125550100;oli=0"},
		{"empty", &Rewriter{Prepend: "9"}, "", ""},
	} {
		if got := c.r.Apply(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNewRewrite(t *testing.T) {
	for _, c := range []struct {
		match, replace string
		want           error
	}{
		{"1(.*)", "${1}", nil},
		{"(?P<all>.*)", "9${all}", nil},
		{"1(.*", "1", ErrMatch},
		{"a)(b", "1", ErrMatch},
		{"1(.*)", "$10", ErrGroup},
		{"1(.*)", "${2}", ErrGroup},
		{"1(.*)", "${x}", ErrGroup},
		{"1", "", ErrReplace},
		{"1", "a b", ErrReplace},
		{"1", "a@b", ErrReplace},
		{"1", "a;b", ErrReplace},
		{"1", "$$", nil},
		{"1", "a$", ErrReplace},
	} {
		if _, err := NewRewrite(c.match, c.replace); !errors.Is(err, c.want) {
			t.Errorf("%s -> %s: %v, want %v", c.match, c.replace, err, c.want)
		}
	}
}

// A rewritten number never holds a character that may not stand before the @,
// and stays where it could not be written.
func TestPropertyNumbersFitIntoAURI(t *testing.T) {
	formats := rapid.SampledFrom([]Format{AsItComes, Plus, Digits, National})
	rapid.Check(t, func(t *rapid.T) {
		r := &Rewriter{
			Strip: rapid.IntRange(0, 12).Draw(t, "strip"), Format: formats.Draw(t, "format"), Prepend: rapid.StringMatching(`(\+?[0-9*#]{1,4})?`).Draw(t, "prepend"),
			Plan: Plan{rapid.StringMatching(`[0-9]{0,3}`).Draw(t, "country"), rapid.StringMatching(`[0-9]{0,2}`).Draw(t, "national"), rapid.StringMatching(`[0-9]{0,3}`).Draw(t, "international")},
		}
		match := rapid.SampledFrom([]string{"(.)(.*)", "(.*)(.)", "([0-9]*)(.*)", `(\+?)(.+)`}).Draw(t, "match")
		if rw, err := NewRewrite(match, rapid.SampledFrom([]string{"$1", "$2", "$2$1", "0${2}#", "+${1}"}).Draw(t, "replace")); err == nil {
			r.Rewrites = []Rewrite{rw}
		}
		user := rapid.OneOf(rapid.String(), rapid.StringMatching(`\+?[0-9*#%a-z;=]{1,16}`)).Draw(t, "user")
		got := r.Apply(user)
		number, _, _ := strings.Cut(got, ";")
		if got != user && !isStrictUser(number) {
			t.Fatalf("%q becomes %q", user, got)
		}
		invite := call()
		invite.From().Address.User = got
		var again sip.Uri
		if got != user && isUser(user) && (sip.ParseUri("sip:"+got+"@h", &again) != nil || again.User != got) {
			t.Fatalf("%q becomes %q, which is read as %q", user, got, again.User)
		}
	})
}

// What is rewritten in a call, and in which order.
func TestNumbersOfACall(t *testing.T) {
	origin := NewRules(nil, nil, nil, false).WithNumbers(Numbers{In: Pair{Called: &Rewriter{Strip: 1}, Caller: &Rewriter{Format: Digits, Plan: Plan{Country: "1"}}}})
	rules := NewRules(nil, nil, nil, true).WithNumbers(Numbers{Out: Pair{Called: &Rewriter{Format: Plus, Plan: Plan{Country: "1"}}, Caller: &Rewriter{Prepend: "00"}}})
	way := Way{From: transport.Dialer, To: transport.Carrier, Rules: rules, Origin: origin, Host: "us"}
	if got := way.Called(origin.Came("92125550199")); got != "+12125550199" {
		t.Errorf("called: %s", got)
	}
	told := []string{
		"P-Asserted-Identity: <sip:7275551234@h>, <tel:+1-727-555-1234>", "Remote-Party-ID: <sip:7275551234@h>;party=calling",
		"Diversion: <sip:7275550000@h>;reason=no-answer", "History-Info: <sip:7275550001@h>;index=1",
	}
	if got := way.FromOf(call(), "t").Address.User; got != "0017275551234" {
		t.Errorf("From: %s", got)
	}
	want := "P-Asserted-Identity: <sip:0017275551234@us>, <tel:0017275551234>\nRemote-Party-ID: <sip:0017275551234@us>;party=calling\n" +
		"Diversion: <sip:0017275550000@us>;reason=no-answer\nHistory-Info: <sip:0017275550001@us>;index=1"
	if got := crossed(way.Cross(Setup, call(told...).Headers())); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	signed := call(append(told, "Identity: a.b.c;info=<x>", "Date: Thu, 26 Nov 2026 07:00:00 GMT")...)
	if got := way.FromOf(signed, "t").Address.User; got != "7275551234" {
		t.Errorf("From of a signed call: %s", got)
	}
	if got := way.ToUser(signed, "x"); got != "+18005551212" {
		t.Errorf("To of a signed call: %s", got)
	}
	if got := crossed(way.Cross(Setup, signed.Headers())); !strings.Contains(got, "<sip:7275551234@us>") || !strings.Contains(got, "Date: Thu, 26 Nov 2026 07:00:00 GMT") {
		t.Errorf("a signed call: %s", got)
	}
}

func TestUnescaped(t *testing.T) {
	for in, want := range map[string]string{
		"12125550100": "12125550100", "%31%32": "12", "%2B1": "+1", "%2b%2A1": "+*1", "55%231": "55%231", "a%40b": "a%40b", "%3": "%3", "%zz": "%zz",
		"%00": "%00", "%251": "%251", "1%3bx": "1%3bx", "%41": "A", "%": "%",
		"%%331": "1", "%%%33331900": "31900", "%%33": "%3", "%2%35": "%25",
	} {
		if got := Unescaped(in); got != want {
			t.Errorf("Unescaped(%q) = %q, want %q", in, got, want)
		}
	}
}
