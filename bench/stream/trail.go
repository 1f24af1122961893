package stream

import (
	"hash/maphash"
	"sync/atomic"
)

// trailLength is how many packets back the two ends can be compared: 5 s.
const trailLength = 256

// Trail is what one end of a call put on the wire. The sending end writes it,
// the other one reads: it is how the bench shows that the server between them
// really changed the bytes. A nil Trail knows nothing.
type Trail struct {
	// ring holds a packet's payload hash (48 bits) and sequence (16 bits).
	ring     [trailLength]atomic.Uint64
	sent     atomic.Uint64
	finished atomic.Bool   // all that was planned was sent
	paused   atomic.Bool   // nothing is sent for now
	heard    atomic.Uint64 // behind the newest packet that arrived at the other end, which writes it
}

var trailSeed = maphash.MakeSeed()

func mark(seq uint64, wire []byte) uint64 {
	return maphash.Bytes(trailSeed, wire)<<16 | seq&0xffff
}

// put notes the payload of a packet as it goes on the wire.
func (t *Trail) put(seq uint64, wire []byte) {
	if t == nil {
		return
	}
	t.ring[seq%trailLength].Store(mark(seq, wire))
	t.sent.Store(seq + 1)
}

// finish says that nothing more will be sent.
func (t *Trail) finish() {
	if t != nil {
		t.finished.Store(true)
	}
}

// pause says that nothing is sent for now, or takes that back.
func (t *Trail) pause(yes bool) {
	if t != nil {
		t.paused.Store(yes)
	}
}

// hear notes how far the other end has heard.
func (t *Trail) hear(end uint64) {
	if t != nil {
		t.heard.Store(end)
	}
}

// settled tells whether all has been sent and nothing of it is under way, as
// far as is known.
func (t *Trail) settled() bool {
	return t == nil || (t.finished.Load() || t.paused.Load()) && t.heard.Load() >= t.sent.Load()
}

// compare tells whether the same packet went on the wire at the other end
// with the same payload bytes; known is false when that is not on record.
func (t *Trail) compare(seq uint64, wire []byte) (same, known bool) {
	if t == nil {
		return false, false
	}
	want := t.ring[seq%trailLength].Load()
	if want == 0 || want&0xffff != seq&0xffff {
		return false, false
	}
	return want == mark(seq, wire), true
}

// complete is how many packets were sent, once the last one was; else 0.
func (t *Trail) complete() uint64 {
	if t == nil || !t.finished.Load() {
		return 0
	}
	return t.sent.Load()
}
