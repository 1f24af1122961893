package ecb

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"
)

// TestVectors: FIPS 197 appendix C; the key stream of a block is the block, encrypted.
func TestVectors(t *testing.T) {
	const plain = "00112233445566778899aabbccddeeff"
	for key, want := range map[string]string{
		"000102030405060708090a0b0c0d0e0f":                                 "69c4e0d86a7b0430d8cdb78070b4c55a",
		"000102030405060708090a0b0c0d0e0f1011121314151617":                 "dda97ca4864cdfe06eaf70a0ec0d7191",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f": "8ea2b7ca516745bfeafc49904b496089",
	} {
		secret, _ := hex.DecodeString(key)
		block, _ := hex.DecodeString(plain)
		high, low := binary.BigEndian.Uint64(block), binary.BigEndian.Uint64(block[8:])
		k, err := New(secret)
		if err != nil {
			t.Fatal(err)
		}
		clear(block)
		if k.Stream(block, high, low); hex.EncodeToString(block) != want {
			t.Errorf("%d bytes of key: %x, want %s", len(secret), block, want)
		}
	}
}

// TestStream: the standard way of counting is that of crypto/cipher, also from one byte to the next.
func TestStream(t *testing.T) {
	secret, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newStandard(secret)
	if err != nil {
		t.Fatal(err)
	}
	const high, low = 1<<63 + 5, 0xfffe
	binary.BigEndian.PutUint64(iv, high)
	binary.BigEndian.PutUint64(iv[8:], low)
	got, want := make([]byte, 77), make([]byte, 77)
	k.Stream(got, high, low)
	if cipher.NewCTR(block, iv).XORKeyStream(want, want); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestAgainstStandard: the same as crypto/aes under 1,000 keys, for every number of blocks, at any address, and not one byte
// before or behind them.
func TestAgainstStandard(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	random := func(n int) []byte {
		b := make([]byte, n)
		_, _ = source.Read(b)
		return b
	}
	for i := range 1000 {
		secret := random([]int{16, 24, 32}[i%3])
		k, err := New(secret)
		if err != nil {
			t.Fatal(err)
		}
		standard, err := newStandard(secret)
		if err != nil {
			t.Fatal(err)
		}
		n, at := i%40*aes.BlockSize, i%17 // on and off the boundaries of blocks
		got := random(at + n + 40)
		want := bytes.Clone(got)
		k.Stream(nil, 0, 0)
		high, low := source.Uint64(), source.Uint64()>>1
		k.Stream(got[at:at+n+i%16], high, low)
		standard.Stream(want[at:at+n+i%16], high, low)
		if !bytes.Equal(got, want) {
			t.Fatalf("stream of %d bytes at %d, %d bytes of key", n+i%16, at, len(secret))
		}
	}
}

// TestNative: where the processor can, its instructions are used.
func TestNative(t *testing.T) {
	k, err := New(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	if _, standard := k.(*standard); standard == cpu.X86.HasAES {
		t.Errorf("crypto/aes: %v, AES-NI: %v", standard, cpu.X86.HasAES)
	}
	if _, err := New(make([]byte, 17)); err == nil {
		t.Error("a key of 17 bytes")
	}
}

// BenchmarkVoice is the key stream of a voice packet: ten blocks.
func BenchmarkVoice(b *testing.B) {
	key, blocks := make([]byte, 16), make([]byte, 10*aes.BlockSize)
	native, err := New(key)
	if err != nil {
		b.Fatal(err)
	}
	standard, err := newStandard(key)
	if err != nil {
		b.Fatal(err)
	}
	for name, k := range map[string]Key{"native": native, "standard": standard} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Stream(blocks, 1, 2)
			}
		})
	}
}
