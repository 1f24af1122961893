package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"callseal/cmd/callseal/vicidial"
	"callseal/sdp"
	"callseal/signaling"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// vicidialCmd is `callseal vicidial`.
type vicidialCmd struct {
	Config    string `required:"" placeholder:"FILE" help:"The configuration file."`
	Dialer    string `placeholder:"NAME" help:"The dialer to write for. Default: the first."`
	Driver    string `enum:"chan_sip,pjsip" default:"chan_sip" help:"The SIP channel driver of its Asterisk: chan_sip or pjsip."`
	Trunk     string `default:"sbc" placeholder:"NAME" help:"What callseal is called in Asterisk."`
	Prefix    string `default:"78" placeholder:"DIGITS" help:"The dial prefix of campaigns that go through callseal."`
	Extension string `placeholder:"NUMBER" help:"The phone that goes first."`
	Part      string `enum:",general,account,globals,dialplan,template" default:"" help:"Print this part alone, as it is to be pasted: general, account, globals, dialplan or template."`
}

// Run prints what to paste into VICIdial, in the order in which to do it.
func (c vicidialCmd) Run(out output) error {
	cfg, rep, _, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	if !rep.ok() {
		return rejectConfig(os.Stderr, c.Config, rep)
	}
	h, err := c.house(cfg)
	if err != nil {
		return err
	}
	if c.Part == "" {
		return vicidial.Write(out, h)
	}
	part, err := vicidial.ParsePart(c.Part)
	if err != nil {
		return err
	}
	return vicidial.WritePart(out, h, part)
}

// house looks at the configuration with a dialer's eyes.
func (c vicidialCmd) house(cfg *Config) (vicidial.House, error) {
	h := vicidial.House{Trunk: c.Trunk, Prefix: c.Prefix, Config: c.Config, Extension: c.Extension}
	if err := c.check(); err != nil {
		return h, err
	}
	var err error
	if h.Driver, err = vicidial.ParseDriver(c.Driver); err != nil {
		return h, err
	}
	d, err := c.dialer(cfg)
	if err != nil {
		return h, err
	}
	l := listenerFor(cfg, transport.Dialer)
	if l == nil {
		return h, errors.New("listeners: none is for dialers: add one with role: dialer")
	}
	h.Dialer, h.DialerTLS, h.DialerSRTP = d.Name(), d.Target.Proto == transport.TLS, d.Media != sdp.Off
	if h.DialerTLS {
		h.DialerPort = d.Target.Port
	}
	if h.User, h.PasswordAt, err = c.password(cfg, d); err != nil {
		return h, err
	}
	h.TLS, h.SRTP, h.Port = l.Proto == transport.TLS, d.Media != sdp.Off, l.Address.Port()
	if h.Host, h.Port, err = c.host(cfg, l, h.Driver); err != nil {
		return h, err
	}
	h.Trunks = ourAddresses(cfg, l)
	h.Phones = h.Trunks
	if source := cfg.Signaling.Phones.Source; source.IsValid() {
		h.Phones = []netip.Addr{source.Addr()}
	}
	h.Local = cfg.Signaling.Accounts.Local
	if p := listenerFor(cfg, transport.Phone); p != nil {
		h.PhonesTLS = p.Proto == transport.TLS
		h.PhonesHost, h.PhonesPort = shownAt(cfg, p)
	}
	h.Open, h.Closed = firewall(cfg, d)
	return h, nil
}

// password is the user by which a dialer proves who it is, "" where it is not
// asked, and in words where its password stands.
func (c vicidialCmd) password(cfg *Config, d *trunk.Trunk) (user, at string, err error) {
	if !d.Proves() {
		return "", "", nil
	}
	if user = d.Inbound.User; strings.ContainsAny(user, ";[]") {
		return "", "", fmt.Errorf("dialers: inbound_auth.user %q of %s has a character that VICIdial's pages or Asterisk's files do not keep: choose another", user, d.Name())
	}
	at = "the password in inbound_auth of dialer " + d.Name() + " in " + c.Config
	for i := range cfg.raw.Dialers {
		raw := &cfg.raw.Dialers[i]
		switch {
		case raw.Name != d.Name() || raw.InboundAuth == nil:
		case raw.InboundAuth.PasswordFile != "":
			at = "the password in the file " + raw.InboundAuth.PasswordFile
		case raw.InboundAuth.HA1 != "":
			at = "the password that inbound_auth.ha1 of dialer " + d.Name() + " in " + c.Config + " was made of"
		}
	}
	return user, at, nil
}

