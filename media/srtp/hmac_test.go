package srtp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestMAC: our HMAC-SHA1 equals crypto/hmac for every length around the block boundaries, key after key.
func TestMAC(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ours, err := newMAC()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 400 {
		key, message, word := fill(r, nil, authKeyLen), fill(r, nil, n), r.Uint32()
		theirs := hmac.New(sha1.New, key)
		theirs.Write(binary.BigEndian.AppendUint32(bytes.Clone(message), word))
		prepared := ours.prepare(key)
		for range 2 {
			if got, want := ours.sum(&prepared, message, word), theirs.Sum(nil); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: %x, want %x", n, got, want)
			}
		}
	}
}

// TestMACState: the format of crypto/sha1's marshalled state is what stateSize says.
func TestMACState(t *testing.T) {
	m, err := newMAC()
	if err != nil {
		t.Fatal(err)
	}
	state := m.read()
	if len(state) != stateSize || !bytes.Equal(state[4:8], []byte{0x67, 0x45, 0x23, 0x01}) { // H0 of SHA-1
		t.Errorf("state %x", state)
	}
}

// BenchmarkMAC compares the two for a voice packet.
func BenchmarkMAC(b *testing.B) {
	message := make([]byte, 172)
	b.Run("ours", func(b *testing.B) {
		m, err := newMAC()
		if err != nil {
			b.Fatal(err)
		}
		k := m.prepare(make([]byte, authKeyLen))
		for b.Loop() {
			m.sum(&k, message, 1)
		}
	})
	message = append(message, 0, 0, 0, 1)
	b.Run("crypto/hmac", func(b *testing.B) {
		h, sum := hmac.New(sha1.New, make([]byte, authKeyLen)), make([]byte, 0, sha1.Size)
		for b.Loop() {
			h.Reset()
			h.Write(message)
			h.Sum(sum)
		}
	})
}
