package signaling

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/call"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The remotes of these tests write their SIP by hand and speak it over UDP on
// loopback addresses of their own.
const (
	dialerIP  = "127.0.11.1"
	carrierIP = "127.0.11.2"
	serverIP  = "127.0.11.9"
	mediaIP   = "127.0.11.8"
)

// remote is one hand-written user agent.
type remote struct {
	t    testing.TB
	name string
	conn *net.UDPConn
	to   netip.AddrPort
	seen []string // everything that came
}

func newRemote(t testing.TB, name, ip string) *remote {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &remote{t: t, name: name, conn: conn}
}

func (r *remote) addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// send writes a message; lines end in \n, and Content-Length is filled in.
func (r *remote) send(text string) {
	r.t.Helper()
	head, body, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n\n")
	body = strings.ReplaceAll(body, "\n", "\r\n")
	msg := strings.ReplaceAll(head, "\n", "\r\n") + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := r.conn.WriteToUDPAddrPort([]byte(msg), r.to); err != nil {
		r.t.Fatal(err)
	}
}

// message is what came, taken apart as far as the tests look.
type message struct{ text string }

// want reads until a message whose start line begins so, letting repetitions
// of others pass, and fails after five seconds.
func (r *remote) want(start string) message {
	r.t.Helper()
	buf := make([]byte, 65536)
	_ = r.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	var others []string
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			r.t.Fatalf("%s waits for %q: %v; came: %q", r.name, start, err, others)
		}
		r.to = from
		text := string(buf[:n])
		r.seen = append(r.seen, text)
		if strings.HasPrefix(text, start) {
			return message{text}
		}
		others = append(others, strings.SplitN(text, "\r\n", 2)[0])
	}
}

// header gives the first value of a header.
func (m message) header(name string) string {
	found := regexp.MustCompile(`(?im)^` + name + `: *(.*?)\r$`).FindStringSubmatch(m.text)
	if found == nil {
		return ""
	}
	return found[1]
}

// uri is that of a request.
func (m message) uri() string { return strings.Fields(m.text)[1] }

func (m message) body() string {
	_, body, _ := strings.Cut(m.text, "\r\n\r\n")
	return body
}

// answer writes a response to a request that came.
func (r *remote) answer(req message, status, tag, extra, body string) {
	r.t.Helper()
	to := req.header("To")
	if tag != "" && !strings.Contains(to, "tag=") {
		to += ";tag=" + tag
	}
	r.send(fmt.Sprintf("SIP/2.0 %s\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\nContact: <sip:b@%s>\n%s", status,
		req.header("Via"), req.header("From"), to, req.header("Call-ID"), req.header("CSeq"), r.addr(), extra) + "\n" + body)
}

