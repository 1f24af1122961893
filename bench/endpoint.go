package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/bench/stream"
)

// Config describes one SIP user agent.
type Config struct {
	User   string // user part of its own URI; default "bench"
	Proto  Proto
	Local  netip.AddrPort // where it listens, or what it dials from; port 0: any
	Suites []Suite        // offered and accepted in this order; none: plain RTP

	Account Account // to answer challenges to calls with; the zero one answers none
	Admits  Account // of an answerer: the server has to register with it before it may call; the zero one: it need not
	Board   *Board  // of endpoints that take each other's messages; may be nil
	Loss    float64 // share of its SIP datagrams, either way, that are dropped on purpose, 0 to 1

	Opens  time.Duration // an answerer refuses connections for so long
	Silent time.Duration // an answerer says nothing at all for so long
	Hears  map[int]int   // of a caller, by an answerer's code, where the server is a PBX that dials on: what it may make of it; nil: it is none
	Tries  int           // of answerers that one call may ring at one after the other; 0: 1

	Certificate *tls.Certificate // to listen on TLS, or to show when asked
	Roots       *x509.CertPool   // whom to trust; nil: the system's
	ServerName  string           // to verify instead of the target's host
	MaxTLS      uint16           // highest TLS version; 0: the newest

	Studio  *Studio        // of the audio, shared with others; default one of its own
	Engine  *stream.Engine // of its own studio; default one of its own, with one worker
	Ledger  *Ledger        // may be nil
	Latency *Latency       // of received packets; default one of its own
	Watch   Watcher        // of its calls; may be nil
	Timeout time.Duration  // for an answer of the server; default 5 s
	Log     *slog.Logger   // default: silent
}

func (c Config) withDefaults() Config {
	if c.User == "" {
		c.User = "bench"
	}
	if c.Latency == nil {
		c.Latency = NewLatency()
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Endpoint is a SIP user agent with its sockets, and the calls on them. Close
// ends all of it.
type Endpoint struct {
	cfg    Config
	parser *sip.Parser
	studio *Studio
	meter  meter
	accept func(*sip.Request, *link)       // a new INVITE; set before listen
	desk   *admission                      // nil: REGISTER is not taken; set before listen
	redial func(lost *link) (*link, error) // by a caller; nil: the server connects anew; set before listen

	packet *net.UDPConn   // udp; closed by Close
	addr   netip.AddrPort // where it listens; the zero AddrPort when it does not
	mute   time.Time      // until then it reads, and says nothing; set before listen

	mu       sync.Mutex
	listener net.Listener // tcp, tls; closed by Close
	closed   bool
	calls    map[string]inbox  // by Call-ID
	graves   map[string]*grave // of wild calls, by Call-ID
	links    map[*link]struct{}
	suite    Suite // of a call that talks or did
	tls      string

	stray   atomic.Uint64 // messages that belong to no call
	late    atomic.Uint64 // BYEs to wild calls that had ended at both ends
	working sync.WaitGroup
	open    context.Context // ends at Close, for handshakes under way
	shut    context.CancelFunc
}

// newEndpoint has no sockets yet; Close must be called all the same.
func newEndpoint(cfg Config) *Endpoint {
	e := &Endpoint{
		cfg: cfg.withDefaults(), parser: sip.NewParser(),
		calls: make(map[string]inbox), graves: make(map[string]*grave), links: make(map[*link]struct{}),
	}
	if e.studio = e.cfg.Studio; e.studio == nil {
		e.studio = newStudio(e.cfg.Engine, e.cfg.Ledger, e.cfg.Latency)
	}
	e.open, e.shut = context.WithCancel(context.Background())
	return e
}

// listen binds the local address and reads from then on; accept is called for
// each new INVITE, on the reading goroutine.
func (e *Endpoint) listen() error {
	switch e.cfg.Proto {
	case UDP:
		return e.listenUDP()
	case TCP, TLS:
		return e.listenStream()
	}
	return fmt.Errorf("%w: %v", ErrTarget, e.cfg.Proto)
}

func (e *Endpoint) listenUDP() error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(e.cfg.Local))
	if err != nil {
		return err
	}
	e.packet, e.addr = c, localAddr(c)
	e.working.Go(e.readPackets) // ends when Close closes packet
	return nil
}

func (e *Endpoint) listenStream() error {
	if e.cfg.Proto == TLS && e.cfg.Certificate == nil {
		return fmt.Errorf("%w: TLS needs one to listen", ErrIdentity)
	}
	l, err := net.Listen("tcp", e.cfg.Local.String())
	if err != nil {
		return err
	}
	e.addr = unmap(l.Addr().(*net.TCPAddr).AddrPort())
	if e.cfg.Opens > 0 {
		e.working.Go(e.openLater) // ends at Close
		return l.Close()
	}
	e.working.Go(func() { e.acceptLinks(l) }) // ends when Close closes listener
	return nil
}

