package transport

import (
	"bytes"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// writing are the buffers that messages are written into. Who takes one gives it back when the octets have been sent or copied.
var writing = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// encode writes a message as octets into a buffer, in the place of what is there. It refuses one whose headers hold line breaks: sipgo writes header values as they are, so a value taken
// from elsewhere could smuggle a header in.
func encode(b *bytes.Buffer, msg sip.Message) error {
	b.Reset()
	b.Grow(1024 + len(msg.Body()))
	msg.StringWrite(b)
	head := b.Bytes()[:b.Len()-len(msg.Body())]
	lines := 2 // start line and empty line
	switch m := msg.(type) {
	case *sip.Request:
		lines += len(m.Headers())
	case *sip.Response:
		lines += len(m.Headers())
	}
	if bytes.Count(head, []byte{'\n'}) != lines || bytes.Count(head, []byte{'\r'}) != lines {
		return ErrInjection
	}
	return nil
}

// setLength makes Content-Length true: SIP over a stream cannot do without it (RFC 3261 section 18.3).
func setLength(msg sip.Message) { msg.SetBody(msg.Body()) }