// check refuses what VICIdial's pages or Asterisk's files would not take.
func (c vicidialCmd) check() error {
	if strings.Trim(c.Trunk, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || c.Trunk == "" {
		return fmt.Errorf("--trunk %q: use letters, digits and underscores", c.Trunk)
	}
	if strings.Trim(c.Prefix, "0123456789") != "" || c.Prefix == "" || len(c.Prefix) > 20 {
		return fmt.Errorf("--prefix %q: use one to twenty digits", c.Prefix)
	}
	if strings.Trim(c.Extension, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return fmt.Errorf("--extension %q is no extension", c.Extension)
	}
	return nil
}

func (c vicidialCmd) dialer(cfg *Config) (*trunk.Trunk, error) {
	var known []string
	for _, t := range cfg.Signaling.Table.Trunks {
		if t.Role() != transport.Dialer {
			continue
		}
		if c.Dialer == "" || c.Dialer == t.Name() {
			return t, nil
		}
		known = append(known, t.Name())
	}
	if len(known) == 0 {
		return nil, errors.New("dialers: none is configured")
	}
	return nil, fmt.Errorf("there is no dialer %q: known are %s", c.Dialer, strings.Join(known, ", "))
}

// listenerFor is the first TLS listener of a role, or else the first of any
// transport, or nil.
func listenerFor(cfg *Config, role transport.Role) *signaling.Listener {
	var found *signaling.Listener
	for i := range cfg.Signaling.Listeners {
		l := &cfg.Signaling.Listeners[i]
		if l.Role == role && (found == nil || found.Proto != transport.TLS && l.Proto == transport.TLS) {
			found = l
		}
	}
	return found
}

// host is where a dialer connects. chan_sip compares host= with the common name
// and the DNS names of our certificate, and with no IP address in it.
func (c vicidialCmd) host(cfg *Config, l *signaling.Listener, driver vicidial.Driver) (string, uint16, error) {
	host, port := shownAt(cfg, l)
	leaf := leafOf(l)
	if driver != vicidial.ChanSIP || leaf == nil {
		return host, port, nil
	}
	if host == leaf.Subject.CommonName || slices.Contains(leaf.DNSNames, host) {
		return host, port, nil
	}
	return "", 0, fmt.Errorf("tls.certificate is for %s and not for %s, where dialers connect: chan_sip would refuse it; "+
		"have it reissued with that name, or set advertise of listener %s to a name that it has", strings.Join(append([]string{leaf.Subject.CommonName}, leaf.DNSNames...), ", "), host, l.Name)
}

// leafOf is the certificate that a listener shows, or nil.
func leafOf(l *signaling.Listener) *x509.Certificate {
	if l.TLS == nil || len(l.TLS.Certificates) == 0 {
		return nil
	}
	return l.TLS.Certificates[0].Leaf
}

// shownAt is the host and port that remotes use: what is advertised, a name of
// our certificate, or the address itself.
func shownAt(cfg *Config, l *signaling.Listener) (string, uint16) {
	if l.Advertise != "" {
		host, port, err := net.SplitHostPort(l.Advertise)
		if err != nil {
			return strings.Trim(l.Advertise, "[]"), l.Address.Port()
		}
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			return host, uint16(n)
		}
		return host, l.Address.Port()
	}
	if leaf := leafOf(l); leaf != nil && len(leaf.DNSNames) > 0 {
		return leaf.DNSNames[0], l.Address.Port()
	}
	return ourAddresses(cfg, l)[0].String(), l.Address.Port()
}

// ourAddresses are those that a remote sees us at.
func ourAddresses(cfg *Config, l *signaling.Listener) []netip.Addr {
	if a := l.Address.Addr(); !a.IsUnspecified() {
		return []netip.Addr{a.Unmap()}
	}
	m := cfg.Signaling.Media
	if m.V4.IsValid() && !m.V4.IsUnspecified() {
		return []netip.Addr{m.V4}
	}
	if m.AdvertiseV4.IsValid() {
		return []netip.Addr{m.AdvertiseV4}
	}
	return []netip.Addr{m.V6}
}

// firewall lists what has to come in, and what has not any more.
func firewall(cfg *Config, d *trunk.Trunk) (open, closed []vicidial.Port) {
	for _, l := range cfg.Signaling.Listeners {
		where := fmt.Sprintf("%d/%s", l.Address.Port(), carriedBy(l.Proto))
		open = append(open, vicidial.Port{What: "callseal, SIP of " + l.Role.String() + "s", Where: where, From: callersOf(cfg, l.Role)})
	}
	open = append(open, vicidial.Port{What: "callseal, audio", Where: fmt.Sprintf("%d-%d/udp", cfg.Media.Ports.Min, cfg.Media.Ports.Max), From: "anywhere"})
	closed = append(closed,
		vicidial.Port{What: "every dialer, SIP", Where: "5060/udp, 5060/tcp, 5061/tcp", From: "anything but callseal"},
		vicidial.Port{What: "every dialer, audio", Where: "10000-20000/udp", From: "anything but callseal"})
	return open, closed
}

func carriedBy(p transport.Proto) string {
	if p == transport.UDP {
		return "udp"
	}
	return "tcp"
}

// callersOf lists who may come in by a role's listeners.
func callersOf(cfg *Config, role transport.Role) string {
	var from []string
	for _, t := range cfg.Signaling.Table.Trunks {
		if t.Role() == role {
			for _, s := range t.Sources {
				from = append(from, s.String())
			}
		}
	}
	if len(from) == 0 {
		return "wherever they are"
	}
	return strings.Join(from, ", ")
}
