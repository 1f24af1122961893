package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// hearErrors makes a UDP socket keep what ICMP says of its datagrams. One that cannot only hears of it later, by its timers.
func hearErrors(network string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		if !strings.HasSuffix(network, "4") {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		}
	})
}

// maxUnheard bounds what is read of a socket's errors at a time.
const maxUnheard = 64

// unheard lists the destinations of datagrams of a UDP socket at which nobody listens, as ICMP said since the last call.
func unheard(u *net.UDPConn) (list []netip.AddrPort) {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) { // fails for a socket that is closed: it has none
		data, control := make([]byte, 1), make([]byte, 512)
		for range maxUnheard {
			_, n, _, to, err := unix.Recvmsg(int(fd), data, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			if at, ok := socketAddress(to); ok && refuses(control[:n]) {
				list = append(list, at)
			}
		}
	})
	return list
}

// refuses tells whether an error of the queue came by ICMP and says that the port is closed.
func refuses(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, m := range messages {
		kind := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR || m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if kind && len(m.Data) >= 5 { // sock_extended_err: errno, then origin
			origin := m.Data[4]
			return binary.NativeEndian.Uint32(m.Data) == uint32(syscall.ECONNREFUSED) && (origin == unix.SO_EE_ORIGIN_ICMP || origin == unix.SO_EE_ORIGIN_ICMP6)
		}
	}
	return false
}

func socketAddress(s unix.Sockaddr) (netip.AddrPort, bool) {
	switch a := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), true
	case *unix.SockaddrInet6:
		return unmap(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))), true
	}
	return netip.AddrPort{}, false
}
