package media

import "encoding/binary"

// Block types of extended reports (RFC 3611 section 4).
const (
	xrLossRLE       = 1
	xrDuplicateRLE  = 2
	xrReceiptTimes  = 3
	xrReferenceTime = 4
	xrDLRR          = 5
	xrStatistics    = 6
	xrVoIP          = 7
)

// rewriteExtended writes an extended report: the same figures under our SSRCs and, where a block names sequence
// numbers, the numbers that f.to knows. Blocks about other streams, or of a type that may name an SSRC we do not know
// of, are left out. A report that leads its compound packet gets an empty receiver report in front (RFC 3550 section
// 6.1). It returns the bytes written; cap(out) is at least rtcpHeader+len(packet).
func (f *forwarder) rewriteExtended(packet, out []byte, leads bool) int {
	if len(packet) < rtcpHeader {
		return 0
	}
	begin := 0
	if leads {
		out[0], out[1], out[2], out[3] = 0x80, receiverReport, 0, 1
		binary.BigEndian.PutUint32(out[4:], f.to.out.ssrc)
		begin = rtcpHeader
	}
	report := out[begin:]
	report[0], report[1] = 0x80, extendedReport
	binary.BigEndian.PutUint32(report[4:], f.to.out.ssrc)
	n := rtcpHeader
	for blocks := packet[rtcpHeader:]; len(blocks) >= 4; {
		size := 4 + 4*int(binary.BigEndian.Uint16(blocks[2:]))
		if size > len(blocks) {
			break
		}
		n += f.rewriteExtendedBlock(blocks[:size], report[n:])
		blocks = blocks[size:]
	}
	if n == rtcpHeader {
		return 0
	}
	binary.BigEndian.PutUint16(report[2:], uint16(n/4-1))
	return begin + n
}

// rewriteExtendedBlock writes one block and returns its length, 0 if it is left out.
func (f *forwarder) rewriteExtendedBlock(block, out []byte) int {
	switch block[0] {
	case xrReferenceTime:
		return copy(out, block)
	case xrDLRR:
		return f.rewriteDLRR(block, out)
	case xrVoIP, xrStatistics, xrLossRLE, xrDuplicateRLE, xrReceiptTimes:
	default:
		return 0
	}
	if len(block) < 12 || binary.BigEndian.Uint32(block[4:]) != f.from.out.ssrc || !f.to.source.started {
		return 0
	}
	copy(out, block)
	binary.BigEndian.PutUint32(out[4:], f.to.source.ssrc)
	if block[0] == xrVoIP {
		return len(block)
	}
	for _, at := range [...]int{8, 10} { // begin_seq and end_seq
		behind := uint16(f.from.out.top) - binary.BigEndian.Uint16(block[at:])
		binary.BigEndian.PutUint16(out[at:], uint16(f.to.source.top)-behind)
	}
	return len(block)
}

// rewriteDLRR writes those of a block's sub-blocks (RFC 3611 section 4.5) that answer a reference time of f.to's remote,
// which came to f.from's under our SSRC.
func (f *forwarder) rewriteDLRR(block, out []byte) int {
	n := 4
	copy(out, block[:4])
	for subs := block[4:]; len(subs) >= 12; subs = subs[12:] {
		if binary.BigEndian.Uint32(subs) == f.from.out.ssrc && f.to.source.started {
			copy(out[n:], subs[:12])
			binary.BigEndian.PutUint32(out[n:], f.to.source.ssrc)
			n += 12
		}
	}
	if n == 4 {
		return 0
	}
	binary.BigEndian.PutUint16(out[2:], uint16(n/4-1))
	return n
}
