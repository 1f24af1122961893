package media

import (
	"unsafe"

	"callseal/media/prefetch"
)

// What a packet needs was last used 20 ms ago and lies in no near cache. It hangs together by pointers, each of which
// must have come before the next can be followed: the legs, the keys of the one and the context of the other, the
// contexts' key schedules. So each packet's way is gone one step at a time, while the system receives the next ones.
const warmSteps = 4

// Cache lines, each as many as what is loaded spans.
const (
	fromLines   = int(unsafe.Offsetof(leg{}.latch)+unsafe.Offsetof(latch{}.signalled)+63) / 64
	toLines     = int(unsafe.Offsetof(leg{}.remote)+unsafe.Sizeof(terms{})-unsafe.Offsetof(leg{}.seal)+63) / 64
	countLines  = int(unsafe.Offsetof(counters{}.drops)+63) / 64
	openerLines = int(unsafe.Sizeof(opener{})+63) / 64
	stateLines  = int(unsafe.Offsetof(state{}.legs)+63) / 64
)

// warmPorts begins to load the ports that have packets.
func (w *worker) warmPorts() {
	defer w.survive()
	for _, token := range w.tokens {
		prefetch.Lines(unsafe.Pointer(w.ports[token&tokenSlot]), 1)
	}
}

// warm goes one step for each of the packets received last.
func (w *worker) warm() {
	last := len(w.batch) - 1
	for step := range min(last+1, warmSteps) {
		p := w.batch[last-step].port
		w.current = p.owner
		p.owner.warm(p.side, step)
	}
}

// warm begins to load what a packet from a side will need in a few microseconds.
func (s *state) warm(side Side, step int) {
	from, to := &s.legs[side], &s.legs[1-side]
	switch step {
	case 0:
		prefetch.Lines(unsafe.Pointer(s), stateLines)
		prefetch.Lines(unsafe.Pointer(from), fromLines)
		prefetch.Lines(unsafe.Pointer(&from.count), countLines)
		prefetch.Lines(unsafe.Pointer(&to.set), 1)
		prefetch.Lines(unsafe.Pointer(&to.seal), toLines)
		prefetch.Lines(unsafe.Pointer(&to.count), countLines)
	case 1:
		if len(from.opened) > 0 {
			prefetch.Lines(unsafe.Pointer(&from.opened[0]), openerLines)
		}
		if to.seal != nil {
			to.seal.Prefetch()
		}
	case 2:
		if len(from.opened) > 0 {
			from.opened[0].context.Prefetch()
		}
		if to.seal != nil {
			to.seal.PrefetchKeys()
		}
	case 3:
		if len(from.opened) > 0 {
			from.opened[0].context.PrefetchKeys()
		}
	}
}
