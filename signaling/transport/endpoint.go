package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Endpoint is the signaling transport: listeners, connections, lanes and transactions.
type Endpoint struct {
	// Never changed after New.
	limits     Limits
	handler    Handler
	log        *slog.Logger
	metrics    *Metrics
	tap        func(Tapped)
	tapSecrets bool
	resolver   Resolver
	network    Network
	server     string
	checker    *checker
	guard      *guard
	sentry     *sentry
	lanes      []*lane
	pool       *pool
	ready      chan struct{}   // closed by Run
	stopping   chan struct{}   // closed by Run when it ends
	running    context.Context // ends with Run; handshakes and dials depend on it
	stop       context.CancelFunc

	listeners   atomic.Pointer[[]*listener] // stored by New and Relisten
	relistening sync.Mutex                  // held by Relisten

	notes  notes
	names  directory
	serial atomic.Uint64 // numbers flows and sockets

	mu      sync.Mutex // guards the rest
	claimed bool       // Run was called
	started bool       // the listeners are served
	closing bool
	conns   map[*conn]struct{}
	retired []*bound       // UDP sockets of listeners that are no more, which calls still use
	work    sync.WaitGroup // every goroutine but the lanes'; Run waits for it
}

// quiet takes sipgo's log: it writes raw messages, keys and digests included.
var quiet = slog.New(slog.DiscardHandler)

// silence is for the places where sipgo uses its package-wide logger.
var silence = sync.OnceFunc(func() { sip.SetDefaultLogger(quiet) })

// New binds every listener, or fails naming the first that cannot be bound. Whoever calls New calls Run, which closes everything.
func New(c Config) (*Endpoint, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	silence()
	e := &Endpoint{
		limits: c.Limits.withDefaults(), handler: c.Handler, log: c.Log, metrics: c.Metrics, tap: c.Tap, tapSecrets: c.TapSecrets,
		resolver: c.Resolver, network: c.Network, server: c.UserAgent, checker: newChecker(),
		ready: make(chan struct{}), stopping: make(chan struct{}), conns: map[*conn]struct{}{},
	}
	if e.metrics == nil {
		e.metrics = NewMetrics(nil)
	}
	if e.resolver == nil {
		e.resolver = net.DefaultResolver
	}
	if e.network == nil {
		e.network = kernel{}
	}
	e.running, e.stop = context.WithCancel(context.Background())
	e.guard = newGuard(e.limits)
	e.sentry = newSentry(&c)
	e.pool = newPool(e)
	for range laneCount {
		e.lanes = append(e.lanes, newLane(e))
	}
	var listeners []*listener
	for _, lc := range c.Listeners {
		l, err := bind(e, lc)
		if err != nil {
			for _, l := range listeners {
				l.close()
			}
			e.stop()
			return nil, err
		}
		listeners = append(listeners, l)
	}
	e.listeners.Store(&listeners)
	return e, nil
}

// check finds what cannot work.
func (c *Config) check() error {
	if c.Handler == nil || c.Log == nil {
		return fmt.Errorf("%w: Handler and Log are required", ErrConfig)
	}
	return checkListeners(c.Listeners)
}

func checkListeners(list []Listener) error {
	names := map[string]bool{}
	for _, l := range list {
		switch {
		case l.Name == "" || names[l.Name]:
			return fmt.Errorf("%w: listener name %q is empty or used twice", ErrConfig, l.Name)
		case l.Role < Phone || l.Role > Carrier:
			return fmt.Errorf("%w: listener %s: %w", ErrConfig, l.Name, ErrRole)
		case l.Proto < UDP || l.Proto > TLS:
			return fmt.Errorf("%w: listener %s: %w", ErrConfig, l.Name, ErrProto)
		case l.Proto == TLS && l.TLS == nil:
			return fmt.Errorf("%w: listener %s: tls without a TLS configuration", ErrConfig, l.Name)
		case !l.Address.IsValid():
			return fmt.Errorf("%w: listener %s: no address", ErrConfig, l.Name)
		}
		names[l.Name] = true
	}
	return nil
}

