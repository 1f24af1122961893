package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// portable is a backend for every system that Go knows: a goroutine per socket reads ahead one packet. It is made for
// being there, not for speed. It sets no DSCP.
type portable struct {
	// Never changed. Both have room for one signal.
	filled chan struct{} // a socket has a packet, which was not the case when wait looked
	woken  chan struct{}

	readers sync.WaitGroup // of all sockets attached and not released; waited for by close

	mu      sync.Mutex // guards what follows, and the same of the sockets
	sockets map[socket]*portableSocket
	last    socket
	full    []*portableSocket // with a packet, in the order in which that came
}

// portableSocket is a socket with its next packet.
type portableSocket struct {
	conn *net.UDPConn
	free chan struct{} // has room for one signal: the packet was taken
	gone chan struct{} // closed by release

	token    uint64 // guarded by portable.mu
	released bool   // likewise
	has      bool   // likewise: the packet below is the worker's; else it is the reader's
	n        int
	from     netip.AddrPort
	buf      [maxPacket + 1]byte // one more, to tell a packet that is too long
}

func newPortable() (backend, error) {
	return &portable{filled: make(chan struct{}, 1), woken: make(chan struct{}, 1), sockets: map[socket]*portableSocket{}}, nil
}

func (p *portable) bind(at netip.AddrPort) (socket, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return 0, describe("bind "+at.String(), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.sockets[p.last] = &portableSocket{conn: conn, free: make(chan struct{}, 1), gone: make(chan struct{})}
	return p.last, nil
}

func (p *portable) attach(s socket, token uint64) error {
	one := p.socket(s)
	p.mu.Lock()
	one.token = token
	p.mu.Unlock()
	p.readers.Go(func() { p.read(one) })
	return nil
}

func (p *portable) socket(s socket) *portableSocket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sockets[s]
}

// read reads one packet after the other until the socket is released.
func (p *portable) read(s *portableSocket) {
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(s.buf[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier packet, which means nothing
		}
		s.n, s.from = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p.mu.Lock()
		if s.released { // while the packet was being read: wait would find it for ever
			p.mu.Unlock()
			return
		}
		s.has = true
		p.full = append(p.full, s)
		p.mu.Unlock()
		signal(p.filled)
		select {
		case <-s.free:
		case <-s.gone:
			return
		}
	}
}

func (p *portable) wait(tokens []uint64, _ bool) ([]uint64, error) {
	for {
		if tokens = p.look(tokens); len(tokens) > 0 {
			return tokens, nil
		}
		select {
		case <-p.filled:
		case <-p.woken:
			return tokens, nil
		}
	}
}

// look appends the tokens of the sockets that have a packet.
func (p *portable) look(tokens []uint64) []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.full[:0]
	for _, s := range p.full {
		if !s.has {
			continue
		}
		left = append(left, s)
		if len(tokens) < maxTokens {
			tokens = append(tokens, s.token)
		}
	}
	clear(p.full[len(left):])
	p.full = left
	return tokens
}

// nap does not sleep: each packet has woken its reader up anyway, and a reader reads only one ahead.
func (p *portable) nap(time.Duration) {}

func (p *portable) receive(s socket, buf []byte) (int, netip.AddrPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.sockets[s]
	if !one.has {
		return 0, netip.AddrPort{}, errAgain
	}
	copy(buf, one.buf[:one.n])
	n, from := one.n, one.from
	one.has = false
	signal(one.free)
	return n, from, nil
}

func (p *portable) send(s socket, packet []byte, to netip.AddrPort) error {
	_, err := p.socket(s).conn.WriteToUDPAddrPort(packet, to)
	return err
}

func (p *portable) release(s socket) {
	p.mu.Lock()
	one := p.sockets[s]
	one.has, one.released = false, true
	delete(p.sockets, s)
	p.mu.Unlock()
	close(one.gone)
	_ = one.conn.Close() // the socket is gone whatever it returns
}

func (p *portable) wake() { signal(p.woken) }

func (p *portable) close() { p.readers.Wait() }

// signal tells whoever waits for c, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// describe names the call and turns the errors that a caller acts upon into ours.
func describe(call string, err error) error {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return ErrNoDescriptors
	case errors.Is(err, syscall.EADDRINUSE):
		return errPortTaken
	}
	return fmt.Errorf("media: %s: %w", call, err)
}
