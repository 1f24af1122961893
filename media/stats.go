package media

import (
	"net/netip"
	"time"

	"callseal/media/srtp"
)

// Stats are a session's figures, indexed by A and B.
type Stats struct{ Side [2]SideStats }

// SideStats are the figures of one side. What was received came from its remote, what was sent went to it.
type SideStats struct {
	Received, Sent           uint64          // RTP packets: accepted from the remote, and relayed to it
	ReceivedRTCP, SentRTCP   uint64          // RTCP packets, likewise
	ReceivedBytes, SentBytes uint64          // UDP payload of all those, in bytes
	Lost                     uint64          // RTP packets that the remote sent and that never came, by sequence (RFC 3550 A.3)
	Drops                    Drops           // packets that came to this side's ports and were not relayed
	Recoveries               srtp.Recoveries // packets opened under another rollover counter than the likely one
	RemoteSSRC, LocalSSRC    uint32          // of the stream that comes and of the one that goes; RemoteSSRC is 0 before the first packet
	First, Last              time.Time       // when the first and the latest RTP packet came; zero: none
	FirstSent                time.Time       // when the first RTP packet went; zero: none
	Latched                  netip.AddrPort  // where RTP for the remote goes now; invalid: nowhere
}

// snapshot reads a session's figures. It runs on the session's worker, or after that has ended.
func (r *Relay) snapshot(s *state) (stats Stats) {
	for side := range s.legs {
		l := &s.legs[side]
		c := &l.count
		stats.Side[side] = SideStats{
			Received: c.received[rtp], Sent: c.sent[rtp], ReceivedRTCP: c.received[rtcp], SentRTCP: c.sent[rtcp],
			ReceivedBytes: c.receivedBytes, SentBytes: c.sentBytes,
			Lost: uint64(l.source.totalLost()), Drops: c.drops, Recoveries: c.recovered,
			RemoteSSRC: l.source.ssrc, LocalSSRC: l.out.ssrc, Latched: l.latch[rtp].target(),
		}
		if c.received[rtp] > 0 {
			stats.Side[side].First, stats.Side[side].Last = r.start.Add(c.first), r.start.Add(c.last)
		}
		if c.sent[rtp] > 0 {
			stats.Side[side].FirstSent = r.start.Add(c.firstSent)
		}
	}
	return stats
}
