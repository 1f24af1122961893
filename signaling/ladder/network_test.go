package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"callseal/signaling/transport"
)

// internet is a network in memory. Everything that waits in it waits in a way that lets the clock of a synctest bubble go on. Nothing takes
// time, and nothing is lost but what somebody wants to lose.
type internet struct {
	mu        sync.Mutex // guards the rest
	listeners map[netip.AddrPort]*door
	packets   map[netip.AddrPort]*mailslot
	streams   map[*stream]bool // both ends of each that is open
	next      uint16           // ephemeral port
	refusing  map[netip.Addr]bool
	stalling  map[netip.Addr]bool
	// lose decides of each datagram whether it is lost; nil loses none.
	lose func(from, to netip.AddrPort, b []byte) bool
	// names is the DNS.
	names map[string][]netip.Addr
}

var (
	_ transport.Network  = (*internet)(nil)
	_ transport.Resolver = (*internet)(nil)
)

func newInternet() *internet {
	return &internet{listeners: map[netip.AddrPort]*door{}, packets: map[netip.AddrPort]*mailslot{}, streams: map[*stream]bool{}, next: 40000,
		refusing: map[netip.Addr]bool{}, stalling: map[netip.Addr]bool{}, names: map[string][]netip.Addr{}}
}

// bound fills in a port; the caller holds mu.
func (n *internet) bound(a netip.AddrPort) netip.AddrPort {
	if a.Port() != 0 {
		return a
	}
	n.next++
	return netip.AddrPortFrom(a.Addr(), n.next)
}

// door is a listening stream socket.
type door struct {
	net     *internet
	local   netip.AddrPort
	arrived chan *stream
	closed  chan struct{}
	once    sync.Once
}

func (n *internet) Listen(address netip.AddrPort) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	address = n.bound(address)
	if n.listeners[address] != nil {
		return nil, fmt.Errorf("listen %v: %w", address, syscall.EADDRINUSE)
	}
	d := &door{net: n, local: address, arrived: make(chan *stream, 64), closed: make(chan struct{})}
	n.listeners[address] = d
	return d, nil
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case s := <-d.arrived:
		return s, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *door) Addr() net.Addr { return net.TCPAddrFromAddrPort(d.local) }

func (d *door) Close() error {
	d.once.Do(func() {
		close(d.closed)
		d.net.mu.Lock()
		defer d.net.mu.Unlock()
		delete(d.net.listeners, d.local)
	})
	return nil
}

// phonesAddr is where it dials from for phones.
var phonesAddr = netip.MustParseAddr("192.0.2.10")

// serverAddr is where the server under test dials from.
var serverAddr = netip.MustParseAddr("192.0.2.9")

func (n *internet) Dial(ctx context.Context, within time.Duration, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	if !from.IsValid() {
		from = serverAddr
	}
	return n.dialFrom(ctx, within, from, to)
}

func (n *internet) dialFrom(ctx context.Context, within time.Duration, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	d, stalled := n.listeners[to], n.stalling[to.Addr()]
	if n.refusing[to.Addr()] {
		d = nil
	}
	local := n.bound(netip.AddrPortFrom(from, 0))
	n.mu.Unlock()
	if stalled {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	if d == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: syscall.ECONNREFUSED}
	}
	here, there := n.pipe(local, to)
	select {
	case d.arrived <- there:
		return here, nil
	case <-d.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// stream is one end of a connection.
type stream struct {
	net           *internet
	local, remote netip.AddrPort
	in, out       *half
}

// half is one direction of a connection.
type half struct {
	mu       sync.Mutex // guards the rest
	changed  *sync.Cond
	buf      []byte
	end      error // what a reader gets when buf is empty: io.EOF, or a reset
	closed   bool  // by its reader
	deadline time.Time
	alarm    *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.changed = sync.NewCond(&h.mu)
	return h
}

func (n *internet) pipe(a, b netip.AddrPort) (here, there *stream) {
	up, down := newHalf(), newHalf()
	here = &stream{net: n, local: a, remote: b, in: down, out: up}
	there = &stream{net: n, local: b, remote: a, in: up, out: down}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.streams[here], n.streams[there] = true, true
	return here, there
}

func (s *stream) Read(b []byte) (int, error) {
	h := s.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.closed:
			return 0, net.ErrClosed
		case len(h.buf) > 0:
			n := copy(b, h.buf)
			h.buf = h.buf[n:]
			return n, nil
		case h.end != nil:
			return 0, h.end
		case !h.deadline.IsZero() && !time.Now().Before(h.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		h.changed.Wait()
	}
}

// Write never waits: the other end's buffer has no bound.
func (s *stream) Write(b []byte) (int, error) {
	h := s.out
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return 0, syscall.ECONNRESET
	case h.end != nil && errors.Is(h.end, io.EOF):
		return 0, net.ErrClosed
	case h.end != nil:
		return 0, h.end
	}
	h.buf = append(h.buf, b...)
	h.changed.Broadcast()
	return len(b), nil
}

