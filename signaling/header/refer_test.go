package header

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseReferTo(t *testing.T) {
	tags := &Replaces{CallID: "a@b", ToTag: "1", FromTag: "2"}
	for _, c := range []struct {
		name, in string
		number   string
		replaces *Replaces
		err      error
	}{
		{"in brackets", "<sip:8500@192.0.2.1>", "8500", nil, nil},
		{"with a name", `"Bob \"<x>\"" <sip:8500@192.0.2.1>;x=1`, "8500", nil, nil},
		{"without brackets", "sip:8500@192.0.2.1", "8500", nil, nil},
		{"chan_sip: no transport", "<sip:8500@sbc.example.com>", "8500", nil, nil},
		{"port and transport", "<sips:8500@[2001:db8::1]:5061;transport=tls>", "8500", nil, nil},
		{"a password is nobody's business", "<sip:8500:secret@x>", "8500", nil, nil},
		{"parameters of the user", "<sip:+1555;phone-context=x@y;user=phone>", "+1555;phone-context=x", nil, nil},
		{"a hash", "<sip:*21#@x>", "*21%23", nil, nil},
		{"tel", "<tel:+1-555-(1212);ext=1>", "+15551212", nil, nil},
		{"INVITE", "<sip:8500@x;method=INVITE>", "8500", nil, nil},
		{"Replaces", "<sip:8500@x?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>", "8500", tags, nil},
		{"among others", "<sip:8500@x?Require=replaces&replaces=a%40b%3bfrom-tag%3d2%3bto-tag%3d1&Route=%3Csip:evil%3E>", "8500", tags, nil},
		{"not escaped", "<sip:8500@x?Replaces=a@b;to-tag=1;from-tag=2>", "8500", tags, nil},
		{"other fields are left out", "<sip:8500@x?Subject=hello>", "8500", nil, nil},
		{"another method", "<sip:8500@x;method=BYE>", "", nil, ErrReferMethod},
		{"no user", "<sip:192.0.2.1>", "", nil, ErrReferNumber},
		{"empty user", "<sip:@192.0.2.1>", "", nil, ErrReferNumber},
		{"no host", "<sip:8500@>", "", nil, ErrReferNumber},
		{"an address as user", "<sip:192.0.2.1@192.0.2.2>", "", nil, ErrReferNumber},
		{"a line break", "<sip:85\r\n00@x>", "", nil, ErrReferNumber},
		{"letters in a tel URI", "<tel:bob>", "", nil, ErrReferNumber},
		{"tel without a number", "<tel:;ext=1>", "", nil, ErrReferNumber},
		{"http", "<http://example.com>", "", nil, ErrReferURI},
		{"nothing", "", "", nil, ErrReferURI},
		{"no end", "<sip:8500@x", "", nil, ErrReferURI},
		{"broken escape", "<sip:8500@x?Replaces=a%4>", "", nil, ErrReplaces},
		{"two of them", "<sip:8500@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>", "", nil, ErrReplaces},
		{"no tags", "<sip:8500@x?Replaces=a>", "", nil, ErrReplaces},
	} {
		got, err := ParseReferTo(c.in)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		same := got.Replaces == nil && c.replaces == nil || got.Replaces != nil && c.replaces != nil && *got.Replaces == *c.replaces
		if got.Number != c.number || !same {
			t.Errorf("%s: %+v, want %s %+v", c.name, got, c.number, c.replaces)
		}
	}
}

