//go:build !linux

package transport

import (
	"net"
	"net/netip"
	"syscall"
)

// hearErrors leaves a socket as it is.
func hearErrors(string, syscall.RawConn) error { return nil }

// unheard knows nothing.
func unheard(*net.UDPConn) []netip.AddrPort { return nil }
