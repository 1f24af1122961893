package hmacx8

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
)

// newKey derives the two chaining values by crypto/sha1 from a secret of at most a block.
func newKey(t testing.TB, secret []byte) (k Key) {
	t.Helper()
	for pad, value := range map[byte]*[sha1.Size]byte{0x36: &k.Inner, 0x5c: &k.Outer} {
		block := make([]byte, sha1.BlockSize)
		copy(block, secret)
		for i := range block {
			block[i] ^= pad
		}
		h := sha1.New()
		h.Write(block)
		state, err := h.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		copy(value[:], state[4:])
	}
	return k
}

// TestAgainstStandard: every lane is crypto/hmac, for every length and every number of lanes, whatever the others have.
func TestAgainstStandard(t *testing.T) {
	if !Native {
		t.Skip("the processor cannot")
	}
	source := rand.NewChaCha8([32]byte{1})
	b := new(Batch)
	for blocks := 1; blocks <= MaxBlocks; blocks++ {
		for run := range 300 {
			var want [][]byte
			for lane := range 1 + run%Lanes {
				size := max(0, (blocks-1)*sha1.BlockSize-12) + (run+lane*7)%(52+12*min(1, blocks-1))
				secret, message := make([]byte, 20), make([]byte, size)
				_, _ = source.Read(secret)
				_, _ = source.Read(message)
				word := uint32(source.Uint64())
				if Blocks(size+4) != blocks {
					t.Fatalf("%d bytes are %d blocks, not %d", size, Blocks(size+4), blocks)
				}
				k := newKey(t, secret)
				if got := b.Add(&k, message, word); got != lane {
					t.Fatalf("lane %d, want %d", got, lane)
				}
				h := hmac.New(sha1.New, secret)
				h.Write(binary.BigEndian.AppendUint32(message, word))
				want = append(want, h.Sum(nil))
			}
			if b.Len() != len(want) {
				t.Fatalf("%d messages, want %d", b.Len(), len(want))
			}
			b.Run(blocks)
			for lane := range want {
				if sum := b.Sum(lane); string(sum[:]) != string(want[lane]) {
					t.Fatalf("%d blocks, lane %d: %x, want %x", blocks, lane, sum, want[lane])
				}
			}
			if b.Len() != 0 {
				t.Fatal("the batch is not empty")
			}
		}
	}
}

// TestNative: where the system says that the processor can, it is used.
func TestNative(t *testing.T) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skip("nothing to compare with")
	}
	if says := strings.Contains(string(text), " avx512vl"); says != Native {
		t.Errorf("the system says %v, we say %v", says, Native)
	}
}

// BenchmarkVoice is the MACs of so many voice packets.
func BenchmarkVoice(b *testing.B) {
	k, message := newKey(b, make([]byte, 20)), make([]byte, 172)
	if Native {
		for _, lanes := range []int{1, Lanes} {
			b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
				b.ReportAllocs()
				batch, sum := new(Batch), [sha1.Size]byte{}
				for b.Loop() {
					for range lanes {
						batch.Add(&k, message, 1)
					}
					batch.Run(Blocks(176))
					for lane := range lanes {
						sum = batch.Sum(lane)
					}
				}
				_ = sum
			})
		}
	}
	b.Run("standard", func(b *testing.B) {
		h, sum := hmac.New(sha1.New, make([]byte, 20)), make([]byte, 0, sha1.Size)
		for b.Loop() {
			h.Reset()
			h.Write(message)
			h.Sum(sum)
		}
	})
}
