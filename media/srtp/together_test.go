package srtp

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"callseal/media/hmacx8"
)

// TestHold: packets of many contexts and all lengths that are sealed while the MACs wait for each other are those that are
// sealed at once, and opening them with the MACs computed ahead gives what it gives without; a packet with a wrong tag stays refused, as
// does one that was opened before.
func TestHold(t *testing.T) {
	eachSuite(t, func(t *testing.T, k Key) {
		r, work := rand.New(rand.NewPCG(1, 2)), &Scratch{}
		for count := range 20 {
			var now, later []*Protect
			var open []*Unprotect
			var want, got [][]byte
			work.Hold()
			for i := range count {
				key := randomKey(k.Profile)
				p, u := both(t, key)
				q, err := NewProtect(key, work)
				if err != nil {
					t.Fatal(err)
				}
				now, later, open = append(now, p), append(later, q), append(open, u)
				plain := append(packetRTP(r, uint32(i), uint16(i)), fill(r, nil, r.IntN(250)*r.IntN(2))...)
				n := len(plain)
				want, got = append(want, append(bytes.Clone(plain), make([]byte, 32)...)), append(got, append(bytes.Clone(plain), make([]byte, 32)...))
				m, err := now[i].RTP(want[i], n)
				if err != nil {
					t.Fatal(err)
				}
				if n, err = later[i].RTP(got[i], n); err != nil || n != m {
					t.Fatal(n, m, err)
				}
				want[i], got[i] = want[i][:m], got[i][:m]
			}
			work.Release()
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("packet %d of %d, %d bytes: sealed otherwise", i, count, len(got[i]))
				}
			}
			openAhead(t, open, got)
		}
	})
}

// openAhead opens a packet of each context with a MAC computed ahead: first with a wrong tag, then as it is, then again.
func openAhead(t *testing.T, contexts []*Unprotect, packets [][]byte) {
	t.Helper()
	for _, wrong := range []byte{1, 0} {
		ahead, held := make([]Ahead, len(packets)), map[*Scratch]bool{}
		for i, u := range contexts {
			packets[i][len(packets[i])-1] ^= wrong
			u.box.material.work.Hold()
			held[u.box.material.work] = true
			u.Ahead(packets[i], len(packets[i]), &ahead[i])
		}
		for work := range held {
			work.Release()
		}
		for i, u := range contexts {
			_, gcm := u.box.transform.(*aesGCM)
			if has := ahead[i].key != nil; len(packets[i]) < 250 && has != (hmacx8.Native && !gcm) {
				t.Errorf("%d bytes, computed ahead: %v", len(packets[i]), has)
			}
			before := bytes.Clone(packets[i])
			_, err := u.RTPAhead(packets[i], len(packets[i]), &ahead[i])
			if (err == nil) != (wrong == 0) {
				t.Fatalf("a tag with %d added: %v", wrong, err)
			}
			if packets[i][len(packets[i])-1] ^= wrong; wrong == 0 {
				if _, err := u.RTPAhead(before, len(before), &ahead[i]); !errors.Is(err, ErrReplay) {
					t.Fatalf("opened twice: %v", err)
				}
			}
		}
	}
}

// TestAheadOfAnother: a MAC under another key, or for another rollover counter, is not used; one that is for this packet is.
func TestAheadOfAnother(t *testing.T) {
	k := randomKey(1)
	p, u := both(t, k)
	_, other := both(t, randomKey(1))
	packet := payload172()
	n, err := p.RTP(packet, 172)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*Ahead{
		"another key":              {key: &other.box.material.rtp.auth},
		"another rollover counter": {key: &u.box.material.rtp.auth, word: 1},
		"none":                     nil,
	} {
		u.streams = streams{}
		if _, err := u.RTPAhead(bytes.Clone(packet[:n]), n, a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	u.streams = streams{}
	if _, err := u.RTPAhead(packet, n, &Ahead{key: &u.box.material.rtp.auth}); !errors.Is(err, ErrAuth) {
		t.Errorf("the one that it is for: %v", err)
	}
}
