package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// pool holds one line per trunk and pool of its Target. A connection is found by these names only, so two trunks behind one IP:port never share
// one, and a connection verified for one name is never used for another.
type pool struct {
	endpoint *Endpoint

	mu      sync.Mutex // guards the rest
	lines   map[lineKey]*line
	retired []*socket // of lines that a change of configuration replaced
	closed  bool
}

type lineKey struct{ trunk, pool string }

func (t *Target) key() lineKey { return lineKey{t.Trunk, t.Pool} }

func (f *Flow) key() lineKey { return lineKey{f.trunk, f.pool} }

// line is what leads to one trunk.
type line struct {
	target  Target
	tls     ClientTLS
	flow    *Flow                        // the connection, while it lives; of UDP the socket and the chosen address
	until   time.Time                    // UDP: when the address is looked up again
	addrs   []netip.AddrPort             // where it leads to, as of the last lookup
	failed  map[netip.AddrPort]time.Time // when addresses were found dead; others are tried first for a while
	own     map[bool]*socket             // UDP: sockets of the trunk's own, by whether they are IPv4
	dialing bool
	waiting []found
}

// found takes the flow, or why there is none. It must not block; fresh says that the flow was made for this call.
type found func(f *Flow, fresh bool, err error)

func newPool(e *Endpoint) *pool { return &pool{endpoint: e, lines: map[lineKey]*line{}} }

// acquire finds or makes the flow to a target. However many ask at once, one dial answers them all, in the order in which they asked.
func (p *pool) acquire(t *Target, addr netip.AddrPort, done found) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		done(nil, false, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed})
		return
	}
	if t.Role == Phone { // the port of a phone is its router's: whoever holds that now is somebody else
		done(nil, false, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseNoPath, Err: ErrNoPath})
		return
	}
	l := p.line(t)
	if t.Proto == UDP && addr.IsValid() {
		s, err := p.socket(l, addr.Addr())
		if err != nil {
			done(nil, false, &Failure{Trunk: t.Trunk, Stage: StageConnect, Cause: classify(err), Err: err})
			return
		}
		done(s.flow(addr, t.Trunk), false, nil)
		return
	}
	now := time.Now()
	if l.usable(now) && len(l.waiting) == 0 {
		done(l.flow, false, nil)
		if l.dialing || !l.aged(now) {
			return
		}
	} else {
		l.waiting = append(l.waiting, done)
	}
	if l.dialing {
		return
	}
	l.dialing = true
	target := l.target
	if !p.endpoint.spawn(func() { p.dial(l, &target) }) {
		l.dialing = false
		p.answer(l, nil, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed})
	}
}

// line gives the trunk's line; one that leads elsewhere, after a change of configuration, is left to its calls and replaced.
func (p *pool) line(t *Target) *line {
	config, wanted := t.config(), *t
	wanted.TLS = nil
	l := p.lines[t.key()]
	if l != nil {
		have := l.target
		have.TLS = nil
		if have == wanted && l.tls == config {
			return l
		}
	}
	fresh := &line{target: wanted, tls: config, own: map[bool]*socket{}, failed: map[netip.AddrPort]time.Time{}}
	fresh.target.TLS = &fresh.tls
	if l != nil && l.target.Source == wanted.Source {
		fresh.own = l.own
	} else if l != nil {
		p.retired = slices.AppendSeq(p.retired, maps.Values(l.own))
	}
	p.lines[t.key()] = fresh
	return fresh
}

// usable: there is a connection, or an address that was looked up not too long ago.
func (l *line) usable(now time.Time) bool {
	return l.flow != nil && l.flow.Alive() && (l.flow.conn != nil || now.Before(l.until.Add(resolveGrace)))
}

// aged: the address is good for the request at hand, but is to be looked up again meanwhile.
func (l *line) aged(now time.Time) bool { return l.flow.conn == nil && !now.Before(l.until) }

// dial makes the line's flow and answers who waits for it.
func (p *pool) dial(l *line, t *Target) {
	e := p.endpoint
	ctx, cancel := context.WithTimeout(e.running, e.limits.Connect+e.limits.Dial)
	defer cancel()
	var f *Flow
	addrs, err := e.resolve(ctx, t)
	if err == nil {
		addrs = p.found(l, addrs)
	}
	switch {
	case err != nil:
		err = &Failure{Trunk: t.Trunk, Stage: StageResolve, Cause: classify(err), Err: err}
	case t.Proto == UDP:
		f, err = p.choose(l, addrs[0])
	default:
		f, err = p.connect(ctx, t, addrs)
	}
	if err != nil && e.running.Err() != nil {
		err = &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.dialing = false
	if err == nil {
		l.flow, l.until = f, time.Now().Add(resolveTTL)
	}
	p.answer(l, f, err)
}

// answer calls everybody who waits; the caller holds mu, so that nobody who asks later is answered earlier.
func (p *pool) answer(l *line, f *Flow, err error) {
	waiting := l.waiting
	l.waiting = nil
	for _, done := range waiting {
		done(f, true, err)
	}
}

// found notes where a line leads to, and puts the addresses that were found dead a moment ago behind the others.
func (p *pool) found(l *line, addrs []netip.AddrPort) []netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(l.failed, func(a netip.AddrPort, at time.Time) bool {
		return now.Sub(at) >= avoidFor || !slices.Contains(addrs, a)
	})
	l.addrs = slices.Clone(addrs)
	slices.SortStableFunc(l.addrs, func(a, b netip.AddrPort) int {
		return l.failed[a].Compare(l.failed[b]) // of those that are all dead the one that has been for longest comes first
	})
	return l.addrs
}

