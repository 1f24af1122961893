package transport

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSignalingIsMarked: datagrams arrive with the DSCP, and streams, dialled and accepted, send with it.
func TestSignalingIsMarked(t *testing.T) {
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		t.Run(loopback, func(t *testing.T) {
			at := netip.AddrPortFrom(netip.MustParseAddr(loopback), 0)
			k := Kernel(DefaultDSCP)
			u, err := k.ListenPacket(at)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = u.Close() }()
			wantMark(t, u.(*net.UDPConn), at.Addr())
			l, err := k.Listen(at)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			dialled, err := k.Dial(ctx, 5*time.Second, netip.Addr{}, tcpAddr(l.Addr()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = dialled.Close() }()
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = accepted.Close() }()
			wantMark(t, dialled.(*net.TCPConn), at.Addr())
			wantMark(t, accepted.(*net.TCPConn), at.Addr())
			if at.Addr().Is4() {
				wantMarkedDatagram(t, u)
			}
		})
	}
}

// wantMark fails unless a socket sends with the default DSCP.
func wantMark(t *testing.T, c syscall.Conn, at netip.Addr) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	control := raw.Control(func(fd uintptr) {
		if at.Is4() {
			got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS)
		} else {
			got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS)
		}
	})
	if control != nil || err != nil || got != DefaultDSCP<<2 {
		t.Errorf("%T: TOS %#x, %v, %v", c, got, control, err)
	}
}

// wantMarkedDatagram sends one to a socket that reads the TOS byte of what comes.
func wantMarkedDatagram(t *testing.T, from PacketConn) {
	t.Helper()
	to, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	raw, err := to.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1) }); err != nil {
		t.Fatal(err)
	}
	if _, err := from.WriteToUDPAddrPort([]byte("OPTIONS"), to.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	buf, control := make([]byte, 100), make([]byte, 128)
	_ = to.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, n, _, _, err := to.ReadMsgUDPAddrPort(buf, control)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 || messages[0].Data[0] != DefaultDSCP<<2 {
		t.Errorf("control %x, %v", control[:n], err)
	}
}
