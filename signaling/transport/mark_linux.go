package transport

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mark sets a new socket's DSCP. One that takes none still carries the call.
func (k kernel) mark(network, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, k.dscp<<2) // also what an IPv6 socket sends by IPv4
		if !strings.HasSuffix(network, "4") {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, k.dscp<<2)
		}
	})
}
