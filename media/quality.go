package media

import (
	"encoding/binary"
	"time"
)

// quality is how the packets of a remote came, over all its streams.
type quality struct {
	deviation time.Duration // sum of how much the spacing of neighbours differs from that of their timestamps
	measured  uint64        // how many neighbours were compared
	recent    time.Duration // the same as a moving mean (RFC 3550 appendix A.8)
	late      uint64        // packets behind a newer one
	twice     uint64        // the newest packet again (plain sides; on sealed ones it is a replay)
	gap       time.Duration // the longest time without a packet that should have come
	payload   uint8         // the latest static payload type that is audio
}

// learning is for how many packets a stream's clock rate is watched before jitter is measured by it.
const learning = 25

// longestFrame is more audio than anybody puts into one packet.
const longestFrame = 200 * time.Millisecond

// measure takes the next packet of a stream: ahead is by how many sequence numbers it follows the last one.
func (s *source) measure(ahead uint16, ts uint32, now time.Duration) {
	gap, ticked := now-s.lastAt, int32(ts-s.lastTS)
	if s.received == learning {
		s.rate = s.clock()
	}
	spacing := time.Duration(ticked) * time.Second / time.Duration(max(s.rate, defaultRate))
	// RFC 3550 section 6.4.1, in time instead of timestamp units. Packets of one telephone-event share a timestamp, and
	// a spacing that is off by more than a second is another clock.
	off := max(gap-spacing, spacing-gap)
	if ticked != 0 && s.received > learning && off < time.Second {
		s.quality.deviation += off
		s.quality.recent += (off - s.quality.recent) / 16
		s.quality.measured++
	}
	suppressed := ahead == 1 && spacing > longestFrame && off < gap/2 // silence: the timestamps show that nothing was said
	if s.paused, suppressed = false, suppressed || s.paused; !suppressed {
		s.quality.gap = max(s.quality.gap, gap)
	}
}

// jitter is the mean deviation in the spacing of packets (RFC 3550 section 6.4.1, averaged over the call).
func (q *quality) jitter() time.Duration {
	if q.measured == 0 {
		return 0
	}
	return q.deviation / time.Duration(q.measured)
}

// audioType reports whether a payload type is static and audio: neither comfort noise (RFC 3389) nor dynamic.
func audioType(payloadType uint8) bool {
	return payloadType < 96 && payloadType != 13 && payloadType != 19
}

// far is what a remote says in its reports about what we sent it.
type far struct {
	reports   uint64
	lost      int32  // packets, cumulative, of the latest report
	before    int32  // lost when the source behind our stream last changed
	expected  uint32 // packets that it should have got by then
	jitter    uint64 // sum over the reports, in timestamp units
	roundTrip time.Duration
	measured  uint64 // reports that told a round trip; roundTrip is the sum of theirs
}

// report takes a report block about the stream that we send (RFC 3550 section 6.4.1).
func (l *leg) report(block []byte, now time.Duration) {
	f := &l.far
	f.reports++
	f.lost = int32(binary.BigEndian.Uint32(block[4:])<<8) >> 8
	f.expected = max(f.expected, binary.BigEndian.Uint32(block[8:])-uint32(l.out.firstSeq)+1)
	f.jitter += uint64(binary.BigEndian.Uint32(block[12:]))
	last, held := binary.BigEndian.Uint32(block[16:]), binary.BigEndian.Uint32(block[20:])
	if last == 0 || last != l.out.reportID {
		return
	}
	trip := now - l.out.reportAt - time.Duration(held)*time.Second/65536
	if trip >= 0 && trip < maxRoundTrip {
		f.roundTrip += trip
		f.measured++
	}
}

// maxRoundTrip bounds what a report can make us believe.
const maxRoundTrip = 10 * time.Second

// reported notes that a sender report with this NTP time went to the remote: its next report names it (section 6.4.1,
// LSR and DLSR).
func (s *sender) reported(ntp []byte, now time.Duration) {
	s.reportID, s.reportAt = binary.BigEndian.Uint32(ntp[2:]), now
}

// trip returns the leg's mean round trip; 0: no report told it.
func (f *far) trip() time.Duration {
	if f.measured == 0 {
		return 0
	}
	return f.roundTrip / time.Duration(f.measured)
}