// openLater listens when its time has come.
func (e *Endpoint) openLater() {
	wait := time.NewTimer(e.cfg.Opens)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-e.open.Done():
		return
	}
	l, err := net.Listen("tcp", e.addr.String())
	if err != nil {
		e.cfg.Log.Error("cannot listen", "error", err) // callers see it, too: they are refused on
		return
	}
	e.acceptLinks(l)
}

// dial makes the endpoint's connection to a server. The error is a sentence.
func (e *Endpoint) dial(ctx context.Context, target Target) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	l, err := e.connect(ctx, target)
	if err != nil {
		return nil, dialError(target.Address(), err)
	}
	return l, nil
}

func (e *Endpoint) connect(ctx context.Context, target Target) (*link, error) {
	if target.Proto == UDP {
		remote, err := net.ResolveUDPAddr("udp", target.Address())
		if err != nil {
			return nil, err
		}
		if !e.cfg.Local.IsValid() || e.cfg.Local.Addr().IsUnspecified() {
			if e.cfg.Local, err = toward(remote); err != nil {
				return nil, err
			}
		}
		if err := e.listenUDP(); err != nil {
			return nil, err
		}
		return e.packetLink(unmap(remote.AddrPort())), nil
	}
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(e.cfg.Local)}
	if !e.cfg.Local.IsValid() {
		dialer.LocalAddr = nil
	}
	raw, err := dialer.DialContext(ctx, "tcp", target.Address())
	if err != nil {
		return nil, err
	}
	conn := net.Conn(&meteredConn{Conn: raw, meter: &e.meter})
	if target.Proto == TLS {
		name := e.cfg.ServerName
		if name == "" {
			name = target.Host
		}
		secured := tls.Client(conn, &tls.Config{
			RootCAs: e.cfg.Roots, ServerName: name, MinVersion: tls.VersionTLS12, MaxVersion: e.cfg.MaxTLS,
			Certificates: e.certificates(),
		})
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		conn = secured
	}
	l := e.streamLink(conn, target.Proto)
	e.working.Go(func() { e.readStream(l) })
	return l, nil
}

// toward is the local address from which packets to remote leave, with port 0:
// SDP and Contact must name one that the other side can reach.
func toward(remote *net.UDPAddr) (netip.AddrPort, error) {
	probe, err := net.DialUDP("udp", nil, remote) // sends nothing
	if err != nil {
		return netip.AddrPort{}, err
	}
	at := localAddr(probe).Addr()
	return netip.AddrPortFrom(at, 0), probe.Close()
}

func (e *Endpoint) certificates() []tls.Certificate {
	if e.cfg.Certificate == nil {
		return nil
	}
	return []tls.Certificate{*e.cfg.Certificate}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func (e *Endpoint) packetLink(remote netip.AddrPort) *link {
	return &link{
		proto: UDP, local: unmap(e.packet.LocalAddr().(*net.UDPAddr).AddrPort()), remote: remote,
		packet: e.packet, meter: &e.meter, loss: e.cfg.Loss,
	}
}

// streamLink registers a connection whose TLS handshake, if any, is done.
func (e *Endpoint) streamLink(conn net.Conn, proto Proto) *link {
	l := &link{
		proto: proto, stream: conn, meter: &e.meter, lost: make(chan struct{}),
		local:  unmap(conn.LocalAddr().(*net.TCPAddr).AddrPort()),
		remote: unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort()),
	}
	if secured, ok := conn.(*tls.Conn); ok {
		state := secured.ConnectionState()
		l.state = &state
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		_ = conn.Close()
	}
	e.links[l] = struct{}{}
	e.tls = l.secured()
	return l
}

// Addr is where the endpoint listens; the zero AddrPort when it does not.
func (e *Endpoint) Addr() netip.AddrPort { return e.addr }

// acceptLinks takes connections until Close closes the listener.
func (e *Endpoint) acceptLinks(l net.Listener) {
	e.mu.Lock()
	e.listener = l
	closed := e.closed
	e.mu.Unlock()
	if closed {
		_ = l.Close()
	}
	for {
		raw, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: it passes
			e.cfg.Log.Warn("accept", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		e.working.Go(func() { e.serve(raw) })
	}
}

func (e *Endpoint) serve(raw net.Conn) {
	conn := net.Conn(&meteredConn{Conn: raw, meter: &e.meter})
	if e.cfg.Proto == TLS {
		secured := tls.Server(conn, &tls.Config{
			Certificates: e.certificates(), MinVersion: tls.VersionTLS12, MaxVersion: e.cfg.MaxTLS,
			SessionTicketsDisabled: true, // chan_sip hangs on them
		})
		ctx, cancel := context.WithTimeout(e.open, dialTimeout)
		defer cancel()
		if err := secured.HandshakeContext(ctx); err != nil {
			e.cfg.Log.Warn("TLS handshake", "remote", raw.RemoteAddr(), "error", err)
			_ = raw.Close()
			return
		}
		conn = secured
	}
	e.readStream(e.streamLink(conn, e.cfg.Proto))
}

// readStream delivers a connection's messages in their order until it ends.
func (e *Endpoint) readStream(l *link) {
	r := bufio.NewReaderSize(l.stream, maxLine)
	for {
		m, err := readMessage(r, e.parser)
		if err != nil {
			l.down(err)
			break
		}
		e.deliver(incoming{message: m, link: l, at: time.Now()})
	}
	_ = l.stream.Close()
	e.mu.Lock()
	delete(e.links, l)
	e.mu.Unlock()
}

// readPackets delivers a UDP socket's messages in their order until it is
// closed.
func (e *Endpoint) readPackets() {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := e.packet.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		e.meter.in.Add(uint64(n))
		e.meter.readable.Add(uint64(n))
		if dropped(e.cfg.Loss) {
			continue
		}
		m, err := parseMessage(e.parser, buf[:n])
		if err != nil {
			e.stray.Add(1)
			continue
		}
		e.deliver(incoming{message: m, link: e.packetLink(unmap(from)), at: time.Now()})
	}
}

