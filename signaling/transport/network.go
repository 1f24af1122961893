package transport

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Network is where an endpoint's sockets come from. The addresses that its connections and listeners give are *net.TCPAddr and *net.UDPAddr.
// Its methods may be called from any goroutine.
type Network interface {
	// Listen binds a listening stream socket.
	Listen(address netip.AddrPort) (net.Listener, error)
	// Dial opens a stream to a remote.
	Dial(ctx context.Context, within time.Duration, to netip.AddrPort) (net.Conn, error)
	// ListenPacket binds a datagram socket.
	ListenPacket(address netip.AddrPort) (PacketConn, error)
	// Source is our own address by which a datagram to a remote leaves.
	Source(remote netip.AddrPort) (netip.Addr, error)
}

// PacketConn is a datagram socket. *net.UDPConn is one.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// kernel is the operating system's network.
type kernel struct{}

var _ Network = kernel{}

func (kernel) Listen(address netip.AddrPort) (net.Listener, error) {
	l, err := net.ListenTCP(network("tcp", address.Addr()), net.TCPAddrFromAddrPort(address))
	if err != nil {
		return nil, err // a nil *net.TCPListener would be no nil net.Listener
	}
	return l, nil
}

func (kernel) Dial(ctx context.Context, within time.Duration, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Timeout: within}
	return dialer.DialContext(ctx, "tcp", to.String())
}

func (kernel) ListenPacket(address netip.AddrPort) (PacketConn, error) {
	u, err := net.ListenUDP(network("udp", address.Addr()), net.UDPAddrFromAddrPort(address))
	if err != nil {
		return nil, err
	}
	_ = u.SetReadBuffer(udpReadBuffer) // the kernel gives what it allows
	return u, nil
}

// Source asks the kernel with a socket that is connected and never used.
func (kernel) Source(remote netip.AddrPort) (netip.Addr, error) {
	probe, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}, err
	}
	source := unmap(probe.LocalAddr().(*net.UDPAddr).AddrPort()).Addr()
	_ = probe.Close()
	return source, nil
}

// network names the address family for a bind: [::] takes both.
func network(proto string, a netip.Addr) string {
	switch {
	case a.Is4() || a.Is4In6():
		return proto + "4"
	case a.IsUnspecified():
		return proto
	default:
		return proto + "6"
	}
}

// tcpAddr is a stream's address.
func tcpAddr(a net.Addr) netip.AddrPort { return unmap(a.(*net.TCPAddr).AddrPort()) }
