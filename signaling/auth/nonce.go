package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// Lifetime is how long a nonce can be used.
const Lifetime = 30 * time.Second

// Octets of a nonce: when it was made (milliseconds since the mint was), chance, and an HMAC of both and of whom it was given to. Nothing is
// kept of it until it has served.
const (
	nonceTime   = 8
	nonceRandom = 8
	nonceSum    = 16
	nonceSize   = nonceTime + nonceRandom + nonceSum
)

var nonceText = base64.RawURLEncoding.Strict() // strict: one text per nonce, or a replay could be spelt anew

// mint makes nonces and knows its own.
type mint struct {
	key   [32]byte  // of this process: a nonce does not outlive it
	since time.Time // times count from here, so that nobody who sets the clock makes a nonce young again
}

func newMint() mint {
	m := mint{since: time.Now()}
	_, _ = rand.Read(m.key[:]) // never fails
	return m
}

func (m *mint) make(remote string, now time.Time) string {
	var n [nonceSize]byte
	binary.BigEndian.PutUint64(n[:], uint64(now.Sub(m.since).Milliseconds()))
	_, _ = rand.Read(n[nonceTime : nonceTime+nonceRandom]) // never fails
	copy(n[nonceTime+nonceRandom:], m.sum(n[:nonceTime+nonceRandom], remote))
	return nonceText.EncodeToString(n[:])
}

func (m *mint) sum(head []byte, remote string) []byte {
	h := hmac.New(sha256.New, m.key[:])
	_, _ = h.Write(head)           // hashes never fail
	_, _ = h.Write([]byte(remote)) // likewise
	return h.Sum(nil)[:nonceSum]
}

// nonceID names a nonce that we made.
type nonceID [nonceTime + nonceRandom]byte

// made is when, counted from the mint's beginning.
func (id nonceID) made() time.Duration {
	return time.Duration(binary.BigEndian.Uint64(id[:])) * time.Millisecond
}

// read tells whether a nonce is ours, given to remote, and fresh.
func (m *mint) read(text, remote string, now time.Time) (nonceID, bool) {
	var id nonceID
	raw, err := nonceText.DecodeString(text)
	if err != nil || len(raw) != nonceSize || !hmac.Equal(raw[len(id):], m.sum(raw[:len(id)], remote)) {
		return id, false
	}
	copy(id[:], raw)
	return id, now.Sub(m.since)-id.made() <= Lifetime
}

// served remembers which counts of which nonces have served. Only who knows a password adds to it, and what is older than a nonce lives is
// forgotten.
type served struct {
	mu     sync.Mutex // guards what follows
	nonces map[nonceID]*window
	swept  time.Duration // since the mint's beginning
}

// maxServed bounds the memory: 2,000 accepted requests a second for a nonce's life. More get a new challenge.
const maxServed = 60_000

// take marks a count as used; false when it was before, or cannot be told any more. count 0 is a request without one. now is since the
// mint's beginning.
func (s *served) take(id nonceID, count uint32, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now-s.swept >= Lifetime || len(s.nonces) >= maxServed {
		s.sweep(now)
	}
	w := s.nonces[id]
	if w == nil {
		if len(s.nonces) >= maxServed {
			return false
		}
		w = &window{}
		s.nonces[id] = w
	}
	return w.take(count)
}

// sweep forgets what read refuses from now on.
func (s *served) sweep(now time.Duration) {
	for id := range s.nonces {
		if now-id.made() > Lifetime {
			delete(s.nonces, id)
		}
	}
	s.swept = now
}

// window has the last 64 counts (nc) up to the highest that came: requests may change places on their way.
type window struct {
	highest uint32
	seen    uint64 // bit i: highest - i has served
	legacy  bool   // served without a count; such a nonce serves once
}

func (w *window) take(count uint32) bool {
	switch {
	case w.legacy:
		return false
	case count == 0:
		w.legacy = w.highest == 0
		return w.legacy
	case count > w.highest:
		w.seen = w.seen<<min(count-w.highest, 64) | 1
		w.highest = count
		return true
	}
	bit := w.highest - count
	if bit >= 64 || w.seen&(1<<bit) != 0 {
		return false
	}
	w.seen |= 1 << bit
	return true
}
