package bench

import (
	"bytes"
	"net"
	"sync/atomic"
)

// Wire is what was seen of an endpoint's SIP on the wire itself, below TLS.
type Wire struct {
	BytesIn, BytesOut uint64
	Readable          uint64 // bytes that arrived or left in segments which read as SIP or held an SRTP key
}

// Plus sums up two endpoints.
func (w Wire) Plus(o Wire) Wire {
	return Wire{w.BytesIn + o.BytesIn, w.BytesOut + o.BytesOut, w.Readable + o.Readable}
}

// meter counts the bytes of an endpoint's sockets and looks for plain text.
type meter struct{ in, out, readable atomic.Uint64 }

func (m *meter) wire() Wire {
	return Wire{BytesIn: m.in.Load(), BytesOut: m.out.Load(), Readable: m.readable.Load()}
}

// telltales are in every SIP message, and in every SDES key.
var telltales = [][]byte{[]byte("SIP/2.0"), []byte("inline:")}

// tailLength keeps the end of a segment, in case a telltale is cut in two.
const tailLength = 6

// scanner looks through one direction of one connection.
type scanner struct{ tail []byte }

func (s *scanner) readable(segment []byte) bool {
	joined := append(s.tail, segment[:min(len(segment), tailLength)]...)
	found := false
	for _, t := range telltales {
		found = found || bytes.Contains(segment, t) || bytes.Contains(joined, t)
	}
	if len(segment) >= tailLength {
		s.tail = append(s.tail[:0], segment[len(segment)-tailLength:]...)
	} else {
		s.tail = append(s.tail[:0], joined[max(0, len(joined)-tailLength):]...)
	}
	return found
}

// meteredConn is a socket under TLS (or plain). Reads and writes are each
// from one goroutine at a time, as crypto/tls does it.
type meteredConn struct {
	net.Conn
	meter   *meter
	in, out scanner
}

// Read counts what comes from the wire.
func (c *meteredConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.meter.in.Add(uint64(n))
	if n > 0 && c.in.readable(b[:n]) {
		c.meter.readable.Add(uint64(n))
	}
	return n, err
}

// Write counts what goes to the wire.
func (c *meteredConn) Write(b []byte) (int, error) {
	c.meter.out.Add(uint64(len(b)))
	if c.out.readable(b) {
		c.meter.readable.Add(uint64(len(b)))
	}
	return c.Conn.Write(b)
}
