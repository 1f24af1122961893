package register

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callseal/signaling/auth"
)

func secret(text string) auth.Secret { return auth.NewSecret(text) }

func TestParseLine(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       Line
	}{
		{"user and host", "bob@telco.example", Line{User: "bob", Host: "telco.example"}},
		{"as it is pasted", "register => 4433221100:s3cret@sip.telco.example:5060", Line{User: "4433221100", Secret: secret("s3cret"), Host: "sip.telco.example", Port: 5060}},
		{"one equals sign", "register=bob:pw@telco.example", Line{User: "bob", Secret: secret("pw"), Host: "telco.example"}},
		{"a user of that name", "register:pw@telco.example", Line{User: "register", Secret: secret("pw"), Host: "telco.example"}},
		{"everything", "telco?tls://bob@dom.example:5070:pw:auth@sip.telco.example:5061/18005550100~300",
			Line{Peer: "telco", Transport: "tls", User: "bob", Domain: "dom.example", DomainPort: 5070, Secret: secret("pw"), AuthUser: "auth",
				Host: "sip.telco.example", Port: 5061, Extension: "18005550100", Expires: 300 * time.Second}},
		{"domain and secret", "bob@dom.example:pw@10.0.0.1", Line{User: "bob", Domain: "dom.example", Secret: secret("pw"), Host: "10.0.0.1"}},
		{"domain, no secret", "bob@dom.example@telco", Line{User: "bob", Domain: "dom.example", Host: "telco"}},
		{"domain, secret and auth user", "bob@dom.example:pw:au@telco", Line{User: "bob", Domain: "dom.example", Secret: secret("pw"), AuthUser: "au", Host: "telco"}},
		{"domain and its port", "3456@mydomain:5082::@telco.example", Line{User: "3456", Domain: "mydomain", DomainPort: 5082, Host: "telco.example"}},
		{"no domain, auth user", "bob:pw:au@telco", Line{User: "bob", Secret: secret("pw"), AuthUser: "au", Host: "telco"}},
		{"auth user, empty secret", "bob::au@telco", Line{User: "bob", AuthUser: "au", Host: "telco"}},
		{"an @ in the secret", "bob:p@ss@telco", Line{User: "bob", Secret: secret("p@ss"), Host: "telco"}},
		{"all that a secret may hold", "bob:p/~?#=w@telco/1", Line{User: "bob", Secret: secret("p/~?#=w"), Host: "telco", Extension: "1"}},
		{"a quoted secret", `bob:"a:b@c/~?d"@telco`, Line{User: "bob", Secret: secret("a:b@c/~?d"), Host: "telco"}},
		{"all quoted", `tls://"b:o@b":"pw":"a:u"@telco:5061/"77"`, Line{Transport: "tls", User: "b:o@b", Secret: secret("pw"), AuthUser: "a:u", Host: "telco", Port: 5061, Extension: "77"}},
		{"quotes inside of a secret", `bob:p"w"@telco`, Line{User: "bob", Secret: secret(`p"w"`), Host: "telco"}},
		{"a slash in the user", "udp://bob/1:pw@telco", Line{Transport: "udp", User: "bob/1", Secret: secret("pw"), Host: "telco"}},
		{"a transport in capitals", "TCP://bob:pw@telco", Line{Transport: "tcp", User: "bob", Secret: secret("pw"), Host: "telco"}},
		{"a secret with ://", `bob:"x://y"@telco`, Line{User: "bob", Secret: secret("x://y"), Host: "telco"}},
		{"extension without port", "bob:pw@telco/0012~60", Line{User: "bob", Secret: secret("pw"), Host: "telco", Extension: "0012", Expires: time.Minute}},
		{"expiry without extension", "bob:pw@telco~3600", Line{User: "bob", Secret: secret("pw"), Host: "telco", Expires: time.Hour}},
		{"IPv6", "bob:pw@[2001:db8::1]:5061/1", Line{User: "bob", Secret: secret("pw"), Host: "2001:db8::1", Port: 5061, Extension: "1"}},
		{"a plus in the user", "+4930123:pw@telco", Line{User: "+4930123", Secret: secret("pw"), Host: "telco"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.want.Extension == "" {
				row.want.Extension = "s"
			}
			if row.want.Expires == 0 {
				row.want.Expires = 2 * time.Minute
			}
			got, err := ParseLine(row.text)
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%s\ngot  %+v %q, %v\nwant %+v %q", row.text, got, got.Secret.Reveal(), err, row.want, row.want.Secret.Reveal())
			}
		})
	}
}

