package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	maxMessage   = 65535
	maxLine      = 8192
	writeTimeout = 5 * time.Second
	dialTimeout  = 4 * time.Second
)

// link is a way to a remote: a connection, or a UDP socket and an address.
type link struct {
	proto         Proto
	local, remote netip.AddrPort
	state         *tls.ConnectionState // nil without TLS

	meter  *meter
	stream net.Conn     // tcp, tls: closed by the endpoint
	packet *net.UDPConn // udp: shared by all links of the endpoint
	loss   float64      // udp: of what is sent

	writing sync.Mutex
	lost    chan struct{} // closed by down; nil for udp
	once    sync.Once
	err     error // why; set before lost is closed
}

// write sends one message.
func (l *link) write(message []byte) error {
	if l.packet != nil {
		l.meter.out.Add(uint64(len(message)))
		l.meter.readable.Add(uint64(len(message)))
		if dropped(l.loss) {
			return nil
		}
		_, err := l.packet.WriteToUDPAddrPort(message, l.remote)
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	_ = l.stream.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := l.stream.Write(message)
	return err
}

// dropped draws whether a datagram is lost on purpose.
func dropped(share float64) bool { return share > 0 && rand.Float64() < share }

// dead tells whether a connection is known to be lost.
func (l *link) dead() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

// down marks a connection as dead.
func (l *link) down(err error) {
	l.once.Do(func() {
		l.err = fmt.Errorf("%w: %w", ErrLink, err)
		close(l.lost)
	})
}

// secured is the TLS version's name, or "none".
func (l *link) secured() string {
	if l.state == nil {
		return "none"
	}
	return tls.VersionName(l.state.Version)
}

// incoming is a message with the way it came.
type incoming struct {
	message sip.Message
	link    *link
	at      time.Time
}

// readMessage reads one message from a connection (RFC 3261, section 7.5: line
// ends before the start line are skipped; section 18.3: Content-Length ends
// the body).
func readMessage(r *bufio.Reader, parser *sip.Parser) (sip.Message, error) {
	var head bytes.Buffer
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		blank := len(bytes.TrimRight(line, "\r\n")) == 0
		if blank && head.Len() == 0 {
			continue
		}
		head.Write(line)
		if head.Len() > maxMessage {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrMessage, maxMessage)
		}
		if blank {
			break
		}
		if n, ok := contentLength(line); ok {
			length = n
		}
	}
	if length < 0 || head.Len()+length > maxMessage {
		return nil, fmt.Errorf("%w: body of %d bytes", ErrMessage, length)
	}
	if _, err := io.CopyN(&head, r, int64(length)); err != nil {
		return nil, err
	}
	return parseMessage(parser, head.Bytes())
}

// contentLength reads a Content-Length line, in its short form too; -1 when
// the number is broken.
func contentLength(line []byte) (int, bool) {
	name, value, ok := strings.Cut(string(line), ":")
	name = strings.TrimSpace(name)
	if !ok || !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, "l") {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil {
		return -1, true
	}
	return n, true
}

// parseMessage parses a whole message and demands the headers that the calls
// here rely on (RFC 3261, section 8.1.1).
func parseMessage(parser *sip.Parser, b []byte) (sip.Message, error) {
	m, err := parser.ParseSIP(b)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not parse", ErrMessage) // the parser's error may show the body
	}
	if m.CallID() == nil || m.CSeq() == nil || m.From() == nil || m.To() == nil || m.Via() == nil {
		return nil, fmt.Errorf("%w: a mandatory header is missing", ErrMessage)
	}
	return m, nil
}
