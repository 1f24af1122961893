package media

import (
	"encoding/binary"
	"time"
)

// sender numbers what is sent to a remote: an SSRC, sequence and timestamps of our own that go on whatever the other
// side's source does. Distances between the source's packets stay as they are, so that loss and reordering stay visible.
type sender struct {
	ssrc      uint32
	cname     [16]byte // random text for SDES
	started   bool
	resync    bool          // packets were kept back or the source changed: go on right behind the last one
	top       uint32        // highest sequence number sent, extended by its cycles
	base      uint32        // top of the last resync: nothing goes before it
	topTS     uint32        // timestamp of top
	topAt     time.Duration // when top was sent
	firstSeq  uint16        // random, below 2^15 (RFC 3711 section 3.3.1: a wrap among the first packets is ambiguous)
	firstTS   uint32        // random
	seqOffset uint16
	tsOffset  uint32
	packets   uint32 // as sender reports count them
	octets    uint32

	reportID uint32        // middle of the NTP time of the latest sender report that went
	reportAt time.Duration // when it went

	awaited     bool          // the first packet after the answer has not gone yet
	deliveredAt time.Duration // when it went
}

// frame is the shortest plausible time between two packets of different sources.
const frame = 20 * time.Millisecond

// newSender makes a sender from 32 random bytes.
func newSender(random [32]byte) sender {
	const hex = "0123456789abcdef"
	s := sender{
		ssrc:     binary.BigEndian.Uint32(random[0:]),
		firstTS:  binary.BigEndian.Uint32(random[4:]),
		firstSeq: binary.BigEndian.Uint16(random[8:]) &^ (1 << 15),
	}
	for i := range s.cname {
		s.cname[i] = hex[random[16+i]&0x0f]
	}
	return s
}

// renumber gives the packet our SSRC and the sequence number and timestamp that belong to it, or returns false for one
// that would have to go before the last resync. rate is the source's clock in Hz.
func (s *sender) renumber(packet []byte, rate uint32, now time.Duration) bool {
	seq, ts := binary.BigEndian.Uint16(packet[2:]), binary.BigEndian.Uint32(packet[4:])
	switch {
	case !s.started:
		s.started, s.resync = true, false
		s.seqOffset, s.tsOffset = s.firstSeq-seq, s.firstTS-ts
		s.top, s.base = uint32(s.firstSeq), uint32(s.firstSeq)
		s.topTS, s.topAt = s.firstTS, now
	case s.resync:
		s.resync = false
		s.base = s.top + 1
		s.seqOffset = uint16(s.base) - seq
		s.tsOffset = s.topTS + ticks(max(now-s.topAt, frame), rate) - ts
	}
	out := s.top + uint32(int32(int16(seq+s.seqOffset-uint16(s.top))))
	if int32(out-s.base) < 0 {
		return false
	}
	if ahead := int32(out - s.top); ahead > 0 {
		s.top, s.topTS, s.topAt = out, ts+s.tsOffset, now
	}
	binary.BigEndian.PutUint16(packet[2:], uint16(out))
	binary.BigEndian.PutUint32(packet[4:], ts+s.tsOffset)
	binary.BigEndian.PutUint32(packet[8:], s.ssrc)
	return true
}

// sent counts a packet for the next sender report.
func (s *sender) sent(payload int) {
	s.packets++
	s.octets += uint32(payload)
}

// ticks converts a duration to units of an RTP clock.
func ticks(d time.Duration, rate uint32) uint32 {
	return uint32(uint64(d/time.Microsecond) * uint64(rate) / 1e6)
}
