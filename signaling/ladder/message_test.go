package ladder

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// message is a SIP message as text. The agents of these tests share no code with the server: a fault of its parser shows.
type message struct {
	raw     string
	start   string
	headers []header
	body    string
}

type header struct{ name, value string }

// parse takes one message apart. rest is what follows it in a stream; ok is false when the message is not complete.
func parse(text string) (m *message, rest string, ok bool) {
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return nil, text, false
	}
	m = &message{}
	lines := strings.Split(head, "\r\n")
	m.start = lines[0]
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		m.headers = append(m.headers, header{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	n, err := strconv.Atoi(m.get("Content-Length"))
	if err != nil || n > len(body) {
		return nil, text, false
	}
	m.body, rest = body[:n], body[n:]
	m.raw = text[:len(text)-len(rest)]
	return m, rest, true
}

// get gives the first value of a header, or "".
func (m *message) get(name string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h.name, name) {
			return h.value
		}
	}
	return ""
}

func (m *message) has(name string) bool {
	for _, h := range m.headers {
		if strings.EqualFold(h.name, name) {
			return true
		}
	}
	return false
}

func (m *message) all(name string) []string {
	var values []string
	for _, h := range m.headers {
		if strings.EqualFold(h.name, name) {
			values = append(values, h.value)
		}
	}
	return values
}

// set replaces every header of a name by one; an empty value takes them out.
func (m *message) set(name, value string) {
	kept, done := m.headers[:0:0], false
	for _, h := range m.headers {
		switch {
		case !strings.EqualFold(h.name, name):
			kept = append(kept, h)
		case !done && value != "":
			kept, done = append(kept, header{h.name, value}), true
		}
	}
	if !done && value != "" {
		kept = append(kept, header{name, value})
	}
	m.headers = kept
}

func (m *message) add(name, value string) { m.headers = append(m.headers, header{name, value}) }

// encode writes the message, Content-Length included.
func (m *message) encode() string {
	var b strings.Builder
	b.WriteString(m.start + "\r\n")
	for _, h := range m.headers {
		b.WriteString(h.name + ": " + h.value + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(m.body), m.body)
	return b.String()
}

// method is that of a request, "" of a response.
func (m *message) method() string {
	if m.code() != 0 {
		return ""
	}
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

// code is the status code of a response, 0 of a request.
func (m *message) code() int {
	if rest, ok := strings.CutPrefix(m.start, "SIP/2.0 "); ok && len(rest) >= 3 {
		n, _ := strconv.Atoi(rest[:3])
		return n
	}
	return 0
}

func (m *message) phrase() string {
	parts := strings.SplitN(m.start, " ", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

func (m *message) uri() string {
	parts := strings.Split(m.start, " ")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// cseq gives number and method.
func (m *message) cseq() (int, string) {
	number, method, _ := strings.Cut(m.get("CSeq"), " ")
	n, _ := strconv.Atoi(number)
	return n, strings.TrimSpace(method)
}

// kind is the method of a request, or the code and method of a response.
func (m *message) kind() string {
	if m.code() == 0 {
		return m.method()
	}
	_, method := m.cseq()
	return fmt.Sprintf("%d %s", m.code(), method)
}

var paramForm = `(?i)(?:^|;)\s*%s\s*=\s*([^;,\s]*)`

// param gives a header parameter: one behind the angle brackets, if there are any.
func param(value, name string) string {
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i+1:]
	}
	found := regexp.MustCompile(fmt.Sprintf(paramForm, name)).FindStringSubmatch(value)
	if found == nil {
		return ""
	}
	return found[1]
}

// inside gives the URI of a name-addr.
func inside(value string) string {
	if i := strings.IndexByte(value, '<'); i >= 0 {
		uri, _, _ := strings.Cut(value[i+1:], ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return uri
}

func (m *message) branch() string  { return param(m.get("Via"), "branch") }
func (m *message) fromTag() string { return param(m.get("From"), "tag") }
func (m *message) toTag() string   { return param(m.get("To"), "tag") }

// again names what a repetition has in common with the first: of a response everything, of a request the transaction, for its Via changes
// with the connection.
func (m *message) again() string {
	if m.code() != 0 {
		return m.raw
	}
	return strings.Join([]string{m.method(), m.branch(), m.get("CSeq"), m.get("Call-ID"), m.body}, "\n")
}
