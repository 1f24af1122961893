package bench

import (
	"crypto/sha256"
	"sync"

	"callseal/bench/stream"
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
	trails [2]stream.Trail
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
func (l *Ledger) enter(id uint64, party Party, keys ...key) (own, other *stream.Trail) {
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
