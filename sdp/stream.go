package sdp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Origin are the numbers of our o= line (RFC 8866 section 5.2). The version
// grows by one whenever the description changes.
type Origin struct{ ID, Version uint64 }

// Local is our own end of one leg, as its description shows it. Addr decides
// between IP4 and IP6.
type Local struct {
	Addr      netip.Addr
	RTP, RTCP uint16
	Origin    Origin
}

// Stream is the one relayed audio stream as the remote described it.
type Stream struct {
	Index int    // which m-line, from 0
	Proto string // the m-line's profile as received
	// RTP and RTCP are where the remote wants its media. RTP's address is
	// unspecified (0.0.0.0) where the remote holds the old way. RTCP is the
	// zero AddrPort where no port is left for it.
	RTP, RTCP netip.AddrPort
	// Mux is set when the remote offered rtcp-mux (RFC 5761). WriteAnswer
	// then accepts it, RTCP equals RTP, and RTCP goes both ways on the RTP
	// ports of this leg. It is never set by ReadAnswer: we do not offer it.
	Mux       bool
	Secure    bool
	Crypto    Crypto // the chosen line, with the remote's key, when Secure
	Direction Direction
	Held      bool    // the remote does not want our audio
	Payloads  []uint8 // payload types as listed
	NoRTCP    bool    // the remote wants none: b=RS:0 and b=RR:0 (RFC 3556)
}

// read makes a Stream of an m-line, without its security.
func (d *Description) read(index int) (Stream, error) {
	m := &d.media[index]
	s := Stream{Index: index, Proto: m.proto}
	port, err := m.rtpPort()
	if err != nil {
		return Stream{}, err
	}
	addr, err := d.connection(m)
	if err != nil {
		return Stream{}, err
	}
	if s.Payloads = m.payloads(); len(s.Payloads) == 0 {
		return Stream{}, syntaxError(m.number, "m= lists no payload type")
	}
	s.RTP = netip.AddrPortFrom(addr, port)
	if s.RTCP, err = m.rtcp(s.RTP); err != nil {
		return Stream{}, err
	}
	s.Direction = d.mediaDirection(index)
	s.Held = s.Direction == SendOnly || s.Direction == Inactive
	s.NoRTCP = d.noBandwidth(m, "RS") && d.noBandwidth(m, "RR")
	return s, nil
}

// noBandwidth tells whether a stream has a bandwidth of zero of a kind; what the
// session says holds where the stream says nothing (RFC 3556 section 2).
func (d *Description) noBandwidth(m *media, kind string) bool {
	for _, lines := range [][]line{m.sublines, d.session} {
		for _, l := range lines {
			name, value, _ := strings.Cut(l.value, ":")
			if l.kind == 'b' && strings.TrimSpace(name) == kind {
				return strings.Trim(strings.TrimSpace(value), "0") == "" && strings.TrimSpace(value) != ""
			}
		}
	}
	return false
}

// isAudio tells whether this is an audio line that is not refused.
func (m *media) isAudio() bool {
	port, err := m.rtpPort()
	return strings.EqualFold(m.kindOf, "audio") && (port != 0 || err != nil)
}

// rtpPort reads the port of "5004" and "5004/2".
func (m *media) rtpPort() (uint16, error) {
	text, _, _ := strings.Cut(m.port, "/")
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, syntaxError(m.number, "m= wants a port up to 65535")
	}
	return uint16(port), nil
}

// payloads are the RTP payload types of the m-line, each once.
func (m *media) payloads() []uint8 {
	var types []uint8
	for _, format := range m.formats {
		// RFC 3550 section 5.1: 7 bits.
		n, err := strconv.ParseUint(format, 10, 7)
		if err == nil && !slices.Contains(types, uint8(n)) {
			types = append(types, uint8(n))
		}
	}
	return types
}

