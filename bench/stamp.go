package bench

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// payloadSize is 20 ms of G.711 (RFC 3551, section 4.5.14).
const (
	payloadSize   = 160
	packetTime    = 20 * time.Millisecond
	clockPerFrame = 160 // RTP timestamp units of 8 kHz per packet
)

// magic begins every payload, so that audio in the clear is recognised on the
// wire.
const magic = "BENCHPKT"

// Offsets of a stamp in its payload; the checksum covers all but itself.
const (
	atParty = len(magic)
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
	from Party
	seq  uint64 // counts packets of this end of the call from 0
	sent int64  // clock, ns
}

// put fills payload, which has payloadSize bytes.
func (s stamp) put(payload []byte) {
	copy(payload, magic)
	payload[atParty] = byte(s.from)
	binary.BigEndian.PutUint64(payload[atCall:], s.call)
	binary.BigEndian.PutUint64(payload[atSeq:], s.seq)
	binary.BigEndian.PutUint64(payload[atSent:], uint64(s.sent))
	for i := atFill; i < payloadSize; i++ {
		payload[i] = byte(s.seq) + byte(i)
	}
	binary.BigEndian.PutUint32(payload[atSum:], checksum(payload))
}

// readStamp reads the stamp of a payload; false when it is not ours or was
// altered.
func readStamp(payload []byte) (stamp, bool) {
	if len(payload) != payloadSize || string(payload[:len(magic)]) != magic ||
		binary.BigEndian.Uint32(payload[atSum:]) != checksum(payload) {
		return stamp{}, false
	}
	return stamp{
		call: binary.BigEndian.Uint64(payload[atCall:]),
		from: Party(payload[atParty]),
		seq:  binary.BigEndian.Uint64(payload[atSeq:]),
		sent: int64(binary.BigEndian.Uint64(payload[atSent:])),
	}, true
}

func checksum(payload []byte) uint32 {
	sum := crc32.Update(0, castagnoli, payload[:atSum])
	return crc32.Update(sum, castagnoli, payload[atFill:])
}

// epoch anchors clock, so that it is monotonic and yet comparable with other
// processes.
var epoch = time.Now()

// clock is the time in ns since 1970.
func clock() int64 { return epoch.UnixNano() + int64(time.Since(epoch)) }
