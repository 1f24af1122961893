package call

import (
	"net/netip"

	"callseal/media"
)

// Relay opens the media sessions of calls. NewRelay makes one of the media
// relay.
type Relay interface {
	// Open binds ports on the local address of each side. The caller closes
	// the session.
	Open(a, b netip.Addr) (Session, error)
}

// Session relays the media of one call; *media.Session is one.
type Session interface {
	Local(side media.Side) (rtp, rtcp netip.AddrPort)
	Set(side media.Side, remote media.Remote) error
	Notify(func(media.Event))
	Answered()
	Stats() media.Stats
	Close() media.Stats
}

var _ Session = (*media.Session)(nil)

// NewRelay is the media relay as calls use it.
func NewRelay(r *media.Relay) Relay { return relay{r} }

type relay struct{ *media.Relay }

// Open never gives a Session that holds nil.
func (r relay) Open(a, b netip.Addr) (Session, error) {
	s, err := r.Relay.Open(a, b)
	if err != nil {
		return nil, err
	}
	return s, nil
}
