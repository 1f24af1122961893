package stream

// seenWindow is how far back a packet is recognised: 80 s of audio.
const seenWindow = 4096

// seen accounts for the sequence numbers of one direction. Owned by
// whoever owns the stream.
type seen struct {
	bits           [seenWindow / 64]uint64
	some           bool
	first, highest uint64
	unique         uint64
	duplicated     uint64 // repeats, and what is older than the window
	reordered      uint64 // came after a later one
}

// add notes one packet; false when it was there before.
func (s *seen) add(seq uint64) bool {
	switch {
	case !s.some:
		s.some, s.first, s.highest = true, seq, seq
	case seq > s.highest:
		s.advance(seq)
	case s.highest-seq >= seenWindow || s.has(seq):
		s.duplicated++
		return false
	default:
		s.reordered++
		s.first = min(s.first, seq)
	}
	s.bits[seq%seenWindow/64] |= 1 << (seq % 64)
	s.unique++
	return true
}

func (s *seen) has(seq uint64) bool {
	return s.bits[seq%seenWindow/64]&(1<<(seq%64)) != 0
}

// advance moves the window so that seq is its newest.
func (s *seen) advance(seq uint64) {
	if seq-s.highest >= seenWindow {
		s.bits = [seenWindow / 64]uint64{}
	} else {
		for at := s.highest + 1; at <= seq; at++ {
			s.bits[at%seenWindow/64] &^= 1 << (at % 64)
		}
	}
	s.highest = seq
}

// soonOver is how many packets a stream has that may be over before the other end
// can hear: 100 ms.
const soonOver = 5

// missing splits what did not come of the first sent packets into those
// before the first one that came (clipped) and the others (lost). sent 0
// means that only gaps are known.
func (s *seen) missing(sent uint64) (clipped, lost uint64) {
	if !s.some && sent < soonOver {
		return sent, 0
	}
	if !s.some {
		return 0, sent
	}
	sent = max(sent, s.highest+1)
	return s.first, sent - s.first - s.unique
}
