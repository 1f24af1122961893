package srtp

// windowSize is how many indices behind the highest one are still told apart (RFC 3711 section 3.3.2 demands 64).
const windowSize = 128

// window is a replay list: the highest index seen and which of the windowSize indices up to it were seen.
type window struct {
	top  uint64
	seen [2]uint64 // bit i of the 128: top-i was seen; zero: nothing was seen yet
}

// started reports whether any index was ever marked.
func (w *window) started() bool { return w.seen[0]&1 != 0 }

// fresh reports whether the index was not seen yet and is not too old to know (RFC 3711 section 3.3.2).
func (w *window) fresh(index uint64) bool {
	if index > w.top || !w.started() {
		return true
	}
	behind := w.top - index
	if behind >= windowSize {
		return false
	}
	return w.seen[behind/64]&(1<<(behind%64)) == 0
}

// mark records a fresh index.
func (w *window) mark(index uint64) {
	switch {
	case !w.started():
		w.reset(index)
	case index <= w.top:
		behind := w.top - index
		w.seen[behind/64] |= 1 << (behind % 64)
	default:
		w.shift(index - w.top)
		w.top = index
		w.seen[0] |= 1
	}
}

// shift moves the seen bits to n places further behind.
func (w *window) shift(n uint64) {
	switch {
	case n >= windowSize:
		w.seen = [2]uint64{}
	case n >= 64:
		w.seen = [2]uint64{0, w.seen[0] << (n - 64)}
	default:
		w.seen[1] = w.seen[1]<<n | w.seen[0]>>(64-n)
		w.seen[0] <<= n
	}
}

// reset forgets everything but the one index.
func (w *window) reset(index uint64) {
	w.top, w.seen = index, [2]uint64{1, 0}
}
