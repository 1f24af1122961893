package srtp

// maxIndex is the highest SRTP packet index, 2^48-1 (RFC 3711 section 3.3.1 and 9.2).
const maxIndex = 1<<48 - 1

// maxRTCPIndex is the highest SRTCP packet index, 2^31-1 (RFC 3711 section 3.4 and 9.2).
const maxRTCPIndex = 1<<31 - 1

// maxSeq is the highest sequence number.
const maxSeq = 1<<16 - 1

// half is half of the sequence number space.
const half = 1 << 15

// guess returns the most likely index of a packet by its sequence number (RFC 3711 section 3.3.1 and appendix A).
// Before the first rollover there is no earlier one to go back to. The result can exceed maxIndex by one rollover.
func (w *window) guess(seq uint16) uint64 {
	if !w.started() {
		return uint64(seq) // RFC 3711 section 3.3.1: ROC starts at zero
	}
	roc, top, n := w.top>>16, int(w.top&0xffff), int(seq)
	switch {
	case top < half && n-top > half && roc > 0:
		roc--
	case top >= half && top-half > n:
		roc++
	}
	return roc<<16 | uint64(seq)
}

// Recovery is the way in which a packet that failed under the most likely rollover counter was opened after all.
type Recovery uint8

// The ways, in the order in which they are tried.
const (
	RecoveryForward Recovery = iota // one rollover further on: a gap of more than 2^15 packets, or the first packets lost around a wrap
	RecoveryBack                    // one rollover back, after the sender restarted
	RecoveryZero                    // at rollover zero, after the sender restarted
	RecoveryKept                    // under the counter of the key before, with which the sender goes on
	recoveryCount
)

// String returns the label value of the way.
func (r Recovery) String() string {
	switch r {
	case RecoveryForward:
		return "forward"
	case RecoveryBack:
		return "back"
	case RecoveryZero:
		return "zero"
	case RecoveryKept:
		return "kept"
	}
	return "unknown"
}

// Recoveries counts recoveries by way.
type Recoveries [recoveryCount]uint64

// restartGrace is for how many packets after AllowRestart a sender may go back to an earlier rollover counter, and
// restartReach how far ahead its sequence number must then be of the last one: it has lost its counter, not its place.
const (
	restartGrace = 64
	restartReach = 3000
)

// candidate is an index to try, and how it is counted.
type candidate struct {
	index uint64
	way   Recovery
}

// candidates returns the indices to try when the guess failed. Going forward is always safe: an index above all that
// were ever authenticated cannot be a replay. Going back is what an attacker with a recording would like, so it is
// tried only while restart says that signaling has just announced a change, and for sequence numbers that carry on.
func (s *stream) candidates(guess uint64, restart bool) (list [4]candidate, n int) {
	add := func(index uint64, way Recovery) {
		if index <= maxIndex {
			list[n] = candidate{index, way}
			n++
		}
	}
	add(guess+1<<16, RecoveryForward)
	if s == nil {
		return list, n
	}
	if s.peak > s.rtp.top { // back to where the stream was before a restart
		before := window{top: s.peak, seen: [2]uint64{1}}
		if index := before.guess(uint16(guess)); index > s.peak {
			add(index, RecoveryForward)
		}
	}
	if ahead := uint16(guess) - uint16(s.rtp.top); restart && ahead > 0 && ahead <= restartReach && guess > 0xffff {
		add(guess-1<<16, RecoveryBack)
		add(guess&0xffff, RecoveryZero)
	}
	return list, n
}
