package srtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	pion "github.com/pion/srtp/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// profiles are all suites, for tests and benchmarks that go over every one.
var profiles = []pion.ProtectionProfile{
	pion.ProtectionProfileAes128CmHmacSha1_80, pion.ProtectionProfileAes128CmHmacSha1_32,
	pion.ProtectionProfileAes256CmHmacSha1_80, pion.ProtectionProfileAes256CmHmacSha1_32,
	pion.ProtectionProfileAeadAes128Gcm, pion.ProtectionProfileAeadAes256Gcm,
}

// eachSuite runs a subtest for every suite with a random key.
func eachSuite(t *testing.T, run func(t *testing.T, k Key)) {
	for _, p := range profiles {
		t.Run(p.String(), func(t *testing.T) { run(t, randomKey(p)) })
	}
}

func randomKey(p pion.ProtectionProfile) Key {
	key := Key{Profile: p, Master: make([]byte, suites[p].key+suites[p].salt)}
	for i := range key.Master {
		key.Master[i] = byte(rand.Uint32())
	}
	return key
}

// oracle returns pion's context for the key, with its replay protection on.
func oracle(t testing.TB, k Key) *pion.Context {
	t.Helper()
	n := suites[k.Profile].key
	c, err := pion.CreateContext(k.Master[:n], k.Master[n:], k.Profile,
		pion.SRTPReplayProtection(windowSize), pion.SRTCPReplayProtection(windowSize))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func both(t testing.TB, k Key) (*Protect, *Unprotect) {
	t.Helper()
	p, err := NewProtect(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := NewUnprotect(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, u
}

// packetRTP makes a packet with random CSRC list, header extension, padding and payload.
func packetRTP(r *rand.Rand, ssrc uint32, seq uint16) []byte {
	b := make([]byte, 12, 512)
	b[0], b[1] = 0x80, byte(r.Uint32())
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], r.Uint32())
	binary.BigEndian.PutUint32(b[8:], ssrc)
	if r.IntN(4) == 0 {
		csrc := r.IntN(16)
		b[0] |= byte(csrc)
		b = fill(r, b, 4*csrc)
	}
	if r.IntN(4) == 0 { // one canonical RFC 8285 element per word, as pion would write it again
		words := 1 + r.IntN(3)
		b[0] |= 0x10
		b = append(b, 0xBE, 0xDE, 0, byte(words))
		for w := range words {
			b = append(b, byte(w+1)<<4|2)
			b = fill(r, b, 3)
		}
	}
	b = fill(r, b, 1+r.IntN(300))
	if r.IntN(8) == 0 {
		b[0] |= 0x20
		b[len(b)-1] = 1
	}
	return b
}

func fill(r *rand.Rand, b []byte, n int) []byte {
	for range n {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// packetRTCP makes a sender report with random content.
func packetRTCP(r *rand.Rand, ssrc uint32) []byte {
	blocks := r.IntN(4)
	b := []byte{0x80 | byte(blocks), 200, 0, byte(6 + 6*blocks)}
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return fill(r, b, 20+24*blocks)
}

// indices returns the 48-bit indices that a sender could use one after the other: losses, long gaps over several
// rollovers, and reordering that stays inside the window.
func indices(r *rand.Rand, n int) []uint64 {
	list := make([]uint64, n)
	at := uint64(r.IntN(half))
	for i := range list {
		at++
		switch r.IntN(400) {
		case 0:
			at += uint64(r.IntN(half - 300))
		case 1, 2, 3, 4, 5, 6, 7, 8:
			at += uint64(r.IntN(20))
		}
		list[i] = at
	}
	for i := 0; i+20 < len(list); i += 20 {
		if list[i+20]-list[i] < windowSize && r.IntN(3) == 0 {
			r.Shuffle(20, func(a, b int) { list[i+a], list[i+b] = list[i+b], list[i+a] })
		}
	}
	return list
}

func rounds(t *testing.T) int {
	if testing.Short() || raceEnabled {
		return 5000
	}
	return 100000
}

// TestProtectAgainstPion: what we seal equals what pion/srtp/v2 seals, bit for bit.
func TestProtectAgainstPion(t *testing.T) {
	eachSuite(t, func(t *testing.T, k Key) {
		r := rand.New(rand.NewPCG(1, uint64(k.Profile)))
		p, _ := both(t, k)
		theirs := oracle(t, k)
		buf := make([]byte, 0, 1024)
		for i, index := range indices(r, rounds(t)) {
			ssrc := uint32(7 + i%2)
			plain := packetRTP(r, ssrc, uint16(index))
			want, err := theirs.EncryptRTP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			buf = append(buf[:0], plain...)
			n, err := p.RTP(buf, len(plain))
			if err != nil || !bytes.Equal(buf[:n], want) {
				t.Fatalf("packet %d (index %d): %v\n got %x\nwant %x", i, index, err, buf[:n], want)
			}
			if i%10 != 0 {
				continue
			}
			plain = packetRTCP(r, ssrc)
			if want, err = theirs.EncryptRTCP(nil, plain, nil); err != nil {
				t.Fatal(err)
			}
			buf = append(buf[:0], plain...)
			if n, err = p.RTCP(buf, len(plain)); err != nil || !bytes.Equal(buf[:n], want) {
				t.Fatalf("RTCP packet %d: %v\n got %x\nwant %x", i, err, buf[:n], want)
			}
		}
	})
}

// TestUnprotectAgainstPion: what pion/srtp/v2 opens of a lossy, reordered, duplicated and damaged stream we open alike,
// what it refuses we refuse, but for the rollovers that it loses and we recover.
func TestUnprotectAgainstPion(t *testing.T) {
	eachSuite(t, func(t *testing.T, k Key) {
		r := rand.New(rand.NewPCG(2, uint64(k.Profile)))
		_, u := both(t, k)
		sender, theirs := oracle(t, k), oracle(t, k)
		old := make([][]byte, 64)
		accepted, refused := 0, 0
		for i, index := range indices(r, rounds(t)) {
			plain := packetRTP(r, uint32(7+i%2), uint16(index))
			sealed, err := sender.EncryptRTP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			switch r.IntN(20) {
			case 0:
				continue // lost
			case 1:
				if again := old[r.IntN(len(old))]; again != nil {
					sealed = again
				}
			case 2:
				sealed = bytes.Clone(sealed)
				sealed[12+r.IntN(len(sealed)-12)] ^= 1 << r.IntN(8)
			}
			old[i%len(old)] = sealed
			ok := compareRTP(t, u, theirs, sealed)
			if ok {
				accepted++
			} else {
				refused++
			}
			if i%10 == 0 {
				compareRTCP(t, u, theirs, sender, r, uint32(7+i%2))
			}
		}
		if accepted < rounds(t)*8/10 || refused == 0 {
			t.Errorf("accepted %d, refused %d of %d: the test did not test", accepted, refused, rounds(t))
		}
	})
}

// compareRTP opens one packet on both sides and fails where they differ. It returns whether we opened it.
func compareRTP(t *testing.T, u *Unprotect, theirs *pion.Context, sealed []byte) bool {
	t.Helper()
	before := u.Recoveries()
	want, theirErr := theirs.DecryptRTP(nil, sealed, nil)
	buf := bytes.Clone(sealed)
	n, err := u.RTP(buf, len(buf))
	switch {
	case theirErr == nil && (err != nil || !bytes.Equal(buf[:n], want)):
		t.Fatalf("pion opens it, we do not: %v\n got %x\nwant %x", err, buf[:n], want)
	case theirErr != nil && err == nil && u.Recoveries() == before:
		t.Fatalf("we open what pion refuses with %v", theirErr)
	case err != nil && !bytes.Equal(buf, sealed):
		t.Fatalf("a refused packet was changed")
	}
	return err == nil
}

// compareRTCP does the same for an RTCP packet, its duplicate and a damaged copy.
func compareRTCP(t *testing.T, u *Unprotect, theirs, sender *pion.Context, r *rand.Rand, ssrc uint32) {
	t.Helper()
	plain := packetRTCP(r, ssrc)
	sealed, err := sender.EncryptRTCP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(sealed)
	damaged[8+r.IntN(len(plain)-8)] ^= 1
	for _, one := range [][]byte{damaged, sealed, sealed} {
		want, theirErr := theirs.DecryptRTCP(nil, one, nil)
		buf := bytes.Clone(one)
		n, err := u.RTCP(buf, len(buf))
		if (err == nil) != (theirErr == nil) || err == nil && !bytes.Equal(buf[:n], want) {
			t.Fatalf("pion: %v, we: %v\n got %x\nwant %x", theirErr, err, buf[:n], want)
		}
		if err != nil && !bytes.Equal(buf, one) {
			t.Fatalf("a refused packet was changed")
		}
	}
}

// TestRecovery: the rollovers that RFC 3711 section 3.3.1 alone would lose.
func TestRecovery(t *testing.T) {
	type step struct {
		index uint64 // as the sender counts
		err   error
	}
	for _, row := range []struct {
		name    string
		restart int // AllowRestart before this step, 0: never
		steps   []step
		want    Recoveries
	}{
		{"in order", 0, []step{{1, nil}, {2, nil}, {3, nil}}, Recoveries{}},
		{"first packets lost around an early wrap", 0, []step{{1<<16 + 3, nil}, {1<<16 + 4, nil}}, Recoveries{RecoveryForward: 1}},
		{"natural wrap with 500 lost", 0, []step{{65400, nil}, {65900, nil}, {65901, nil}}, Recoveries{}},
		{"gap of 40,000 within a rollover", 0, []step{{10000, nil}, {50000, nil}, {50001, nil}}, Recoveries{}},
		{"gap of 40,000 across a rollover", 0, []step{{30000, nil}, {70000, nil}, {70001, nil}}, Recoveries{RecoveryForward: 1}},
		{"gap of 56,002 that looks like an old packet", 0, []step{{10000, nil}, {66002, nil}, {66003, nil}}, Recoveries{RecoveryForward: 1}},
		{"old packets are no restart", 0, []step{{1 << 17, nil}, {5, ErrAuth}, {1<<17 - 200, ErrReplay}, {1<<17 + 1, nil}}, Recoveries{}},
		{"announced restart at zero", 2, []step{{3<<16 + 30000, nil}, {3<<16 + 30001, nil}, {30002, nil}, {30003, nil}, {30003, ErrReplay}}, Recoveries{RecoveryZero: 1}},
		{"announced restart one back", 1, []step{{2<<16 + 30000, nil}, {1<<16 + 30001, nil}, {1<<16 + 30002, nil}}, Recoveries{RecoveryBack: 1}},
		{"a restart works once", 1, []step{{3<<16 + 30000, nil}, {30100, nil}, {3<<16 + 30001, nil}, {30101, ErrAuth}}, Recoveries{RecoveryZero: 1, RecoveryForward: 1}},
		{"a false restart does not stop the stream", 1, []step{{5<<16 + 30000, nil}, {30200, nil}, {5<<16 + 30001, nil}, {5<<16 + 30002, nil}}, Recoveries{RecoveryZero: 1, RecoveryForward: 1}},
		{"a replay is no restart", 1, []step{{3<<16 + 30000, nil}, {3<<16 + 30000, ErrReplay}, {3<<16 + 29000, ErrReplay}, {29000, ErrReplay}, {3<<16 + 30001, nil}}, Recoveries{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			eachSuite(t, func(t *testing.T, k Key) {
				_, u := both(t, k)
				prime(u, k, row.steps[0].index)
				for i, s := range row.steps {
					if row.restart == i && i > 0 {
						u.AllowRestart()
					}
					buf := sealAt(t, k, s.index)
					if _, err := u.RTP(buf, len(buf)); !errors.Is(err, s.err) {
						t.Fatalf("step %d (index %d): %v, want %v", i, s.index, err, s.err)
					}
				}
				if got := u.Recoveries(); got != row.want {
					t.Errorf("recoveries %v, want %v", got, row.want)
				}
			})
		})
	}
}

// prime lets a context that starts beyond rollover one know about it, as an earlier packet would have.
func prime(u *Unprotect, _ Key, index uint64) {
	if index >= 2<<16 {
		u.streams.add(7).rtp.reset(index - 1)
		u.streams.find(7).peak = index - 1
	}
}

// sealAt seals a packet of SSRC 7 at an index of the sender's choice.
func sealAt(t *testing.T, k Key, index uint64) []byte {
	t.Helper()
	p, _ := both(t, k)
	p.streams.add(7).rtp.reset(max(index, 1) - 1)
	plain := packetRTP(rand.New(rand.NewPCG(3, 3)), 7, uint16(index))
	n, err := p.RTP(plain, len(plain))
	if err != nil {
		t.Fatal(err)
	}
	return plain[:n]
}

// TestStateOnlyAfterTag: a million packets with forged SSRCs leave no state and are all refused.
func TestStateOnlyAfterTag(t *testing.T) {
	eachSuite(t, func(t *testing.T, k Key) {
		_, u := both(t, k)
		buf := packetRTP(rand.New(rand.NewPCG(4, 4)), 0, 1)
		buf = append(buf, make([]byte, 32)...)
		for ssrc := range uint32(rounds(t)) {
			binary.BigEndian.PutUint32(buf[8:], ssrc)
			if _, err := u.RTP(buf, len(buf)); !errors.Is(err, ErrAuth) {
				t.Fatal(err)
			}
		}
		if len(u.streams.list) != 0 {
			t.Errorf("%d streams made by forged packets", len(u.streams.list))
		}
	})
}

// TestStreamsBound: the bound holds on both sides, and an SSRC that came first keeps its replay protection for good.
func TestStreamsBound(t *testing.T) {
	p, u := both(t, randomKey(pion.ProtectionProfileAes128CmHmacSha1_80))
	r := rand.New(rand.NewPCG(5, 5))
	var first []byte
	for ssrc := range uint32(maxStreams) {
		buf := packetRTP(r, ssrc, 100)
		n, err := p.RTP(buf, len(buf))
		if err != nil {
			t.Fatal(err)
		}
		sealed := bytes.Clone(buf[:n])
		if first == nil {
			first = sealed
		}
		if _, err := u.RTP(bytes.Clone(sealed), n); err != nil {
			t.Fatalf("SSRC %d: %v", ssrc, err)
		}
	}
	if _, err := u.RTP(bytes.Clone(first), len(first)); !errors.Is(err, ErrReplay) {
		t.Errorf("replay of the first SSRC: %v", err)
	}
	buf := packetRTP(r, maxStreams, 1)
	if _, err := p.RTP(buf, len(buf)); !errors.Is(err, ErrStreams) {
		t.Errorf("sealing one SSRC too many: %v", err)
	}
}

// TestNoKeyStreamTwice: an index is sealed once, within the window and behind it.
func TestNoKeyStreamTwice(t *testing.T) {
	eachSuite(t, func(t *testing.T, k Key) {
		p, _ := both(t, k)
		r := rand.New(rand.NewPCG(6, 6))
		for i, step := range []struct {
			seq  uint16
			want error
		}{{300, nil}, {300, ErrReplay}, {299, nil}, {299, ErrReplay}, {100, ErrReplay}, {301, nil}, {300, ErrReplay}} {
			buf := packetRTP(r, 1, step.seq)
			if _, err := p.RTP(buf, len(buf)); !errors.Is(err, step.want) {
				t.Errorf("step %d, sequence %d: %v, want %v", i, step.seq, err, step.want)
			}
		}
	})
}

// TestEndOfLife: RFC 3711 section 9.2.
func TestEndOfLife(t *testing.T) {
	p, _ := both(t, randomKey(pion.ProtectionProfileAeadAes128Gcm))
	s := p.streams.add(1)
	s.rtp.reset(maxIndex)
	s.rtcp.reset(maxRTCPIndex)
	r := rand.New(rand.NewPCG(7, 7))
	buf := packetRTP(r, 1, 3)
	if _, err := p.RTP(buf, len(buf)); !errors.Is(err, ErrIndex) {
		t.Errorf("RTP: %v", err)
	}
	buf = append(packetRTCP(r, 1), make([]byte, 64)...)
	if _, err := p.RTCP(buf, len(buf)-64); !errors.Is(err, ErrIndex) {
		t.Errorf("RTCP: %v", err)
	}
}

// TestMKI: packets that carry a master key identifier, as pion writes it, are opened.
func TestMKI(t *testing.T) {
	eachSuite(t, func(t *testing.T, k Key) {
		n := suites[k.Profile].key
		sender, err := pion.CreateContext(k.Master[:n], k.Master[n:], k.Profile, pion.MasterKeyIndicator([]byte{1, 2, 3, 4, 5}))
		if err != nil {
			t.Fatal(err)
		}
		k.MKI = 5
		u, err := NewUnprotect(k, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(8, 8))
		plain := packetRTP(r, 1, 9)
		sealed, err := sender.EncryptRTP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := u.RTP(sealed, len(sealed)); err != nil || !bytes.Equal(sealed[:n], plain) {
			t.Errorf("RTP: %v", err)
		}
		plain = packetRTCP(r, 1)
		if sealed, err = sender.EncryptRTCP(nil, plain, nil); err != nil {
			t.Fatal(err)
		}
		if n, err := u.RTCP(sealed, len(sealed)); err != nil || !bytes.Equal(sealed[:n], plain) {
			t.Errorf("RTCP: %v", err)
		}
		if _, err := NewProtect(k, nil); !errors.Is(err, ErrKeyLength) {
			t.Errorf("a key of our own with an MKI: %v", err)
		}
	})
}

// TestKeyPrintsRedacted: by no way of printing a key shows.
func TestKeyPrintsRedacted(t *testing.T) {
	k := Key{Profile: pion.ProtectionProfileAes128CmHmacSha1_80, Master: []byte("sekrit-sekrit-sekrit-sekrit-30")}
	text, _ := k.MarshalText()
	for _, got := range []string{
		fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %x %q %d", k, k, k, k, k, k, k), fmt.Sprint(&k), string(text), k.LogValue().String(),
		fmt.Sprintf("%v", struct{ K *Key }{&k}.K),
	} {
		if bytes.Contains([]byte(got), []byte("sekrit")) || bytes.Contains([]byte(got), []byte(fmt.Sprintf("%x", "sekrit"))) ||
			!bytes.Contains([]byte(got), []byte("REDACTED")) {
			t.Errorf("printed %q", got)
		}
	}
	_, err := NewProtect(Key{Profile: k.Profile, Master: k.Master[:12]}, nil)
	if !errors.Is(err, ErrKeyLength) || bytes.Contains([]byte(err.Error()), []byte("sekrit")) {
		t.Errorf("error %v", err)
	}
}
