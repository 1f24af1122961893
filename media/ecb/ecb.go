// Package ecb encrypts many blocks by AES (FIPS 197) at once, which is what counter mode needs of it. crypto/aes does
// one block a call, and keeps a second key schedule for decrypting in 512 bytes; where the processor has instructions
// for AES, this is a fourth of its time for a voice packet and a third of its memory. Elsewhere it is crypto/aes.
package ecb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// Key is an expanded key.
type Key interface {
	// Stream adds a key stream to data: the encrypted blocks high || low, high || low+1 and so on, each half of 64 bits and
	// big-endian (counter mode, SP 800-38A section 6.5). The last block may be used in part. low does not run over.
	Stream(data []byte, high, low uint64)
}

// New expands a key of 16, 24 or 32 bytes. Its error is crypto/aes's of another length.
func New(key []byte) (Key, error) {
	if k := native(key); k != nil {
		return k, nil
	}
	return newStandard(key)
}

// standard is a key of crypto/aes.
type standard struct{ block cipher.Block }

func newStandard(key []byte) (Key, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &standard{block}, nil
}

func (s *standard) Stream(data []byte, high, low uint64) {
	var block [aes.BlockSize]byte
	for ; len(data) > 0; low++ {
		binary.BigEndian.PutUint64(block[:], high)
		binary.BigEndian.PutUint64(block[8:], low)
		s.block.Encrypt(block[:], block[:])
		data = data[subtle.XORBytes(data, data, block[:]):]
	}
}
