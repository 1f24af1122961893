package srtp

import (
	"crypto/sha1"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"

	"callseal/media/hmacx8"
)

// stateSize is the length of a SHA-1 state as crypto/sha1 marshals it: four bytes of magic, five words of chaining
// value, one block of pending input, and the length so far.
const stateSize = 4 + sha1.Size + sha1.BlockSize + 8

// wordBytes is the length of what SRTP and SRTCP authenticate behind a packet (RFC 3711 section 4.2).
const wordBytes = 4

// sha1State is what crypto/sha1 returns.
type sha1State interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// macKey is a key of HMAC-SHA1.
type macKey = hmacx8.Key

// mac computes HMAC-SHA1 (RFC 2104) for any number of keys. crypto/hmac does the same from the same precomputed
// states, but a Sum of crypto/sha1 copies its state and pads byte-wise; padding here and reading the chaining value
// from the marshalled state takes a third off (270 to 180 ns for a voice packet). The tests compare the two.
type mac struct {
	hash   sha1State
	start  [stateSize]byte // a state after one block, up to its chaining value
	state  [stateSize]byte
	tail   [2 * sha1.BlockSize]byte // the last bytes of a message with their padding
	digest [sha1.BlockSize]byte     // the inner digest with its padding, which never changes
}

// newMAC fails only where the process forbids SHA-1 (GODEBUG=fips140=only).
func newMAC() (m mac, err error) {
	m.hash, _ = sha1.New().(sha1State)
	if m.hash == nil {
		return mac{}, errors.New("srtp: crypto/sha1 keeps its state to itself")
	}
	if _, err := m.hash.Write(nil); err != nil {
		return mac{}, err
	}
	m.absorb(make([]byte, sha1.BlockSize))
	copy(m.start[:], m.read())
	m.hash.Reset()
	m.digest[sha1.Size] = 0x80
	binary.BigEndian.PutUint64(m.digest[sha1.BlockSize-8:], 8*(sha1.BlockSize+sha1.Size))
	return m, nil
}

// prepare returns the chaining values of a key of at most one block.
func (m *mac) prepare(key []byte) (k macKey) {
	for _, half := range []struct {
		pad   byte
		value *[sha1.Size]byte
	}{{0x36, &k.Inner}, {0x5c, &k.Outer}} {
		var block [sha1.BlockSize]byte
		copy(block[:], key)
		for i := range block {
			block[i] ^= half.pad
		}
		m.hash.Reset()
		m.absorb(block[:])
		copy(half.value[:], m.chaining())
	}
	return k
}

// sum returns the MAC of a message and the word behind it. It is good until the next call.
func (m *mac) sum(k *macKey, message []byte, word uint32) []byte {
	whole := len(message) &^ (sha1.BlockSize - 1)
	m.restore(&k.Inner)
	m.absorb(message[:whole])
	m.absorb(m.pad(message[whole:], word, len(message)))
	copy(m.digest[:sha1.Size], m.chaining())
	m.restore(&k.Outer)
	m.absorb(m.digest[:])
	return m.chaining()
}

// pad returns the rest of a message of the given length with the word behind it, a one bit, zeros, and the length of all
// in bits, key block included (FIPS 180-4 section 5.1.1).
func (m *mac) pad(rest []byte, word uint32, length int) []byte {
	n := copy(m.tail[:], rest)
	binary.BigEndian.PutUint32(m.tail[n:], word)
	n += wordBytes
	size := sha1.BlockSize
	if n >= sha1.BlockSize-8 {
		size *= 2
	}
	clear(m.tail[n : size-8])
	m.tail[n] = 0x80
	binary.BigEndian.PutUint64(m.tail[size-8:], 8*uint64(sha1.BlockSize+length+wordBytes))
	return m.tail[:size]
}

// The four below call crypto/sha1. None can fail once newMAC and prepare have gone through.

func (m *mac) absorb(blocks []byte) { _, _ = m.hash.Write(blocks) }

func (m *mac) restore(value *[sha1.Size]byte) {
	copy(m.start[4:], value[:])
	_ = m.hash.UnmarshalBinary(m.start[:])
}

func (m *mac) read() []byte {
	state, _ := m.hash.AppendBinary(m.state[:0])
	return state
}

func (m *mac) chaining() []byte { return m.read()[4 : 4+sha1.Size] }
