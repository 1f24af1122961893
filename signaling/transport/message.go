package transport

import (
	"bytes"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// message is one received message, cut out of a stream or a datagram and split into unfolded lines, not yet checked.
type message struct {
	raw    []byte // the octets as received
	start  string // start line
	fields []field
	body   []byte
	fault  *fault // found while cutting or splitting; nil so far

	via     *sip.ViaHeader // see topVia
	viaRead bool
}

// keep gives the message octets of its own.
func (m *message) keep() {
	bodyAt := cap(m.raw) - cap(m.body) // both end where the buffer does
	raw := bytes.Clone(m.raw)
	if len(m.body) > 0 {
		m.body = raw[bodyAt : bodyAt+len(m.body)]
	} else {
		m.body = nil
	}
	m.raw = raw
}

// topVia reads the first Via; nil when there is none that can be read.
func (m *message) topVia() *sip.ViaHeader {
	if !m.viaRead {
		m.viaRead = true
		if value, ok := m.first("Via"); ok {
			if h, ok := parseVia(value); ok {
				m.via, _ = h.(*sip.ViaHeader)
			}
		}
	}
	return m.via
}

// field is one header line: unfolded, its name canonical, a compact name expanded.
type field struct{ name, value string }

// first gives the first value of a canonical header name.
func (m *message) first(name string) (string, bool) {
	for i := range m.fields {
		if m.fields[i].name == name {
			return m.fields[i].value, true
		}
	}
	return "", false
}

// method is the method of a request, and "" for a response.
func (m *message) method() sip.RequestMethod {
	if m.isResponse() {
		return ""
	}
	method, _, _ := strings.Cut(m.start, " ")
	return sip.RequestMethod(method)
}

func (m *message) isResponse() bool { return hasPrefixFold(m.start, "SIP/") }

// looksLikeSIP says whether a start line can belong to a SIP message of any version.
func looksLikeSIP(start string) bool {
	return hasPrefixFold(start, "SIP/") || containsFold(start, " SIP/")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func containsFold(s, sub string) bool {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return true
		}
	}
	return false
}
