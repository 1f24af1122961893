package main

import (
	"crypto/tls"
	"fmt"
	"net/netip"

	"callseal/sdp"
	"callseal/signaling"
	"callseal/signaling/transport"
)

// listeners reads the section of that name.
func (l *loader) listeners() {
	if len(l.raw.Listeners) == 0 {
		l.fail("listeners", fault{"is missing", `add one like {name: dialers, role: dialer, address: "tls://0.0.0.0:5071"}`})
	}
	names := map[string]string{}
	for i, raw := range l.raw.Listeners {
		place := fmt.Sprintf("listeners[%d]", i)
		l.name(place+".name", raw.Name)
		l.once(names, place+".name", raw.Name)
		ln := signaling.Listener{Media: sdp.Required, Listener: transport.Listener{Name: raw.Name, Role: l.role(place+".role", raw.Role)}}
		l.listenAddress(place, raw, &ln.Listener)
		if ln.Role == transport.Phone {
			l.phones(place, raw, &ln)
		} else if ln.Role != 0 {
			l.phonesOnly(place, raw, ln.Role)
		}
		l.cfg.Signaling.Listeners = append(l.cfg.Signaling.Listeners, ln)
	}
}

// once refuses the second use of a name.
func (l *loader) once(seen map[string]string, place, name string) {
	if first, ok := seen[name]; ok && name != "" {
		l.fail(place, fault{quote(name) + " is taken by " + first, "give every one its own name"})
		return
	}
	seen[name] = place
}

func (l *loader) role(place, text string) transport.Role {
	role, err := transport.ParseRole(text)
	if err != nil {
		l.fail(place, fault{quote(text) + " is no role", "write phone, dialer or carrier: who connects here"})
	}
	return role
}

// listenAddress reads where a listener listens and what it shows.
func (l *loader) listenAddress(place string, raw rawListener, ln *transport.Listener) {
	proto, addr, f := parseListen(raw.Address)
	if f != nil {
		l.fail(place+".address", *f)
		return
	}
	ln.Proto, ln.Address = proto, addr
	if proto == transport.TLS {
		ln.TLS = l.serverTLS(place + ".address")
	}
	for i, other := range l.cfg.Signaling.Listeners {
		if clash(ln, &other.Listener) {
			l.fail(place+".address", fault{fmt.Sprintf("%s is taken by listeners[%d]", raw.Address, i),
				"give every listener its own address or port: phones and trunks never share one"})
			break
		}
	}
	if proto == transport.UDP && portCount(l.cfg.Media.Ports) > 0 &&
		addr.Port() >= l.cfg.Media.Ports.Min && addr.Port() <= l.cfg.Media.Ports.Max {
		l.fail(place+".address", fault{fmt.Sprintf("port %d lies in media.ports", addr.Port()), "take a port outside of " + l.raw.Media.Ports})
	}
	ln.Advertise = raw.Advertise
	switch host, _, ok := splitHostPort(raw.Advertise, proto.DefaultPort()); {
	case raw.Advertise == "" && proto == transport.UDP && addr.Addr().IsUnspecified():
		l.fail(place+".advertise", fault{"is missing: over udp " + addr.Addr().String() + " cannot be shown to others",
			"give the host or host:port at which the remotes reach this listener"})
	case raw.Advertise != "" && (!ok || isUnspecified(host)):
		l.fail(place+".advertise", fault{quote(raw.Advertise) + " is no host or host:port", `write one like "203.0.113.9:5061"`})
	}
}

func isUnspecified(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsUnspecified()
}

// clash tells whether the kernel, or a reader of the log, would take one for
// the other.
func clash(a, b *transport.Listener) bool {
	sameKind := (a.Proto == transport.UDP) == (b.Proto == transport.UDP)
	if b.Proto == 0 || !sameKind || a.Address.Port() != b.Address.Port() {
		return false
	}
	x, y := a.Address.Addr(), b.Address.Addr()
	return x == y || (x.Is4() == y.Is4() && (x.IsUnspecified() || y.IsUnspecified()))
}

// serverTLS is the TLS of a listener; every one shows the same certificate.
func (l *loader) serverTLS(place string) *tls.Config {
	if l.raw.TLS.Certificate == "" && l.raw.TLS.Key == "" {
		l.fail(place, fault{"is TLS, but there is no tls.certificate", "add tls: {certificate: PATH, key: PATH} at the top"})
		return nil
	}
	if l.own == nil {
		return nil // the fault is told at tls
	}
	return &tls.Config{Certificates: []tls.Certificate{*l.own}, MinVersion: l.minVersion}
}

// phones reads what belongs to a listener for phones, which have no trunk.
func (l *loader) phones(place string, raw rawListener, ln *signaling.Listener) {
	ln.Sources = prefixes(l.sources(place, raw.Sources))
	ln.Media = l.mode(place+".media", raw.Media)
	ln.Suites = l.suites(place+".suites", raw.Suites, sdp.Suites())
	ln.Audio = l.audio(place, raw.MediaAddress, raw.MediaAdvertise)
	ln.Transfer = l.transfer(place+".transfer", transport.Phone, raw.Transfer)
	if ln.Proto == 0 {
		return // cannot tell whether it is in the clear
	}
	if p := l.plaintext(place, raw.Plaintext, ln.Proto, ln.Media); p != nil {
		if ln.Proto == transport.TLS && ln.Media == sdp.Required {
			l.warn(place+".plaintext", fault{"nothing is in the clear here", "remove it"})
			return
		}
		l.cfg.Hops = append(l.cfg.Hops, plainHop{ln.Name, ln.Role, ln.Proto, ln.Media, p.AcceptedBy, p.Reason})
	}
}

// phonesOnly refuses the keys of phones on other listeners, where they would
// have no effect.
func (l *loader) phonesOnly(place string, raw rawListener, role transport.Role) {
	for _, key := range []struct {
		name string
		set  bool
	}{
		{"sources", len(raw.Sources) > 0}, {"media", raw.Media != ""},
		{"suites", len(raw.Suites) > 0}, {"transfer", raw.Transfer != ""}, {"plaintext", raw.Plaintext != nil},
		{"media_address", raw.MediaAddress != ""}, {"media_advertise", raw.MediaAdvertise != ""},
	} {
		if key.set {
			l.fail(place+"."+key.name, fault{"has no effect on a listener for " + role.String() + "s",
				"move it to the entry of the trunk in " + role.String() + "s"})
		}
	}
}
