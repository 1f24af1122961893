package signaling

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/call"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Dialers and carriers that prove who they are by a password, beside their address or in the place of one.

// inbound is what trunks prove themselves by.
type inbound struct {
	digest map[transport.Role]*auth.Server // of one realm
	roamed roamed
}

// newInbound makes it; where the realm stays, so do the nonces that trunks have.
func (s *Server) newInbound(realm string) *inbound {
	in := &inbound{digest: map[transport.Role]*auth.Server{}}
	if was := s.state(); was != nil && was.cfg.Realm == realm {
		in.digest = was.inbound.digest
		return in
	}
	for _, role := range []transport.Role{transport.Dialer, transport.Carrier} {
		in.digest[role] = auth.NewServer(realm, func(user string) (auth.Keys, bool) {
			if t := s.state().cfg.Table.Account(role, user); t != nil {
				return t.Inbound.Keys, true
			}
			return auth.Keys{}, false
		})
	}
	return in
}

// trunkDigests: chan_sip knows no other, and takes no challenge of which another is a part.
var trunkDigests = []auth.Algorithm{auth.MD5}

// challenged are the methods of which a request outside of dialogs may lead to a challenge, and what belongs to that.
var challenged = []sip.RequestMethod{sip.INVITE, sip.ACK, sip.CANCEL, sip.OPTIONS, sip.MESSAGE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER}

// Challenges tells whether a request from an address that is nobody's is challenged: one of the trunks there is known by its password alone.
func (s *Server) Challenges(f *transport.Flow, method sip.RequestMethod) bool {
	st := s.state()
	return slices.Contains(challenged, method) && st.listeners[f.Listener()] != nil && st.cfg.Table.Roams(f.Role())
}

// trunkSender tells which trunk a request outside of dialogs comes from. from is who its address says that it is, or the zero Party. An
// OPTIONS of a trunk's own address stays free: Asterisk asks so whether we are there, and takes every answer for a yes. So does what a dialer
// says to a phone by the contact that it was given: Asterisk would answer our challenge as that phone's, with the phone's password or with none.
func (s *Server) trunkSender(tx *transport.ServerTx, from call.Party) (call.Party, *refusal) {
	st, f, method, t := s.state(), tx.Flow(), tx.Request().Method, from.Trunk
	switch {
	case t == nil && !s.Challenges(f, method):
		return from, &strange
	case t != nil && (!t.Proves() || method == sip.OPTIONS || t.Role() == transport.Dialer && registrar.IsToken(tx.Request().Recipient.User)):
		return from, nil
	}
	var who *trunk.Trunk
	_, no := s.judged(tx, st.inbound.digest[f.Role()], trunkDigests, func(user string) bool {
		who = st.cfg.Table.Account(f.Role(), user)
		return who != nil && (t == nil && who.Roams() || t != nil && who.Name() == t.Name())
	})
	if no != nil {
		return from, no
	}
	if t == nil {
		st.inbound.roamed.add(f.Remote().Addr(), time.Now())
	}
	return call.TrunkParty(who), nil
}

// vouched tells whether a request outside of dialogs comes from who may send one; else it is answered. Phones are not asked.
func (s *Server) vouched(tx *transport.ServerTx) bool {
	if tx.Flow().Role() == transport.Phone {
		return true
	}
	_, no := s.sender(tx)
	if no != nil {
		s.turnAway(tx, no)
	}
	return no == nil
}

// roamed are the addresses from which trunks have proven themselves by their passwords alone. The zero value is none.
type roamed struct {
	mu   sync.Mutex // guards last
	last map[netip.Addr]time.Time
}

// Only who knows a password adds an address.
const (
	maxRoamed = 1024
	roamedFor = time.Hour
)

func (r *roamed) add(a netip.Addr, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[netip.Addr]time.Time{}
	}
	a = a.Unmap()
	if _, known := r.last[a]; !known && len(r.last) >= maxRoamed {
		for old, at := range r.last {
			if now.Sub(at) > roamedFor {
				delete(r.last, old)
			}
		}
		if len(r.last) >= maxRoamed {
			return
		}
	}
	r.last[a] = now
}

// at tells whether a trunk has done so from an address of late.
func (r *roamed) at(a netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.last[a.Unmap()]
	return ok && now.Sub(last) <= roamedFor
}
