package signaling

import (
	"net/netip"
	"sync"
	"time"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Trust: the transport asks here who is ours. Who is not gets no answer, or one without anything spent on it, and is banned when it goes on.

var _ transport.Gatekeeper = (*Server)(nil)

// Known tells whether requests are expected from a flow.
func (s *Server) Known(f *transport.Flow) bool {
	_, ok := s.identify(f, "")
	return ok
}

// Registers tells whether phones may register at the listeners of a role.
func (s *Server) Registers(at transport.Role) bool {
	return at == transport.Phone && s.book.Load().places()
}

// InDialog tells whether a dialog of ours vouches for a request: a remote may go on with a call from another address than it began it from.
func (s *Server) InDialog(callID, tag string) bool {
	return s.find(callID, tag) != nil || s.subscription(callID, tag) != nil
}

// Exempt tells whether an address is never banned: one in the sources of a trunk, a registrar of ours, that of a phone that has registered or of
// a trunk that has shown its certificate over a connection that stands, or proven its password within the hour, and a loopback one in the sources
// of phones. A prefix that holds every address names nobody.
func (s *Server) Exempt(a netip.Addr) bool {
	st := s.state()
	for _, t := range st.cfg.Table.Trunks {
		if named(t.Sources, a) {
			return true
		}
	}
	if s.registrations.at(a) || s.phones.Table().At(a) || s.proved.at(a) || st.inbound.roamed.at(a, time.Now()) {
		return true
	}
	if !a.IsLoopback() {
		return false
	}
	for _, l := range st.listeners {
		if named(l.Sources, a) {
			return true
		}
	}
	return false
}

// proved are the connections of trunks that have shown their certificates. The zero value is none.
type proved struct {
	mu    sync.Mutex // guards flows
	flows map[string]netip.Addr
}

func (p *proved) add(f *transport.Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.flows[f.ID()]; ok || !f.Alive() {
		return
	}
	if p.flows == nil {
		p.flows = map[string]netip.Addr{}
	}
	p.flows[f.ID()] = f.Remote().Addr().Unmap()
}

func (p *proved) remove(f *transport.Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flows, f.ID())
}

// at tells whether one of them comes from an address.
func (p *proved) at(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, from := range p.flows {
		if from == a {
			return true
		}
	}
	return false
}

func named(sources []netip.Prefix, a netip.Addr) bool {
	for _, p := range sources {
		if p.Bits() > 0 && trunk.Contains([]netip.Prefix{p}, a) {
			return true
		}
	}
	return false
}

// Bans lists the addresses that are banned, the oldest ban first.
func (s *Server) Bans() []transport.Ban { return s.endpoint.Bans() }

// LiftBan takes from an address again, of IPv6 from its /64; false when it was not banned.
func (s *Server) LiftBan(a netip.Addr) bool { return s.endpoint.Lift(a) }
