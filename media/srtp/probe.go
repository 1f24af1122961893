package srtp

import "encoding/binary"

// probeReach is how many rollover counters OtherRollover tries.
const probeReach = 256

// OtherRollover reports whether an RTP packet that RTP refused with ErrAuth is a good one under some other rollover
// counter below probeReach. Neither the context nor the packet changes. It is for telling a wrong key from a sender
// whose count is unknown, and too slow for the way of packets.
func (u *Unprotect) OtherRollover(packet []byte) bool {
	head, err := headerRTP(packet)
	if tag, _ := u.box.overhead(); err != nil || len(packet) < head+tag {
		return false
	}
	seq, ssrc := uint64(binary.BigEndian.Uint16(packet[2:])), binary.BigEndian.Uint32(packet[8:])
	scratch := make([]byte, len(packet))
	for roc := range uint64(probeReach) {
		copy(scratch, packet)
		if u.box.openRTP(scratch, head, ssrc, roc<<16|seq, nil) {
			return true
		}
	}
	return false
}