func TestLineFaults(t *testing.T) {
	for _, row := range []struct{ name, text, what, caret string }{
		{"nothing", "register =>", "nothing is there", "\n^"},
		{"no host", "bob:pw", "the host is missing", "bob:***\n       ^"},
		{"no at all", "bob", "the host is missing", "***\n   ^"},
		{"empty host", "bob:pw@", "the host is missing", "bob:***@\n        ^"},
		{"empty user", ":pw@telco", "the user is missing", ":***@telco\n^"},
		{"empty user behind the transport", "tls://:pw@telco", "the user is missing", "tls://:***@telco\n      ^"},
		{"another transport", "ws://bob:pw@telco", "no such transport", "ws://***@telco\n^"},
		{"transport of a peer", "a?sctp://bob:pw@telco", "no such transport", "a?sctp://***@telco\n  ^"},
		{"no peer", "?bob:pw@telco", "the peer's name is missing", "?bob:***@telco\n^"},
		{"port of the host", "bob:pw@telco:http", "no port", "bob:***@telco:http\n              ^"},
		{"port 0", "bob:pw@telco:0/1", "no port", "bob:***@telco:0/1\n              ^"},
		{"bad host", "bob:pw@te_l!co", "no host", "bob:***@te_l!co\n        ^"},
		{"bad address", "bob:pw@10.0.0.999", "no host", "bob:***@10.0.0.999\n        ^"},
		{"a space", "bob:pw@telco .example", "no host", "bob:***@telco .example\n        ^"},
		{"bracket", "bob:pw@[::1", "a bracket is not closed", "bob:***@[::1\n        ^"},
		{"behind the bracket", "bob:pw@[::1]x", "this belongs to nothing", "bob:***@[::1]x\n             ^"},
		{"expiry in words", "bob:pw@telco/1~2m", "no expiry", "bob:***@telco/1~2m\n                ^"},
		{"expiry 0", "bob:pw@telco~0", "no expiry", "bob:***@telco~0\n              ^"},
		{"expiry of a week", "bob:pw@telco~604800", "no expiry", "bob:***@telco~604800\n              ^"},
		{"no extension", "bob:pw@telco/~60", "no extension", "bob:***@telco/~60\n              ^"},
		{"extension like a URI", "bob:pw@telco/1;x=y", "no extension", "bob:***@telco/1;x=y\n              ^"},
		{"expiry twice", "bob:pw@telco~60~70", "no expiry", "bob:***@telco~60~70\n              ^"},
		{"domain", "bob@a b:pw@telco", "no domain", "bob@a b:***@telco\n    ^"},
		{"a colon in the secret", "bob:a:b:c@telco", "too many colons", "bob:***@telco\n    ^"},
		{"five colons", "bob@d:1:2:3:4@telco", "too many colons", "bob@d:***@telco\n      ^"},
		{"the domain's port", "bob@d:x:y:z@telco", "the domain's port is no port", "bob@d:***@telco\n      ^"},
		{"open quote", `bob:"pw@telco`, "a quote is not closed", "bob:***\n    ^"},
		{"behind a quote", `bob:"pw"x@telco`, "something follows the quote", "bob:***@telco\n    ^"},
		{"space in the user", "bob smith:pw@telco", "a character that no user has", "bob smith:***@telco\n   ^"},
		{"a password alone, with an @", "p w@x", "a character that no user has", "***@x\n^"},
		{"a control character", "bob:pw@tel\tco", "a control character", "bob:***@tel?co\n           ^"},
		{"too long", "bob:pw@" + strings.Repeat("a", 250), "more than 255 characters", "bob:***@" + strings.Repeat("a", 250) + "\n" + strings.Repeat(" ", 256) + "^"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseLine(row.text)
			var f *LineFault
			if !errors.As(err, &f) {
				t.Fatalf("%q gives %v", row.text, err)
			}
			if f.What != row.what || f.Caret() != row.caret || f.Fix == "" {
				t.Errorf("%q: %s\n%s\nwant %s\n%s", row.text, f.What, f.Caret(), row.what, row.caret)
			}
		})
	}
}

// written is a line as it may be pasted.
func (l *Line) written(quote bool) string {
	q := func(s string) string {
		if quote {
			return `"` + s + `"`
		}
		return s
	}
	var b strings.Builder
	if l.Peer != "" {
		b.WriteString(l.Peer + "?")
	}
	if l.Transport != "" {
		b.WriteString(l.Transport + "://")
	}
	b.WriteString(q(l.User))
	if l.Domain != "" {
		b.WriteString("@" + l.Domain)
	}
	switch {
	case l.DomainPort != 0:
		fmt.Fprintf(&b, ":%d:%s:%s", l.DomainPort, q(l.Secret.Reveal()), l.AuthUser)
	case l.AuthUser != "":
		b.WriteString(":" + q(l.Secret.Reveal()) + ":" + l.AuthUser)
	case !l.Secret.IsZero():
		b.WriteString(":" + q(l.Secret.Reveal()))
	}
	b.WriteString("@" + l.Host)
	if l.Port != 0 {
		fmt.Fprintf(&b, ":%d", l.Port)
	}
	if l.Extension != DefaultExtension {
		b.WriteString("/" + l.Extension)
	}
	if l.Expires != DefaultExpires {
		fmt.Fprintf(&b, "~%d", int(l.Expires.Seconds()))
	}
	return b.String()
}

