package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// listener is one Listener and what is open for it. It is never mutated: Relisten makes another of the same bound.
type listener struct {
	Listener
	*bound
	contact hostPort // the advertised address; host "" when the flow's own local address is to be shown
}

// bound is what is open on one address: a TCP accept loop, or a UDP socket.
type bound struct {
	endpoint *Endpoint
	tcp      net.Listener // of tcp and tls
	socket   *socket      // of udp
	local    netip.AddrPort
	owner    atomic.Pointer[listener] // whose connections are accepted; of UDP the socket has it
}

// bind opens a listener's socket.
func bind(e *Endpoint, c Listener) (*listener, error) {
	b := &bound{endpoint: e}
	var err error
	if c.Proto == UDP {
		if b.socket, err = openSocket(e, c.Address); err == nil {
			b.local = b.socket.local
		}
	} else {
		if b.tcp, err = e.network.Listen(c.Address); err == nil {
			b.local = tcpAddr(b.tcp.Addr())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listener %s: cannot bind %s://%s: %w", c.Name, c.Proto, c.Address, err)
	}
	l, err := newListener(c, b)
	if err != nil {
		b.close()
		return nil, err
	}
	l.take()
	return l, nil
}

// newListener makes a listener of what is open. Nothing comes to it before take.
func newListener(c Listener, b *bound) (*listener, error) {
	l := &listener{Listener: c, bound: b}
	if c.Proto == TLS {
		l.TLS = serverConfig(c)
	}
	var err error
	if l.contact, err = advertised(c.Advertise, b.local); err != nil {
		return nil, fmt.Errorf("%w: listener %s: advertise %q: %w", ErrConfig, c.Name, c.Advertise, err)
	}
	return l, nil
}

// take makes the listener the one that gets what comes.
func (l *listener) take() {
	l.owner.Store(l)
	if l.socket != nil {
		l.socket.owner.Store(&socketOwner{l.Role, l.Name, l.contact})
	}
}

// serverConfig is the listener's TLS configuration as we need it. Asterisk's chan_sip hangs on a session ticket: it blocks on a new TLS 1.3
// connection and never sends its INVITE, so dialers get none.
func serverConfig(c Listener) *tls.Config {
	config := c.TLS.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if c.Role == Dialer {
		config.SessionTicketsDisabled = true
	}
	return config
}

// advertised reads host or host:port, and takes the bound port when none is given. Of an empty string it makes the bound address, or nothing
// when that is unspecified.
func advertised(s string, local netip.AddrPort) (hostPort, error) {
	if s == "" {
		if local.Addr().IsUnspecified() {
			return hostPort{}, nil
		}
		return hostPortOf(local), nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return hostPortOf(netip.AddrPortFrom(a, local.Port())), nil
	}
	host, port, err := parseHostPort(s)
	if err != nil {
		return hostPort{}, err
	}
	if port == 0 {
		port = int(local.Port())
	}
	return hostPort{host, port}, nil
}

// serve starts what takes in what comes.
func (b *bound) serve() {
	if b.tcp != nil {
		b.endpoint.spawn(b.accept)
	} else {
		b.endpoint.spawn(b.socket.serve)
	}
}

func (b *bound) close() {
	if b.socket != nil {
		b.socket.close()
	}
	if b.tcp != nil {
		_ = b.tcp.Close() // nothing is lost with a listening socket
	}
}

// accept takes connections until the socket is closed. No error ends it: when descriptors run out it waits and tries again.
func (b *bound) accept() {
	pause := acceptPause
	for {
		raw, err := b.tcp.Accept()
		l := b.owner.Load()
		if err == nil {
			pause = acceptPause
			l.admit(raw)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		cause := acceptFailed
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			cause = descriptors
		}
		l.endpoint.metrics.turnAway(cause)
		if l.endpoint.notes.due("accept "+l.Name+cause.String(), time.Now()) {
			l.endpoint.log.Error("cannot accept connections, trying again", "listener", l.Name, "cause", cause.String(), "error", err)
		}
		select {
		case <-time.After(pause):
		case <-l.endpoint.stopping:
		}
		pause = min(2*pause, acceptPauseTo)
	}
}

// admit checks the caps and starts the connection's goroutine.
func (l *listener) admit(raw net.Conn) {
	e := l.endpoint
	remote := tcpAddr(raw.RemoteAddr())
	if e.banned(remote.Addr(), l.Proto, l.Role) {
		e.metrics.turnAway(bannedAddress)
		_ = raw.Close()
		return
	}
	if cause, ok := e.guard.enter(remote.Addr()); !ok {
		e.metrics.turnAway(cause) // before the remote can see the end
		_ = raw.Close()
		if e.notes.due(cause.String()+remote.Addr().String(), time.Now()) {
			e.log.Warn("connection refused", "listener", l.Name, "remote", remote, "cause", cause.String())
		}
		return
	}
	started := e.spawn(func() {
		defer e.guard.leave(remote.Addr())
		l.converse(raw, remote, time.Now())
	})
	if !started {
		e.guard.leave(remote.Addr())
		_ = raw.Close() // the endpoint is closing
	}
}

// converse runs one accepted connection to its end.
func (l *listener) converse(raw net.Conn, remote netip.AddrPort, started time.Time) {
	e := l.endpoint
	tune(raw)
	stream := raw
	if l.Proto == TLS {
		t, err := l.shake(raw)
		if err != nil {
			_ = raw.Close() // the handshake's error is what matters
			l.handshakeFailed(remote, err)
			return
		}
		stream, started = t, time.Now()
		e.metrics.handshake(l.Role, t.ConnectionState().Version)
	}
	local := tcpAddr(raw.LocalAddr())
	contact := l.contact
	if contact.host == "" {
		contact = hostPortOf(local)
	}
	c := newConn(e, raw, stream, &Flow{id: l.Proto.String() + "-" + strconv.FormatUint(e.serial.Add(1), 10), role: l.Role, proto: l.Proto,
		listener: l.Name, local: local, remote: remote, contact: contact})
	c.accepted = true
	if e.connectionBegun(c) {
		if e.banned(remote.Addr(), l.Proto, l.Role) { // while the handshake went on
			c.end(bannedAddress, ErrBanned)
		}
		c.serve(started)
	}
}

// shake runs the server's side of a TLS handshake, for Limits.Handshake at most.
func (l *listener) shake(raw net.Conn) (*tls.Conn, error) {
	heard := &lastWords{Conn: raw}
	t := tls.Server(heard, l.TLS)
	if err := raw.SetDeadline(time.Now().Add(l.endpoint.limits.Handshake)); err != nil {
		return nil, err
	}
	if err := t.HandshakeContext(l.endpoint.running); err != nil {
		return nil, heard.hear(err)
	}
	return t, raw.SetDeadline(time.Time{})
}

// handshakeFailed counts a failed handshake and, where the remote is misconfigured, writes what to change.
func (l *listener) handshakeFailed(remote netip.AddrPort, err error) {
	e := l.endpoint
	f := &Failure{Stage: StageHandshake, Cause: classify(err), Err: err}
	if f.Cause == CausePlaintextPeer && !printableRecord(err) {
		f.Cause = CauseOther // noise, not SIP
	}
	e.metrics.tlsFailure(l.Role, f)
	if f.Cause == CauseTimeout {
		e.metrics.turnAway(handshakeTimeout)
	} else {
		e.metrics.turnAway(handshakeFailed)
	}
	if !e.notes.due("tls "+l.Name+f.Cause.String()+remote.Addr().String(), time.Now()) {
		return
	}
	log := e.log.With("listener", l.Name, "local", l.local, "remote", remote, "cause", f.Cause.String())
	switch f.Cause {
	case CausePlaintextPeer:
		log.Warn("peer speaks plain SIP on a TLS port", "change", "set transport=tls on the peer, or point it to a tcp or udp listener")
	case CauseCertificateRejected:
		log.Warn("peer rejects our certificate", "change",
			"install the CA of our certificate on the peer, or use a certificate that it trusts and that carries the name it connects to", "error", err)
	case CauseCertificateRequired:
		log.Warn("peer shows no client certificate", "change", "give the peer a certificate of the CA that this listener demands")
	case CauseProtocolVersion, CauseNoCipher:
		log.Warn("peer has no TLS version or cipher suite that is allowed here", "change", "upgrade the peer: TLS 1.2 is the least", "error", err)
	case CauseReset, CauseTimeout, CauseShutdown:
		log.Debug("TLS handshake not completed", "error", err)
	default:
		log.Info("TLS handshake failed", "error", err)
	}
}

// printableRecord says whether what came instead of a TLS record is text.
func printableRecord(err error) bool {
	var h tls.RecordHeaderError
	if !errors.As(err, &h) {
		return false
	}
	return strings.IndexFunc(string(h.RecordHeader[:]), func(r rune) bool { return r < ' ' && r != '\r' && r != '\n' || r > '~' }) < 0
}
