package sdp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// WriteOffer rewrites an offer for the other leg: one audio line with the
// mode's profile, our crypto lines, our address and ports. Its codecs, their
// parameters, the direction and unknown attributes stay as they are; whatever
// tells about the leg that offered does not (see hide.go). rtcp-mux is not
// offered.
//
// Required writes RTP/SAVP, Preferred RTP/AVP with crypto lines (RFC 8643
// section 3.1), Off RTP/AVP and no key whatever keys holds. A refresh passes
// the active line alone as keys.
func WriteOffer(offer *Description, s Stream, to Local, mode Mode, keys []Crypto) *Description {
	d := &Description{session: head(offer, to, []line{newLine('t', "0 0")})}
	if s.Index < 0 || s.Index >= len(offer.media) {
		return d
	}
	proto := "RTP/AVP"
	switch mode {
	case Off:
		keys = nil
	case Preferred:
	case Required:
		proto = "RTP/SAVP"
	}
	m := offer.audio(s.Index, to, proto, keys)
	m.addAttribute(s.Direction.String())
	m.addRTCP(to, false)
	d.media = []media{m}
	return d
}

// WriteAnswer rewrites an answer for the leg that offered. It has the offer's
// m-lines in their order (RFC 3264 section 6): s's line with the profile as
// offered, the others with port 0. Codecs, their parameters and the direction
// are the answer's; a direction that the offer does not admit is narrowed (RFC
// 3264 section 6.1). key is our own line from NewAnswerKey, nil for plain RTP.
//
// Where the answer refuses audio, or key is missing for a stream that is
// secure, the audio line is refused too.
func WriteAnswer(offer *Description, s Stream, answer *Description, to Local, key *Crypto) *Description {
	d := &Description{session: head(answer, to, offer.timing())}
	index := answer.answered()
	for i := range offer.media {
		m := &offer.media[i]
		if i != s.Index || index < 0 || s.Secure && key == nil {
			d.media = append(d.media, m.refused())
			continue
		}
		var keys []Crypto
		if s.Secure {
			keys = []Crypto{*key} // one line, RFC 4568 section 5.1.2
		}
		a := answer.audio(index, to, m.proto, keys)
		a.addAttribute(answer.mediaDirection(index).answering(s.Direction).String())
		a.addRTCP(to, s.Mux)
		d.media = append(d.media, a)
	}
	return d
}

// head makes the session part: all ours, but for bandwidth and attributes
// that may pass.
func head(from *Description, to Local, timing []line) []line {
	address := addressLine(to.Addr)
	lines := []line{
		newLine('v', "0"),
		newLine('o', fmt.Sprintf("- %d %d %s", to.Origin.ID, to.Origin.Version, address)),
		newLine('s', "-"),
		newLine('c', address),
	}
	lines = append(lines, passing(from.session, 'b')...)
	lines = append(lines, timing...)
	return append(lines, passing(from.session, 'a')...)
}

// timing are an offer's t= lines, which its answer repeats (RFC 3264 section
// 6), if they are two numbers.
func (d *Description) timing() []line {
	var lines []line
	for _, l := range d.session {
		if fields := strings.Fields(l.value); l.kind == 't' && len(fields) == 2 && isDigits(fields[0]+fields[1]) {
			lines = append(lines, newLine('t', l.value))
		}
	}
	if lines == nil {
		return []line{newLine('t', "0 0")}
	}
	return lines
}

// audio makes an audio line of ours from a received one; its direction and
// RTCP are still missing.
func (d *Description) audio(index int, to Local, proto string, keys []Crypto) media {
	from := &d.media[index]
	m := newMedia("audio", to.RTP, proto, decimals(from.payloads()))
	m.sublines = passing(from.sublines, 'b')
	for _, key := range keys {
		m.addAttribute(strings.TrimPrefix(key.Line(), "a="))
	}
	m.sublines = append(m.sublines, passing(from.sublines, 'a')...)
	return m
}

// addRTCP says where our RTCP is, unless it is on the port above RTP's.
func (m *media) addRTCP(to Local, mux bool) {
	switch {
	case mux:
		m.addAttribute("rtcp-mux")
	case to.RTCP != 0 && to.RTCP != to.RTP+1:
		m.addAttribute(fmt.Sprintf("rtcp:%d", to.RTCP)) // RFC 3605 section 2.1
	}
}

// refused is the line with port 0 and no attributes, which refuses it (RFC
// 3264 section 6). Its formats are the offer's, as they do not matter.
func (m *media) refused() media {
	formats := m.formats
	if len(formats) == 0 {
		formats = []string{"0"} // RFC 8866 section 5.14 wants one
	}
	return newMedia(m.kindOf, 0, m.proto, formats)
}

func newMedia(kindOf string, port uint16, proto string, formats []string) media {
	m := media{kindOf: kindOf, port: strconv.Itoa(int(port)), proto: proto, formats: formats}
	fields := append([]string{m.kindOf, m.port, m.proto}, formats...)
	m.line = newLine('m', strings.Join(fields, " "))
	return m
}

func (m *media) addAttribute(value string) {
	m.sublines = append(m.sublines, newLine('a', value))
}

func newLine(kind byte, value string) line { return line{kind: kind, value: value} }

// addressLine writes "IN IP4 192.0.2.1" or its IP6 twin.
func addressLine(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		return "IN IP6 " + addr.String()
	}
	return "IN IP4 " + addr.String()
}

func decimals(types []uint8) []string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = strconv.Itoa(int(t))
	}
	return texts
}
