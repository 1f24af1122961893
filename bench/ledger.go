package bench

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Ledger holds what both ends of the calls of one run know together: what
// each put on the wire, and which keys were used. It is how the bench shows
// that the server between them really changed the bytes and the keys.
type Ledger struct {
	mu       sync.Mutex
	accounts map[uint64]*account
	keys     map[[sha256.Size]byte]struct{}
	reused   int
}

// account is one call.
type account struct {
	trails [2]trail
	open   int
}

// NewLedger makes an empty one.
func NewLedger() *Ledger {
	return &Ledger{accounts: make(map[uint64]*account), keys: make(map[[sha256.Size]byte]struct{})}
}

// Keys is how many SRTP keys all legs used, and how many of those had been
// used before: by the other leg, or by another call.
func (l *Ledger) Keys() (distinct, reused int) {
	if l == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys), l.reused
}

// enter opens one end's account of a call; leave closes it. Both trails are
// nil when there is no ledger.
func (l *Ledger) enter(id uint64, party Party, keys ...key) (own, other *trail) {
	if l == nil {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if len(k) == 0 {
			continue
		}
		sum := sha256.Sum256(k)
		if _, known := l.keys[sum]; known {
			l.reused++
		}
		l.keys[sum] = struct{}{}
	}
	a := l.accounts[id]
	if a == nil {
		a = &account{}
		l.accounts[id] = a
	}
	a.open++
	return &a.trails[party], &a.trails[party.Other()]
}

func (l *Ledger) leave(id uint64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[id]; a != nil {
		if a.open--; a.open <= 0 {
			delete(l.accounts, id)
		}
	}
}

// trailLength is how many packets back the two ends can be compared: 5 s.
const trailLength = 256

// trail is what one end of a call put on the wire. The sending end writes it,
// the other one reads. A nil trail knows nothing.
type trail struct {
	// ring holds a packet's payload hash (48 bits) and sequence (16 bits).
	ring     [trailLength]atomic.Uint64
	sent     atomic.Uint64
	finished atomic.Bool // all that the plan wanted was sent
}

var trailSeed = maphash.MakeSeed()

func mark(seq uint64, wire []byte) uint64 {
	return maphash.Bytes(trailSeed, wire)<<16 | seq&0xffff
}

// put notes the payload of a packet as it goes on the wire.
func (t *trail) put(seq uint64, wire []byte) {
	if t == nil {
		return
	}
	t.ring[seq%trailLength].Store(mark(seq, wire))
	t.sent.Store(seq + 1)
}

// compare tells whether the same packet went on the wire at the other end
// with the same payload bytes; known is false when that is not on record.
func (t *trail) compare(seq uint64, wire []byte) (same, known bool) {
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
func (t *trail) complete() uint64 {
	if t == nil || !t.finished.Load() {
		return 0
	}
	return t.sent.Load()
}
