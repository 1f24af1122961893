package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callseal/bench"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files are a CA, a certificate and its key, as an administrator has them.
type files struct{ ca, certificate, key string }

func writeFiles(t *testing.T) files {
	t.Helper()
	ca, err := bench.NewAuthority("smoke test CA")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("smoke.test", netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := files{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for name, text := range map[string][]byte{
		f.ca:          ca.PEM(),
		f.certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		f.key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// The smoke test calls its own answerer directly: there is no server that
// could seal anything, and over TLS it must notice.
func TestSmoke(t *testing.T) {
	own, other := writeFiles(t), writeFiles(t)
	for _, row := range []struct {
		name   string
		change func(c *smokeCmd, answerer string)
		want   error
		text   string // in the output, or in the error
	}{
		{"tcp", func(c *smokeCmd, a string) {
			c.Target, c.Answer = "sip:"+a+";transport=tcp", "tcp://"+a
		}, nil, "2 answered, 0 busy, 0 cancelled, 0 failed"},
		{"plain RTP over tcp", func(c *smokeCmd, a string) {
			c.Target, c.Answer = "sip:"+a+";transport=tcp", "tcp://"+a
			c.PlainCaller, c.PlainAnswer = true, true
		}, nil, "plain RTP"},
		{"nothing re-encrypts", func(*smokeCmd, string) {}, errFaults, "the same bytes on both legs"},
		{"SRTP refused", func(c *smokeCmd, _ string) { c.PlainAnswer = true }, errFaults, "488"},
		{"unreachable", func(c *smokeCmd, _ string) { c.Target = "sips:" + freePort(t) }, bench.ErrUnreachable, "refused"},
		{"another CA", func(c *smokeCmd, _ string) { c.CA = other.ca }, bench.ErrCertificate, "not signed by the given CA"},
		{"another name", func(c *smokeCmd, _ string) { c.ServerName = "other.test" }, bench.ErrCertificate, "not made out for other.test"},
		{"no CA file", func(c *smokeCmd, _ string) { c.CA = "missing.pem" }, os.ErrNotExist, "missing.pem"},
		{"CA file without a certificate", func(c *smokeCmd, _ string) { c.CA = own.key }, errNoPEM, "--ca "},
		{"answerer without certificate", func(c *smokeCmd, _ string) { c.Key = "" }, bench.ErrIdentity, "give its certificate and key"},
		{"bad target", func(c *smokeCmd, _ string) { c.Target = "127.0.0.1:5061" }, bench.ErrTarget, "sips:"},
		{"bad answer address", func(c *smokeCmd, _ string) { c.Answer = "tls://0.0.0.0:5061" }, bench.ErrTarget, "--answer"},
		{"bad answer transport", func(c *smokeCmd, _ string) { c.Answer = "ws://127.0.0.1:5061" }, bench.ErrTarget, "--answer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answerer := freePort(t)
			c := smokeCmd{
				ends: ends{
					Target: "sips:" + answerer, CA: own.ca, Certificate: own.certificate, Key: own.key, Number: "1555",
				},
				Answer: "tls://" + answerer, Calls: 2, Duration: 100 * time.Millisecond,
			}
			row.change(&c, answerer)
			var out bytes.Buffer
			err := c.run(t.Context(), &out)
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Fatalf("error %v; want %v", err, row.want)
			}
			if text := out.String() + fmt.Sprint(err); !strings.Contains(text, row.text) {
				t.Errorf("no %q in:\n%s", row.text, text)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is more than a line: %v", err)
			}
		})
	}
}
