package transport

import (
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// checker turns split messages into checked sipgo messages. It is shared and never changes.
type checker struct{ parser *sip.Parser }

func newChecker() *checker {
	p := sip.NewParser(sip.WithHeadersParsers(strictParsers))
	p.MaxMessageLength = 1 << 30 // the framer and the socket have their own limits; normalising may lengthen a message
	return &checker{parser: p}
}

// single are the headers that may stand once (RFC 3261 section 7.3.1: only those with a comma-separated grammar may repeat). Headers that
// nobody acts on, such as Subject, may repeat unpunished.
var single = []string{"From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Length", "Expires", "Refer-To",
	"Referred-By", "Replaces", "RSeq", "RAck", "Session-Expires", "Min-SE", "Event"}

// mandatory are the headers without which a message belongs to no transaction (RFC 3261 section 8.1.1). Max-Forwards is missing there: RFC 2543
// did not have it. So is Contact, which a 2543 INVITE may lack.
var mandatory = []string{"Via", "From", "To", "Call-ID", "CSeq"}

// check parses and validates a message. The fault, if any, is what a request is answered with.
func (c *checker) check(m *message) (sip.Message, *fault) {
	if m.isResponse() {
		return c.response(m)
	}
	return c.request(m)
}

func (c *checker) request(m *message) (*sip.Request, *fault) {
	method, uri, f := requestLine(m.start)
	if f == nil {
		f = m.fault
	}
	if f == nil {
		f = countHeaders(m)
	}
	if f != nil {
		return nil, f
	}
	msg, f := c.parse(m)
	if f != nil {
		return nil, f
	}
	req, ok := msg.(*sip.Request)
	if !ok {
		return nil, bad(badStartLine, "Bad Request Line")
	}
	// sipgo upper-cases the method, which is case-sensitive (RFC 3261 section 7.1), and misreads some URIs.
	req.Method, req.Recipient = method, uri
	if req.CSeq().MethodName != method { // RFC 3261 section 8.1.1.5
		return nil, bad(methodMismatch, "CSeq Method Does Not Match")
	}
	return req, nil
}

func (c *checker) response(m *message) (*sip.Response, *fault) {
	wrong := bad(badResponse, "Bad Response")
	if !isStatusLine(m.start) || m.fault != nil || countHeaders(m) != nil {
		return nil, wrong
	}
	msg, f := c.parse(m)
	if f != nil {
		return nil, wrong
	}
	res, ok := msg.(*sip.Response)
	if !ok {
		return nil, wrong
	}
	if len(res.GetHeaders("via")) != 1 { // RFC 3261 section 8.1.3.3
		return nil, bad(misroutedResponse, "Response For Someone Else")
	}
	return res, nil
}

func (c *checker) parse(m *message) (sip.Message, *fault) {
	msg, err := c.parser.ParseSIP(m.normalised())
	var f *fault
	switch {
	case errors.As(err, &f):
		return nil, f
	case err != nil:
		return nil, bad(parserRefused, "Bad Request")
	}
	return msg, nil
}

// requestLine checks Method SP Request-URI SP SIP-Version, with exactly one space at each place (RFC 3261 section 7.1).
func requestLine(line string) (sip.RequestMethod, sip.Uri, *fault) {
	parts := strings.Split(line, " ")
	if last := parts[len(parts)-1]; hasPrefixFold(last, "SIP/") && !strings.EqualFold(last, "SIP/2.0") {
		return "", sip.Uri{}, &fault{cause: badVersion, status: sip.StatusVersionNotSupported, phrase: "Version Not Supported"}
	}
	if len(parts) != 3 || !isToken(parts[0]) || !strings.EqualFold(parts[2], "SIP/2.0") {
		return "", sip.Uri{}, bad(badStartLine, "Bad Request Line")
	}
	uri, err := parseURI(parts[1])
	if err != nil || len(uri.Headers) > 0 { // RFC 3261 section 19.1.1: no headers in a Request-URI
		return "", sip.Uri{}, bad(badRequestURI, "Bad Request URI")
	}
	return sip.RequestMethod(parts[0]), uri, nil
}

// isStatusLine checks SIP-Version SP Status-Code SP Reason-Phrase (RFC 3261 section 7.2); the phrase may be empty.
func isStatusLine(line string) bool {
	if !hasPrefixFold(line, "SIP/2.0 ") {
		return false
	}
	code, _, ok := strings.Cut(line[len("SIP/2.0 "):], " ")
	return ok && len(code) == 3 && code[0] >= '1' && code[0] <= '6' && isDigit(code[1]) && isDigit(code[2])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// countHeaders checks which headers are there, and how often.
func countHeaders(m *message) *fault {
	for _, name := range mandatory {
		if _, ok := m.first(name); !ok {
			return bad(missingHeader, "Missing "+plainName(name))
		}
	}
	for _, name := range single {
		n := 0
		for i := range m.fields {
			if m.fields[i].name == name {
				n++
			}
		}
		if n > 1 {
			return bad(repeatedHeader, "Repeated "+plainName(name))
		}
	}
	return nil
}

// plainName makes a header name fit for a reason phrase, in which dialers tolerate letters, digits, space, dot and underscore only.
func plainName(header string) string { return strings.ReplaceAll(header, "-", " ") }
