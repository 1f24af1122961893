package signaling

import (
	"net/netip"
	"time"

	"callseal/sdp"
	"callseal/signaling/dialog"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Config is everything the Server needs; cmd makes it from the
// configuration file. It is never mutated after New.
type Config struct {
	Listeners []Listener
	Table     trunk.Table
	Media     MediaAddresses
	Phones    Phones
	Limits    Limits
	Accounts  Accounts
	Transport transport.Limits
	Trust     transport.Trust
	// Realm is what trunks are asked for their passwords in the name of.
	Realm string
	// UserAgent is what Server and User-Agent headers say.
	UserAgent string
	// Network and Resolver are the operating system's when they are nil.
	Network  transport.Network
	Resolver transport.Resolver
}

// Listener is a place where calls come in. Sources, Media, Suites, Audio and
// Transfer hold for phones, which have no trunk of their own; other roles take
// their trunk's.
type Listener struct {
	transport.Listener
	// Sources are the phones that may call. Empty: nobody may.
	Sources []netip.Prefix
	Media   sdp.Mode
	Suites  []sdp.Suite
	Audio   trunk.Audio
	// Transfer is what becomes of their REFERs, and of their INVITEs with
	// Replaces.
	Transfer trunk.Transfer
}

// Phones says what becomes of phones that register.
type Phones struct {
	// Source is our own address, and of UDP our port, toward dialers in what is
	// said for phones: a dialer must not take it for a trunk's.
	Source     netip.AddrPort
	MinExpiry  time.Duration // 0: registrar.MinExpiry
	MaxExpiry  time.Duration // 0: registrar.MaxExpiry
	AutoAnswer bool          // agents' logins are answered by the phone itself
}

func (p Phones) withDefaults() Phones {
	if p.MinExpiry == 0 {
		p.MinExpiry = registrar.MinExpiry
	}
	if p.MaxExpiry == 0 {
		p.MaxExpiry = registrar.MaxExpiry
	}
	return p
}

// mayCall tells whether a phone at addr is allowed in.
func (l *Listener) mayCall(addr netip.Addr) bool { return trunk.Contains(l.Sources, addr) }

// MediaAddresses are where RTP is received, and what SDP says of it. V6 is
// the zero Addr where there is no IPv6.
type MediaAddresses struct {
	V4, V6                   netip.Addr
	AdvertiseV4, AdvertiseV6 netip.Addr
}

// Limits bound what a call may take. Zero means the default.
type Limits struct {
	Calls    int           // calls at once; default 4000
	Ring     time.Duration // INVITE to answer; default 180 s
	Duration time.Duration // answer to BYE; default 12 h: an agent's shift
	Session  time.Duration // session interval that legs are asked for (RFC 4028); 0 asks for none
	Silent   time.Duration // until another party is asked, where one says nothing at all; default 1.9 s, negative: for ever
	Setups   int           // new calls per second; 0: no limit
	Memory   uint64        // octets in use from which on no new call is taken; 0: no limit
}

// The defaults of Limits.
const (
	DefaultCalls    = 4000
	DefaultRing     = 180 * time.Second
	DefaultDuration = 12 * time.Hour
	DefaultSession  = 30 * time.Minute // RFC 4028 section 4 recommends it
	MinSession      = dialog.MinSession
	DefaultSilent   = 1900 * time.Millisecond // so that the next one is asked within 2 s
)

func (l Limits) withDefaults() Limits {
	if l.Calls == 0 {
		l.Calls = DefaultCalls
	}
	if l.Ring == 0 {
		l.Ring = DefaultRing
	}
	if l.Duration == 0 {
		l.Duration = DefaultDuration
	}
	if l.Silent == 0 {
		l.Silent = DefaultSilent
	}
	l.Silent = max(l.Silent, 0)
	return l
}
