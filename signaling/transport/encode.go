package transport

import (
	"bytes"

	"github.com/emiago/sipgo/sip"
)

// encode writes a message as octets. It refuses one whose headers hold line breaks: sipgo writes header values as they are, so a value taken
// from elsewhere could smuggle a header in.
func encode(msg sip.Message) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(1024 + len(msg.Body()))
	msg.StringWrite(&b)
	head := b.Bytes()[:b.Len()-len(msg.Body())]
	lines := 2 // start line and empty line
	switch m := msg.(type) {
	case *sip.Request:
		lines += len(m.Headers())
	case *sip.Response:
		lines += len(m.Headers())
	}
	if bytes.Count(head, []byte{'\n'}) != lines || bytes.Count(head, []byte{'\r'}) != lines {
		return nil, ErrInjection
	}
	return b.Bytes(), nil
}

// setLength makes Content-Length true: SIP over a stream cannot do without it (RFC 3261 section 18.3).
func setLength(msg sip.Message) { msg.SetBody(msg.Body()) }
