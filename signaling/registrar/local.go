package registrar

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Grant registers a phone here, whatever its dialers say: it has proven who it
// is. up says which they are, and how long it may hold.
func (r *Registrar) Grant(tx *transport.ServerTx, a *Ask, up Upstream) {
	wanted := time.Duration(0)
	if !a.Remove && a.Contact != nil {
		wanted = min(max(a.Expiry, up.Min), up.Max)
	}
	r.accepted(tx, a, up, wanted, 0, r.table.held(a, wanted))
}

// held is what a registrar that has our contacts for an AOR says to a REGISTER
// (RFC 3261 section 10.3, step 8).
func (t *Table) held(a *Ask, wanted time.Duration) *sip.Response {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := sip.NewResponse(200, "OK")
	tell := func(token string, left time.Duration) {
		params := sip.NewParams()
		params.Add("expires", strconv.Itoa(int(left.Seconds())))
		said.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: token}, Params: params})
	}
	own := ""
	if a.Contact != nil {
		own = token(a.User, a.identity)
		tell(own, wanted)
	}
	for id, b := range t.bindings {
		if b.ask.User == a.User && id != own {
			tell(id, time.Until(b.expires))
		}
	}
	return said
}

// Presence is whether a phone can be reached, as Config.Changed is told.
type Presence uint8

// The ways.
const (
	Here      Presence = iota // it can
	Lost                      // its flow died, or it has stopped answering: it may come back
	Forgotten                 // it has expired, or taken itself off
)

// String gives a word for logs.
func (p Presence) String() string {
	switch p {
	case Here:
		return "here"
	case Lost:
		return "lost"
	case Forgotten:
		return "forgotten"
	}
	return fmt.Sprintf("presence(%d)", uint8(p))
}

// At tells whether a dialer calls the phone.
func (p Phone) At(dialer string) bool {
	b := p.get()
	return b != nil && (b.dialer == dialer || slices.Contains(b.also, dialer))
}

// User is what it registered as, or "".
func (p Phone) User() string {
	if b := p.get(); b != nil {
		return b.ask.User
	}
	return ""
}
