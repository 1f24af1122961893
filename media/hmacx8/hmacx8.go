// Package hmacx8 computes HMAC-SHA1 (RFC 2104, FIPS 180-4) of eight messages at once, each under a key of its own: one
// register holds the same word of all eight. SHA-1 by itself cannot be hurried, because each of its steps waits for the one
// before; eight together take as long as two one after another. It is for the MACs of the packets that one round of a relay has.
// Where the processor cannot, there is crypto/sha1.
package hmacx8

import (
	"crypto/sha1"
	"encoding/binary"
)

// The size of a batch.
const (
	Lanes     = 8 // messages
	MaxBlocks = 5 // of a padded message, see Blocks

	room = MaxBlocks * sha1.BlockSize
)

// Key is a key of HMAC-SHA1 as the two SHA-1 chaining values after its padded forms (RFC 2104 section 4).
type Key struct{ Inner, Outer [sha1.Size]byte }

// Batch is messages of the same number of blocks that wait for their MACs. Its zero value is empty.
type Batch struct {
	inner, outer words // inner becomes the outcome
	messages     [Lanes][room]byte
	n            int
}

// words are chaining values of SHA-1, word by word.
type words [sha1.Size / 4][Lanes]uint32

// Blocks returns how many blocks a message of so many bytes is once it is padded (FIPS 180-4 section 5.1.1). A message of
// more than MaxBlocks is too long for a batch.
func Blocks(size int) int { return (size + 1 + 8 + sha1.BlockSize - 1) / sha1.BlockSize }

// Len returns how many messages there are.
func (b *Batch) Len() int { return b.n }

// Add puts a message and the four bytes behind it into the batch and returns its lane. All messages of a batch have the same
// number of Blocks, at most MaxBlocks, and there are at most Lanes.
func (b *Batch) Add(k *Key, message []byte, word uint32) (lane int) {
	lane = b.n
	b.n++
	for i := range b.inner {
		b.inner[i][lane] = binary.BigEndian.Uint32(k.Inner[4*i:])
		b.outer[i][lane] = binary.BigEndian.Uint32(k.Outer[4*i:])
	}
	m := b.messages[lane][:Blocks(len(message)+4)*sha1.BlockSize]
	n := copy(m, message)
	binary.BigEndian.PutUint32(m[n:], word)
	clear(m[n+4 : len(m)-8])
	m[n+4] = 0x80
	binary.BigEndian.PutUint64(m[len(m)-8:], 8*uint64(sha1.BlockSize+n+4)) // with the block of the key
	return lane
}

// Run computes the MACs of the messages, of so many Blocks each, and empties the batch. Sum returns them until the next Add.
// It may only be called where Native is true.
func (b *Batch) Run(blocks int) {
	run(&b.inner, &b.outer, &b.messages, blocks)
	b.n = 0
}

// Sum returns a lane's MAC.
func (b *Batch) Sum(lane int) (sum [sha1.Size]byte) {
	for i := range b.inner {
		binary.BigEndian.PutUint32(sum[4*i:], b.inner[i][lane])
	}
	return sum
}
