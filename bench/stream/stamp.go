package stream

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A packet holds 20 ms of G.711 (RFC 3551, section 4.5.14).
const (
	PayloadSize   = 160 // bytes
	PacketTime    = 20 * time.Millisecond
	clockPerFrame = 160 // RTP timestamp units of 8 kHz per packet
)

// Magic begins every payload, so that audio in the clear is recognised on the
// wire.
const Magic = "BENCHPKT"

// Offsets of a stamp in its payload; the checksum covers all but itself. The
// stamp is in the payload, not in a header extension: SRTP leaves those in the
// clear, and servers that end RTP drop them.
const (
	atParty = len(Magic)
	atCall  = 12
	atSeq   = 20
	atSent  = 28
	atSum   = 36
	atFill  = 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// stamp is what each packet carries in its payload.
type stamp struct {
	call uint64
	from uint8  // party
	seq  uint64 // counts packets of this end of the call from 0
	sent int64  // Clock, ns
}

// put fills the front of payload, which has PayloadSize bytes; what follows
// from atFill on is there already.
func (s stamp) put(payload []byte) {
	copy(payload, Magic)
	payload[atParty] = s.from
	payload[atParty+1], payload[atParty+2], payload[atParty+3] = 0, 0, 0
	binary.BigEndian.PutUint64(payload[atCall:], s.call)
	binary.BigEndian.PutUint64(payload[atSeq:], s.seq)
	binary.BigEndian.PutUint64(payload[atSent:], uint64(s.sent))
	binary.BigEndian.PutUint32(payload[atSum:], checksum(payload))
}

// readStamp reads the stamp of a payload; false when it is not ours or was
// altered.
func readStamp(payload []byte) (stamp, bool) {
	if len(payload) != PayloadSize || string(payload[:len(Magic)]) != Magic ||
		binary.BigEndian.Uint32(payload[atSum:]) != checksum(payload) {
		return stamp{}, false
	}
	return stamp{
		call: binary.BigEndian.Uint64(payload[atCall:]),
		from: payload[atParty],
		seq:  binary.BigEndian.Uint64(payload[atSeq:]),
		sent: int64(binary.BigEndian.Uint64(payload[atSent:])),
	}, true
}

func checksum(payload []byte) uint32 {
	sum := crc32.Update(0, castagnoli, payload[:atSum])
	return crc32.Update(sum, castagnoli, payload[atFill:])
}

// epoch anchors Clock, so that it is monotonic and yet comparable with other
// processes.
var epoch = time.Now()

// Clock is the time in ns since 1970. It never jumps.
func Clock() int64 { return epoch.UnixNano() + int64(time.Since(epoch)) }