// fixture is a server between a dialer and a carrier.
type fixture struct {
	*Server
	dialer, carrier *remote
	logs            *logBuffer
	registry        *prometheus.Registry
	faulty          atomic.Bool // the next call runs into a fault of ours
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFixture(t testing.TB, edit func(*Config)) *fixture {
	t.Helper()
	return newFixtureOn(t, media.Config{Ports: media.PortRange{Min: 42000, Max: 42399}, Workers: 1}, edit)
}

func newFixtureOn(t testing.TB, audio media.Config, edit func(*Config)) *fixture {
	t.Helper()
	f := &fixture{dialer: newRemote(t, "dialer", dialerIP), carrier: newRemote(t, "carrier", carrierIP), logs: &logBuffer{}, registry: prometheus.NewPedanticRegistry()}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(f.logs, testWriter(t)), &slog.HandlerOptions{Level: slog.LevelDebug}))
	audio.Log = log
	relay, err := media.New(audio)
	if err != nil {
		t.Fatal(err)
	}
	udp := func(name, ip string, role transport.Role, to netip.AddrPort) *trunk.Trunk {
		return &trunk.Trunk{
			Target:  transport.Target{Trunk: name, Role: role, Proto: transport.UDP, Host: ip, Port: to.Port()},
			Sources: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(ip), 32)}, Media: sdp.Off,
		}
	}
	dialer := udp("dialer1", dialerIP, transport.Dialer, f.dialer.addr())
	carrier := udp("telco", carrierIP, transport.Carrier, f.carrier.addr())
	listen := func(name string, role transport.Role) Listener {
		return Listener{Listener: transport.Listener{
			Name: name, Role: role, Proto: transport.UDP, Address: netip.AddrPortFrom(netip.MustParseAddr(serverIP), 0),
		}}
	}
	cfg := Config{
		Listeners: []Listener{listen("dialers", transport.Dialer), listen("carriers", transport.Carrier)},
		Table: trunk.Table{Trunks: []*trunk.Trunk{dialer, carrier}, Routes: []trunk.Route{
			{From: transport.Dialer, To: trunk.To(carrier)}, {From: transport.Carrier, To: trunk.To(dialer)},
		}},
		Media:     MediaAddresses{V4: netip.MustParseAddr(mediaIP)},
		UserAgent: "callseal",
	}
	if edit != nil {
		edit(&cfg)
	}
	f.Server, err = New(cfg, call.NewRelay(relay), log, NewMetrics(f.registry))
	if err != nil {
		t.Fatal(err)
	}
	house := &f.state().house
	healthy := house.MediaAddress
	house.MediaAddress = func(v6 bool) (netip.Addr, netip.Addr) {
		if f.faulty.Load() {
			panic("a fault made by the test")
		}
		return healthy(v6)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = relay.Run(ctx) })
	running.Go(func() { _ = f.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-relay.Ready()
	<-f.Ready()
	f.dialer.to, f.carrier.to = f.Addr("dialers"), f.Addr("carriers")
	return f
}

func testWriter(t testing.TB) io.Writer {
	if testing.Verbose() {
		return t.Output()
	}
	return io.Discard
}

const offer = `v=0
o=asterisk-user 1 1 IN IP4 127.0.11.1
s=asterisk-session
c=IN IP4 127.0.11.1
t=0 0
m=audio 30000 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
`

const answerSDP = `v=0
o=carrier-user 2 1 IN IP4 127.0.11.2
s=carrier-session
c=IN IP4 127.0.11.2
t=0 0
m=audio 31000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
`

// invite is the dialer's; n makes it another call.
func (f *fixture) invite(n int, extra, body string) string {
	return fmt.Sprintf(`INVITE sip:18005551212@%s SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bKdialer%d;rport
Max-Forwards: 70
From: "V1234567890123456789" <sip:7275551234@%s>;tag=dialertag%d
To: <sip:18005551212@%s>
Call-ID: dialercall%d@%s
CSeq: 102 INVITE
Contact: <sip:7275551234@%s>
User-Agent: Asterisk-secret-version
%sContent-Type: application/sdp

%s`, f.Addr("dialers"), f.dialer.addr(), n, dialerIP, n, f.Addr("dialers"), n, dialerIP, f.dialer.addr(), extra, body)
}

// inDialog writes a request of the dialer in the dialog that res opened.
func (f *fixture) inDialog(method string, seq, n int, res message) string {
	return fmt.Sprintf(`%s sip:18005551212@%s SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bKdialer%d%s;rport
Max-Forwards: 70
From: %s
To: %s
Call-ID: %s
CSeq: %d %s

`, method, f.Addr("dialers"), f.dialer.addr(), n, strings.ToLower(method), res.header("From"), res.header("To"), res.header("Call-ID"), seq, method)
}

// answered sets call n up and gives the dialer's 200 and the carrier's
// INVITE.
func (f *fixture) answered(n int) (ok, invite message) {
	f.dialer.send(f.invite(n, "", offer))
	f.dialer.want("SIP/2.0 100")
	invite = f.carrier.want("INVITE ")
	f.carrier.answer(invite, "180 Ringing", "carriertag", "", "")
	f.dialer.want("SIP/2.0 180")
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", answerSDP)
	f.carrier.want("ACK ")
	ok = f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, n, ok))
	return ok, invite
}

func TestCallEndedByTheCaller(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.dialer.want("SIP/2.0 200")
	bye := f.carrier.want("BYE ")
	f.carrier.answer(bye, "200 OK", "", "", "")
	f.wantIdle(t)
	for _, want := range []string{`msg="call ended"`, "ended_by=dialer1", "outcome=answered", "from=dialer1/7275551234", "to=telco/18005551212"} {
		if !strings.Contains(f.logs.String(), want) {
			t.Errorf("log without %s", want)
		}
	}
}

func TestCallEndedByTheCarrier(t *testing.T) {
	f := newFixture(t, nil)
	_, invite := f.answered(1)
	f.carrier.send(fmt.Sprintf("BYE sip:x@%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKcarrierbye\nMax-Forwards: 70\nFrom: %s;tag=carriertag\nTo: %s\nCall-ID: %s\nCSeq: 1 BYE\nReason: Q.850;cause=16\n\n",
		f.Addr("carriers"), f.carrier.addr(), invite.header("To"), invite.header("From"), invite.header("Call-ID")))
	f.carrier.want("SIP/2.0 200")
	bye := f.dialer.want("BYE ")
	if got := bye.header("Reason"); got != "Q.850;cause=16" {
		t.Errorf("Reason %q", got)
	}
	f.dialer.answer(bye, "200 OK", "", "", "")
	f.wantIdle(t)
}

