package transport

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// opened is a connection that nobody serves yet.
type opened struct {
	to          netip.AddrPort
	raw, stream net.Conn
	version     uint16 // of TLS, or 0
	started     time.Time
	failure     *Failure // why there is none
}

// connect tries the addresses in their order until one gives a verified connection: the next is tried when one fails, and beside it when it is
// silent for a moment (RFC 8305 section 5). One that has taken the connection gets the time for its handshake. When none gives one, the failure
// that came farthest is returned: a wrong certificate says more than a refused connect.
func (p *pool) connect(ctx context.Context, t *Target, addrs []netip.AddrPort) (*Flow, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends those that are not needed any more
	r := &race{endpoint: p.endpoint, target: t, addrs: addrs, until: time.Now().Add(p.endpoint.limits.Connect),
		done: make(chan opened, len(addrs)), taken: make(chan struct{}, len(addrs))}
	next := time.NewTimer(stagger)
	defer next.Stop()
	r.start(ctx)
	var worst *Failure
	for r.running > 0 {
		select {
		case <-next.C:
			if r.start(ctx) {
				next.Reset(stagger)
			}
		case <-r.taken:
			next.Stop()
		case o := <-r.done:
			r.running--
			if o.failure == nil {
				r.abandon()
				return p.serve(t, o)
			}
			if o.failure.Stage != StageClosed {
				p.unreached(&Flow{trunk: t.Trunk, pool: t.Pool, remote: o.to})
			}
			if worst == nil || o.failure.Stage > worst.Stage {
				worst = o.failure
			}
			if r.start(ctx) {
				next.Reset(stagger)
			}
		}
	}
	return nil, worst
}

// race is one connect. Its fields below until are owned by the goroutine that called it.
type race struct {
	endpoint *Endpoint
	target   *Target
	until    time.Time // for the TCP connects of all; each has a second at least
	addrs    []netip.AddrPort
	running  int
	done     chan opened   // has room for all
	taken    chan struct{} // likewise; a TCP connection stands
}

// start tries the next address; false when there is none.
func (r *race) start(ctx context.Context) bool {
	if len(r.addrs) == 0 {
		return false
	}
	to := r.addrs[0]
	r.addrs = r.addrs[1:]
	r.running++
	if !r.endpoint.spawn(func() { r.done <- r.open(ctx, to) }) {
		r.done <- opened{to: to, failure: &Failure{Trunk: r.target.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}}
	}
	return true
}

// open makes one connection.
func (r *race) open(ctx context.Context, to netip.AddrPort) opened {
	e, t := r.endpoint, r.target
	o := opened{to: to, started: time.Now()}
	raw, err := e.network.Dial(ctx, max(time.Until(r.until), time.Second), e.from(t, to.Addr()), to)
	if err != nil {
		o.failure = &Failure{Trunk: t.Trunk, Stage: StageConnect, Cause: classify(err), Err: err}
		return o
	}
	r.taken <- struct{}{}
	tune(raw)
	o.raw, o.stream = raw, raw
	if t.Proto != TLS {
		return o
	}
	secured, failure := e.clientHandshake(ctx, t, raw)
	if failure != nil {
		_ = raw.Close() // the handshake's failure is what matters
		if ctx.Err() == nil {
			e.metrics.tlsFailure(t.Role, failure)
		}
		o.failure = failure
		return o
	}
	o.stream, o.version = secured, secured.ConnectionState().Version
	return o
}

// abandon closes what the others bring.
func (r *race) abandon() {
	left := r.running
	if left == 0 {
		return
	}
	closing := func() {
		for range left {
			if o := <-r.done; o.failure == nil {
				_ = o.raw.Close() // nothing was sent
			}
		}
	}
	if !r.endpoint.spawn(closing) {
		closing()
	}
}

// serve starts to serve a connection.
func (p *pool) serve(t *Target, o opened) (*Flow, error) {
	e := p.endpoint
	if o.version != 0 {
		e.metrics.handshake(t.Role, o.version)
	}
	local := tcpAddr(o.raw.LocalAddr())
	f := &Flow{id: t.Proto.String() + "-" + strconv.FormatUint(e.serial.Add(1), 10), role: t.Role, proto: t.Proto, trunk: t.Trunk, pool: t.Pool,
		local: local, remote: unmap(o.to), contact: e.contactFor(t, local)}
	c := newConn(e, o.raw, o.stream, f)
	c.to = t
	if !e.connectionBegun(c) {
		return nil, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}
	}
	if !e.spawn(func() { c.serve(o.started) }) {
		c.end(closedByUs, ErrClosed)
		e.connectionEnded(c)
		return nil, &Failure{Trunk: t.Trunk, Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}
	}
	return f, nil
}
