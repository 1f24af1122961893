package transport

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
)

// A TLS 1.3 client that refuses our certificate says so in an alert that nothing
// encrypts, where its library is OpenSSL: it has not changed its keys yet.
// crypto/tls takes that for a forged record and knows of no alert. So a listener
// keeps the last octets of a handshake, and looks for itself.

// lastWords is a connection that knows how what was read of it ended. One
// goroutine reads.
type lastWords struct {
	net.Conn
	tail [alertSize]byte
}

// alertSize is that of a record with an alert in the clear (RFC 8446 sections
// 5.1 and 6): type, version, length; level, description. An encrypted one is longer.
const alertSize = 7

// Read is that of the connection.
func (c *lastWords) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n >= alertSize {
		copy(c.tail[:], p[n-alertSize:n])
	} else if n > 0 {
		copy(c.tail[:], c.tail[n:])
		copy(c.tail[alertSize-n:], p[:n])
	}
	return n, err
}

// hear gives the alert that a handshake ended with, where it failed because of
// one in the clear; else its error.
func (c *lastWords) hear(err error) error {
	const record, fatal = 21, 2
	if t := c.tail; strings.Contains(err.Error(), "bad record MAC") && t[0] == record && t[1] == 3 && t[3] == 0 && t[4] == 2 && t[5] == fatal {
		return fmt.Errorf("remote error: %w", tls.AlertError(t[6]))
	}
	return err
}
