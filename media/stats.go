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
	RoundTrip                time.Duration   // between us and the remote, the mean of what its reports tell (RFC 3550 section 6.4.1); 0: nothing
	Heard                    Quality         // of what came from the remote, as we saw it
	Reported                 Quality         // of what was sent to it, as its reports say; zero: no reports
}

// Quality is how well one direction of one leg went.
type Quality struct {
	Expected, Lost uint64        // RTP packets
	Late           uint64        // of those that came, behind a newer one; Heard only
	Jitter         time.Duration // mean deviation of the spacing of packets
	LongestGap     time.Duration // without a packet that should have come; Heard only
	MOS            float64       // 1 to 4.5 by the E-model (ITU-T G.107); 0: too few packets
}

// Loss returns the share of packets that were lost, 0 to 1.
func (q Quality) Loss() float64 {
	if q.Expected == 0 {
		return 0
	}
	return float64(min(q.Lost, q.Expected)) / float64(q.Expected)
}

// heard rates what came from the leg's remote.
func (l *leg) heard() Quality {
	s := &l.source
	lost := uint64(s.totalLost())
	expected := l.count.received[rtp] - s.quality.twice + lost
	q := Quality{Expected: expected, Lost: lost, Late: s.quality.late, Jitter: s.quality.jitter(), LongestGap: s.quality.gap}
	q.MOS = opinion(s.quality.payload, expected, lost, q.Jitter, l.far.trip())
	return q
}

// reported rates what was sent to the leg's remote, whose packets are of the given payload type and clock rate.
func (l *leg) reported(payloadType uint8, rate uint32) Quality {
	if l.far.reports == 0 {
		return Quality{}
	}
	q := Quality{Expected: uint64(l.far.expected), Lost: uint64(max(0, l.far.lost))}
	q.Jitter = time.Duration(l.far.jitter/l.far.reports) * time.Second / time.Duration(max(rate, defaultRate))
	q.MOS = opinion(payloadType, q.Expected, q.Lost, q.Jitter, l.far.trip())
	return q
}

// snapshot reads a session's figures. It runs on the session's worker, or after that has ended.
func (r *Relay) snapshot(s *state) (stats Stats) {
	for side := range s.legs {
		l, other := &s.legs[side], &s.legs[1-side]
		c := &l.count
		stats.Side[side] = SideStats{
			Received: c.received[rtp], Sent: c.sent[rtp], ReceivedRTCP: c.received[rtcp], SentRTCP: c.sent[rtcp],
			ReceivedBytes: c.receivedBytes, SentBytes: c.sentBytes,
			Lost: uint64(l.source.totalLost()), Drops: c.drops, Recoveries: c.recovered,
			RemoteSSRC: l.source.ssrc, LocalSSRC: l.out.ssrc, Latched: l.latch[rtp].target(),
			RoundTrip: l.far.trip(), Heard: l.heard(), Reported: l.reported(other.source.quality.payload, other.source.rate),
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
