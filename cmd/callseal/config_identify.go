package main

import (
	"crypto/tls"
	"fmt"
	"strings"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// rawIdentify is how a trunk shows who it is, beside its addresses.
type rawIdentify struct {
	Certificate string `yaml:"certificate"`
	Required    bool   `yaml:"required"`
}

// identify reads it. trunk is complete but for that.
func (l *loader) identify(place string, raw rawIdentify, t *trunk.Trunk) {
	place += ".identify"
	name := strings.TrimSuffix(raw.Certificate, ".")
	switch {
	case raw.Certificate == "" && raw.Required:
		l.fail(place+".certificate", fault{"is missing", "write the name in the certificate that is required"})
	case raw.Certificate == "":
	case !isHostname(name):
		l.fail(place+".certificate", fault{quote(raw.Certificate) + " is no host name", "give the name (subjectAltName) in the certificate that it shows"})
	case t.Target.Proto != transport.TLS:
		l.fail(place+".certificate", fault{"needs a CA, and the uri is not TLS", `write the uri as "sips:...", with tls.ca`})
	default:
		t.Certificate = trunk.Certificate{Name: strings.ToLower(name), Required: raw.Required}
	}
}

// shownTo makes the TLS listeners of trunks that show certificates ask for them.
// None is demanded in the handshake: others may come to the same listener.
func (l *loader) shownTo() {
	all := l.cfg.Signaling.Table.Trunks
	for n, t := range all {
		if t.Certificate.Name == "" {
			continue
		}
		place := fmt.Sprintf("dialers[%d].identify.certificate", n)
		if t.Role() == transport.Carrier {
			place = fmt.Sprintf("carriers[%d].identify.certificate", n-len(l.raw.Dialers))
		}
		asked := false
		for i := range l.cfg.Signaling.Listeners {
			if ln := &l.cfg.Signaling.Listeners[i]; ln.Role == t.Role() && ln.Proto == transport.TLS && ln.TLS != nil {
				ln.TLS.ClientAuth, asked = tls.RequestClientCert, true
			}
		}
		if !asked {
			l.warn(place, fault{"is never asked for: there is no tls:// listener for a " + t.Role().String(), "add one to listeners"})
		}
		for _, other := range all[:n] {
			if other.Role() == t.Role() && other.Certificate.Name == t.Certificate.Name {
				l.fail(place, fault{quote(t.Certificate.Name) + " is also that of " + other.Name(), "every certificate may belong to one only"})
			}
		}
	}
}
