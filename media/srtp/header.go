package srtp

import "encoding/binary"

const (
	version        = 2  // RFC 3550 section 5.1
	minRTPHeader   = 12 // bytes
	minRTCPHeader  = 8  // bytes that SRTCP leaves in the clear: header and sender SSRC (RFC 3711 section 3.4)
	rtcpIndexBytes = 4  // E flag and 31-bit index
	encryptedFlag  = 1 << 31
)

// headerRTP returns how many bytes of an RTP packet stay in the clear: fixed header, CSRC list, and header extension
// (RFC 3711 section 3.1, RFC 3550 section 5.1 and 5.3.1).
func headerRTP(packet []byte) (int, error) {
	if len(packet) < minRTPHeader {
		return 0, ErrShort
	}
	if packet[0]>>6 != version {
		return 0, ErrHeader
	}
	head := minRTPHeader + 4*int(packet[0]&0x0f)
	if packet[0]&0x10 != 0 {
		if len(packet) < head+4 {
			return 0, ErrShort
		}
		head += 4 + 4*int(binary.BigEndian.Uint16(packet[head+2:]))
	}
	if len(packet) < head {
		return 0, ErrShort
	}
	return head, nil
}

// headerRTCP checks the first header of a compound RTCP packet.
func headerRTCP(packet []byte) error {
	if len(packet) < minRTCPHeader {
		return ErrShort
	}
	if packet[0]>>6 != version {
		return ErrHeader
	}
	return nil
}
