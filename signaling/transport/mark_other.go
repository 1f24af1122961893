//go:build !linux

package transport

import "syscall"

// mark leaves a socket as it is.
func (kernel) mark(string, string, syscall.RawConn) error { return nil }
