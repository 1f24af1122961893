package transport

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// ICMP says over UDP what a refused connect says over TCP: nobody listens there. A trunk's request that begins something goes on to the trunk's
// next address then, or fails at once. What belongs to a dialog is repeated as ever: a PBX that restarts is back in a moment.

// passing tells whether an error of a UDP socket may be about another datagram than the one at hand.
func passing(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EMSGSIZE)
}

// heed looks at what ICMP has said of the socket's datagrams.
func (s *socket) heed() {
	u, ok := s.udp.(*net.UDPConn)
	if !ok {
		return
	}
	for _, to := range unheard(u) {
		f := s.flow(to, "")
		if s.endpoint.pool.deserted(f) {
			s.endpoint.deserted(f)
		}
	}
}

// deserted notes that nobody listens at an address; false when no trunk leads there.
func (p *pool) deserted(f *Flow) bool {
	p.mu.Lock()
	var lines []*Flow
	for key := range p.lines {
		if f.trunk == "" || key == f.key() {
			lines = append(lines, &Flow{id: f.id, trunk: key.trunk, pool: key.pool, remote: f.remote})
		}
	}
	p.mu.Unlock()
	led := false
	for _, l := range lines {
		_, is := p.unreached(l)
		led = led || is
	}
	return led
}

// deserted tells the requests that were sent to an address at which nobody listens.
func (e *Endpoint) deserted(f *Flow) {
	for _, l := range e.lanes {
		l.tables.Lock()
		var theirs []*ClientTx
		for _, t := range l.clients {
			theirs = append(theirs, t)
		}
		l.tables.Unlock()
		if len(theirs) == 0 {
			continue
		}
		l.post(func() {
			for _, t := range theirs {
				t.deserted(f.socket, f.remote)
			}
		})
	}
}

// maxAddresses bounds how many addresses one request tries.
const maxAddresses = 8

// deserted: ICMP says that nobody listens where the request was sent.
func (t *ClientTx) deserted(s *socket, at netip.AddrPort) {
	if t.machine == nil || t.done || t.provisional || t.silent || t.flow.socket != s || t.flow.remote != at || t.out.Request.To().Params.Has("tag") {
		return
	}
	h := t.out.Hop
	others, _ := t.endpoint.pool.unreached(t.flow)
	if h.Target == nil || h.Flow != nil || h.Addr.IsValid() || h.Name != "" || t.canceling || t.moved >= min(others, maxAddresses) {
		t.fail(&Failure{Trunk: t.trunk(), Stage: StageConnect, Cause: CauseRefused, Err: syscall.ECONNREFUSED})
		return
	}
	t.moved++
	t.drop()
	t.endpoint.path(t.lane, h, t.start)
}