// Run serves until ctx ends, then lets every connection send what is queued, closes every socket, fails what is pending, and waits for all
// that it started. It returns nil, or ErrClosed when it is called twice.
func (e *Endpoint) Run(ctx context.Context) error {
	e.mu.Lock()
	if e.claimed {
		e.mu.Unlock()
		return ErrClosed
	}
	e.claimed = true
	e.mu.Unlock()
	var lanes sync.WaitGroup
	for _, l := range e.lanes {
		lanes.Go(l.run)
	}
	e.begin()
	close(e.ready)
	<-ctx.Done()
	e.shutDown()
	e.work.Wait()
	for _, l := range e.lanes {
		l.stop()
	}
	lanes.Wait()
	return nil
}

// begin starts the listeners.
func (e *Endpoint) begin() {
	e.relistening.Lock()
	defer e.relistening.Unlock()
	e.mu.Lock()
	e.started = true
	e.mu.Unlock()
	for _, l := range e.listening() {
		l.serve()
	}
}

// shutDown makes every goroutine that spawn started end.
func (e *Endpoint) shutDown() {
	e.mu.Lock()
	e.closing = true
	conns := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		conns = append(conns, c)
	}
	e.mu.Unlock()
	close(e.stopping)
	e.stop()
	e.closeListeners()
	e.sentry.close()
	e.pool.close()
	for _, c := range conns {
		c.finish(closedByUs, ErrClosed)
	}
}

func (e *Endpoint) closeListeners() {
	for _, l := range e.listening() {
		l.close()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range e.retired {
		b.close()
	}
}

// listening are the listeners of now.
func (e *Endpoint) listening() []*listener { return *e.listeners.Load() }

// Ready is closed when Run serves.
func (e *Endpoint) Ready() <-chan struct{} { return e.ready }

// Addr is the bound address of a listener, or the zero value when there is none of that name.
func (e *Endpoint) Addr(name string) netip.AddrPort {
	for _, l := range e.listening() {
		if l.Name == name {
			return l.local
		}
	}
	return netip.AddrPort{}
}

// spawn starts a goroutine that Run waits for; false when the endpoint is closing.
func (e *Endpoint) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return false
	}
	e.work.Go(f)
	return true
}

// connectionBegun registers a connection; false, and the connection is closed, when the endpoint is closing.
func (e *Endpoint) connectionBegun(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		_ = c.raw.Close() // nothing was sent yet
		return false
	}
	e.conns[c] = struct{}{}
	e.metrics.opened(c.flow)
	return true
}

// connectionEnded forgets a connection and tells its transactions and the handler, after all that arrived on it has been handled.
func (e *Endpoint) connectionEnded(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	c.mu.Lock()
	cause := c.cause
	carrying := c.carrying
	c.carrying = nil
	c.mu.Unlock()
	e.metrics.ended(c.flow, cause)
	e.pool.lost(c.flow)
	failure := c.failure()
	if c.to != nil && failure.Stage == StageHandshake { // said too late for clientHandshake
		e.metrics.tlsFailure(c.to.Role, failure)
	}
	if cause == closedUnused && e.notes.due(cause.String()+c.flow.remote.Addr().String(), time.Now()) {
		// Asterisk judges our certificate after the handshake, and then just closes.
		e.log.Warn("peer closed the connection right after the TLS handshake", "listener", c.flow.listener, "role", c.flow.role.String(),
			"remote", c.flow.remote, "cause", cause.String(), "change",
			"it may not trust our certificate: install our CA there, or use a certificate of a CA that it trusts and that carries the name it connects to")
	}
	e.log.Debug("connection closed", "flow", c.flow.id, "remote", c.flow.remote, "cause", cause.String(), "error", failure.Err)
	for t := range carrying {
		t.flowClosed(failure)
	}
	e.afterLanes(func() { e.handler.Closed(c.flow, failure) })
}

// afterLanes runs f, in some lane, when every lane has handled what waits in it now.
func (e *Endpoint) afterLanes(f func()) {
	var left atomic.Int32
	left.Store(int32(len(e.lanes)))
	for _, l := range e.lanes {
		l.post(func() {
			if left.Add(-1) == 0 {
				f()
			}
		})
	}
}

