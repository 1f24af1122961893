package signaling

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"callseal/signaling/register"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Registration is how our account at a trunk stands.
type Registration struct {
	Trunk     string
	Role      transport.Role
	Registrar string // its URI
	AOR       string // ours there
	register.Status
}

// registrations are ours at trunks.
type registrations struct {
	mu      sync.Mutex // guards what follows
	begun   bool       // the endpoint runs
	over    bool       // none begins any more
	kept    []*registered
	waiters sync.WaitGroup // for those that were removed; Run waits for them
}

// registered is one of them. Never mutated.
type registered struct {
	trunk *trunk.Trunk
	*register.Registration
}

// keepRegistrations makes those of a table the ones that are kept: who is new is
// begun, who is gone is un-registered, the others do not notice. A changed account
// begins when the old one is over, whose end would take it away.
func (s *Server) keepRegistrations(table *trunk.Table) {
	r := &s.registrations
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun || r.over {
		return
	}
	var kept []*registered
	for _, t := range table.Trunks {
		if !t.Registers() {
			continue
		}
		i := slices.IndexFunc(r.kept, func(k *registered) bool { return k.trunk.Name() == t.Name() })
		switch {
		case i >= 0 && r.kept[i].trunk.SameAccount(t):
			kept = append(kept, &registered{t, r.kept[i].Registration})
			if r.kept[i].Status().State == register.Stopped { // the administrator may have put it right elsewhere
				r.kept[i].Start()
			}
		case i >= 0:
			fresh := s.newRegistration(t)
			kept = append(kept, fresh)
			s.afterwards(r.kept[i], fresh.Start)
		default:
			fresh := s.newRegistration(t)
			kept = append(kept, fresh)
			fresh.Start()
		}
	}
	for _, k := range r.kept {
		if !slices.ContainsFunc(kept, func(o *registered) bool { return o.trunk.Name() == k.trunk.Name() }) {
			s.afterwards(k, func() { s.metrics.noRegistration(k.trunk.Name()) })
		}
	}
	r.kept = kept
}

// afterwards ends a registration, over the connection that it has, and then
// goes on. The caller holds mu.
func (s *Server) afterwards(k *registered, then func()) {
	release := s.hold(k.trunk.Name())
	s.registrations.waiters.Go(func() {
		defer release()
		<-k.Stop() // by an answer, or the end of the endpoint
		then()
	})
}

func (s *Server) newRegistration(t *trunk.Trunk) *registered {
	name, target := t.Name(), &t.Target
	hop := func() transport.Hop {
		if now := s.state().cfg.Table.ByName(name); now != nil && now.Register != nil {
			return transport.Hop{Target: &now.Target}
		}
		return transport.Hop{Target: target} // un-registering one that is gone
	}
	tell := func(o register.Outcome, st register.Status) { s.metrics.registration(name, o, st) }
	log := s.log.With(slog.String("trunk", name))
	return &registered{t, register.New(t.Account(hop, s.state().cfg.UserAgent), s.endpoint, log, tell)}
}

// beginRegistrations registers with every trunk that wants it, as soon as the
// endpoint runs.
func (s *Server) beginRegistrations(ctx context.Context) {
	select {
	case <-s.endpoint.Ready():
	case <-ctx.Done():
		return
	}
	s.registrations.mu.Lock()
	s.registrations.begun = true
	s.registrations.mu.Unlock()
	s.keepRegistrations(&s.state().cfg.Table)
}

// endRegistrations un-registers everywhere, without waiting for it: no new call
// shall come any more.
func (s *Server) endRegistrations() {
	r := &s.registrations
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, k := range r.kept {
		k.Stop()
	}
}

// awaitRegistrations waits until every trunk knows, or ctx ends.
func (s *Server) awaitRegistrations(ctx context.Context) {
	for _, k := range s.registrations.list() {
		select {
		case <-k.Stop():
		case <-ctx.Done():
			return
		}
	}
}

// killRegistrations stops their clocks, when the endpoint is gone.
func (s *Server) killRegistrations() {
	s.endRegistrations()
	for _, k := range s.registrations.list() {
		k.Kill()
	}
	s.registrations.waiters.Wait()
	for _, k := range s.registrations.list() { // one that began when its forerunner had ended
		k.Kill()
	}
}

func (r *registrations) list() []*registered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

// Registrations tells how our accounts at trunks stand, in the order of the
// configuration.
func (s *Server) Registrations() []Registration {
	var all []Registration
	for _, k := range s.registrations.list() {
		a := k.Account()
		all = append(all, Registration{Trunk: k.trunk.Name(), Role: k.trunk.Role(), Registrar: a.Registrar.String(), AOR: a.AOR.String(), Status: k.Status()})
	}
	return all
}

// registrationsLost tells them that a connection died.
func (s *Server) registrationsLost(f *transport.Flow) {
	for _, k := range s.registrations.list() {
		k.Closed(f)
	}
}

// from names the trunk that we are registered with at an address, of those that
// are reached by datagrams: the one whose contact has this user, and any one.
func (r *registrations) from(role transport.Role, addr netip.Addr, user string) (exact, some *trunk.Trunk) {
	for _, k := range r.list() {
		if k.trunk.Role() != role || k.trunk.Target.Proto != transport.UDP {
			continue
		}
		if st := k.Status(); st.Remote.Addr() != addr.Unmap() || time.Now().After(st.Expires) {
			continue
		}
		if k.trunk.Register.Extension == user {
			return k.trunk, k.trunk
		}
		if some == nil {
			some = k.trunk
		}
	}
	return nil, some
}

// at tells whether a registrar of ours answered from an address.
func (r *registrations) at(addr netip.Addr) bool {
	return slices.ContainsFunc(r.list(), func(k *registered) bool { return k.Status().Remote.Addr() == addr.Unmap() })
}
