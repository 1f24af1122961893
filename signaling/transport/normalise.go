package transport

import (
	"strconv"
	"strings"
)

// compactNames expands the compact header forms of the IANA registry; sipgo knows only some of them.
var compactNames = map[byte]string{
	'a': "Accept-Contact", 'b': "Referred-By", 'c': "Content-Type", 'd': "Request-Disposition", 'e': "Content-Encoding", 'f': "From",
	'i': "Call-ID", 'j': "Reject-Contact", 'k': "Supported", 'l': "Content-Length", 'm': "Contact", 'n': "Identity-Info", 'o': "Event",
	'r': "Refer-To", 's': "Subject", 't': "To", 'u': "Allow-Events", 'v': "Via", 'x': "Session-Expires", 'y': "Identity",
}

// canonicalNames maps lower case to the form in which the other rooms ask for a header; unknown names keep the form they came in.
var canonicalNames = func() map[string]string {
	m := map[string]string{}
	for _, n := range []string{
		"Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events", "Authentication-Info",
		"Authorization", "CSeq", "Call-ID", "Call-Info", "Contact", "Content-Disposition", "Content-Encoding", "Content-Language",
		"Content-Length", "Content-Type", "Date", "Diversion", "Error-Info", "Event", "Expires", "From", "History-Info", "Identity",
		"In-Reply-To", "MIME-Version", "Max-Forwards", "Min-Expires", "Min-SE", "Organization", "P-Asserted-Identity",
		"P-Preferred-Identity", "Path", "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck", "RSeq",
		"Reason", "Record-Route", "Refer-To", "Referred-By", "Reject-Contact", "Remote-Party-ID", "Replaces", "Reply-To",
		"Request-Disposition", "Require", "Retry-After", "Route", "SIP-ETag", "SIP-If-Match", "Server", "Service-Route", "Session-Expires",
		"Subject", "Subscription-State", "Supported", "Timestamp", "To", "Unsupported", "User-Agent", "Via", "WWW-Authenticate", "Warning",
	} {
		m[strings.ToLower(n)] = n
	}
	return m
}()

// listed are the headers whose comma-separated values become one line each; every other header stays as it came.
var listed = map[string]bool{"Via": true, "Contact": true, "Route": true, "Record-Route": true}

// split cuts a header section into its start line and unfolded fields (RFC 3261 section 7.3.1). What is wrong goes into the message's fault.
func split(head []byte) *message {
	m := &message{fields: make([]field, 0, usualFields)}
	line, rest := cutLine(string(head)) // every header is a part of this one string
	m.start = line
	if strings.ContainsRune(m.start, '\r') {
		m.fault = bad(badStartLine, "Stray CR In Start Line")
	}
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		text := line
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') { // a line that begins with white space continues the one before
			line, rest = cutLine(rest)
			text = trimLWS(text) + " " + trimLWS(line)
		}
		if trimLWS(text) == "" {
			continue
		}
		m.add(text)
	}
	return m
}

// cutLine takes one line off buf, without its line end.
func cutLine(buf string) (line, rest string) {
	line, rest, _ = strings.Cut(buf, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// usualFields is how many headers most messages have.
const usualFields = 16

// add reads one unfolded header line.
func (m *message) add(line string) {
	name, value, ok := strings.Cut(line, ":")
	name = trimLWS(name)
	switch {
	case !ok || !isToken(name):
		m.blame(bad(badHeader, "Bad Header Name"))
		return
	case strings.ContainsRune(value, '\r'):
		m.blame(bad(badHeader, "Stray CR In Header"))
		value = strings.ReplaceAll(value, "\r", " ")
	}
	name = canonicalName(name)
	value = trimLWS(value)
	if !listed[name] {
		m.fields = append(m.fields, field{name, value})
		return
	}
	for _, v := range splitList(value) {
		m.fields = append(m.fields, field{name, v})
	}
}

// blame notes the first thing found wrong.
func (m *message) blame(f *fault) {
	if m.fault == nil {
		m.fault = f
	}
}

func canonicalName(name string) string {
	if len(name) == 1 {
		if full, ok := compactNames[name[0]|0x20]; ok {
			return full
		}
	}
	if full, ok := canonicalNames[strings.ToLower(name)]; ok {
		return full
	}
	return name
}

// splitList cuts a value at its commas outside of quotes and angle brackets. An empty element stays, for it is an error.
func splitList(value string) []string {
	var list []string
	quoted, bracketed, from := false, false, 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !bracketed:
			quoted = !quoted
		case quoted:
		case c == '<':
			bracketed = true
		case c == '>':
			bracketed = false
		case c == ',' && !bracketed:
			list = append(list, trimLWS(value[from:i]))
			from = i + 1
		}
	}
	return append(list, trimLWS(value[from:]))
}

// normalised writes the message for sipgo's parser: one line per field, CRLF everywhere, the true Content-Length.
func (m *message) normalised() []byte {
	n := len(m.start) + len(m.body) + 32
	for _, f := range m.fields {
		n += len(f.name) + len(f.value) + 4
	}
	b := make([]byte, 0, n)
	b = append(append(b, m.start...), '\r', '\n')
	for _, f := range m.fields {
		if f.name == "Content-Length" {
			continue
		}
		b = append(append(b, f.name...), ':', ' ')
		b = append(append(b, f.value...), '\r', '\n')
	}
	b = strconv.AppendInt(append(b, "Content-Length: "...), int64(len(m.body)), 10)
	b = append(b, '\r', '\n', '\r', '\n')
	return append(b, m.body...)
}

func trimLWS(s string) string { return strings.Trim(s, " \t") }

// isToken checks RFC 3261 section 25.1: token.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenChar(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("-.!%*_+`'~", c) >= 0
}
