package vicidial

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// example is the house of docs/vicidial.md.
func example() House {
	return House{
		Driver: ChanSIP, Trunk: "sbc", Prefix: "78", Config: "callseal.yml", Dialer: "dialer1", DialerPort: 5061,
		Host: "sbc.example.com", Port: 5071, TLS: true, SRTP: true, DialerTLS: true, DialerSRTP: true,
		Trunks: []netip.Addr{netip.MustParseAddr("10.0.0.9")}, Phones: []netip.Addr{netip.MustParseAddr("10.0.0.10")},
		PhonesHost: "sbc.example.com", PhonesPort: 5061, PhonesTLS: true, Extension: "101",
		User: "dialer1", PasswordAt: "the password in the file /etc/callseal/dialer1.password",
		Open:   []Port{{"callseal, SIP of phones", "5061/tcp", "wherever they are"}},
		Closed: []Port{{"every dialer, SIP", "5060/udp", "anything but callseal"}},
	}
}

// houses are example and what it may be instead.
func houses() map[string]House {
	plain, pjsip, six := example(), example(), example()
	plain.TLS, plain.SRTP, plain.DialerTLS, plain.DialerSRTP, plain.DialerPort = false, false, false, false, 0
	pjsip.Driver = PJSIP
	six.Trunks, six.Phones = []netip.Addr{netip.MustParseAddr("2001:db8::9")}, []netip.Addr{netip.MustParseAddr("2001:db8::a")}
	mute := example()
	mute.PhonesHost = ""
	plainPJSIP := plain
	plainPJSIP.Driver = PJSIP
	free, freePJSIP := example(), pjsip
	free.User, freePJSIP.User = "", ""
	return map[string]House{"chan_sip": example(), "plain": plain, "pjsip": pjsip, "plain pjsip": plainPJSIP, "IPv6": six, "without phones": mute, "without a password": free, "pjsip without a password": freePJSIP}
}

// VICIdial's pages take characters out of what is pasted, and cut it off.
func TestPartsStayAsTheyArePasted(t *testing.T) {
	for name, h := range houses() {
		for _, p := range Parts() {
			var b strings.Builder
			if err := WritePart(&b, h, p); err != nil {
				t.Fatal(name, p, err)
			}
			text := b.String()
			lost := ";"
			if p == Dialplan {
				lost = `\'`
			}
			if strings.ContainsAny(text, lost) {
				t.Errorf("%s, %s loses characters:\n%s", name, p, text)
			}
			if p == Globals && len(text) > 255 {
				t.Errorf("%s: globals have %d characters", name, len(text))
			}
			if strings.Contains(text, "<no value>") || strings.Contains(text, "\n\n") || text != "" && !strings.HasSuffix(text, "\n") {
				t.Errorf("%s, %s:\n%q", name, p, text)
			}
		}
	}
}

// The guide has every part, and its steps in their order, each with its way back.
func TestGuide(t *testing.T) {
	for name, h := range houses() {
		var b strings.Builder
		if err := Write(&b, h); err != nil {
			t.Fatal(name, err)
		}
		text := b.String()
		at := -1
		for _, step := range []string{"== 0. ", "== 1. One phone", "== 2. One campaign", "== 3. Everybody", "== 4. The firewall"} {
			i := strings.Index(text, step)
			if i <= at {
				t.Errorf("%s: %q is missing or out of order", name, step)
			}
			at = i
		}
		for _, p := range Parts() {
			part, err := h.part(p)
			if err != nil {
				t.Fatal(err)
			}
			if p == Template && h.PhonesHost == "" {
				continue
			}
			if !strings.Contains(text, indent(part)) {
				t.Errorf("%s: %s is missing", name, p)
			}
		}
		if back, want := strings.Count(text, "\nBack: "), 5; back < want-1 {
			t.Errorf("%s: %d steps have a way back", name, back)
		}
		if strings.Contains(text, "<no value>") || strings.Contains(text, "{{") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// docs/vicidial.md shows what the program prints.
func TestDocsShowTheParts(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/vicidial.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, driver := range []Driver{ChanSIP, PJSIP} {
		h := example()
		h.Driver = driver
		for _, p := range Parts() {
			part, err := h.part(p)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(doc), "```\n"+part+"```") {
				t.Errorf("%s of %s is missing or different; it is:\n%s", p, driver, part)
			}
		}
	}
}

// Where callseal asks for a password the account entry has the user and, in the place of the password, a word that the guide explains.
func TestPasswordOfADialer(t *testing.T) {
	for name, h := range houses() {
		var b strings.Builder
		if err := Write(&b, h); err != nil {
			t.Fatal(name, err)
		}
		account, err := h.part(Account)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, want := range []string{h.Placeholder(), h.PasswordAt, "inbound_auth"} {
			if strings.Contains(b.String(), want) != (h.User != "") {
				t.Errorf("%s, user %q: %q:\n%s", name, h.User, want, b.String())
			}
		}
		for line, driver := range map[string]Driver{"defaultuser=dialer1\nremotesecret=" + h.Placeholder() + "\n": ChanSIP, "username=dialer1\npassword=" + h.Placeholder() + "\n": PJSIP} {
			if strings.Contains(account, line) != (h.User != "" && h.Driver == driver) {
				t.Errorf("%s, user %q:\n%s", name, h.User, account)
			}
		}
	}
}

// Names that are printed are names that are taken.
func TestNames(t *testing.T) {
	for _, p := range Parts() {
		if got, err := ParsePart(p.String()); got != p || err != nil {
			t.Errorf("%s: %s, %v", p, got, err)
		}
	}
	for _, d := range []Driver{ChanSIP, PJSIP} {
		if got, err := ParseDriver(d.String()); got != d || err != nil {
			t.Errorf("%s: %s, %v", d, got, err)
		}
	}
	if _, err := ParsePart("all"); err == nil {
		t.Error("part all is taken")
	}
	if _, err := ParseDriver("iax2"); err == nil {
		t.Error("driver iax2 is taken")
	}
}
