package media

import "time"

// RFC 3550 appendix A.1.
const (
	maxDropout  = 3000 // packets that a sequence may jump ahead
	maxMisorder = 100  // packets that one may come late
)

// defaultRate is the RTP clock in Hz while nothing better was observed (RFC 3551: all narrow-band audio).
const defaultRate = 8000

// source follows the stream that a remote sends: RFC 3550 appendix A.1 and A.3.
type source struct {
	started  bool
	ssrc     uint32
	base     uint16 // first sequence number since the source or its numbering last changed
	top      uint32 // highest sequence number, extended by its cycles
	bad      uint32 // the sequence number that would confirm a jump, or above 0xffff
	received uint64 // packets since base
	lost     int64  // packets lost before base
	rate     uint32 // clock in Hz as observed
	firstTS  uint32
	firstAt  time.Duration
	lastTS   uint32
	lastAt   time.Duration
	paused   bool // signaling has just changed something: the gap before the next packet is nobody's fault
	quality  quality
}

// step is what one packet means for its stream.
type step uint8

const (
	stepNext  step = iota // it carries the stream on
	stepLate              // it does, but a newer one was there before
	stepFirst             // the stream begins, changes its SSRC, or begins to count anew
	stepJump              // it is far from the others: perhaps a new beginning, the next one will tell
)

// update takes a packet that passed all checks.
func (s *source) update(ssrc uint32, seq uint16, ts uint32, now time.Duration) step {
	if !s.started || ssrc != s.ssrc {
		s.begin(ssrc, seq, ts, now)
		return stepFirst
	}
	delta := seq - uint16(s.top)
	switch {
	case delta > 0 && delta < maxDropout:
		s.measure(delta, ts, now)
		s.top += uint32(delta)
		s.lastTS, s.lastAt = ts, now
		s.received++
		s.bad = 1 << 16
		return stepNext
	case delta == 0 || -delta <= maxMisorder:
		if delta == 0 {
			s.quality.twice++
		} else {
			s.quality.late++
		}
		s.received++
		return stepLate
	case uint32(seq) == s.bad: // two in a row: the other side restarted without telling us
		s.begin(ssrc, seq, ts, now)
		return stepFirst
	}
	s.bad = uint32(seq + 1)
	return stepJump
}

func (s *source) begin(ssrc uint32, seq uint16, ts uint32, now time.Duration) {
	*s = source{
		started: true, ssrc: ssrc, base: seq, top: uint32(seq), bad: 1 << 16, received: 1, lost: s.totalLost(),
		rate: s.clock(), firstTS: ts, firstAt: now, lastTS: ts, lastAt: now, quality: s.quality,
	}
}

// totalLost returns how many packets were sent and never came. Duplicates can hide some (RFC 3550 appendix A.3).
func (s *source) totalLost() int64 {
	if !s.started {
		return 0
	}
	return s.lost + max(0, int64(s.top)-int64(s.base)+1-int64(s.received))
}

// continues reports whether a packet looks like the next ones of the stream.
func (s *source) continues(ssrc uint32, seq uint16) bool {
	ahead := seq - uint16(s.top)
	return s.started && ssrc == s.ssrc && ahead > 0 && ahead <= 500
}

// clock returns the stream's clock rate in Hz: the usual rate that is nearest to how fast its timestamps grew.
func (s *source) clock() uint32 {
	elapsed := s.lastAt - s.firstAt
	if elapsed < 200*time.Millisecond {
		if s.rate != 0 {
			return s.rate
		}
		return defaultRate
	}
	grown := float64(s.lastTS-s.firstTS) / elapsed.Seconds()
	best := uint32(defaultRate)
	for _, rate := range [...]uint32{16000, 24000, 32000, 44100, 48000} {
		if abs(grown-float64(rate)) < abs(grown-float64(best)) {
			best = rate
		}
	}
	return best
}

func abs(x float64) float64 { return max(x, -x) }