// arrived takes a message from a connection or a socket: taps it, counts it, and hands it to its Call-ID's lane. A socket's message lies in its
// reader's buffer, which is used again.
func (e *Endpoint) arrived(f *Flow, m *message) {
	if e.barred(m, f) {
		return
	}
	if m.fault != nil && m.fault.cause == notSIP {
		e.metrics.refuse(notSIP)
		e.Misbehaved(f, OffenceMalformed, false)
		return
	}
	e.passed(In, f, f.remote, m.raw)
	if e.unwelcome(m, f) {
		return
	}
	callID, _ := m.first("Call-ID")
	l := e.lane(callID)
	opens := m.opensCall() && !l.repeats(m)
	if opens && e.screened(m, f) {
		return
	}
	if !opens || !l.crowded() {
		if f.socket != nil {
			m.keep()
		}
		if l.deliver(m, f) {
			return
		}
	}
	e.reject(f, m, &fault{cause: overload, status: sip.StatusServiceUnavailable, phrase: "SBC overloaded", retryAfter: retryAfter})
}

// lostFraming answers the message after which a stream cannot be read any further, and hangs up.
func (e *Endpoint) lostFraming(c *conn, m *message) {
	if len(m.raw) > 0 {
		e.passed(In, c.flow, c.flow.remote, m.raw)
	}
	if e.notes.due(m.fault.cause.String()+c.flow.remote.Addr().String(), time.Now()) {
		log := e.log.With("listener", c.flow.listener, "trunk", c.flow.trunk, "remote", c.flow.remote, "cause", m.fault.cause.String())
		switch m.fault.cause {
		case tlsOnPlainPort:
			log.Warn("peer speaks TLS on a plain port", "change", "point the peer to a tls listener, or set transport=tcp on it")
		case headerTooLarge, messageTooLarge:
			log.Warn("message too large, connection closed", "header_limit", e.limits.MaxHeader, "message_limit", e.limits.MaxMessage)
		default:
			log.Info("stream cannot be read any further, connection closed")
		}
	}
	if !e.unwelcome(m, c.flow) {
		e.reject(c.flow, m, m.fault)
	}
	e.afterLanes(func() { c.finish(m.fault.cause, m.fault) }) // the messages before this one still get their answers
}

// reject counts a bad message and answers it where it can be answered.
func (e *Endpoint) reject(f *Flow, m *message, flt *fault) {
	e.metrics.refuse(flt.cause)
	if flt.cause.malformed() && (e.known(m, f) || e.asked(m, f)) { // of others it is counted by unwelcome
		e.misbehaved(f, offence{why: OffenceMalformed, grave: m.method() == sip.REGISTER})
	}
	e.log.Debug("message refused", "remote", f.remote, "flow", f.id, "cause", flt.cause.String(), "answer", flt.status)
	if b := refuse(m, flt, f.remote, e.server); b != nil {
		_ = e.transmit(f, replyToMessage(m, f.remote), b) // counted there; a refusal is not worth more
	}
}

// transmit taps, counts and sends one encoded message. It is tapped first, or its answer could be tapped before it.
func (e *Endpoint) transmit(f *Flow, to netip.AddrPort, b []byte) error {
	if f.proto.Stream() {
		to = f.remote
	}
	switch {
	case f.Alive():
	case f.socket != nil:
		return ErrClosed // sockets live as long as the endpoint
	default:
		return ErrFlow
	}
	e.passed(Out, f, to, b)
	return f.send(b, to)
}

// passed is where every message passes once, in and out.
func (e *Endpoint) passed(d Direction, f *Flow, remote netip.AddrPort, raw []byte) {
	e.metrics.message(f, d)
	if e.tap == nil {
		return
	}
	var copied []byte
	if e.tapSecrets {
		copied = append(copied, raw...)
	} else {
		copied = redact(raw)
	}
	e.tap(Tapped{Time: time.Now(), Direction: d, Role: f.role, Listener: f.listener, Trunk: f.trunk, Proto: f.proto, Local: f.local,
		Remote: remote, Raw: copied})
}

// largeMessage notes a datagram that may have to be fragmented: the usual reason why a big INVITE never arrives.
func (e *Endpoint) largeMessage(to netip.AddrPort, size int) {
	e.metrics.large.Inc()
	if e.notes.due("large "+to.Addr().String(), time.Now()) {
		e.log.Info("message over UDP is larger than one packet carries for sure", "remote", to, "octets", size, "safe", largeDatagram)
	}
}

// recovered counts and logs a panic, and gives it as an error.
func (e *Endpoint) recovered(where string, p any) error {
	e.metrics.panics.Inc()
	e.log.Error("panic recovered", "where", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fmt.Errorf("%w: panic in %s", ErrEnded, where)
}
