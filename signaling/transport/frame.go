package transport

import (
	"bytes"
	"strconv"
)

// framer cuts a stream into messages (RFC 3261 sections 7.5 and 18.3). It is pure: octets in by write, messages out by next.
// It is owned by one connection's reader.
type framer struct {
	maxHeader, maxMessage int

	buf     []byte   // received and not yet consumed
	scanned int      // octets of buf known to hold no end of a header section
	crlf    int      // line ends seen in a row between messages: two are a keep-alive ping
	pings   int      // pings not yet answered
	head    *message // header section of a message whose body is still coming
	bodyAt  int      // octets of that message before its body
	total   int      // octets of that message in all
}

func (f *framer) write(p []byte) { f.buf = append(f.buf, p...) }

// partial says whether a message has begun and is not complete.
func (f *framer) partial() bool { return len(f.buf) > 0 }

// takePings gives the pings received since the last call: each wants one CRLF (RFC 5626 section 3.5.1).
func (f *framer) takePings() int {
	n := f.pings
	f.pings = 0
	return n
}

// next gives the next complete message, or nil when more octets are needed. A message with a fault of a framing cause ends the stream: the
// place where the next one begins is unknown.
func (f *framer) next() *message {
	if f.head == nil {
		f.skipLineEnds()
		if len(f.buf) == 0 {
			return nil
		}
		if lost := f.header(); lost != nil || f.head == nil {
			return lost
		}
	}
	if len(f.buf) < f.total {
		return nil
	}
	m := f.head
	f.head = nil
	m.raw = bytes.Clone(f.buf[:f.total])
	m.body = m.raw[f.bodyAt:]
	f.consume(f.total)
	return m
}

// header reads the header section once it is complete and sets f.head, or gives a message with a fault that ends the stream.
func (f *framer) header() *message {
	if c, ok := strangeStart(f.buf); ok {
		return &message{fault: bad(c, "Not SIP")}
	}
	end, bodyAt := headerEnd(f.buf, f.scanned)
	if end > f.maxHeader || end < 0 && len(f.buf) > f.maxHeader {
		return &message{fault: &fault{cause: headerTooLarge, status: 513, phrase: "Headers Too Large"}}
	}
	if end < 0 {
		f.scanned = max(0, len(f.buf)-3)
		return nil
	}
	m := split(f.buf[:end])
	n, flt := contentLength(m, true)
	if flt == nil && bodyAt+n > f.maxMessage {
		flt = &fault{cause: messageTooLarge, status: 513, phrase: "Message Too Large"}
	}
	if flt != nil {
		m.fault = flt
		m.raw = bytes.Clone(f.buf[:bodyAt])
		return m
	}
	f.head, f.bodyAt, f.total = m, bodyAt, bodyAt+n
	return nil
}

// skipLineEnds consumes what stands between messages. RFC 3261 section 7.5: CRLF before the start line is ignored; RFC 5626 section 3.5.1:
// two in a row are a ping, wherever the segments are cut.
func (f *framer) skipLineEnds() {
	i := 0
	for ; i < len(f.buf) && (f.buf[i] == '\r' || f.buf[i] == '\n'); i++ {
		if f.buf[i] != '\n' {
			continue
		}
		if f.crlf++; f.crlf == 2 {
			f.crlf = 0
			f.pings++
		}
	}
	if i < len(f.buf) {
		f.crlf = 0
	}
	f.consume(i)
}

func (f *framer) consume(n int) {
	if n == 0 {
		return
	}
	rest := copy(f.buf, f.buf[n:])
	f.buf = f.buf[:rest]
	f.scanned = 0
	if rest == 0 && cap(f.buf) > 4*readChunk {
		f.buf = nil // an idle connection keeps no large buffer
	}
}

// strangeStart recognises, from the first octets or the first line, what cannot become SIP.
func strangeStart(buf []byte) (refusal, bool) {
	if buf[0] == 0x16 && (len(buf) < 2 || buf[1] == 0x03) {
		return tlsOnPlainPort, true // a TLS record of type handshake (RFC 8446 section 5.1)
	}
	if buf[0] <= ' ' || buf[0] >= 0x7f {
		return notSIP, true
	}
	if i := bytes.IndexByte(buf, '\n'); i >= 0 && !looksLikeSIP(string(buf[:i])) {
		return notSIP, true
	}
	return 0, false
}

// headerEnd finds the empty line that ends the header section: where the last header line ends and where the body begins, or -1. Bare LF
// is taken for CRLF.
func headerEnd(buf []byte, from int) (end, bodyAt int) {
	for i := from; i < len(buf); i++ {
		if buf[i] != '\n' {
			continue
		}
		switch rest := buf[i+1:]; {
		case len(rest) >= 1 && rest[0] == '\n':
			return i + 1, i + 2
		case len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n':
			return i + 1, i + 3
		}
	}
	return -1, -1
}

// framingLost says whether a stream cannot go on after this fault.
func framingLost(c refusal) bool { return c <= firstRequestTimeout }

// contentLength reads the body's length. On a stream it must be there (RFC 3261 section 20.14); in a datagram -1 means that it is not.
func contentLength(m *message, stream bool) (int, *fault) {
	n, seen := -1, false
	for i := range m.fields {
		if m.fields[i].name != "Content-Length" {
			continue
		}
		if seen {
			return 0, bad(badContentLength, "Repeated Content Length")
		}
		seen = true
		v, err := strconv.ParseUint(m.fields[i].value, 10, 31)
		if err != nil {
			return 0, bad(badContentLength, "Bad Content Length")
		}
		n = int(v)
	}
	if !seen && stream {
		return 0, bad(badContentLength, "Missing Content Length")
	}
	return n, nil
}

// datagram reads one UDP payload; nil when it holds nothing but line ends or a keep-alive.
func datagram(payload []byte) *message {
	raw := bytes.TrimLeft(payload, "\r\n")
	if len(raw) == 0 || len(bytes.Trim(raw, "\x00")) == 0 {
		return nil
	}
	end, bodyAt := headerEnd(raw, 0)
	if end < 0 {
		end, bodyAt = len(raw), len(raw)
	}
	if start, _, _ := bytes.Cut(raw[:end], []byte{'\n'}); !looksLikeSIP(string(start)) {
		return &message{raw: raw, fault: bad(notSIP, "Not SIP")}
	}
	m := split(raw[:end])
	m.raw, m.body = raw, raw[bodyAt:]
	n, flt := contentLength(m, false)
	switch {
	case flt != nil:
		m.fault = flt
	case n > len(m.body): // RFC 3261 section 18.3: a body that ends early is an error ...
		m.fault = bad(shortBody, "Body Shorter Than Content Length")
	case n >= 0: // ... and octets beyond it are ignored
		m.body = m.body[:n]
	}
	return m
}
