package media

import (
	pion "github.com/pion/srtp/v2"

	"callseal/media/srtp"
)

// direction of a packet, as the relay sees it.
type direction uint8

const (
	received direction = iota
	sent
	directions
)

// String returns the label value of the direction.
func (d direction) String() string {
	switch d {
	case received:
		return "received"
	case sent:
		return "sent"
	}
	return "unknown"
}

// maxProfile is the highest ProtectionProfile that a leg can have; 0 stands for plain RTP.
const maxProfile = pion.ProtectionProfileAeadAes256Gcm

// tally is what a worker has counted over all its sessions. Only the worker touches it; others get a copy by command.
type tally struct {
	packets, bytes [directions][kinds]uint64
	drops          Drops
	recovered      srtp.Recoveries
	panics         uint64
	legs           [maxProfile + 1]int64 // legs now set, by the suite they are sent with
}

// add counts one packet of n bytes by what became of it.
func (t *tally) add(v *verdict, n int) {
	t.packets[received][v.kind]++
	t.bytes[received][v.kind] += uint64(n)
	for i, r := range v.recovered {
		t.recovered[i] += r
	}
	if v.drop != DropNone {
		t.drops[v.drop]++
		return
	}
	t.packets[sent][v.kind]++
	t.bytes[sent][v.kind] += uint64(len(v.out))
}

// leg counts a leg by its suite, by +1 or -1.
func (t *tally) leg(l *leg, by int64) {
	switch {
	case !l.set:
	case l.remote.send == nil:
		t.legs[0] += by
	default:
		t.legs[l.remote.send.Profile] += by
	}
}

// sum adds another worker's figures.
func (t *tally) sum(o *tally) {
	for d := range t.packets {
		for k := range t.packets[d] {
			t.packets[d][k] += o.packets[d][k]
			t.bytes[d][k] += o.bytes[d][k]
		}
	}
	for i := range t.drops {
		t.drops[i] += o.drops[i]
	}
	for i := range t.recovered {
		t.recovered[i] += o.recovered[i]
	}
	for i := range t.legs {
		t.legs[i] += o.legs[i]
	}
	t.panics += o.panics
}
