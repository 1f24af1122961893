package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
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
	flow    *Flow            // the connection, while it lives; of UDP the socket and the chosen address
	until   time.Time        // UDP: when the address is looked up again
	skip    netip.Addr       // UDP: an address that did not answer; others come first
	own     map[bool]*socket // UDP: sockets of the trunk's own, by whether they are IPv4
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
	if l.usable(time.Now()) && !l.dialing {
		done(l.flow, false, nil)
		return
	}
	l.waiting = append(l.waiting, done)
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
	wanted.TLS, wanted.Port = nil, t.port()
	l := p.lines[t.key()]
	if l != nil {
		have := l.target
		have.TLS = nil
		if have == wanted && l.tls == config {
			return l
		}
	}
	fresh := &line{target: wanted, tls: config, own: map[bool]*socket{}}
	fresh.target.TLS = &fresh.tls
	if l != nil && l.target.Source == wanted.Source {
		fresh.own = l.own
	} else if l != nil {
		p.retired = slices.AppendSeq(p.retired, maps.Values(l.own))
	}
	p.lines[t.key()] = fresh
	return fresh
}

func (l *line) usable(now time.Time) bool {
	return l.flow != nil && l.flow.Alive() && (l.flow.conn != nil || now.Before(l.until))
}

// dial makes the line's flow and answers who waits for it.
func (p *pool) dial(l *line, t *Target) {
	e := p.endpoint
	ctx, cancel := context.WithTimeout(e.running, e.limits.Connect+e.limits.Dial)
	defer cancel()
	var f *Flow
	addrs, err := e.resolve(ctx, t)
	switch {
	case err != nil:
		err = &Failure{Trunk: t.Trunk, Stage: StageResolve, Cause: classify(err), Err: err}
	case t.Proto == UDP:
		f, err = p.choose(l, addrs)
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

// choose picks the address a UDP trunk is sent to.
func (p *pool) choose(l *line, addrs []netip.AddrPort) (*Flow, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := addrs[0]
	if len(addrs) > 1 && to.Addr() == l.skip {
		to = addrs[1]
	}
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

// unreached: a UDP trunk did not answer; its addresses are looked up again, and another one is tried first.
func (p *pool) unreached(f *Flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lines[f.key()]; l != nil && l.flow != nil && l.flow.id == f.id {
		l.flow, l.skip = nil, f.remote.Addr()
	}
}

// leadsTo tells whether requests to a trunk go to an address.
func (p *pool) leadsTo(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if l.flow != nil && l.flow.remote.Addr() == a {
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

// connect tries the addresses one after the other until one gives a verified connection. When none does, the failure that came farthest is
// returned: a wrong certificate says more than a refused connect.
func (p *pool) connect(ctx context.Context, t *Target, addrs []netip.AddrPort) (*Flow, error) {
	var worst *Failure
	deadline := time.Now().Add(p.endpoint.limits.Connect)
	for i, to := range addrs {
		f, failure := p.connectTo(ctx, t, to, share(deadline, len(addrs)-i))
		if failure == nil {
			return f, nil
		}
		if worst == nil || failure.Stage > worst.Stage {
			worst = failure
		}
	}
	return nil, worst
}

// share divides what is left until deadline among the addresses still to try, but gives each a useful time.
func share(deadline time.Time, left int) time.Duration {
	const least = time.Second
	return max(time.Until(deadline)/time.Duration(left), least)
}

// connectTo opens one connection and starts to serve it.
func (p *pool) connectTo(ctx context.Context, t *Target, to netip.AddrPort, within time.Duration) (*Flow, *Failure) {
	e := p.endpoint
	started := time.Now()
	raw, err := e.network.Dial(ctx, within, t.Source.Addr(), to)
	if err != nil {
		return nil, &Failure{Trunk: t.Trunk, Stage: StageConnect, Cause: classify(err), Err: err}
	}
	tune(raw)
	stream := raw
	if t.Proto == TLS {
		secured, failure := e.clientHandshake(ctx, t, raw)
		if failure != nil {
			_ = raw.Close() // the handshake's failure is what matters
			e.metrics.tlsFailure(t.Role, failure)
			return nil, failure
		}
		stream = secured
		e.metrics.handshake(t.Role, secured.ConnectionState().Version)
	}
	local := tcpAddr(raw.LocalAddr())
	f := &Flow{id: t.Proto.String() + "-" + strconv.FormatUint(e.serial.Add(1), 10), role: t.Role, proto: t.Proto, trunk: t.Trunk, pool: t.Pool,
		local: local, remote: unmap(to), contact: e.contactFor(t, local)}
	c := newConn(e, raw, stream, f)
	c.to = t
	if !e.connectionBegun(c) {
		return nil, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}
	}
	if !e.spawn(func() { c.serve(started) }) {
		c.end(closedByUs, ErrClosed)
		e.connectionEnded(c)
		return nil, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}
	}
	return f, nil
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
