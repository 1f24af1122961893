// Package vicidial writes what an admin pastes into VICIdial's pages and
// Asterisk's files so that calls and phones go through callseal, in the order in
// which to do it, each step with its way back.
package vicidial

import (
	"embed"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/template"
)

// Driver is the SIP channel driver of a dialer's Asterisk.
type Driver uint8

// The drivers.
const (
	ChanSIP Driver = iota + 1 // chan_sip, up to Asterisk 18
	PJSIP                     // chan_pjsip, from Asterisk 13 on
)

// String is the driver's name on the command line.
func (d Driver) String() string {
	switch d {
	case ChanSIP:
		return "chan_sip"
	case PJSIP:
		return "pjsip"
	}
	return fmt.Sprintf("Driver(%d)", uint8(d))
}

// ParseDriver takes "chan_sip" or "pjsip".
func ParseDriver(name string) (Driver, error) {
	for _, d := range []Driver{ChanSIP, PJSIP} {
		if name == d.String() {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown channel driver %q: want chan_sip or pjsip", name)
}

// Part is one piece to paste.
type Part uint8

// The parts.
const (
	General  Part = iota + 1 // Asterisk's own file: how it speaks TLS
	Account                  // Admin > Carriers: account entry
	Globals                  // Admin > Carriers: globals string
	Dialplan                 // Admin > Carriers: dialplan entry
	Template                 // Admin > Templates: template contents, of one phone after the other
)

// Parts lists every part.
func Parts() []Part { return []Part{General, Account, Globals, Dialplan, Template} }

// String is the part's name on the command line.
func (p Part) String() string {
	switch p {
	case General:
		return "general"
	case Account:
		return "account"
	case Globals:
		return "globals"
	case Dialplan:
		return "dialplan"
	case Template:
		return "template"
	}
	return fmt.Sprintf("Part(%d)", uint8(p))
}

// ParsePart takes the name of a part.
func ParsePart(name string) (Part, error) {
	for _, p := range Parts() {
		if name == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("unknown part %q: want general, account, globals, dialplan or template", name)
}

// House is what the texts are made of: a callseal as its configuration has it,
// seen from one dialer.
type House struct {
	Driver Driver
	// Trunk is our name in Asterisk, Prefix the digits before a number that make
	// VICIdial call through us.
	Trunk, Prefix string

	// Config is the configuration file, Dialer the dialer's name in it.
	Config, Dialer string
	// DialerPort is where the dialer takes TLS, 0 where it is reached otherwise.
	DialerPort uint16

	// Host and Port are where the dialer reaches us, over TLS or in the clear. Host is
	// a name of our certificate: chan_sip compares it with no IP address.
	Host string
	Port uint16
	TLS  bool
	SRTP bool
	// Trunks are the addresses that our calls come from, Phones those of what we say
	// for phones.
	Trunks, Phones []netip.Addr
	// DialerTLS and DialerSRTP are how we reach the dialer.
	DialerTLS, DialerSRTP bool

	// User is the dialer's user where we ask it for a password, "" where we do not,
	// and PasswordAt, in words, where the password stands.
	User, PasswordAt string

	// PhonesHost and PhonesPort are where phones register, "" where they cannot.
	PhonesHost string
	PhonesPort uint16
	PhonesTLS  bool
	// Extension is the phone that goes first, "" for one of the admin's choice.
	Extension string
	// Local tells that callseal itself knows the phones' passwords.
	Local bool

	Open   []Port // what a firewall lets in
	Closed []Port // what it no longer has to
}

// Port is one line for the firewall.
type Port struct{ What, Where, From string }

//go:embed guide.tmpl parts.tmpl
var texts embed.FS

var page = template.Must(template.New("guide.tmpl").Funcs(template.FuncMap{"indent": indent}).ParseFS(texts, "guide.tmpl", "parts.tmpl"))

// Write writes the whole guide.
func Write(out io.Writer, h House) error { return page.Execute(out, guide{h}) }

// WritePart writes one part as it is to be pasted.
func WritePart(out io.Writer, h House, p Part) error {
	text, err := h.part(p)
	if err == nil {
		_, err = io.WriteString(out, text)
	}
	return err
}

// part is one part with its line ends.
func (h House) part(p Part) (string, error) {
	var b strings.Builder
	if err := page.ExecuteTemplate(&b, p.String()+"."+h.Driver.String(), h); err != nil {
		return "", err
	}
	return strings.TrimLeft(b.String(), "\n"), nil
}

// guide is what guide.tmpl sees.
type guide struct{ House }

// Part is a part by its name.
func (g guide) Part(name string) (string, error) {
	p, err := ParsePart(name)
	if err != nil {
		return "", err
	}
	return g.part(p)
}

// Strip is how many digits the prefix has.
func (h House) Strip() int { return len(h.Prefix) }

// Placeholder stands in the place of the dialer's password, which is never
// printed.
func (h House) Placeholder() string { return "PASSWORD_OF_INBOUND_AUTH" }

// IsAddress tells that Host needs no DNS.
func (h House) IsAddress() bool {
	_, err := netip.ParseAddr(h.Host)
	return err == nil
}

// Is tells the driver by its name.
func (h House) Is(driver string) bool { return h.Driver.String() == driver }

// indent sets what is to be pasted apart.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return strings.TrimRight(b.String(), "\n")
}