// choose makes the flow to a UDP trunk's address.
func (p *pool) choose(l *line, to netip.AddrPort) (*Flow, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.socket(l, to.Addr())
	if err != nil {
		return nil, &Failure{Trunk: l.target.Trunk, Stage: StageConnect, Cause: classify(err), Err: err}
	}
	return s.flow(to, l.target.Trunk), nil
}

// socket gives the UDP socket for a trunk: that of the listener of its role, so that the remote sees the address it is configured for, else
// one of the trunk's own, as always where the target has a pool or a source. The caller holds mu.
func (p *pool) socket(l *line, to netip.Addr) (*socket, error) {
	source := l.target.Source
	for _, known := range p.endpoint.listening() {
		if s := known.socket; s != nil && known.Role == l.target.Role && s.reaches(to) && l.target.Pool == "" && !source.IsValid() {
			return s, nil
		}
	}
	v4 := to.Unmap().Is4()
	if s := l.own[v4]; s != nil {
		return s, nil
	}
	if !source.IsValid() {
		source = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		if v4 {
			source = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		}
	} else if source.Addr().Unmap().Is4() != v4 {
		return nil, fmt.Errorf("%w: %s is to be reached from %s", ErrNoPath, to, source.Addr())
	}
	s, err := openSocket(p.endpoint, source)
	if err != nil {
		return nil, err
	}
	s.owner.Store(&socketOwner{role: l.target.Role})
	s.trunk, s.pool = l.target.Trunk, l.target.Pool
	if !p.endpoint.spawn(s.serve) {
		s.close()
		return nil, ErrClosed
	}
	l.own[v4] = s
	return s, nil
}

// unreached: a trunk's address did not answer. Its addresses are looked up again, and others are tried first. others is how many it has, led says
// that this was one of them.
func (p *pool) unreached(f *Flow) (others int, led bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[f.key()]
	if l == nil || !slices.Contains(l.addrs, f.remote) {
		return 0, false
	}
	l.failed[f.remote] = time.Now()
	if l.flow != nil && l.flow.id == f.id && l.flow.conn == nil {
		l.flow = nil
	}
	return len(l.addrs) - 1, true
}

// leadsTo tells whether requests to a trunk go to an address.
func (p *pool) leadsTo(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if slices.ContainsFunc(l.addrs, func(to netip.AddrPort) bool { return to.Addr() == a }) {
			return true
		}
		if host, err := netip.ParseAddr(l.target.Host); err == nil && host.Unmap() == a {
			return true
		}
	}
	return false
}

// lost forgets a connection that has died.
func (p *pool) lost(f *Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lines[f.key()]; l != nil && l.flow == f {
		l.flow = nil
	}
}

// close closes the trunks' own sockets; connections are the endpoint's to close.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.lines {
		p.retired = slices.AppendSeq(p.retired, maps.Values(l.own))
	}
	for _, s := range p.retired {
		s.close()
	}
}

// from is the address of ours that a connection to a target leaves from: its own source, else that of the listener of its role, which is the one
// that the remote knows us by, as over UDP. The zero Addr leaves it to the system: where no listener has one address, or none that leads there, and for
// pools, which are to be told apart from what is a trunk's.
func (e *Endpoint) from(t *Target, remote netip.Addr) netip.Addr {
	if t.Source.IsValid() || t.Pool != "" {
		return t.Source.Addr()
	}
	for _, l := range e.listening() {
		a := l.local.Addr().Unmap()
		if l.Role == t.Role && !a.IsUnspecified() && a.Is4() == remote.Is4() && a.IsLoopback() == remote.IsLoopback() {
			return a
		}
	}
	return netip.Addr{}
}

// clientHandshake runs our side of a TLS handshake, certificate check included.
func (e *Endpoint) clientHandshake(ctx context.Context, t *Target, raw net.Conn) (*tls.Conn, *Failure) {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Dial)
	defer cancel()
	unmet := false // written by the handshake, which runs in this goroutine
	c := tls.Client(raw, clientConfig(t, func() { unmet = true }))
	err := c.HandshakeContext(ctx)
	if err == nil {
		return c, nil
	}
	f := &Failure{Trunk: t.Trunk, Stage: StageHandshake, Cause: classify(err), Err: err}
	if _, ours := classifyVerification(err); ours {
		f.Stage = StageVerify
	} else if _, alert := remoteAlert(err); alert && unmet { // TLS 1.2 has no alert for it (RFC 5246 section 7.4.6)
		f.Cause = CauseCertificateRequired
	}
	return nil, f
}

// contactFor is where a remote that we dialled reaches us: the listener of its role and protocol, with the address this connection uses where
// the listener is bound to all; nothing when there is no such listener. A target with a source shows no other address than that.
func (e *Endpoint) contactFor(t *Target, local netip.AddrPort) hostPort {
	for _, l := range e.listening() {
		if l.Role != t.Role || l.Proto != t.Proto {
			continue
		}
		if t.Source.IsValid() {
			if a := l.local.Addr(); a.IsUnspecified() || a.Unmap() == local.Addr() {
				return hostPortOf(netip.AddrPortFrom(local.Addr(), l.local.Port()))
			}
			continue
		}
		if l.contact.host != "" {
			return l.contact
		}
		return hostPortOf(netip.AddrPortFrom(local.Addr(), l.local.Port()))
	}
	return hostPort{}
}
