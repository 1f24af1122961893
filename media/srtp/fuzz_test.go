package srtp

import (
	"bytes"
	"testing"

	pion "github.com/pion/srtp/v2"
)

// FuzzOpen: no packet from the network makes a context panic or changes the buffer of a packet it refuses.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, uint8(0))
	f.Add([]byte{0x9f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, uint8(4))
	f.Add([]byte{0x80, 200, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, uint8(1))
	f.Fuzz(func(t *testing.T, packet []byte, suite uint8) {
		key := Key{Profile: profiles[int(suite)%len(profiles)]}
		row := suites[key.Profile]
		key.Master = make([]byte, row.key+row.salt)
		_, u := both(t, key)
		for _, open := range []func([]byte, int) (int, error){u.RTP, u.RTCP} {
			buf := bytes.Clone(packet)
			if _, err := open(buf, len(buf)); err != nil && !bytes.Equal(buf, packet) {
				t.Fatalf("a refused packet was changed: %v", err)
			}
		}
	})
}

// FuzzSeal: whatever is sealed comes back as it was, and our own suites agree with pion wherever pion takes the packet
// as it is.
func FuzzSeal(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'a'}, uint8(0))
	f.Add([]byte{0x91, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 'a'}, uint8(4))
	f.Fuzz(func(t *testing.T, packet []byte, suite uint8) {
		key := Key{Profile: profiles[int(suite)%len(profiles)]}
		row := suites[key.Profile]
		key.Master = make([]byte, row.key+row.salt)
		p, u := both(t, key)
		buf := append(make([]byte, 0, len(packet)+32), packet...)
		n, err := p.RTP(buf, len(packet))
		if err != nil {
			return
		}
		sealed := bytes.Clone(buf[:n])
		if n, err = u.RTP(buf, n); err != nil || !bytes.Equal(buf[:n], packet) {
			t.Fatalf("%x came back as %x, %v", packet, buf[:n], err)
		}
		context, err := pion.CreateContext(key.Master[:row.key], key.Master[row.key:], key.Profile)
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := context.DecryptRTP(nil, sealed, nil); err == nil && !bytes.Equal(theirs, packet) {
			t.Fatalf("pion opens %x as %x", packet, theirs)
		}
	})
}
