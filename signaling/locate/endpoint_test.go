package locate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// deaf is a handler to whom nobody speaks.
type deaf struct{}

func (deaf) Request(*transport.ServerTx)              {}
func (deaf) Ack(*sip.Request, *transport.Flow)        {}
func (deaf) Cancel(*transport.ServerTx, *sip.Request) {}
func (deaf) Closed(*transport.Flow, error)            {}

// newEndpoint runs one that finds its servers by r.
func newEndpoint(t *testing.T, r transport.Resolver) *transport.Endpoint {
	t.Helper()
	e, err := transport.New(transport.Config{Handler: deaf{}, Log: slog.New(slog.DiscardHandler), Resolver: r})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-e.Ready()
	return e
}

// certified is a certificate that signs itself.
func certified(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true}
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

// sipServer takes TLS connections and counts the handshakes that hold.
func sipServer(t *testing.T, c tls.Certificate) (port uint16, shaken chan string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
	if err != nil {
		t.Fatal(err)
	}
	shaken = make(chan string, 16)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = raw.Close() }()
				if raw.(*tls.Conn).Handshake() == nil {
					shaken <- raw.(*tls.Conn).ConnectionState().ServerName
				}
				_, _ = raw.Read(make([]byte, 4096)) // until it is closed, or the first request
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), shaken
}

// A trunk whose uri is a domain: DNS says which machines, but none of them is taken for the domain that does not prove to be it.
func TestDNSDoesNotProveWhoIsWho(t *testing.T) {
	ours, theirs := certified(t, "carrier.example"), certified(t, "server.evil.example")
	good, shaken := sipServer(t, ours)
	evil, _ := sipServer(t, theirs)
	s := newNameServer(t, fmt.Sprintf(`
carrier.example. 60 IN SOA ns.carrier.example. admin.carrier.example. 1 3600 600 86400 30
carrier.example. 60 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.carrier.example.
_sips._tcp.carrier.example. 60 IN SRV 10 0 %d server.evil.example.
_sips._tcp.carrier.example. 60 IN SRV 20 0 1 server.carrier.example.
_sips._tcp.carrier.example. 60 IN SRV 30 0 %d server.carrier.example.
server.evil.example. 60 IN A 127.0.0.1
server.carrier.example. 60 IN A 127.0.0.1
`, evil, good))
	e := newEndpoint(t, newLookups(t, Config{}, s))
	roots := x509.NewCertPool()
	roots.AddCert(ours.Leaf)
	roots.AddCert(theirs.Leaf)
	send := func(trunk string, to transport.Target) error {
		to.Trunk = trunk
		failed := make(chan error, 1)
		req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: "carrier.example"})
		for _, h := range []string{"From: <sip:a@b>;tag=1", "To: <sip:c@d>", "Call-ID: " + trunk, "CSeq: 1 OPTIONS", "Max-Forwards: 70"} {
			name, value, _ := strings.Cut(h, ": ")
			req.AppendHeader(sip.NewHeader(name, value))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e.Send(ctx, transport.Outgoing{Request: req, Hop: transport.Hop{Target: &to}, Each: func(r transport.Result) { failed <- r.Err }})
		return <-failed
	}
	target := transport.Target{Role: transport.Carrier, Proto: transport.TLS, Host: "carrier.example", TLS: &transport.ClientTLS{Roots: roots}}
	_ = send("carrier", target) // the server reads it and hangs up
	if sni := <-shaken; sni != "carrier.example" {
		t.Errorf("asked for %q", sni)
	}
	s.serve(t, fmt.Sprintf(`
forged.example. 60 IN SOA ns.forged.example. admin.forged.example. 1 3600 600 86400 30
_sips._tcp.forged.example. 60 IN SRV 10 0 %d server.evil.example.
server.evil.example. 60 IN A 127.0.0.1
`, evil))
	target.Host = "forged.example"
	var f *transport.Failure
	if err := send("forged", target); !errors.As(err, &f) || f.Cause != transport.CauseNameMismatch {
		t.Errorf("taken for the domain: %v", err)
	}
}
