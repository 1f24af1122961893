package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

var loopback = netip.MustParseAddr("127.0.0.1")

// authority is a CA in memory.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

// names is what a certificate of the tests carries.
type names struct {
	cn       string
	dns      []string
	uris     []string
	ips      []string
	from, to time.Duration // validity, from now
	client   bool          // for client authentication only
}

func (a *authority) issue(t testing.TB, n names) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if n.to == 0 {
		n.from, n.to = -time.Hour, time.Hour
	}
	usage := x509.ExtKeyUsageServerAuth
	if n.client {
		usage = x509.ExtKeyUsageClientAuth
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: n.cn},
		NotBefore: time.Now().Add(n.from), NotAfter: time.Now().Add(n.to), DNSNames: n.dns, ExtKeyUsage: []x509.ExtKeyUsage{usage}}
	for _, s := range n.uris {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	for _, s := range n.ips {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(s))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// rsaCertificate is for pbx.example, with an RSA key.
func rsaCertificate(t testing.TB, a *authority) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"pbx.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// recorder is a Handler made of functions; a nil one does nothing.
type recorder struct {
	request func(*ServerTx)
	ack     func(*sip.Request, *Flow)
	cancel  func(*ServerTx, *sip.Request)
	closed  func(*Flow, error)
}

func (r *recorder) Request(tx *ServerTx) {
	if r.request != nil {
		r.request(tx)
	}
}

func (r *recorder) Ack(req *sip.Request, f *Flow) {
	if r.ack != nil {
		r.ack(req, f)
	}
}

func (r *recorder) Cancel(tx *ServerTx, c *sip.Request) {
	if r.cancel != nil {
		r.cancel(tx, c)
	}
}

func (r *recorder) Closed(f *Flow, err error) {
	if r.closed != nil {
		r.closed(f, err)
	}
}

// answerOK answers every request 200.
func answerOK(tx *ServerTx) {
	_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 200, "OK", nil))
}

// bench is an endpoint under test, with its log and metrics.
type bench struct {
	*Endpoint
	log      *lockedBuffer
	registry *prometheus.Registry
	stop     func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs an endpoint until the test ends or stop is called.
func start(t testing.TB, c Config) *bench {
	t.Helper()
	b := &bench{log: &lockedBuffer{}, registry: prometheus.NewRegistry()}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(b.registry)
	}
	if c.Handler == nil {
		c.Handler = &recorder{request: answerOK}
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Endpoint = e
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx; waited for by stop
		defer close(done)
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	<-e.Ready()
	b.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Run did not return")
		}
	})
	t.Cleanup(b.stop)
	return b
}

func at(proto Proto, role Role, name string, config *tls.Config) Listener {
	return Listener{Name: name, Role: role, Proto: proto, Address: netip.AddrPortFrom(loopback, 0), TLS: config}
}

// count gives the sum of a metric's series whose labels contain all of want ("cause=overload").
func (b *bench) count(t testing.TB, metric string, want ...string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			labels := map[string]bool{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()+"="+l.GetValue()] = true
			}
			for _, w := range want {
				if !labels[w] {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) { // real sockets: nobody tells when the condition holds
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

// receive takes from a channel, or fails.
func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}

// caller writes and reads SIP as text, over any connection.
type caller struct {
	net.Conn
	r *bufio.Reader
}

func newCaller(c net.Conn) *caller { return &caller{c, bufio.NewReaderSize(c, 1<<16)} }

// dialCaller connects a caller to a listener of the endpoint.
func dialCaller(t testing.TB, b *bench, listener string, config *tls.Config) *caller {
	t.Helper()
	var c net.Conn
	var err error
	address := b.Addr(listener).String()
	switch {
	case config != nil:
		c, err = tls.Dial("tcp", address, config)
	case strings.HasPrefix(listener, "udp"):
		c, err = net.Dial("udp", address)
	default:
		c, err = net.Dial("tcp", address)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return newCaller(c)
}

// say writes text; line ends may be bare LF in the source.
func (c *caller) say(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c.Conn, crlf(text)); err != nil {
		t.Fatal(err)
	}
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// heard is a message as a caller reads it.
type heard struct {
	start string
	textproto.MIMEHeader
	body string
}

// status is the code of a response, 0 of a request.
func (h heard) status() int {
	if !strings.HasPrefix(h.start, "SIP/2.0 ") {
		return 0
	}
	n, _ := strconv.Atoi(h.start[8:11])
	return n
}

// hear reads one message, within patience.
func (c *caller) hear(t testing.TB) heard {
	t.Helper()
	h, err := c.listen(patience)
	if err != nil {
		t.Fatalf("hear: %v", err)
	}
	return h
}

// listen reads one message, within a time.
func (c *caller) listen(within time.Duration) (heard, error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return heard{}, err
	}
	var lines []string
	for len(lines) == 0 || lines[len(lines)-1] != "" {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return heard{}, err
		}
		if line = strings.TrimRight(line, "\r\n"); line != "" || len(lines) > 0 {
			lines = append(lines, line)
		}
	}
	start, header := lines[0], textproto.MIMEHeader{}
	for _, line := range lines[1 : len(lines)-1] {
		name, value, _ := strings.Cut(line, ":")
		header.Add(name, strings.TrimSpace(value))
	}
	n, _ := strconv.Atoi(header.Get("Content-Length"))
	body := make([]byte, n)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return heard{}, err
	}
	return heard{start, header, string(body)}, nil
}

