package srtp

import (
	"crypto/sha1"

	"callseal/media/hmacx8"
)

// Eight MACs together cost as much as two one after another. Who has many packets at a time lets their MACs wait for
// each other, between Hold and Release.

// Ahead is the MAC of a packet that has come, computed before the packet is opened. Its zero value is none.
type Ahead struct {
	key  *macKey // nil: sum is not there
	word uint32  // behind the packet, see authenticate
	sum  [sha1.Size]byte
}

// waiting is MACs that wait for others.
type waiting struct {
	batches [hmacx8.MaxBlocks + 1]batch // by the blocks of their messages
}

type batch struct {
	hmacx8.Batch
	waiters [hmacx8.Lanes]waiter
}

// waiter is who gets a MAC: its first bytes go to tag, and if they are those of ahead.sum, then key tells that they are there.
type waiter struct {
	tag   []byte
	ahead *Ahead
	key   *macKey
}

// Hold begins a time in which MACs of RTP packets are computed when there are eight of them, or at Release: the tag of a packet that
// Protect.RTP seals is then not there before, and its buffer must be left alone. Where the processor cannot do eight at once, nothing changes.
func (s *Scratch) Hold() {
	if !hmacx8.Native {
		return
	}
	if s.waiting == nil {
		s.waiting = new(waiting)
	}
	s.held = true
}

// Release ends it: all that waited are there.
func (s *Scratch) Release() {
	if !s.held {
		return
	}
	s.held = false
	for blocks := range s.waiting.batches {
		if b := &s.waiting.batches[blocks]; b.Len() > 0 {
			b.finish(blocks)
		}
	}
}

// later lets the MAC of a message and the word behind it wait, or returns false.
func (s *Scratch) later(message []byte, word uint32, w waiter) bool {
	blocks := hmacx8.Blocks(len(message) + wordBytes)
	if !s.held || blocks > hmacx8.MaxBlocks {
		return false
	}
	b := &s.waiting.batches[blocks]
	b.waiters[b.Add(w.key, message, word)] = w
	if b.Len() == hmacx8.Lanes {
		b.finish(blocks)
	}
	return true
}

// finish computes what waits in a batch.
func (b *batch) finish(blocks int) {
	n := b.Len()
	b.Run(blocks)
	for lane := range n {
		w, sum := &b.waiters[lane], b.Sum(lane)
		copy(w.tag, sum[:])
		if w.ahead != nil {
			w.ahead.key = w.key
		}
		*w = waiter{} // keeps nothing alive
	}
}

// Ahead lets the MAC of the packet buf[:n] wait, which is computed by Release and then spares RTPAhead the work. It changes
// nothing but a, and is good for nothing but this very packet.
func (u *Unprotect) Ahead(buf []byte, n int, a *Ahead) {
	*a = Ahead{}
	packet := buf[:n]
	head, err := headerRTP(packet)
	if err != nil {
		return
	}
	if tag, _ := u.box.overhead(); n < head+tag {
		return
	}
	u.box.aheadRTP(packet, u.likely(packet), a)
}

// sumOf returns the MAC if it is the one under this key and with this word.
func (a *Ahead) sumOf(k *macKey, word uint32) []byte {
	if a == nil || a.key != k || a.word != word {
		return nil
	}
	return a.sum[:]
}
