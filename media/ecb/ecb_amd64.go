package ecb

import (
	"crypto/aes"
	"crypto/subtle"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// The round keys of both lengths (FIPS 197 section 5.2): one more than rounds, 16 bytes each.
const (
	rounds128 = 10
	rounds256 = 14
)

type (
	key128 [(rounds128 + 1) * aes.BlockSize]byte
	key256 [(rounds256 + 1) * aes.BlockSize]byte
)

// native expands a key for AES-NI; nil: the processor has none, or nobody uses this length.
func native(key []byte) Key {
	if !cpu.X86.HasAES || !cpu.X86.HasSSE41 {
		return nil
	}
	switch len(key) {
	case 16:
		k := new(key128)
		expand128((*[16]byte)(key), k)
		return k
	case 32:
		k := new(key256)
		expand256((*[32]byte)(key), k)
		return k
	}
	return nil
}

func (k *key128) Stream(data []byte, high, low uint64) { stream(rounds128, &k[0], data, high, low) }

func (k *key256) Stream(data []byte, high, low uint64) { stream(rounds256, &k[0], data, high, low) }

// stream is Stream: whole blocks at once, then the last one by itself.
func stream(rounds int, schedule *byte, data []byte, high, low uint64) {
	n := len(data) / aes.BlockSize
	counter(rounds, schedule, unsafe.SliceData(data), n, high, low)
	rest := data[n*aes.BlockSize:]
	if len(rest) == 0 {
		return
	}
	var last [aes.BlockSize]byte
	counter(rounds, schedule, &last[0], 1, high, low+uint64(n))
	subtle.XORBytes(rest, rest, last[:])
}

//go:noescape
func expand128(key *[16]byte, schedule *key128)

//go:noescape
func expand256(key *[32]byte, schedule *key256)

// counter adds the key stream to n blocks, see Key.Stream.
//
//go:noescape
func counter(rounds int, schedule, blocks *byte, n int, high, low uint64)