func (h *half) finish(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end == nil {
		h.end = err
	}
	h.changed.Broadcast()
}

// stop ends the reader's side.
func (h *half) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.alarm != nil {
		h.alarm.Stop()
	}
	h.changed.Broadcast()
}

func (s *stream) CloseWrite() error {
	s.out.finish(io.EOF)
	return nil
}

func (s *stream) Close() error {
	s.out.finish(io.EOF)
	s.in.stop()
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	delete(s.net.streams, s)
	return nil
}

func (s *stream) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.local) }
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

func (s *stream) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetWriteDeadline does nothing: no write waits.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

func (s *stream) SetReadDeadline(t time.Time) error {
	h := s.in
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	if h.alarm != nil {
		h.alarm.Stop()
		h.alarm = nil
	}
	if !t.IsZero() {
		h.alarm = time.AfterFunc(time.Until(t), func() {
			h.mu.Lock() // a reader either has not looked at the clock yet, or waits
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})
	}
	h.changed.Broadcast()
	return nil
}

// cut resets every connection of an address.
func (n *internet) cut(a netip.Addr) {
	n.mu.Lock()
	var cut []*stream
	for s := range n.streams {
		if s.local.Addr() == a || s.remote.Addr() == a {
			cut = append(cut, s)
			delete(n.streams, s)
		}
	}
	n.mu.Unlock()
	for _, s := range cut {
		s.in.mu.Lock()
		s.in.buf = nil
		s.in.mu.Unlock()
		s.in.finish(syscall.ECONNRESET)
		s.out.finish(syscall.ECONNRESET)
	}
}

// mailslot is a datagram socket.
type mailslot struct {
	net    *internet
	local  netip.AddrPort
	queue  chan datagram
	closed chan struct{}
	once   sync.Once
}

type datagram struct {
	from netip.AddrPort
	b    []byte
}

func (n *internet) ListenPacket(address netip.AddrPort) (transport.PacketConn, error) {
	return n.listenPacket(address)
}

func (n *internet) listenPacket(address netip.AddrPort) (*mailslot, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if address.Addr().IsUnspecified() {
		address = netip.AddrPortFrom(serverAddr, address.Port())
	}
	address = n.bound(address)
	if n.packets[address] != nil {
		return nil, fmt.Errorf("listen %v: %w", address, syscall.EADDRINUSE)
	}
	m := &mailslot{net: n, local: address, queue: make(chan datagram, 4096), closed: make(chan struct{})}
	n.packets[address] = m
	return m, nil
}

func (m *mailslot) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-m.queue:
		return copy(b, d.b), d.from, nil
	case <-m.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (m *mailslot) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	m.net.mu.Lock()
	there, lose := m.net.packets[to], m.net.lose
	m.net.mu.Unlock()
	if there == nil || lose != nil && lose(m.local, to, b) {
		return len(b), nil
	}
	select {
	case there.queue <- datagram{m.local, append([]byte(nil), b...)}:
	default: // as a full socket buffer does
	}
	return len(b), nil
}

func (m *mailslot) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(m.local) }

func (m *mailslot) Close() error {
	m.once.Do(func() {
		close(m.closed)
		m.net.mu.Lock()
		defer m.net.mu.Unlock()
		delete(m.net.packets, m.local)
	})
	return nil
}

func (n *internet) Source(netip.AddrPort) (netip.Addr, error) { return serverAddr, nil }

func (n *internet) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.names[host]; len(a) > 0 {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}
