package media

import (
	"encoding/binary"
	"time"
)

// A remote whose reports cross to the other leg speaks for that leg. Where it sends none, the leg's remote gets reports
// of our own (RFC 3550 section 6.4): how its audio came here, and what we sent it. It answers with its own, and so
// quality and round trip are known of every leg whose remote has RTCP at all.

const (
	reportEvery = 5 * time.Second // the mean interval of reports; no participant's is shorter (RFC 3550 section 6.2)
	relayedFor  = 8 * time.Second // a remote that reports does so again within this time (section 6.3.1: 1.5 times the mean)
)

// reporter is what a leg's own reports need. They are made when the sessions are looked at, twice a second.
type reporter struct {
	due       time.Duration // when the next goes; 0: nothing has gone or come yet
	relayed   time.Duration // when a report of the other leg's remote went last
	crossed   bool          // one ever did
	luck      uint32        // spreads the intervals
	ssrc      uint32        // the source that expected and received are about
	expected  uint32        // packets at the last report
	received  uint32
	packets   uint32        // sent at the last report
	heardID   uint32        // middle of the NTP time of the remote's latest sender report; 0: none came
	heardTime time.Duration // when it came
}

// heard notes a sender report of the leg's remote about the stream that is relayed.
func (r *reporter) heard(ntp []byte, now time.Duration) {
	r.heardID, r.heardTime = binary.BigEndian.Uint32(ntp[2:]), now
}

// cross notes that a report of the other leg's remote went to this leg's.
func (r *reporter) cross(now time.Duration) { r.relayed, r.crossed = now, true }

// owes tells whether the leg's remote is to get a report of our own now, and when the next one will be due.
func (l *leg) owes(now time.Duration) bool {
	r := &l.reports
	if !l.set || l.remote.noRTCP || !l.source.started && !l.out.started || now < r.due {
		return false
	}
	first := r.due == 0
	// RFC 3550 section 6.3.1: 0.5 to 1.5 times the mean, so that nobody's reports keep step.
	r.luck = r.luck*1664525 + 1013904223 + l.out.ssrc
	r.due = now + reportEvery/2 + reportEvery*time.Duration(r.luck>>16)/(1<<16)
	return !first && !(r.crossed && now-r.relayed < relayedFor)
}

// writeReport writes a compound packet of our own: a report and our CNAME. wall is now on the clock of the day, rate the
// clock of the stream that we send in Hz.
func (l *leg) writeReport(out []byte, now time.Duration, wall time.Time, rate uint32) int {
	out[0], out[1] = 0x80, receiverReport
	binary.BigEndian.PutUint32(out[4:], l.out.ssrc)
	n := rtcpHeader
	if l.out.packets != l.reports.packets { // section 6.4: who has sent since its last report is a sender
		l.reports.packets = l.out.packets
		out[1] = senderReport
		binary.BigEndian.PutUint64(out[8:], ntp(wall))
		binary.BigEndian.PutUint32(out[16:], l.out.topTS+ticks(now-l.out.topAt, rate))
		binary.BigEndian.PutUint32(out[20:], l.out.packets)
		binary.BigEndian.PutUint32(out[24:], l.out.octets)
		l.out.reported(out[8:16], now)
		n += senderInfo
	}
	if l.writeBlock(out[n:], now) {
		out[0]++
		n += reportBlock
	}
	binary.BigEndian.PutUint16(out[2:], uint16(n/4-1))
	return n + l.out.describe(out[n:])
}

// writeBlock writes how the remote's stream came (section 6.4.1, appendix A.3), unless nothing of it did since the last
// report.
func (l *leg) writeBlock(out []byte, now time.Duration) bool {
	s, r := &l.source, &l.reports
	if !s.started {
		return false
	}
	if r.ssrc != s.ssrc || uint32(s.received) < r.received { // another source, or it counts anew
		r.ssrc, r.expected, r.received = s.ssrc, 0, 0
	}
	expected, received := s.top-uint32(s.base)+1, uint32(s.received)
	expectedNow, receivedNow := expected-r.expected, received-r.received
	if receivedNow == 0 {
		return false
	}
	r.expected, r.received = expected, received
	fraction := uint32(0)
	if lost := int32(expectedNow - receivedNow); lost > 0 {
		fraction = uint32(lost) << 8 / expectedNow
	}
	const most = 1<<23 - 1 // the number has 24 bits, and a sign
	lost := min(max(int32(expected-received), -most-1), most)
	binary.BigEndian.PutUint32(out[0:], s.ssrc)
	binary.BigEndian.PutUint32(out[4:], fraction<<24|uint32(lost)&0xffffff)
	binary.BigEndian.PutUint32(out[8:], s.top)
	binary.BigEndian.PutUint32(out[12:], ticks(s.quality.recent, max(s.rate, defaultRate)))
	clear(out[16:reportBlock])
	if r.heardID != 0 {
		binary.BigEndian.PutUint32(out[16:], r.heardID)
		binary.BigEndian.PutUint32(out[20:], uint32((now-r.heardTime)*65536/time.Second))
	}
	return true
}

// ntp is a time of day as reports have it: seconds since 1900, and 2^-32 s (section 4).
func ntp(t time.Time) uint64 {
	const since1900 = 2208988800 // at the epoch of Unix
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// report sends a leg's remote a report of our own.
func (w *worker) report(s *state, side Side, now time.Duration) {
	f := forwarder{from: &s.legs[1-side], to: &s.legs[side]}
	buf := w.space
	n := f.to.writeReport(buf, now, w.start.Add(now), f.from.source.rate)
	var v verdict
	f.deliver(buf, n, rtcp, &v)
	if v.drop != DropNone || w.os.send(s.ports[side][v.via].socket, v.out, v.target) != nil {
		return // there is nobody to send it to
	}
	f.to.countSent(rtcp, len(v.out), 0, now)
	w.tally.packets[sent][rtcp]++
	w.tally.bytes[sent][rtcp] += uint64(len(v.out))
}