// TestPropertyLineIsReadBack: whatever the grammar allows is read as it was
// meant, and nothing that is printed of it has the secret.
func TestPropertyLineIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maybe := func(g *rapid.Generator[string], name string) string {
			return rapid.OneOf(rapid.Just(""), g).Draw(t, name)
		}
		name := rapid.StringMatching(`[a-z0-9+_.-]{1,12}`)
		host := rapid.StringMatching(`[a-z][a-z0-9]{0,8}(\.[a-z]{2,5}){0,2}`)
		l := Line{
			Peer: maybe(rapid.StringMatching(`[a-z0-9_-]{1,8}`), "peer"), Transport: maybe(rapid.SampledFrom([]string{"udp", "tcp", "tls"}), "transport"),
			User: name.Draw(t, "user"), Domain: maybe(host, "domain"), AuthUser: maybe(name, "auth user"), Host: host.Draw(t, "host"),
			Port:      rapid.SampledFrom([]uint16{0, 5060, 5061, 65535}).Draw(t, "port"),
			Extension: rapid.SampledFrom([]string{"s", "18005550100", "+4930"}).Draw(t, "extension"),
			Expires:   rapid.SampledFrom([]time.Duration{DefaultExpires, time.Minute, time.Hour}).Draw(t, "expires"),
		}
		quote := rapid.Bool().Draw(t, "quote")
		inside := `[A-Z][A-Z!#$%&()*+,;<=>@\[\]^_{|}~/?-]{6,20}`
		if quote {
			inside = `[A-Z][A-Z!#$%&()*+,;<=>@\[\]^_{|}~/?: -]{6,20}`
		}
		if password := maybe(rapid.StringMatching(inside), "secret"); password != "" {
			l.Secret = secret(password)
		}
		if l.Domain != "" && rapid.Bool().Draw(t, "domain port") {
			l.DomainPort = 5070
		}
		text := l.written(quote)
		if len(text) > maxLine {
			t.Skip("longer than a line")
		}
		got, err := ParseLine("register => " + text)
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("%s\ngot  %+v, %v\nwant %+v", text, got, err, l)
		}
		if l.Secret.IsZero() {
			return
		}
		spoilt := text + rapid.SampledFrom([]string{"!", ":x", "/", "~x", "@", `"`, "\x01", ":", strings.Repeat("z", maxLine)}).Draw(t, "spoilt")
		if _, err := ParseLine(spoilt); err != nil {
			hides(t, l.Secret.Reveal(), err)
		}
		hides(t, l.Secret.Reveal(), got)
		hides(t, l.Secret.Reveal(), &got)
	})
}

func hides(t *rapid.T, password string, v any) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, v); strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%x", password)) {
			t.Fatalf("printed with %s: %s", verb, text)
		}
	}
	var f *LineFault
	if err, ok := v.(error); ok && errors.As(err, &f) && strings.Contains(f.Caret()+f.Fix+f.What, password) {
		t.Fatalf("printed: %s", f.Caret())
	}
}

// FuzzParseLine: no panic, a caret that stands under the line or right behind
// it, and what is read is within its bounds.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		"register => telco?tls://bob@dom.example:5070:pw:auth@sip.telco.example:5061/18005550100~300", `bob:"a:b"@[::1]:1/2~3`, "a@b", `"`, "@", "?://@:/~",
		"\xff@b", "bob:p\u00e4ss@h",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLine(text)
		var fault *LineFault
		switch {
		case errors.As(err, &fault):
			if fault.Column < 0 || fault.Column > len(fault.Shown) || fault.What == "" || fault.Fix == "" || strings.Count(fault.Caret(), "\n") != 1 {
				t.Fatalf("%q: %+v", text, fault)
			}
		case err != nil:
			t.Fatal(err)
		case l.User == "" || l.Host == "" || l.Extension == "" || l.Expires < time.Second || l.Expires > MostExpires || strings.ContainsAny(l.User+l.Host+l.Extension, "\r\n \x00"):
			t.Fatalf("%q: %+v", text, l)
		}
	})
}
