package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pion/srtp/v2"

	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// trunkSuites is what is offered to dialers and carriers: Asterisk takes one
// crypto line, and knows this suite.
func trunkSuites() []sdp.Suite { return []sdp.Suite{srtp.ProtectionProfileAes128CmHmacSha1_80} }

// trunks reads the sections dialers and carriers.
func (l *loader) trunks() {
	names := map[string]string{}
	for _, section := range []struct {
		key  string
		role transport.Role
		raw  []rawTrunk
	}{
		{"dialers", transport.Dialer, l.raw.Dialers},
		{"carriers", transport.Carrier, l.raw.Carriers},
	} {
		var all []allowed
		users := map[string]string{}
		for i, raw := range section.raw {
			place := fmt.Sprintf("%s[%d]", section.key, i)
			l.name(place+".name", raw.Name)
			l.once(names, place+".name", raw.Name)
			list := l.sources(place, raw.Sources)
			all = append(all, list...)
			before := len(l.cfg.Certificates)
			t := l.trunk(place, section.role, raw)
			for j := range l.cfg.Certificates[before:] { // metrics outlive an index
				c := &l.cfg.Certificates[before+j]
				c.Place = section.key + "." + raw.Name + strings.TrimPrefix(c.Place, place)
			}
			t.Sources, t.Inbound = prefixes(list), l.inbound(place, raw.InboundAuth, users)
			l.cfg.Signaling.Table.Trunks = append(l.cfg.Signaling.Table.Trunks, t)
		}
		l.overlaps(all)
	}
}

func (l *loader) trunk(place string, role transport.Role, raw rawTrunk) *trunk.Trunk {
	t := &trunk.Trunk{
		Target:  transport.Target{Trunk: raw.Name, Role: role},
		Media:   l.mode(place+".media", raw.Media),
		Suites:  l.suites(place+".suites", raw.Suites, trunkSuites()),
		Audio:   l.audio(place, raw.MediaAddress, raw.MediaAdvertise),
		Headers: l.headers(place, role, raw),
	}
	t.Transfer = l.transfer(place+".transfer", role, raw.Transfer)
	t.Limits, t.Health = l.trunkLimits(place+".limits", raw.Limits), l.health(place+".health", raw.Health)
	switch raw.Redirect {
	case "", "refuse":
	case "follow":
		t.Follow = true
	default:
		l.fail(place+".redirect", fault{quote(raw.Redirect) + " is no policy", "write follow or refuse"})
	}
	a := l.account(place, raw)
	t.Credentials, t.Register = a.credentials, a.register
	hop, ok := l.nextHop(place, raw, a.line)
	t.Target.Proto, t.Target.Host, t.Target.Port = hop.proto, hop.host, hop.port
	switch {
	case !ok:
	case hop.proto == transport.TLS:
		t.Target.TLS = l.clientTLS(place, hop.host, raw.TLS)
	case raw.TLS != nil:
		l.fail(place+".tls", fault{"has no effect: the uri is " + hop.proto.String(), `write the uri as "sips:..." or remove tls`})
	}
	l.identify(place, raw.Identify, t)
	if !ok {
		return t // cannot tell whether it is in the clear
	}
	if p := l.plaintext(place, raw.Plaintext, hop.proto, t.Media); p != nil {
		t.Plaintext = &trunk.Plaintext{AcceptedBy: p.AcceptedBy, Reason: p.Reason}
		l.cfg.Hops = append(l.cfg.Hops, plainHop{raw.Name, role, hop.proto, t.Media, p.AcceptedBy, p.Reason})
		if hop.proto == transport.TLS && t.Media == sdp.Required && !l.listensPlain(role) {
			l.warn(place+".plaintext", fault{"nothing is in the clear here", "remove it"})
		}
	}
	return t
}

// transfer reads what becomes of the REFERs of a role, and of its INVITEs with
// Replaces.
func (l *loader) transfer(place string, role transport.Role, text string) trunk.Transfer {
	if text == "" {
		switch role {
		case transport.Phone:
			return trunk.Relay
		case transport.Dialer:
			return trunk.Execute
		case transport.Carrier:
		}
		return trunk.Refuse
	}
	policy, err := trunk.ParseTransfer(text)
	switch {
	case err != nil:
		l.fail(place, fault{quote(text) + " is no transfer policy", "write relay, execute or refuse"})
	case role == transport.Carrier && policy != trunk.Refuse:
		l.fail(place, fault{quote(text) + " is not for carriers: whoever calls in could make calls at your cost", "write refuse, or remove it"})
	}
	return policy
}

// listensPlain tells whether a trunk of that role can call over udp or tcp.
func (l *loader) listensPlain(role transport.Role) bool {
	for _, ln := range l.cfg.Signaling.Listeners {
		if ln.Role == role && ln.Proto != transport.TLS && ln.Proto != 0 {
			return true
		}
	}
	return false
}

// clientTLS reads how a trunk is verified. raw may be nil: the name in the
// uri, and the system's CAs.
func (l *loader) clientTLS(place, host string, raw *rawClientTLS) *transport.ClientTLS {
	if raw == nil {
		raw = &rawClientTLS{}
	}
	place += ".tls"
	c := &transport.ClientTLS{
		Roots:         l.roots(place+".ca", raw.CA),
		ServerName:    raw.ServerName,
		Certificate:   l.keyPair(place, raw.Certificate, raw.Key),
		MinVersion:    l.tlsVersion(place+".min_version", raw.MinVersion),
		AllowCN:       raw.AllowCN,
		AllowWildcard: raw.AllowWildcard,
		LegacyCiphers: raw.LegacyCiphers,
	}
	if raw.LegacyCiphers {
		l.warn(place+".legacy_ciphers", fault{"a recording of this trunk can be decrypted once its key is stolen", "ask the other side for ECDHE suites"})
	}
	_, err := netip.ParseAddr(host)
	switch name := strings.TrimSuffix(raw.ServerName, "."); {
	case raw.ServerName != "" && !isHostname(name):
		l.fail(place+".server_name", fault{quote(raw.ServerName) + " is no host name", "give the name in the remote's certificate"})
	case raw.ServerName == "" && err == nil:
		// RFC 5922 section 7.2 knows names, not addresses.
		l.fail(place+".server_name", fault{"is missing, and the uri has an address instead of a name", "give the name in the remote's certificate"})
	case raw.ServerName == "":
		c.ServerName = host
	}
	return c
}