// deliver hands a message to its call, or to accept when it opens one. It
// runs on the reading goroutine, so that order is kept.
func (e *Endpoint) deliver(in incoming) {
	if in.at.Before(e.mute) {
		return
	}
	id := in.message.CallID().Value()
	e.mu.Lock()
	c := e.calls[id]
	g := e.graves[id]
	e.mu.Unlock()
	if c != nil {
		c.post(in)
		return
	}
	if g != nil {
		g.post(e, in)
		return
	}
	if owner := e.cfg.Board.owner(id); owner != nil && owner != e {
		owner.deliver(in)
		return
	}
	req, ok := in.message.(*sip.Request)
	if !ok || req.IsAck() {
		e.stray.Add(1)
		return
	}
	req.SetSource(in.link.remote.String())
	switch {
	case req.IsInvite() && !req.To().Params.Has("tag") && e.accept != nil:
		e.accept(req, in.link)
	case req.Method == sip.OPTIONS && !req.To().Params.Has("tag"):
		e.reply(req, in.link, sip.StatusOK, "OK")
	case req.Method == sip.REGISTER && e.desk != nil:
		e.desk.take(e, req, in.link)
	default:
		e.stray.Add(1)
		// RFC 3261, section 12.2.2: no such dialog.
		e.reply(req, in.link, sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
	}
}

func (e *Endpoint) reply(req *sip.Request, l *link, status int, phrase string) {
	e.send(sip.NewResponseFromRequest(req, status, phrase, nil), l)
}

func (e *Endpoint) send(res *sip.Response, l *link) {
	if err := l.write([]byte(res.String())); err != nil {
		e.cfg.Log.Debug("reply", "error", err)
	}
}

// inbox is what the messages of one Call-ID are for: a call or an errand.
type inbox interface {
	post(incoming)
	stop()
}

// enter registers what waits for the messages of a Call-ID; false when the
// endpoint is closed.
func (e *Endpoint) enter(id string, i inbox) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.calls[id] = i
	e.cfg.Board.post(id, e)
	return true
}

// leave takes it off.
func (e *Endpoint) leave(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.calls, id)
	e.cfg.Board.post(id, nil)
}

// speaks notes what the audio is sealed with.
func (e *Endpoint) speaks(s Suite) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suite = s
}

// Figures is what an endpoint shows while it runs.
type Figures struct {
	Calls    int // talking, or being set up
	Talking  int
	Proto    Proto
	Media    Media
	Wire     Wire
	TLS      string // version of its newest connection; "none"
	Stray    uint64 // messages that belonged to no call
	Latency  Quantiles
	Lateness Quantiles // how late this endpoint's own packets were sent
	Jitter   Quantiles // of the calls that have ended
	Clip     Quantiles // of the calls: from 200 to the first packet
}

// Figures sums up the calls that ended and those that are up.
func (e *Endpoint) Figures() Figures {
	e.mu.Lock()
	f := Figures{Proto: e.cfg.Proto, Calls: len(e.calls), Media: Media{Suite: e.suite}, TLS: e.tls}
	e.mu.Unlock()
	e.studio.fill(&f)
	if f.TLS == "" {
		f.TLS = "none"
	}
	f.Wire, f.Stray = e.meter.wire(), e.stray.Load()
	return f
}

// Wire is what was seen of the endpoint's SIP on the wire so far.
func (e *Endpoint) Wire() Wire { return e.meter.wire() }

// Close drops the connections, which ends the calls that are left, and waits
// for all goroutines.
func (e *Endpoint) Close() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	listener := e.listener
	links := make([]*link, 0, len(e.links))
	for l := range e.links {
		links = append(links, l)
	}
	calls := make([]inbox, 0, len(e.calls))
	for _, c := range e.calls {
		calls = append(calls, c)
	}
	for _, g := range e.graves {
		g.timer.Stop()
	}
	e.mu.Unlock()
	e.shut()
	for _, c := range calls {
		c.stop()
	}
	if listener != nil {
		_ = listener.Close()
	}
	for _, l := range links {
		_ = l.stream.Close()
	}
	if e.packet != nil {
		_ = e.packet.Close()
	}
	e.working.Wait()
	e.studio.close()
}
