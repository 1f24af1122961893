package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// now is the day of every test that looks at certificates.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memFiles are files in memory, by absolute or relative name.
type memFiles fstest.MapFS

func (m memFiles) name(s string) string { return strings.TrimPrefix(s, "/") }

func (m memFiles) ReadFile(name string) ([]byte, error) {
	if f := m[m.name(name)]; f != nil && f.Mode == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return fstest.MapFS(m).ReadFile(m.name(name))
}

func (m memFiles) Stat(name string) (fs.FileInfo, error) { return fstest.MapFS(m).Stat(m.name(name)) }

func (m memFiles) put(name string, mode fs.FileMode, data []byte) {
	m[m.name(name)] = &fstest.MapFile{Data: data, Mode: mode}
}

// newCertificate makes a self-signed certificate and its key in PEM.
func newCertificate(t testing.TB, from, to time.Time) (certificate, key []byte) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "callseal test"}, DNSNames: []string{"sbc.example.com"},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// goodFiles are the files that reference.yml, minimal.yml and the tests name,
// good and bad.
func goodFiles(t testing.TB) memFiles {
	t.Helper()
	const day = 24 * time.Hour
	m := memFiles{}
	cert, key := newCertificate(t, now.Add(-day), now.Add(365*day))
	ca, _ := newCertificate(t, now.Add(-day), now.Add(365*day))
	_, otherKey := newCertificate(t, now.Add(-day), now.Add(365*day))
	expired, expiredKey := newCertificate(t, now.Add(-9*day), now.Add(-day))
	soon, soonKey := newCertificate(t, now.Add(-9*day), now.Add(3*day))
	early, earlyKey := newCertificate(t, now.Add(day), now.Add(9*day))
	for dir := range strings.SplitSeq("/etc/callseal/ /secrets/ ", " ") {
		m.put(dir+"callseal.pem", 0o644, cert)
		m.put(dir+"callseal.key", 0o600, key)
		m.put(dir+"dialers-ca.pem", 0o644, ca)
		m.put(dir+"ca.pem", 0o644, ca)
	}
	for name, text := range map[string]string{"etc/callseal/101.password": "PRIVATE one\n", "etc/callseal/database.password": "PRIVATE two",
		"101.password": "PRIVATE one\n", "two.password": "PRIVATE\nPRIVATE\n", "empty.password": "\n"} {
		m.put(name, 0o600, []byte(text))
	}
	m.put("open.password", 0o644, []byte("PRIVATE"))
	m.put("open.key", 0o644, key)
	m.put("locked.key", 0, key)
	m.put("other.key", 0o600, otherKey)
	m.put("expired.pem", 0o644, expired)
	m.put("expired.key", 0o600, expiredKey)
	m.put("soon.pem", 0o644, soon)
	m.put("soon.key", 0o600, soonKey)
	m.put("early.pem", 0o644, early)
	m.put("early.key", 0o600, earlyKey)
	m.put("bundle.pem", 0o644, append(append([]byte("# an old CA and its successor\n"), expired...), ca...))
	m.put("token", 0o600, []byte("PRIVATE0123456789abcdef\n"))
	m.put("short.token", 0o644, []byte("PRIVATE\n"))
	m.put("two.token", 0o600, []byte("PRIVATE0123456789abcdef PRIVATE\n"))
	m.put("text.pem", 0o600, []byte("hello\n"))
	m.put("text.txt", 0o644, []byte("hunter2\n"))
	return m
}
