package transport

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// socket is one UDP socket: a listener's, or a trunk's own. Its reader, serve, owns it and ends when it is closed.
type socket struct {
	endpoint *Endpoint
	serial   uint64
	udp      PacketConn
	local    netip.AddrPort
	trunk    string
	pool     string // of the trunk's Target
	owner    atomic.Pointer[socketOwner]

	mu      sync.Mutex // guards the rest
	closed  bool
	sources map[netip.Addr]netip.Addr // remote to the local address that reaches it; only for a socket bound to all addresses
}

// socketOwner is whom a socket serves: a listener, whose name it has, or a trunk. It is never mutated.
type socketOwner struct {
	role     Role
	listener string
	contact  hostPort
}

// maxSources bounds the socket's memory of local addresses; when it is full it is forgotten.
const maxSources = 256

// sendAgain is how often a datagram is sent again where the socket had an error to tell of others.
const sendAgain = 3

// openSocket binds a UDP socket.
func openSocket(e *Endpoint, address netip.AddrPort) (*socket, error) {
	u, err := e.network.ListenPacket(address)
	if err != nil {
		return nil, err
	}
	local := u.LocalAddr().(*net.UDPAddr).AddrPort()
	return &socket{endpoint: e, serial: e.serial.Add(1), udp: u, local: unmap(local)}, nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// reaches says whether the socket's address family can send to an address.
func (s *socket) reaches(a netip.Addr) bool {
	l := s.local.Addr()
	return l.Is6() && l.IsUnspecified() || l.Is4() == a.Unmap().Is4()
}

// flow makes the path to one remote; trunk is whom a request is sent to, or "".
func (s *socket) flow(remote netip.AddrPort, trunk string) *Flow {
	remote = unmap(remote)
	if s.trunk != "" {
		trunk = s.trunk
	}
	o := s.owner.Load()
	return &Flow{id: flowID(s, remote), role: o.role, proto: UDP, listener: o.listener, trunk: trunk, pool: s.pool, local: s.local, remote: remote,
		contact: o.contact, socket: s}
}

func (s *socket) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed
}

func (s *socket) send(b []byte, to netip.AddrPort) error {
	if len(b) > maxDatagram {
		s.endpoint.metrics.refuse(datagramTooLarge)
		return ErrTooLarge
	}
	if len(b) > largeDatagram {
		s.endpoint.largeMessage(to, len(b))
	}
	_, err := s.udp.WriteToUDPAddrPort(b, to)
	for range sendAgain {
		if err == nil || !passing(err) {
			break
		}
		s.heed()
		_, err = s.udp.WriteToUDPAddrPort(b, to)
	}
	if errors.Is(err, net.ErrClosed) {
		return ErrClosed
	}
	return err
}

// serve reads datagrams until the socket is closed.
func (s *socket) serve() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if passing(err) {
				s.heed()
				continue
			}
			time.Sleep(acceptPause) // an error of the network belongs to no datagram; never spin on it
			continue
		}
		if s.endpoint.banned(from.Addr(), UDP, s.owner.Load().role) {
			continue
		}
		m := datagram(buf[:n])
		if m == nil {
			s.endpoint.metrics.keepAlives.Inc()
			continue
		}
		s.endpoint.arrived(s.flow(from, ""), m)
	}
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = s.udp.Close() // nothing is lost with a datagram socket
	}
}

// sourceFor is our own address by which a datagram to a remote leaves.
func (s *socket) sourceFor(remote netip.AddrPort) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.sources[remote.Addr()]; ok {
		return a
	}
	source, err := s.endpoint.network.Source(remote)
	if err != nil {
		return s.local.Addr()
	}
	if len(s.sources) >= maxSources || s.sources == nil {
		s.sources = map[netip.Addr]netip.Addr{}
	}
	s.sources[remote.Addr()] = source
	return source
}
