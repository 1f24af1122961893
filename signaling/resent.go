package signaling

import (
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// A challenged INVITE comes again, with the answer to the challenge (RFC 3261 section 22.2): that is the same call, and is not charged to the
// limits of new calls a second time.

// resentFor is how long the answer to a challenge may take. Nobody asks a person for a password meanwhile.
const resentFor = 10 * time.Second

// maxResent bounds the challenges that are remembered; INVITEs that answer others are charged.
const maxResent = 4096

// resent remembers which INVITEs were challenged. Each stands there once: who does not answer is not let through for nothing again and again.
// The zero value remembers none.
type resent struct {
	mu sync.Mutex // guards of
	of map[sender]*pass
}

// sender names an INVITE by what stays the same of it. A pass for the INVITE of somebody else is worth nothing: the password is missing.
type sender struct {
	callID string
	addr   netip.Addr
}

// pass lets one INVITE through.
type pass struct {
	until   time.Time
	used    bool
	charged bool // the challenged one was charged at its trunk too
}

func senderOf(f *transport.Flow, callID string) sender {
	return sender{callID, f.Remote().Addr().Unmap()}
}

// expect notes that an INVITE was challenged: by us, or by who it was for.
func (r *resent) expect(who sender, charged bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.of[who]; p != nil && now.Before(p.until) {
		return
	}
	if len(r.of) >= maxResent {
		for other, p := range r.of {
			if !now.Before(p.until) {
				delete(r.of, other)
			}
		}
		if len(r.of) >= maxResent {
			return
		}
	}
	if r.of == nil {
		r.of = make(map[sender]*pass)
	}
	r.of[who] = &pass{until: now.Add(resentFor), charged: charged}
}

// take uses a pass; it tells whether there was one.
func (r *resent) take(who sender, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.of[who]
	if p == nil || p.used || !now.Before(p.until) {
		return false
	}
	p.used = true
	return true
}

// paid tells, once, whether an INVITE was let through by a pass and was charged at its trunk before.
func (r *resent) paid(who sender) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.of[who]
	if p == nil || !p.used || !p.charged {
		return false
	}
	p.charged = false
	return true
}

// challenged notes that who a call went to asks its caller for a password.
func (s *Server) challenged(invite *sip.Request, f *transport.Flow) {
	s.resent.expect(senderOf(f, invite.CallID().Value()), true, time.Now())
}
