package media

import (
	"encoding/binary"
	"time"
)

// RTCP packet types (RFC 3550 section 12.1).
const (
	senderReport   = 200
	receiverReport = 201
	sourceDesc     = 202
	extendedReport = 207 // RFC 3611
)

const (
	senderInfo  = 20 // bytes
	reportBlock = 24 // bytes
	sdesPacket  = 28 // bytes of the SDES packet that we write
)

// rewriteRTCP writes into out what the compound packet in, which came from f.from, says truly about the streams of
// f.to, and returns its length. Reports pass with our SSRCs and numbers; SDES is ours, for a CNAME names hosts. BYE ends
// here, for our stream goes on when the remote's changes its source, and so do APP and feedback. cap(out) is at least
// len(in)+rtcpHeader+sdesPacket.
func (f *forwarder) rewriteRTCP(in, out []byte, now time.Duration) (int, Drop) {
	if !compound(in) {
		return 0, DropBadRTCP
	}
	n := 0
	for len(in) > 0 {
		size := 4 + 4*int(binary.BigEndian.Uint16(in[2:]))
		packet, info := in[:size], 0
		in = in[size:]
		switch packet[1] {
		case senderReport:
			info = senderInfo
		case receiverReport:
		case extendedReport:
			n += f.rewriteExtended(packet, out[n:cap(out)], n == 0)
			continue
		default:
			continue
		}
		if size < rtcpHeader+info+reportBlock*int(packet[0]&0x1f) {
			return 0, DropBadRTCP
		}
		n += f.rewriteReport(packet, out[n:cap(out)], info, now)
	}
	if n == 0 {
		return 0, DropRTCPKind
	}
	return n + f.to.out.describe(out[n:cap(out)]), DropNone
}

// rewriteReport writes one report. A sender report about a stream that is not the one relayed now becomes a receiver
// report.
func (f *forwarder) rewriteReport(packet, out []byte, info int, now time.Duration) int {
	out[0], out[1] = 0x80, receiverReport
	binary.BigEndian.PutUint32(out[4:], f.to.out.ssrc)
	n := rtcpHeader
	if info > 0 && f.to.out.started && binary.BigEndian.Uint32(packet[4:]) == f.from.source.ssrc {
		out[1] = senderReport
		copy(out[8:16], packet[8:16]) // NTP time: the remote's clock, so that its round-trip reckoning works
		binary.BigEndian.PutUint32(out[16:], binary.BigEndian.Uint32(packet[16:])+f.to.out.tsOffset)
		binary.BigEndian.PutUint32(out[20:], f.to.out.packets)
		binary.BigEndian.PutUint32(out[24:], f.to.out.octets)
		f.to.out.reported(packet[8:16], now)
		n += senderInfo
	}
	if info > 0 && binary.BigEndian.Uint32(packet[4:]) == f.from.source.ssrc {
		f.from.reports.heard(packet[8:16], now)
	}
	blocks := packet[rtcpHeader+info:]
	for range packet[0] & 0x1f {
		if f.rewriteBlock(blocks[:reportBlock], out[n:], now) {
			out[0]++
			n += reportBlock
		}
		blocks = blocks[reportBlock:]
	}
	binary.BigEndian.PutUint16(out[2:], uint16(n/4-1))
	return n
}

// rewriteBlock translates what f.from says about the stream that we send it into what that means for the stream that
// f.to sends us: the same loss, jitter and times, another SSRC and other sequence numbers. Blocks about anything else
// are left out.
func (f *forwarder) rewriteBlock(block, out []byte, now time.Duration) bool {
	if binary.BigEndian.Uint32(block) != f.from.out.ssrc {
		return false
	}
	f.from.report(block, now)
	if !f.to.source.started {
		return false
	}
	copy(out, block)
	binary.BigEndian.PutUint32(out, f.to.source.ssrc)
	// What went before the present source began is not its loss, and nothing of it can be the highest number.
	binary.BigEndian.PutUint32(out[4:], uint32(block[4])<<24|uint32(f.from.far.lost-f.from.far.before)&0xffffff)
	behind := max(0, int32(f.from.out.top-binary.BigEndian.Uint32(block[8:])))
	behind = min(behind, int32(f.to.source.top-uint32(f.to.source.base)))
	binary.BigEndian.PutUint32(out[8:], f.to.source.top-uint32(behind))
	return true
}

// describe writes an SDES packet with our CNAME (RFC 3550 section 6.5; every compound packet needs one, section 6.1).
func (s *sender) describe(out []byte) int {
	clear(out[:sdesPacket])
	out[0], out[1], out[3] = 0x81, sourceDesc, sdesPacket/4-1
	binary.BigEndian.PutUint32(out[4:], s.ssrc)
	out[8], out[9] = 1, byte(len(s.cname))
	copy(out[10:], s.cname[:])
	return sdesPacket
}