func TestParseReplaces(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     string // "" is ErrReplaces
	}{
		{"RFC 3891 section 6.1", "98732@sip.example.com\n  ;from-tag=r33th4x0r\n  ;to-tag=ff87ff", "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r"},
		{"early-only", "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only", "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only"},
		{"capitals and blanks", "a ; TO-TAG = 1 ; From-Tag=2 ; Early-Only", "a;to-tag=1;from-tag=2;early-only"},
		{"other parameters", "a;x=1;to-tag=1;y;from-tag=2", "a;to-tag=1;from-tag=2"},
		{"tag of RFC 2543", "87134@171.161.34.23;to-tag=24796;from-tag=0", "87134@171.161.34.23;to-tag=24796;from-tag=0"},
		{"no from-tag", "a;to-tag=1", ""},
		{"no to-tag", "a;from-tag=1", ""},
		{"two to-tags", "a;to-tag=1;to-tag=2;from-tag=3", ""},
		{"an empty tag", "a;to-tag=;from-tag=3", ""},
		{"a tag that is no token", "a;to-tag=1\r\nx;from-tag=3", ""},
		{"no Call-ID", ";to-tag=1;from-tag=2", ""},
		{"two in one line", "a;to-tag=1;from-tag=2,b;to-tag=1;from-tag=2", ""},
		{"a Call-ID with a line break", "a\r\nVia: b;to-tag=1;from-tag=2", ""},
	} {
		in := strings.ReplaceAll(c.in, "\n  ", " ")
		got, err := ParseReplaces(in)
		if c.want == "" {
			if !errors.Is(err, ErrReplaces) {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestReferToAt(t *testing.T) {
	for _, c := range []struct {
		name string
		to   ReferTo
		want string
	}{
		{"plain", ReferTo{Number: "8500"}, "<sip:8500@h:5061;transport=tls>"},
		{"Replaces is escaped", ReferTo{Number: "8500", Replaces: &Replaces{CallID: `a"<>{}\ %@b`, ToTag: "1'", FromTag: "2`", EarlyOnly: true}},
			"<sip:8500@h:5061;transport=tls?Replaces=a%22%3C%3E%7B%7D%5C%20%25%40b%3Bto-tag%3D1'%3Bfrom-tag%3D2%60%3Bearly-only>"},
	} {
		if got := c.to.At("h:5061;transport=tls"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestEscapeIsUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		escaped := escape(text)
		if strings.ContainsAny(escaped, " ;=&@<>\"\r\n") {
			t.Fatalf("%q has what may not stand in a URI's header field", escaped)
		}
		if got, ok := unescape(escaped); !ok || got != text {
			t.Fatalf("%q becomes %q, %v", text, got, ok)
		}
	})
}

func TestFragment(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"status line", "SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK"},
		{"without its end", "SIP/2.0 100 Trying", "SIP/2.0 100 Trying"},
		{"the rest is the other leg's", "SIP/2.0 180 Ringing at 192.0.2.7\r\nContact: <sip:bob@10.0.0.1>\r\n\r\nv=0\r\n", "SIP/2.0 180 Ringing at"},
		{"no phrase", "SIP/2.0 503\r\n", "SIP/2.0 503 "},
		{"not a status line", "INVITE sip:bob@10.0.0.1 SIP/2.0\r\n", ""},
		{"no code", "SIP/2.0 OK\r\n", ""},
		{"empty", "", ""},
	} {
		got, ok := Fragment([]byte(c.in))
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, ok, c.want)
		}
	}
}

// FuzzReferTo: nothing panics, what is taken can be written and read again, and
// never becomes two headers.
func FuzzReferTo(f *testing.F) {
	for _, seed := range []string{
		"<sip:8500@192.0.2.1>", "<sip:8500@x?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>", "<tel:+1-555-1212>", `"a" <sips:1@[::1]:5061>;x`,
		"a@b;to-tag=1;from-tag=2;early-only", "<sip:8500@x;method=BYE>", "%", "<sip:%@x?Replaces=%>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if r, err := ParseReplaces(value); err == nil {
			if again, err := ParseReplaces(r.String()); err != nil || again != r {
				t.Errorf("%q is read as %+v and then as %+v, %v", value, r, again, err)
			}
		}
		to, err := ParseReferTo(value)
		if err != nil {
			return
		}
		written := to.At("h")
		if strings.ContainsFunc(written, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q is written with control characters: %q", value, written)
		}
		again, err := ParseReferTo(written)
		if err != nil || again.Number != to.Number || (again.Replaces == nil) != (to.Replaces == nil) || to.Replaces != nil && *again.Replaces != *to.Replaces {
			t.Errorf("%q is written as %q and read as %+v, %v", value, written, again, err)
		}
	})
}
