// Package trunk knows the two kinds of SIP neighbours that are configured by
// name: dialers (VICIdial's Asterisk servers) and carriers. It says who a
// request comes from and where a call goes.
package trunk

import (
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Trunk is one dialer or carrier. It is never mutated after the start.
type Trunk struct {
	// Target is where calls to this trunk go; Target.Trunk is its name and
	// Target.Role its kind.
	Target transport.Target
	// Sources are the addresses whose requests are taken for this trunk's.
	Sources []netip.Prefix
	// Certificate tells its requests by what it shows, too.
	Certificate Certificate
	// Media is the SRTP policy of legs with this trunk, Suites what is
	// offered and accepted, in order of preference.
	Media  sdp.Mode
	Suites []sdp.Suite
	// Audio is where media of legs with this trunk goes through.
	Audio Audio
	// Transfer is what becomes of its REFERs, and of its INVITEs with Replaces.
	Transfer Transfer
	// Headers is what of a message is told to this trunk, beside header's own
	// table; nil: nothing else.
	Headers *header.Rules
	// Follow tells whether its redirections (3xx) are followed.
	Follow bool
	// Limits bound its calls, Health is how it is watched.
	Limits Limits
	Health Health
	// Credentials are what it knows us by, when it asks for a password; zero:
	// none.
	Credentials auth.Credentials
	// Inbound is what it proves that its requests are its own by; zero: nothing.
	Inbound Inbound
	// Register is our account there, which is kept registered; nil: none.
	Register *Registration
	// Plaintext is why a plain hop to this trunk is accepted; nil when the
	// trunk is sealed.
	Plaintext *Plaintext
}

// Certificate is how a trunk shows who it is when it connects to us: by one that
// the CAs of its Target made for Name. The zero value: by nothing.
type Certificate struct {
	Name     string
	Required bool // its address alone is not enough
}

// Proved tells whether the remote of a flow has shown this trunk's certificate;
// where it has to, its address must be one of Sources as well, if there are any.
func (t *Trunk) Proved(f *transport.Flow) bool {
	if !f.Proves(t.Target.TLS, t.Certificate.Name, time.Now()) {
		return false
	}
	return !t.Certificate.Required || len(t.Sources) == 0 || t.Has(f.Remote().Addr())
}

// Audio is an address of this machine for media, and the one that SDP shows
// for it. The zero value is the house's own.
type Audio struct{ Bind, Show netip.Addr }

// Plaintext is an administrator's explicit acceptance of a hop in the clear.
type Plaintext struct {
	AcceptedBy string
	Reason     string
}

// Name is the trunk's name in the configuration.
func (t *Trunk) Name() string { return t.Target.Trunk }

// URI is where the trunk gets requests for a user; "" is for the trunk itself.
func (t *Trunk) URI(user string) sip.Uri {
	uri := sip.Uri{Scheme: "sip", User: user, Host: t.Target.Host, Port: int(t.Target.Port), UriParams: sip.NewParams()}
	if t.Target.Proto != transport.UDP {
		uri.UriParams.Add("transport", t.Target.Proto.String())
	}
	return uri
}

// Role tells dialers from carriers.
func (t *Trunk) Role() transport.Role { return t.Target.Role }

// Has tells whether a request from addr is this trunk's.
func (t *Trunk) Has(addr netip.Addr) bool { return Contains(t.Sources, addr) }

// Contains tells whether one of the prefixes holds addr; an IPv4 address
// mapped into IPv6 counts as IPv4.
func Contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap()
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Table answers the two questions of a call that comes in. Never mutated.
type Table struct {
	Trunks []*Trunk
	Routes []Route
}

// Present names the trunk of the flow's role whose certificate its remote has
// shown, or nil.
func (t *Table) Present(f *transport.Flow) *Trunk {
	for _, tr := range t.Trunks {
		if tr.Role() == f.Role() && tr.Proved(f) {
			return tr
		}
	}
	return nil
}

// Identify names the trunk of the given role that addr belongs to, or nil.
// The first fit in configuration order wins; one that has to show a certificate
// is not known by its address.
func (t *Table) Identify(role transport.Role, addr netip.Addr) *Trunk {
	for _, tr := range t.Trunks {
		if tr.Role() == role && tr.Has(addr) && !tr.Certificate.Required {
			return tr
		}
	}
	return nil
}

// ByName finds a trunk, or nil.
func (t *Table) ByName(name string) *Trunk {
	for _, tr := range t.Trunks {
		if tr.Name() == name {
			return tr
		}
	}
	return nil
}