// wantIdle waits until no call is left.
func (f *fixture) wantIdle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := f.waitIdle(ctx); err != nil {
		t.Errorf("%d calls are left", f.Calls())
	}
}

// No address, tag, Call-ID, branch, name or session identity of one leg shows
// on the other.
func TestTopologyIsHidden(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	for _, c := range []struct {
		at     *remote
		secret []string
	}{
		{f.carrier, []string{dialerIP, "dialertag", "dialercall", "z9hG4bKdialer", "asterisk-user", "asterisk-session", "V12345", "Asterisk-secret"}},
		{f.dialer, []string{carrierIP, "carriertag", "carrier-user", "carrier-session"}},
	} {
		for _, text := range c.at.seen {
			for _, secret := range c.secret {
				if strings.Contains(text, secret) {
					t.Errorf("%s sees %s in\n%s", c.at.name, secret, text)
				}
			}
		}
		if len(c.at.seen) < 3 {
			t.Errorf("%s saw only %d messages", c.at.name, len(c.at.seen))
		}
	}
}

func TestWhatTheCarrierSaysReachesTheDialer(t *testing.T) {
	for _, c := range []struct{ status, extra, want, reason string }{
		{"486 Busy Here", "Reason: Q.850;cause=17\n", "SIP/2.0 486 Busy Here\r\n", "Q.850;cause=17"},
		{"404 It's -----gone", "", "SIP/2.0 404 It s gone\r\n", ""},
		{"503 Service Unavailable", "", "SIP/2.0 503 Service Unavailable\r\n", ""},
		{"603 Decline", "", "SIP/2.0 603 Decline\r\n", ""},
		{"302 Moved Temporarily", "", "SIP/2.0 503 telco redirects and that is not followed\r\n", ""},
		{"407 Proxy Authentication Required", "", "SIP/2.0 503 telco asks for a password\r\n", ""},
	} {
		t.Run(c.status, func(t *testing.T) {
			f := newFixture(t, nil)
			f.dialer.send(f.invite(1, "", offer))
			f.carrier.answer(f.carrier.want("INVITE "), c.status, "carriertag", c.extra, "")
			f.carrier.want("ACK ")
			got := f.dialer.want(c.want)
			if got.header("Reason") != c.reason {
				t.Errorf("Reason %q", got.header("Reason"))
			}
			f.dialer.send(f.inDialog("ACK", 102, 1, got))
			f.wantIdle(t)
		})
	}
}

func TestCancel(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.invite(1, "", offer))
	invite := f.carrier.want("INVITE ")
	f.carrier.answer(invite, "180 Ringing", "carriertag", "", "")
	f.dialer.want("SIP/2.0 180")
	f.dialer.send(strings.Replace(strings.Replace(f.invite(1, "", ""), "INVITE", "CANCEL", 2), "Content-Type: application/sdp\n", "", 1))
	f.dialer.want("SIP/2.0 200")
	terminated := f.dialer.want("SIP/2.0 487")
	f.dialer.send(f.inDialog("ACK", 102, 1, terminated))
	cancel := f.carrier.want("CANCEL ")
	f.carrier.answer(cancel, "200 OK", "carriertag", "", "")
	f.carrier.answer(invite, "487 Request Terminated", "carriertag", "", "")
	f.carrier.want("ACK ")
	f.wantIdle(t)
}