// connection is the address of the m-line's first c= line, or of the
// session's.
func (d *Description) connection(m *media) (netip.Addr, error) {
	l, ok := first(m.sublines, 'c')
	if !ok {
		l, ok = first(d.session, 'c')
	}
	if !ok {
		return netip.Addr{}, syntaxError(m.number, "no c= line for this m= line")
	}
	fields := strings.Fields(l.value)
	if len(fields) < 3 || !strings.EqualFold(fields[0], "IN") {
		return netip.Addr{}, syntaxError(l.number, "c= wants IN, IP4 or IP6, and an address")
	}
	text, _, _ := strings.Cut(fields[2], "/")
	return parseAddress(l.number, text)
}

// parseAddress takes an address that media can be sent to, or an unspecified
// one. The type beside it (IP4, IP6) is not believed.
func parseAddress(number int, text string) (netip.Addr, error) {
	if strings.HasSuffix(strings.ToLower(text), ".invalid") {
		return netip.IPv4Unspecified(), nil // RFC 6157: no address yet
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.IsMulticast() {
		return netip.Addr{}, syntaxError(number, "want a unicast IP address, not a name, a group or a zone")
	}
	return addr.Unmap(), nil
}

// rtcp is where the remote wants RTCP: a=rtcp (RFC 3605), else the port above
// RTP's (RFC 3550 section 11).
func (m *media) rtcp(rtp netip.AddrPort) (netip.AddrPort, error) {
	for _, l := range m.sublines {
		name, value := l.attribute()
		fields := strings.Fields(value)
		if name != "rtcp" || len(fields) == 0 {
			continue
		}
		port, err := strconv.ParseUint(fields[0], 10, 16)
		if err != nil {
			return netip.AddrPort{}, syntaxError(l.number, "a=rtcp wants a port up to 65535")
		}
		if port == 0 {
			continue
		}
		addr := rtp.Addr()
		if len(fields) > 3 {
			if addr, err = parseAddress(l.number, fields[3]); err != nil {
				return netip.AddrPort{}, err
			}
		}
		return netip.AddrPortFrom(addr, uint16(port)), nil
	}
	if rtp.Port() == 65535 {
		return netip.AddrPort{}, nil
	}
	return netip.AddrPortFrom(rtp.Addr(), rtp.Port()+1), nil
}

// mediaDirection is the m-line's direction, else the session's, else sendrecv.
// The remote of an unspecified address sends at most (RFC 3264 section 8.4).
func (d *Description) mediaDirection(index int) Direction {
	m := &d.media[index]
	direction, ok := findDirection(m.sublines)
	if !ok {
		direction, _ = findDirection(d.session)
	}
	if addr, err := d.connection(m); err == nil && addr.IsUnspecified() {
		return direction.answering(RecvOnly)
	}
	return direction
}

func findDirection(lines []line) (Direction, bool) {
	for _, l := range lines {
		if name, _ := l.attribute(); name != "" {
			if dir, ok := parseDirection(name); ok {
				return dir, true
			}
		}
	}
	return SendRecv, false
}

// has tells whether the m-line has an attribute.
func (m *media) has(attribute string) bool {
	return slices.ContainsFunc(m.sublines, func(l line) bool {
		name, _ := l.attribute()
		return name == attribute
	})
}

// cryptos are the values of the m-line's crypto lines. Those of the session
// level do not count (RFC 4568 section 4).
func (m *media) cryptos() []string {
	var values []string
	for _, l := range m.sublines {
		if name, value := l.attribute(); name == "crypto" {
			values = append(values, value)
		}
	}
	return values
}

// isSecure tells RTP/SAVP and RTP/SAVPF from RTP/AVP and RTP/AVPF (RFC 3551,
// 3711, 4585, 5124), in any case. Others, DTLS among them, are not for us.
func (m *media) isSecure() (bool, error) {
	switch strings.ToUpper(m.proto) {
	case "RTP/AVP", "RTP/AVPF":
		return false, nil
	case "RTP/SAVP", "RTP/SAVPF":
		return true, nil
	}
	if strings.Contains(strings.ToUpper(m.proto), "TLS") {
		return false, fmt.Errorf("%w: line %d: DTLS-SRTP, want SDES", ErrProfile, m.number)
	}
	return false, fmt.Errorf("%w: line %d: neither RTP/AVP nor RTP/SAVP", ErrProfile, m.number)
}
