package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a throw-away certificate authority of one test.
type authority struct {
	dir  string
	file string // its certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// identity is one party's certificate and key.
type identity struct {
	cert, key, both string // PEM files; Asterisk's chan_sip wants both in one
}

// newAuthority makes an authority that only the files of this test trust.
func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: filepath.Join(t.ArtifactDir(), "tls", name), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = write(t, filepath.Join(a.dir, "ca.pem"), pemText("CERTIFICATE", der))
	return a
}

// issue makes a certificate for a name and an address. The address is also its CN: chan_sip compares that with host=, but never an
// IP SAN.
func (a *authority) issue(t *testing.T, name string, addr netip.Addr) identity {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: addr.String()},
		DNSNames:     []string{name},
		IPAddresses:  []net.IP{addr.AsSlice()},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, private := pemText("CERTIFICATE", der), pemText("PRIVATE KEY", secret)
	return identity{
		cert: write(t, filepath.Join(a.dir, name+".crt"), cert),
		key:  secretFile(t, filepath.Join(a.dir, name+".key"), private),
		both: secretFile(t, filepath.Join(a.dir, name+".pem"), cert+private),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pemWidth is the length of a full line of base64 in PEM.
const pemWidth = 64

// secretFile makes a file that only its owner reads, and has the sweep look for its key.
func secretFile(t *testing.T, path, text string) string {
	t.Helper()
	write(t, path, text)
	if block, rest := pem.Decode([]byte(text)); block != nil && block.Type != "PRIVATE KEY" {
		text = string(rest)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); len(line) == pemWidth {
			collected.secret(line, "a TLS key")
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
