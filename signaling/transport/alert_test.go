package transport

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
)

// clearTeller is a client's connection whose first words are its own; in the
// place of the next ones it says what OpenSSL says when it refuses a server's
// certificate.
type clearTeller struct {
	net.Conn
	said  bool
	words [][]byte
}

func (c *clearTeller) Write(p []byte) (int, error) {
	if !c.said {
		c.said = true
		return c.Conn.Write(p)
	}
	for _, w := range c.words {
		if _, err := c.Conn.Write(w); err != nil {
			return 0, err
		}
	}
	c.words = nil
	return len(p), nil
}

// TestAlertInTheClear: a phone that does not trust our certificate is named as
// such, whether its TLS library encrypts the alert or not.
func TestAlertInTheClear(t *testing.T) {
	changeCipherSpec := []byte{20, 3, 3, 0, 1, 1}
	alert := func(n byte) []byte { return []byte{21, 3, 3, 0, 2, 2, n} }
	ca := newAuthority(t)
	tests := []struct {
		name  string
		words [][]byte
		cause string
		line  string
	}{
		{"unknown CA", [][]byte{alert(alertUnknownCA)}, "certificate_rejected", "unknown certificate authority"},
		{"in one segment with what goes before", [][]byte{append(changeCipherSpec, alert(alertBadCertificate)...)}, "certificate_rejected", "bad certificate"},
		{"octet by octet", [][]byte{{21}, {3}, {3}, {0}, {2, 2}, {alertExpired}}, "certificate_rejected", "expired certificate"},
		{"no alert at all", [][]byte{{23, 3, 3, 0, 2, 2, alertUnknownCA}}, "other", "bad record MAC"},
		{"a warning", [][]byte{{21, 3, 3, 0, 2, 1, alertUnknownCA}}, "other", "bad record MAC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, Config{Listeners: []Listener{tlsListener(t, ca, Phone)}})
			raw, err := net.Dial("tcp", b.Addr("tls").String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = raw.Close() }()
			if err := tls.Client(&clearTeller{Conn: raw, words: tt.words}, &tls.Config{ServerName: "us.example"}).Handshake(); err == nil {
				t.Fatal("an unknown CA was accepted")
			}
			eventually(t, fmt.Sprintf("%s is counted", tt.cause), func() bool {
				return b.count(t, "callseal_tls_failures_total", "cause="+tt.cause, "stage=handshake") == 1 && strings.Contains(b.log.String(), tt.line)
			})
			if named := strings.Contains(b.log.String(), "peer rejects our certificate"); named != (tt.cause == "certificate_rejected") {
				t.Errorf("the log says %s", b.log.String())
			}
		})
	}
}
