package media

import "encoding/binary"

// kind tells a side's two ports, and the two kinds of packet, apart.
type kind uint8

const (
	rtp kind = iota
	rtcp
	kinds
)

// String returns the label value of the kind.
func (k kind) String() string {
	switch k {
	case rtp:
		return "rtp"
	case rtcp:
		return "rtcp"
	}
	return "unknown"
}

const (
	rtpHeader  = 12 // bytes of the fixed RTP header (RFC 3550 section 5.1)
	rtcpHeader = 8  // bytes of an RTCP header with its SSRC
)

// classify tells by its first two bytes what a packet is: RFC 7983 section 7 for the first, RFC 5761 section 4 for the
// second. Both apply whether or not RTP and RTCP share a port: no payload type of RTP is in RTCP's range.
func classify(packet []byte) (kind, Drop) {
	if len(packet) == 0 {
		return rtp, DropShort
	}
	switch first := packet[0]; {
	case first <= 3:
		return rtp, DropSTUN
	case first >= 16 && first <= 19:
		return rtp, DropZRTP
	case first >= 20 && first <= 63:
		return rtp, DropDTLS
	case first < 128 || first > 191:
		return rtp, DropNotRTP
	}
	if len(packet) < rtcpHeader {
		return rtp, DropShort
	}
	if packet[1] >= 192 && packet[1] <= 223 {
		return rtcp, DropNone
	}
	if len(packet) < rtpHeader {
		return rtp, DropShort
	}
	if !wholeHeader(packet) {
		return rtp, DropHeader
	}
	return rtp, DropNone
}

// wholeHeader reports whether CSRC list and header extension of an RTP packet lie within it (RFC 3550 section 5.1 and
// 5.3.1).
func wholeHeader(packet []byte) bool {
	head := rtpHeader + 4*int(packet[0]&0x0f)
	if packet[0]&0x10 == 0 {
		return head <= len(packet)
	}
	return head+4 <= len(packet) && head+4+4*int(binary.BigEndian.Uint16(packet[head+2:])) <= len(packet)
}

// compound reports whether packet is a chain of RTCP packets whose lengths add up (RFC 3550 appendix A.2).
func compound(packet []byte) bool {
	for len(packet) > 0 {
		if len(packet) < 4 || packet[0]>>6 != 2 || packet[1] < 192 || packet[1] > 223 {
			return false
		}
		size := 4 + 4*int(binary.BigEndian.Uint16(packet[2:]))
		if size > len(packet) {
			return false
		}
		packet = packet[size:]
	}
	return true
}
