package media

import (
	"net/netip"
	"time"
)

// relatchAfter is how long a plain side's source, or one of a sealed side that proved itself against another, must be
// silent before another one may take its place.
const relatchAfter = 500 * time.Millisecond

// raceTime is for how long after a sealed side's source changed the one before it can show that it is still there.
const raceTime = time.Second

// latch decides whom one port of a side listens to and where it sends: symmetric RTP (RFC 4961) that cannot be taken
// over.
//
// Sealed side: anybody may send, for only a valid tag counts; the newest packet with a valid tag says where to send.
// Who sees the packets of the remote can copy one and be faster with it, so: first comes the address of the SDP, and
// another one only with its second packet; and a source that is heard again after another took its place gets it back
// and keeps it while it is heard.
//
// Plain side: the first packet from the signalled address, or at least its IP, fixes the source. Where the SDP says a
// private address and signaling comes from another one, that one's IP will do too (NAT). The exact signalled address
// takes over from others. All other sources are refused. Once the source was silent for relatchAfter, another port of
// a known IP may follow it, and so may another IP that continues the very stream (same SSRC, next sequence numbers),
// which nobody can guess who did not see it.
type latch struct {
	source    netip.AddrPort // latched; invalid: none yet
	heard     time.Duration  // when the source was last heard
	nowhere   bool           // the latest SDP asks not to be sent to
	firm      bool           // sealed: the source has been contested and won
	signalled netip.AddrPort // the last address of an SDP that can be sent to
	also      netip.Addr     // plain: may stand in for the signalled IP; invalid: none may
	previous  netip.AddrPort // sealed: the source before this one, or the first that has sent one packet only
	moved     time.Duration  // sealed: when the source took its place
}

// signal takes the address of an SDP, and where its signaling comes from. An address that is new ends the latch, the
// same one keeps it, and one that means nowhere (c=0.0.0.0, RFC 3264 section 8.4) only stops the sending.
func (l *latch) signal(address netip.AddrPort, from netip.Addr) {
	l.nowhere = !sendable(address)
	if l.nowhere {
		return
	}
	l.also = netip.Addr{}
	if private(address.Addr()) && from != address.Addr() {
		l.also = from
	}
	if address != l.signalled {
		l.signalled, l.source, l.previous = address, netip.AddrPort{}, netip.AddrPort{}
	}
}

// private reports whether an address means something only in its own network (RFC 1918, 6598, 4193, 3927, 4291): what
// a remote behind NAT writes that does not know its outer one.
func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a)
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

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
func (l *latch) authentic(from netip.AddrPort, now time.Duration) {
	if from != l.source && !l.overtakes(from, now) {
		return
	}
	l.heard = now
}

// overtakes makes from the source of a sealed side, or returns false.
func (l *latch) overtakes(from netip.AddrPort, now time.Duration) bool {
	switch {
	case !l.source.IsValid():
		if from != l.signalled && sendable(l.signalled) && from != l.previous {
			l.previous = from
			return false
		}
		l.firm = false
	case l.firm && now-l.heard < relatchAfter:
		return false
	default:
		l.firm = from == l.signalled || from == l.previous && now-l.moved < raceTime
	}
	l.previous, l.source, l.moved = l.source, from, now
	return true
}

// admit decides about a packet on a plain side. continues says that it carries on the latched source's stream.
func (l *latch) admit(from netip.AddrPort, continues bool, now time.Duration) bool {
	switch {
	case from == l.source:
	case from == l.signalled:
		l.source = from
	case !l.source.IsValid():
		if !l.knows(from.Addr()) {
			return false
		}
		l.source = from
	case now-l.heard >= relatchAfter && (continues || from.Addr() == l.source.Addr() || l.knows(from.Addr())):
		l.source = from
	default:
		return false
	}
	l.heard = now
	return true
}

// knows reports whether the remote of a plain side may send from an IP.
func (l *latch) knows(ip netip.Addr) bool {
	return l.signalled.IsValid() && (ip == l.signalled.Addr() || ip == l.also)
}

// sendable reports whether a packet can be sent to the address.
func sendable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified()
}