// closedWithin waits for the end of the connection and says how it came.
func (c *caller) closedWithin(t testing.TB, within time.Duration) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c.r); err != nil {
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			t.Fatalf("connection still open after %s", within)
		}
	}
}

// text makes a request; extra lines end with a line feed each.
func text(method string, proto Proto, callID, branch string, cseq int, extra, body string) string {
	cseqMethod := method
	return crlf(fmt.Sprintf("%s sip:bob@127.0.0.1 SIP/2.0\nVia: SIP/2.0/%s 127.0.0.1:5;branch=%s;rport\nMax-Forwards: 70\n"+
		"From: <sip:alice@127.0.0.1>;tag=a\nTo: <sip:bob@127.0.0.1>\nCall-ID: %s\nCSeq: %d %s\n%sContent-Length: %d\n\n",
		method, proto.Via(), branch, callID, cseq, cseqMethod, extra, len(body))) + body
}

// outgoing makes a request to be sent by Send.
func outgoing(method sip.RequestMethod, callID string) *sip.Request {
	var uri sip.Uri
	if err := sip.ParseUri("sip:bob@example.com", &uri); err != nil {
		panic(err)
	}
	r := sip.NewRequest(method, uri)
	forwards := sip.MaxForwardsHeader(70)
	id := sip.CallIDHeader(callID)
	r.AppendHeader(&forwards)
	r.AppendHeader(&sip.FromHeader{Address: uri, Params: sip.HeaderParams{{K: "tag", V: "f"}}})
	r.AppendHeader(&sip.ToHeader{Address: uri})
	r.AppendHeader(&id)
	r.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: method})
	return r
}

// reply makes a response to a request as a caller heard it.
func reply(h heard, status int, phrase, extra string) string {
	to := h.Get("To")
	if !strings.Contains(to, "tag=") && status > 100 {
		to += ";tag=remote"
	}
	return crlf(fmt.Sprintf("SIP/2.0 %d %s\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\n%sContent-Length: 0\n\n",
		status, phrase, h.Get("Via"), h.Get("From"), to, h.Get("Call-ID"), h.Get("CSeq"), extra))
}

// remote is a listening peer for dialling tests.
type remote struct {
	net.Listener
	accepted chan *caller
}

// listenRemote accepts connections on loopback, with TLS when config is set. The handshake is run before the caller is given out, and a
// failed one is dropped.
func listenRemote(t testing.TB, config *tls.Config) *remote {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{Listener: l, accepted: make(chan *caller, 64)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			if config == nil {
				r.accepted <- newCaller(c)
				continue
			}
			s := tls.Server(c, config)
			if err := s.Handshake(); err != nil {
				_ = c.Close()
				continue
			}
			r.accepted <- newCaller(s)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return r
}

func (r *remote) port() uint16 { return uint16(r.Addr().(*net.TCPAddr).Port) }

// results collects what Each gets.
func results() (func(Result), chan Result) {
	c := make(chan Result, 64)
	return func(r Result) { c <- r }, c
}