func TestRefusals(t *testing.T) {
	off := func(c *Config) { c.Table.Routes = nil }
	sealed := func(c *Config) { c.Table.Trunks[0].Media, c.Table.Trunks[0].Suites = sdp.Required, sdp.Suites() }
	stranger := func(c *Config) { c.Table.Trunks[0].Sources = nil }
	full := func(c *Config) { c.Limits.Calls = -1 }
	nobody := func(c *Config) { // nothing listens there: refused at once
		t := &c.Table.Trunks[1].Target
		t.Proto, t.Host, t.Port = transport.TCP, "127.0.11.77", 1
	}
	for _, c := range []struct {
		name  string
		edit  func(*Config)
		extra string
		body  string
		want  string
	}{
		{"no route", off, "", offer, "SIP/2.0 503 SBC has no route for dialer1"},
		{"unknown source", stranger, "", offer, "SIP/2.0 403 SBC does not know this address"},
		{"plain offer where SRTP is required", sealed, "", offer, "SIP/2.0 488 dialer1 offered no SRTP but it is required"},
		{"audio by IPv6 only", nil, "", strings.Replace(offer, "IN IP4 127.0.11.1\nt=", "IN IP6 ::1\nt=", 1), "SIP/2.0 488 dialer1 wants audio by another IP version"},
		{"call limit", full, "", offer, "SIP/2.0 503 SBC call limit reached"},
		{"carrier unreachable", nobody, "", offer, "SIP/2.0 503 "},
		{"no hops left", nil, "", offer, "SIP/2.0 483 Too Many Hops"},
		{"unknown extension", nil, "Require: teleport\n", offer, "SIP/2.0 420"},
		{"only another body", nil, "Accept: text/plain\n", offer, "SIP/2.0 406"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.edit)
			text := f.invite(1, c.extra, c.body)
			if c.name == "no hops left" {
				text = strings.Replace(text, "Max-Forwards: 70", "Max-Forwards: 0", 1)
			}
			f.dialer.send(text)
			got := f.dialer.want(c.want)
			f.dialer.send(f.inDialog("ACK", 102, 1, got))
			f.wantIdle(t)
		})
	}
}

// The same INVITE by two ways is a loop (RFC 3261 section 8.2.2.2).
func TestMergedRequests(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.invite(1, "", offer))
	f.carrier.want("INVITE ")
	f.dialer.send(strings.Replace(f.invite(1, "", offer), "branch=z9hG4bKdialer1", "branch=z9hG4bKotherway", 1))
	f.dialer.want("SIP/2.0 482")
	if n := f.Calls(); n != 1 {
		t.Errorf("%d calls, want one", n)
	}
}

func TestCarrierAnswersNothingUsable(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Table.Trunks[1].Media, c.Table.Trunks[1].Suites = sdp.Required, sdp.Suites()[:1] })
	f.dialer.send(f.invite(1, "", offer))
	invite := f.carrier.want("INVITE ")
	if !strings.Contains(invite.body(), "RTP/SAVP") || !strings.Contains(invite.body(), "a=crypto:1 ") {
		t.Errorf("offer to a sealed carrier:\n%s", invite.body())
	}
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", answerSDP)
	f.carrier.want("ACK ")
	f.dialer.want("SIP/2.0 503 telco")
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

func TestOptionsAndStrangersInADialog(t *testing.T) {
	f := newFixture(t, nil)
	ask := func(method, to string) {
		f.dialer.send(fmt.Sprintf("%s sip:%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\nMax-Forwards: 70\nFrom: <sip:a@x>;tag=1\nTo: %s\nCall-ID: q%s\nCSeq: 1 %s\n\n",
			method, f.Addr("dialers"), f.dialer.addr(), method, to, method, method))
	}
	ask("OPTIONS", "<sip:x>")
	if got := f.dialer.want("SIP/2.0 200"); got.header("Allow") == "" {
		t.Error("200 to OPTIONS without Allow")
	}
	ask("BYE", "<sip:x>;tag=nobody")
	f.dialer.want("SIP/2.0 481")
	ask("REGISTER", "<sip:x>")
	f.dialer.want("SIP/2.0 405")
	ask("TELEPORT", "<sip:x>")
	f.dialer.want("SIP/2.0 501")
}

// A fault in one call ends that call, not the one beside it.
func TestAPanicEndsOneCall(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	f.faulty.Store(true)
	f.dialer.send(f.invite(2, "", offer))
	got := f.dialer.want("SIP/2.0 503 SBC internal fault")
	f.dialer.send(f.inDialog("ACK", 102, 2, got))
	f.faulty.Store(false)
	for end := time.Now().Add(5 * time.Second); f.Calls() != 1; runtime.Gosched() { // the answer leaves before the call is forgotten
		if time.Now().After(end) {
			t.Fatalf("%d calls, want the first one", f.Calls())
		}
	}
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.wantIdle(t)
}

func TestShutdownHangsUp(t *testing.T) {
	f := newFixture(t, nil)
	f.answered(1)
	f.each(func(c *call.Call) { c.End("SBC is shutting down") })
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.answer(f.dialer.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

func TestDrainRefusesNewCalls(t *testing.T) {
	f := newFixture(t, nil)
	if err := f.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.dialer.send(f.invite(1, "", offer))
	got := f.dialer.want("SIP/2.0 503 SBC takes no new calls")
	f.dialer.send(f.inDialog("ACK", 102, 1, got))
}
