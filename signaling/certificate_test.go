package signaling

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// selfSigned is a certificate that is its own CA.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// Who a dialer is, by its certificate and its address.
func TestCertificateIdentifies(t *testing.T) {
	ours, theirs, others := selfSigned(t, "us.example"), selfSigned(t, "dialer2.example"), selfSigned(t, "dialer2.example")
	roots := x509.NewCertPool()
	roots.AddCert(theirs.Leaf)
	const listed, elsewhere = "127.0.12.7", "127.0.12.8"
	for _, c := range []struct {
		name     string
		required bool
		sources  string // "": none
		from     string
		shows    *tls.Certificate
		known    bool
	}{
		{"the certificate alone", false, "", elsewhere, &theirs, true},
		{"the certificate from another address than usual", false, listed, elsewhere, &theirs, true},
		{"the address alone", false, listed, listed, nil, true},
		{"neither", false, listed, elsewhere, nil, false},
		{"a certificate of another CA", false, "", elsewhere, &others, false},
		{"required, and it is there", true, listed, listed, &theirs, true},
		{"required, and there are no addresses", true, "", elsewhere, &theirs, true},
		{"required, and the address is not enough", true, listed, listed, nil, false},
		{"required, and from elsewhere", true, listed, elsewhere, &theirs, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(cfg *Config) {
				l := cfg.Listeners[0]
				l.Name, l.Proto = "sealed", transport.TLS
				l.TLS = &tls.Config{Certificates: []tls.Certificate{ours}, ClientAuth: tls.RequestClientCert}
				cfg.Listeners = append(cfg.Listeners, l)
				dialer := &trunk.Trunk{Target: transport.Target{Trunk: "dialer2", Role: transport.Dialer, Proto: transport.TLS, Host: "dialer2.example",
					TLS: &transport.ClientTLS{Roots: roots}}, Certificate: trunk.Certificate{Name: "dialer2.example", Required: c.required}}
				if c.sources != "" {
					dialer.Sources = []netip.Prefix{netip.MustParsePrefix(c.sources + "/32")}
				}
				cfg.Table.Trunks = append(cfg.Table.Trunks, dialer)
			})
			config := &tls.Config{InsecureSkipVerify: true} // the server is not what is looked at
			if c.shows != nil {
				config.Certificates = []tls.Certificate{*c.shows}
			}
			d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 0))}, Config: config}
			conn, err := d.DialContext(t.Context(), "tcp", f.Addr("sealed").String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			invite := strings.ReplaceAll(strings.Replace(f.invite(1, "Content-Length: 0\n", ""), "SIP/2.0/UDP", "SIP/2.0/TLS", 1), "\n", "\r\n")
			if _, err := conn.Write([]byte(invite)); err != nil {
				t.Fatal(err)
			}
			got, err := bufio.NewReader(conn).ReadString('\n')
			want := "SIP/2.0 403"
			if c.known {
				want = "SIP/2.0 100"
			}
			if err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("answered %q, %v, want %s", got, err, want)
			}
			if byCertificate := c.known && c.shows != nil; byCertificate && !f.Exempt(netip.MustParseAddr(c.from)) {
				t.Error("a trunk that has shown its certificate could be banned")
			}
		})
	}
}
