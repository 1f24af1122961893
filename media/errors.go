package media

import "errors"

// The failures that a caller can act upon.
var (
	// ErrNoPorts: every pair of ports of the range is in use, resting, or taken by another process.
	ErrNoPorts = errors.New("media: no free port pair in the range")
	// ErrNoDescriptors: the process or the system has no file descriptor left.
	ErrNoDescriptors = errors.New("media: out of file descriptors")
	// ErrClosed: the session is closed, or its relay has ended.
	ErrClosed = errors.New("media: session closed")
	// ErrNotRunning: the relay's Run has not started or has ended.
	ErrNotRunning = errors.New("media: relay not running")
	// ErrFamily: the remote address is of another IP version than the side's local address.
	ErrFamily = errors.New("media: remote address of the wrong IP version")
	// ErrKeyReuse: the key for sending is also one that another party encrypts with.
	ErrKeyReuse = errors.New("media: key for sending equals a key for receiving")
	// ErrRange: a port range without a single even and odd pair, or one that is no range.
	ErrRange = errors.New("media: bad port range")
)
