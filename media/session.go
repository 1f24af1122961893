package media

import (
	"net/netip"
	"time"

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
	Mux           bool           // RTP and RTCP on one port (RFC 5761)
	Receive, Send *srtp.Key      // what the remote encrypts with, and what we do; nil: plain RTP
	Hold          bool           // the remote does not want to receive
}

// Stats are a session's figures.
type Stats struct{ Side [2]SideStats }

// SideStats are the figures of one side.
type SideStats struct {
	Received, Sent           uint64 // RTP packets accepted from the remote and relayed to it
	ReceivedBytes, SentBytes uint64 // UDP payload of those, in bytes
	ReceivedRTCP, SentRTCP   uint64 // RTCP packets
	Lost                     uint64 // RTP packets that the remote sent and that never came, by sequence (RFC 3550 A.3)
	Drops                    Drops  // packets that came from this side and were not relayed
	RemoteSSRC, LocalSSRC    uint32 // 0 when there is none yet
	First, Last              time.Time
	FirstSent                time.Time
	Latched                  netip.AddrPort // where packets for the remote go now
}

// Session relays the media of one call.
type Session struct{}

// Set configures one side.
func (s *Session) Set(side Side, r Remote) error { return ErrNotRunning }

// Local returns our own addresses of one side.
func (s *Session) Local(side Side) (rtp, rtcp netip.AddrPort) { return }

// Stats returns the figures as they are now.
func (s *Session) Stats() Stats { return Stats{} }

// Close ends the session and returns its last figures.
func (s *Session) Close() Stats { return Stats{} }
