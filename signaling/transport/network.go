package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Network is where an endpoint's sockets come from. The addresses that its connections and listeners give are *net.TCPAddr and *net.UDPAddr.
// Its methods may be called from any goroutine.
type Network interface {
	// Listen binds a listening stream socket.
	Listen(address netip.AddrPort) (net.Listener, error)
	// Dial opens a stream to a remote, from an address of ours or, where that is the zero Addr, any.
	Dial(ctx context.Context, within time.Duration, from netip.Addr, to netip.AddrPort) (net.Conn, error)
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
type kernel struct{ dscp int }

// Kernel is the operating system's network. Its IP headers bear a DSCP, 0 to 63 (RFC 2474).
func Kernel(dscp int) Network { return kernel{dscp} }

// DefaultDSCP is class selector 3. RFC 4594 section 4.2 recommends CS5 for signaling; networks for telephony have kept
// to the CS3 that came before it.
const DefaultDSCP = 24

var _ Network = kernel{}

func (k kernel) Listen(address netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: k.mark}
	l, err := config.Listen(context.Background(), network("tcp", address.Addr()), address.String())
	if err != nil {
		return nil, err
	}
	return markedListener{l, k}, nil
}

// markedListener marks what it accepts: over IPv6 a connection does not inherit the listener's traffic class.
type markedListener struct {
	net.Listener
	kernel kernel
}

func (l markedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if raw, err := c.(*net.TCPConn).SyscallConn(); err == nil {
		_ = l.kernel.mark(network("tcp", tcpAddr(c.LocalAddr()).Addr()), "", raw) // a connection that is gone already shows when it is read
	}
	return c, nil
}

func (k kernel) Dial(ctx context.Context, within time.Duration, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Timeout: within, Control: k.mark}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return dialer.DialContext(ctx, "tcp", to.String())
}

func (k kernel) ListenPacket(address netip.AddrPort) (PacketConn, error) {
	config := net.ListenConfig{Control: func(network, address string, c syscall.RawConn) error {
		return errors.Join(k.mark(network, address, c), hearErrors(network, c))
	}}
	c, err := config.ListenPacket(context.Background(), network("udp", address.Addr()), address.String())
	if err != nil {
		return nil, err
	}
	u := c.(*net.UDPConn)
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
