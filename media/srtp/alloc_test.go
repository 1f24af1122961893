package srtp

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// payload172 is a G.711 packet of 20 ms: the packet that the bars are about.
func payload172() []byte {
	b := make([]byte, 172, 256)
	b[0] = 0x80
	binary.BigEndian.PutUint32(b[8:], 7)
	return b
}

func renumber(b []byte, seq uint16) { binary.BigEndian.PutUint16(b[2:], seq) }

// TestNoAllocation: an accepted packet allocates nothing, in any suite, kind and direction, and neither does a packet
// that is refused for any reason. (Errors are sentinels, so the stated bound for every reason is zero.)
func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	eachSuite(t, func(t *testing.T, k Key) {
		p, u := both(t, k)
		rtp, rtcp := payload172(), packetRTCP(rand.New(rand.NewPCG(1, 1)), 7)
		rtcp = append(make([]byte, 0, 256), rtcp...)
		plainRTCP := len(rtcp)
		seq := uint16(0)
		zero := func(name string, f func()) {
			t.Helper()
			if got := testing.AllocsPerRun(200, f); got != 0 {
				t.Errorf("%s: %v allocations", name, got)
			}
		}
		must := func(err, want error) {
			if !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		}
		zero("RTP, sealed and opened", func() {
			seq++
			renumber(rtp, seq)
			n, err := p.RTP(rtp, 172)
			must(err, nil)
			_, err = u.RTP(rtp, n)
			must(err, nil)
		})
		zero("RTCP, sealed and opened", func() {
			n, err := p.RTCP(rtcp, plainRTCP)
			must(err, nil)
			_, err = u.RTCP(rtcp, n)
			must(err, nil)
		})
		refuse := func(name string, want error, open func([]byte, int) (int, error), packet []byte) {
			zero(name, func() { _, err := open(packet, len(packet)); must(err, want) })
		}
		refuse("sealing twice", ErrReplay, p.RTP, rtp)
		refuse("short", ErrShort, u.RTP, rtp[:11])
		refuse("header", ErrHeader, u.RTP, make([]byte, 40))
		renumber(rtp, seq+1)
		refuse("bad tag", ErrAuth, u.RTP, rtp[:192])
		renumber(rtp, seq)
		refuse("replay", ErrReplay, u.RTP, rtp[:192])
		refuse("short RTCP", ErrShort, u.RTCP, rtcp[:12])
		refuse("header of RTCP", ErrHeader, u.RTCP, make([]byte, 40))
		n, err := p.RTCP(rtcp, plainRTCP)
		must(err, nil)
		sealed := rtcp[:n]
		word := n - 4
		if k.aead() {
			sealed[word] &^= 0x80
		} else {
			word = n - 14
			sealed[word] &^= 0x80
		}
		refuse("E=0", ErrClear, u.RTCP, sealed)
		sealed[word] |= 0x80
		sealed[9] ^= 1
		refuse("bad tag of RTCP", ErrAuth, u.RTCP, sealed)
		sealed[9] ^= 1
		if _, err := u.RTCP(append([]byte(nil), sealed...), n); err != nil {
			t.Fatal(err)
		}
		refuse("replayed RTCP", ErrReplay, u.RTCP, sealed)
		refuse("no room", ErrRoom, p.RTCP, sealed[:plainRTCP:plainRTCP])
	})
}

// aead reports whether the suite puts the SRTCP index last.
func (k Key) aead() bool { return suites[k.Profile].salt == 12 }

// TestShortTagOnRTPOnly: an _32 suite authenticates SRTP by 4 bytes and SRTCP by 10.
func TestShortTagOnRTPOnly(t *testing.T) {
	want := map[int][2]int{0: {10, 14}, 1: {4, 14}, 2: {10, 14}, 3: {4, 14}, 4: {16, 20}, 5: {16, 20}}
	for i, profile := range profiles {
		p, _ := both(t, randomKey(profile))
		if rtp, rtcp := p.box.overhead(); [2]int{rtp, rtcp} != want[i] {
			t.Errorf("%v adds %d and %d bytes, want %v", profile, rtp, rtcp, want[i])
		}
	}
}

// BenchmarkRelay is what one relayed packet costs in crypto: opened under one key, sealed under another, 172 bytes.
func BenchmarkRelay(b *testing.B) {
	for _, profile := range profiles {
		b.Run(profile.String(), func(b *testing.B) {
			in, u := both(b, randomKey(profile))
			p, _ := both(b, randomKey(profile))
			const batch = 1024
			packets := make([][]byte, batch)
			for i := range packets {
				packets[i] = make([]byte, 172, 256)
			}
			sealed, seq := 0, uint16(0)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					b.StopTimer()
					for j := range packets {
						seq++
						copy(packets[j][:172], payload172())
						renumber(packets[j], seq)
						sealed, _ = in.RTP(packets[j], 172)
					}
					b.StartTimer()
				}
				packet := packets[i%batch]
				n, err := u.RTP(packet, sealed)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := p.RTP(packet, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkForged is what a packet with a wrong tag costs.
func BenchmarkForged(b *testing.B) {
	for _, profile := range profiles {
		b.Run(profile.String(), func(b *testing.B) {
			_, u := both(b, randomKey(profile))
			packet := append(payload172(), make([]byte, 16)...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := u.RTP(packet, len(packet)); err == nil {
					b.Fatal("forged packet accepted")
				}
			}
		})
	}
}
