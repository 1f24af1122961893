package media

import (
	"fmt"
	"io"
	"net/netip"

	"callseal/media/srtp"
)

// Side names one of a session's two remote parties.
type Side uint8

// The two sides: A called in, B is called out to.
const (
	A Side = iota
	B
)

// String returns "a" or "b".
func (s Side) String() string {
	switch s {
	case A:
		return "a"
	case B:
		return "b"
	}
	return "unknown"
}

// Remote is what signaling knows about the party on one side.
type Remote struct {
	RTP, RTCP     netip.AddrPort // where the remote asked to be sent to; an invalid or unspecified one means nowhere
	From          netip.Addr     // where its signaling comes from, and its plain RTP where RTP has a private address; invalid: unknown
	Mux           bool           // RTP and RTCP on one port (RFC 5761)
	Receive, Send *srtp.Key      // what the remote encrypts with, and what we do; nil: plain RTP
	Hold          bool           // the remote does not want to receive
	Mute          bool           // the remote will not send (recvonly or inactive, as it says)
	NoRTCP        bool           // the remote is sent no RTCP (RFC 3556)

	// How many packets the keys may protect (RFC 4568 section 6.1); 0: as many as there are.
	ReceiveLife, SendLife uint64
}

// Session relays the media of one call. Its methods may be called from any goroutine.
type Session struct {
	// Never changed.
	relay  *Relay
	worker *worker
	local  [2]netip.AddrPort

	state *state // owned by the worker; touched by others only after the worker has ended
}

// Local returns our own addresses of one side.
func (s *Session) Local(side Side) (rtp, rtcp netip.AddrPort) {
	rtp = s.local[side]
	return rtp, netip.AddrPortFrom(rtp.Addr(), rtp.Port()+1)
}

// Set configures one side from its latest offer or answer, and may be called again at any time. A key that is set again
// keeps its context, its rollover counter and its replay state; with a new one, packets under the last are accepted for
// 2 s more. The same addresses keep what was learned about the remote's true ones. Before Set a side sends nothing, and
// the RTP that it gets waits for it, for a second at most (see early.go). While Send is set nothing leaves it in the clear.
// Errors change nothing: ErrClosed, ErrFamily, ErrKeyReuse, srtp.ErrProfile, srtp.ErrKeyLength.
func (s *Session) Set(side Side, r Remote) error {
	for _, address := range [...]netip.AddrPort{r.RTP, r.RTCP} {
		if sendable(address) && address.Addr().Unmap().Is4() != s.local[side].Addr().Is4() {
			return fmt.Errorf("%w: %v from %v", ErrFamily, address, s.local[side].Addr())
		}
	}
	var random [32]byte
	if _, err := io.ReadFull(s.relay.config.Random, random[:]); err != nil {
		return fmt.Errorf("media: no randomness: %w", err)
	}
	err := ErrClosed
	s.worker.do(func() {
		if !s.state.closed {
			err = s.worker.configure(s.state, side, r, random)
		}
	})
	return err
}

// Notify makes the session tell f what happens to it. f is called by the session's worker: it must neither block nor
// call the session.
func (s *Session) Notify(f func(Event)) { s.worker.do(func() { s.state.watch.notify = f }) }

// Answered says that the call is answered: from now on audio is expected both ways. Saying it again does nothing.
func (s *Session) Answered() {
	s.worker.do(func() { s.state.answer(s.worker.clock(), s.worker.patience()) })
}

// Stats returns the figures as they are now, or as they were at the end.
func (s *Session) Stats() (stats Stats) {
	look := func() { stats = s.relay.snapshot(s.state) }
	if !s.worker.do(look) {
		look()
	}
	return stats
}

// Close ends the session and returns its last figures. Its ports rest before another session gets them. Closing again
// does nothing.
func (s *Session) Close() (stats Stats) {
	look := func() { stats = s.relay.snapshot(s.state) }
	if !s.worker.do(func() { s.worker.drop(s.state); look() }) {
		look()
	}
	return stats
}
