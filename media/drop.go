package media

// Drop is the cause for which a packet was not relayed. Its names are label values of
// callseal_media_drops_total and therefore API.
type Drop uint8

// The causes, in the order in which a packet can meet them.
const (
	DropNone        Drop = iota // relayed
	DropShort                   // no byte, or too short for any header
	DropLong                    // longer than maxPacket
	DropSTUN                    // RFC 7983: first byte 0..3
	DropZRTP                    // RFC 7983: first byte 16..19
	DropDTLS                    // RFC 7983: first byte 20..63
	DropNotRTP                  // neither RTP nor RTCP of version 2, or RTP on the RTCP port
	DropEarly                   // this side has no answer yet, and the packet was not kept until Set (early.go)
	DropWrongSource             // plain side: neither the signalled nor the latched source
	DropClearRTCP               // plain RTCP on a sealed side
	DropUnencrypted             // SRTCP with E=0
	DropHeader                  // RTP with a header longer than the packet
	DropAuth                    // wrong authentication tag
	DropReplay                  // sealed index seen before or too old
	DropStreams                 // too many SSRCs under one key
	DropJump                    // sequence jumped: first packet after the jump (RFC 3550 A.1)
	DropBadRTCP                 // malformed compound RTCP
	DropRTCPKind                // RTCP with nothing in it that passes a relay
	DropNoRoute                 // other side not set, or without an address
	DropHeld                    // other side is on hold
	DropLate                    // it belongs before the point from which the other side's sequence was continued
	DropDuplicate               // its index was already used on the sealed other side
	DropExhausted               // the key for sending has reached the end of its life
	DropSend                    // the socket did not take the packet
	DropUnwanted                // RTCP, which the other side forbids
	dropCount
)

var dropNames = [dropCount]string{
	"none", "short", "long", "stun", "zrtp", "dtls", "not_rtp", "early", "wrong_source", "clear_rtcp",
	"unencrypted_rtcp", "header", "auth", "replay", "streams", "sequence_jump", "bad_rtcp", "rtcp_kind", "no_route", "held",
	"late", "duplicate", "key_exhausted", "send_error", "rtcp_unwanted",
}

// String returns the label value of the cause.
func (d Drop) String() string {
	if d >= dropCount {
		return "unknown"
	}
	return dropNames[d]
}

// Drops counts dropped packets by cause.
type Drops [dropCount]uint64

// Of returns how many packets were dropped for the cause.
func (d Drops) Of(cause Drop) uint64 { return d[cause] }

// Total returns how many packets were dropped in all.
func (d Drops) Total() (sum uint64) {
	for _, n := range d {
		sum += n
	}
	return sum
}
