// Package capture reads on the machine's network interfaces what passes the
// bench's own ports, and looks for what could be understood there. It is a
// witness of its own: it sees what the kernel sent, not what a program means to
// have sent.
package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync/atomic"
)

// Errors of a capture.
var (
	ErrRoot        = errors.New("capturing needs root or CAP_NET_RAW")
	ErrUnsupported = errors.New("capturing works on Linux only")
)

// Counts is what a Capture saw.
type Counts struct {
	Packets  uint64 // from or to the bench's own ports
	Readable uint64 // of Packets: with text or audio in the clear
	Missed   uint64 // packets on the machine that the capture was too slow for
}

// tells are what nobody on the way may find: the beginning of the bench's audio
// payloads, SIP, and SDES keys.
type tells [][]byte

func newTells(audio string) tells {
	return tells{[]byte(audio), []byte("SIP/2.0"), []byte("inline:")}
}

func (t tells) in(payload []byte) bool {
	for _, tell := range t {
		if bytes.Contains(payload, tell) {
			return true
		}
	}
	return false
}

// ports is a set.
type ports [1 << 16 / 64]atomic.Uint64

func (p *ports) add(port uint16)      { p[port/64].Or(1 << (port % 64)) }
func (p *ports) has(port uint16) bool { return p[port/64].Load()&(1<<(port%64)) != 0 }

// The protocols of IP, and the versions in its first four bits, that are looked
// into.
const (
	protocolTCP = 6
	protocolUDP = 17
	version4    = 4
	version6    = 6
)

// dissect finds the ports and the payload of an IP packet; false where it has
// none.
func dissect(ip []byte) (from, to uint16, payload []byte, ok bool) {
	if len(ip) == 0 {
		return 0, 0, nil, false
	}
	var head int
	var protocol byte
	switch ip[0] >> 4 {
	case version4: // RFC 791, section 3.1
		if len(ip) < 20 {
			return 0, 0, nil, false
		}
		head, protocol = int(ip[0]&15)*4, ip[9]
		if binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
			return 0, 0, nil, false // a later fragment
		}
	case version6: // RFC 8200, section 3; nobody here uses extension headers
		if len(ip) < 40 {
			return 0, 0, nil, false
		}
		head, protocol = 40, ip[6]
	default:
		return 0, 0, nil, false
	}
	least := map[byte]int{protocolTCP: 20, protocolUDP: 8}[protocol]
	if least == 0 || head < 20 || len(ip) < head+least {
		return 0, 0, nil, false
	}
	segment := ip[head:]
	from, to = binary.BigEndian.Uint16(segment), binary.BigEndian.Uint16(segment[2:])
	skip := least
	if protocol == protocolTCP { // RFC 9293, section 3.1
		skip = int(segment[12]>>4) * 4
	}
	if skip > len(segment) {
		return 0, 0, nil, false
	}
	return from, to, segment[skip:], true
}
