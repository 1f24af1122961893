package media

import (
	"net/netip"
	"time"
)

// relatchAfter is how long a plain side's source must be silent before another one may take its place.
const relatchAfter = 500 * time.Millisecond

// latch decides whom one port of a side listens to and where it sends: symmetric RTP (RFC 4961) that cannot be taken
// over.
//
// Sealed side: anybody may send, for only a valid tag counts; the newest packet with a valid tag says where to send.
// Until the first one that is the address of the SDP.
//
// Plain side: the first packet from the signalled address, or at least its IP, fixes the source. The exact signalled
// address takes over from another port of its IP. All other sources are refused. Once the source was silent for
// relatchAfter, another port of a known IP may follow it, and so may another IP that continues the very stream (same
// SSRC, next sequence numbers), which nobody can guess who did not see it.
type latch struct {
	signalled netip.AddrPort // the last address of an SDP that can be sent to
	nowhere   bool           // the latest SDP asks not to be sent to
	source    netip.AddrPort // latched; invalid: none yet
	heard     time.Duration  // when the source was last heard
}

// signal takes the address of an SDP. An address that is new ends the latch, the same one keeps it, and one that means
// nowhere (c=0.0.0.0, RFC 3264 section 8.4) only stops the sending.
func (l *latch) signal(address netip.AddrPort) {
	l.nowhere = !sendable(address)
	if l.nowhere || address == l.signalled {
		return
	}
	l.signalled, l.source = address, netip.AddrPort{}
}

// target returns where to send; an invalid address means nowhere.
func (l *latch) target() netip.AddrPort {
	switch {
	case l.nowhere:
		return netip.AddrPort{}
	case l.source.IsValid():
		return l.source
	}
	return l.signalled
}

// authentic takes the source of a packet with a valid tag that is the newest of its stream.
func (l *latch) authentic(from netip.AddrPort, now time.Duration) { l.source, l.heard = from, now }

// admit decides about a packet on a plain side. continues says that it carries on the latched source's stream.
func (l *latch) admit(from netip.AddrPort, continues bool, now time.Duration) bool {
	switch {
	case from == l.source:
	case from == l.signalled:
		l.source = from
	case !l.source.IsValid():
		if !l.signalled.IsValid() || from.Addr() != l.signalled.Addr() {
			return false
		}
		l.source = from
	case now-l.heard >= relatchAfter && (continues || from.Addr() == l.source.Addr() || from.Addr() == l.signalled.Addr()):
		l.source = from
	default:
		return false
	}
	l.heard = now
	return true
}

// sendable reports whether a packet can be sent to the address.
func sendable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}
