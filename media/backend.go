package media

import (
	"errors"
	"net/netip"
	"time"
)

// socket is a bound UDP socket of a backend.
type socket int32

// errAgain: the socket has nothing to read at the moment.
var errAgain = errors.New("media: nothing to read")

// backend is the operating system as one worker sees it. Another system, or another way to use this one, is another
// file with a newBackend. bind and wake may be called from any goroutine, wait and nap only by the worker's, everything
// else by who has the worker's lock; none of those waits for wait or nap.
type backend interface {
	// bind opens a socket at exactly this address. Errors: ErrNoDescriptors, errPortTaken, or the system's.
	bind(at netip.AddrPort) (socket, error)
	// attach makes wait report the socket, by this token, while it has packets.
	attach(s socket, token uint64) error
	// wait blocks until a socket has packets or wake is called, and appends the tokens of those that have. It may return
	// without any at any time. long says that it will be a long time.
	wait(tokens []uint64, long bool) ([]uint64, error)
	// nap sleeps for d or until wake is called, whatever the sockets have. It may return at any time.
	nap(d time.Duration)
	// receive reads one packet. n is its full length even where that exceeds the buffer.
	receive(s socket, buf []byte) (n int, from netip.AddrPort, err error)
	// send sends one packet. It never blocks.
	send(s socket, packet []byte, to netip.AddrPort) error
	// release closes a socket of bind.
	release(s socket)
	// wake ends the present or the next wait.
	wake()
	// close frees the backend itself, after its last socket was released.
	close()
}

// errPortTaken: another process has the port.
var errPortTaken = errors.New("media: port taken")
