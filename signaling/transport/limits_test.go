package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// short is a deadline that a test waits out.
const short = 150 * time.Millisecond

func tlsListener(t *testing.T, ca *authority, role Role) Listener {
	t.Helper()
	return at(TLS, role, "tls", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"us.example"}})}})
}

func TestConnectionsThatDoNothing(t *testing.T) {
	ca := newAuthority(t)
	client := &tls.Config{RootCAs: ca.pool, ServerName: "us.example"}
	limits := Limits{Handshake: short, FirstRequest: 2 * short, Partial: short}
	tests := []struct {
		name     string
		listener string
		tls      *tls.Config
		say      string
		metric   string
		cause    string
	}{
		{"silent on tcp", "tcp", nil, "", "callseal_connections_closed_total", "cause=first_request_timeout"},
		{"silent after the handshake", "tls", client, "", "callseal_connections_closed_total", "cause=first_request_timeout"},
		{"only keep-alives", "tcp", nil, "\r\n\r\n", "callseal_connections_closed_total", "cause=first_request_timeout"},
		{"half a header", "tcp", nil, "OPTIONS sip:a SIP/2.0\r\nVia: ", "callseal_connections_closed_total", "cause=partial_timeout"},
		{"half a body", "tls", client, "OPTIONS sip:a SIP/2.0\r\nl: 10\r\n\r\n12345", "callseal_connections_closed_total", "cause=partial_timeout"},
		{"no handshake", "tls", nil, "", "callseal_connections_refused_total", "cause=handshake_timeout"},
		{"half a handshake", "tls", nil, "\x16\x03\x01", "callseal_connections_refused_total", "cause=handshake_timeout"},
		{"plain text on the TLS port", "tls", nil, "OPTIONS sip:a SIP/2.0\r\n\r\n", "callseal_tls_failures_total", "cause=plaintext_peer"},
		{"TLS on the plain port", "tcp", nil, "\x16\x03\x01\x02\x00\x01\x00", "callseal_sip_refused_total", "cause=tls_on_plain_port"},
		{"HTTP", "tcp", nil, "GET / HTTP/1.1\r\n", "callseal_sip_refused_total", "cause=not_sip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, Config{Limits: limits, Listeners: []Listener{at(TCP, Dialer, "tcp", nil), tlsListener(t, ca, Dialer)}})
			c := dialCaller(t, b, tt.listener, tt.tls)
			if _, err := io.WriteString(c, tt.say); err != nil {
				t.Fatal(err)
			}
			c.closedWithin(t, patience)
			eventually(t, tt.cause, func() bool { return b.count(t, tt.metric, tt.cause) == 1 })
			eventually(t, "no connection is left", func() bool { return b.count(t, "callseal_connections") == 0 })
		})
	}
}

func TestMisconfiguredPeersAreNamedOnce(t *testing.T) {
	ca := newAuthority(t)
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil), tlsListener(t, ca, Phone)}})
	for range 3 {
		c := dialCaller(t, b, "tls", nil)
		c.say(t, "REGISTER sip:a SIP/2.0\n\n")
		c.closedWithin(t, patience)
		if s, err := tls.Dial("tcp", b.Addr("tls").String(), &tls.Config{ServerName: "us.example"}); err == nil {
			_ = s.Close()
			t.Fatal("an unknown CA was accepted")
		}
		if s, err := tls.Dial("tcp", b.Addr("tcp").String(), &tls.Config{ServerName: "us.example"}); err == nil {
			_ = s.Close()
			t.Fatal("TLS on a plain port")
		}
	}
	eventually(t, "all counted", func() bool {
		return b.count(t, "callseal_tls_failures_total", "cause=plaintext_peer") == 3 &&
			b.count(t, "callseal_tls_failures_total", "cause=certificate_rejected") == 3 &&
			b.count(t, "callseal_sip_refused_total", "cause=tls_on_plain_port") == 3
	})
	for _, line := range []string{"peer speaks plain SIP on a TLS port", "peer rejects our certificate", "peer speaks TLS on a plain port"} {
		if n := strings.Count(b.log.String(), line); n != 1 {
			t.Errorf("%d log lines %q, want 1 per remote and minute", n, line)
		}
	}
}

func TestCaps(t *testing.T) {
	t.Run("per address", func(t *testing.T) {
		b := start(t, Config{Limits: Limits{PerAddress: 2}, Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
		first, second := dialCaller(t, b, "tcp", nil), dialCaller(t, b, "tcp", nil)
		eventually(t, "two connections", func() bool { return b.count(t, "callseal_connections") == 2 })
		dialCaller(t, b, "tcp", nil).closedWithin(t, patience)
		if n := b.count(t, "callseal_connections_refused_total", "cause=address_cap"); n != 1 {
			t.Errorf("counted %v", n)
		}
		other, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", b.Addr("tcp").String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		c := newCaller(other)
		c.say(t, text("OPTIONS", TCP, "other", "z9hG4bKo", 1, "", ""))
		c.hear(t)
		_ = first.Close()
		eventually(t, "room again", func() bool { return b.count(t, "callseal_connections") == 2 })
		second.say(t, text("OPTIONS", TCP, "second", "z9hG4bKs", 1, "", ""))
		second.hear(t)
	})
	t.Run("in all", func(t *testing.T) {
		b := start(t, Config{Limits: Limits{Total: 1}, Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
		dialCaller(t, b, "tcp", nil)
		eventually(t, "one connection", func() bool { return b.count(t, "callseal_connections") == 1 })
		dialCaller(t, b, "tcp", nil).closedWithin(t, patience)
		if n := b.count(t, "callseal_connections_refused_total", "cause=total_cap"); n != 1 {
			t.Errorf("counted %v", n)
		}
	})
}

// TestSlowPeer: a remote that reads nothing loses its connection, and meanwhile another one of the same lanes is answered at once.
func TestSlowPeer(t *testing.T) {
	big := strings.Repeat("x", 4<<10)
	b := start(t, Config{
		Limits:    Limits{Write: 3 * time.Second, WriteQueue: 256 << 10},
		Listeners: []Listener{at(TCP, Dialer, "tcp", nil)},
		Handler: &recorder{request: func(tx *ServerTx) {
			_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 200, "OK", []byte(big)))
		}},
	})
	slow, quick := dialCaller(t, b, "tcp", nil), dialCaller(t, b, "tcp", nil)
	var flood sync.WaitGroup
	flood.Go(func() {
		for i := range 100000 {
			if _, err := io.WriteString(slow, text("OPTIONS", TCP, fmt.Sprintf("slow-%d", i), fmt.Sprintf("z9hG4bKs%d", i), 1, "", "")); err != nil {
				return // closed, as it should be
			}
		}
	})
	worst := time.Duration(0)
	for i := range 200 {
		began := time.Now()
		quick.say(t, text("OPTIONS", TCP, fmt.Sprintf("quick-%d", i), fmt.Sprintf("z9hG4bKq%d", i), 1, "", ""))
		quick.hear(t)
		worst = max(worst, time.Since(began))
	}
	flood.Wait()
	t.Logf("slowest answer to the quick peer: %s", worst)
	if worst > 2*time.Second { // a loaded machine is slow too, but not as slow as a write that has to time out
		t.Errorf("the slow peer held the quick one up for %s", worst)
	}
	eventually(t, "the slow peer's connection is closed", func() bool {
		return b.count(t, "callseal_connections_closed_total", "cause=write_overflow")+
			b.count(t, "callseal_connections_closed_total", "cause=write_timeout") == 1
	})
}

func TestLaneOverload(t *testing.T) {
	release := make(chan struct{})
	b := start(t, Config{
		Limits:    Limits{LaneQueue: 4},
		Listeners: []Listener{at(TCP, Dialer, "tcp", nil)},
		Handler:   &recorder{request: func(tx *ServerTx) { <-release; answerOK(tx) }},
	})
	c := dialCaller(t, b, "tcp", nil)
	for i := range 10 { // one Call-ID, so one lane: one is handled, four wait, the rest is too much
		c.say(t, text("OPTIONS", TCP, "same", fmt.Sprintf("z9hG4bK%d", i), i+1, "", ""))
		if i == 0 {
			time.Sleep(20 * time.Millisecond) // lets the lane take the first one out of its queue
		}
	}
	for range 5 {
		if h := c.hear(t); h.status() != 503 {
			t.Errorf("got %s, want 503", h.start)
		}
	}
	close(release)
	for range 5 {
		if h := c.hear(t); h.status() != 200 {
			t.Errorf("got %s, want 200", h.start)
		}
	}
	if n := b.count(t, "callseal_sip_refused_total", "cause=overload"); n != 5 {
		t.Errorf("counted %v", n)
	}
}

func TestPanicEndsOneMessage(t *testing.T) {
	b := start(t, Config{
		Listeners: []Listener{at(TCP, Dialer, "tcp", nil)},
		Handler: &recorder{request: func(tx *ServerTx) {
			if tx.Request().Method == sip.INFO {
				panic("on purpose")
			}
			answerOK(tx)
		}},
	})
	c := dialCaller(t, b, "tcp", nil)
	c.say(t, text("INFO", TCP, "p", "z9hG4bKp", 1, "", ""))
	if h := c.hear(t); h.status() != 503 {
		t.Errorf("got %s", h.start)
	}
	c.say(t, text("OPTIONS", TCP, "p", "z9hG4bKq", 2, "", ""))
	if h := c.hear(t); h.status() != 200 {
		t.Errorf("got %s", h.start)
	}
	if n := b.count(t, "callseal_sip_panics_total"); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestPong(t *testing.T) {
	b := start(t, Config{Listeners: []Listener{at(TCP, Phone, "tcp", nil)}})
	c := dialCaller(t, b, "tcp", nil)
	for _, ping := range []struct{ name, octets, pong string }{
		{"one", "\r\n\r\n", "\r\n"},
		{"two at once", "\r\n\r\n\r\n\r\n", "\r\n\r\n"},
	} {
		if _, err := io.WriteString(c, ping.octets); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(ping.pong))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != ping.pong {
			t.Errorf("%s: got %q, %v", ping.name, got, err)
		}
	}
	for _, half := range []string{"\r", "\n\r", "\n"} {
		if _, err := io.WriteString(c, half); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(c.r, got); err != nil || string(got) != "\r\n" {
		t.Errorf("split: got %q, %v", got, err)
	}
}

// descriptorChild is set in the environment of the process that TestDescriptorsRunOut starts.
const descriptorChild = "CALLSEAL_DESCRIPTOR_CHILD"

// TestDescriptorsRunOut: when accept fails for want of descriptors the listener lives on. It lowers the limit of a process of its own.
func TestDescriptorsRunOut(t *testing.T) {
	if os.Getenv(descriptorChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDescriptorsRunOut$", "-test.v", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), descriptorChild+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
	warm := dialCaller(t, b, "tcp", nil)
	warm.say(t, text("OPTIONS", TCP, "warm", "z9hG4bKw", 1, "", ""))
	warm.hear(t)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 40
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var held []io.Closer
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break // no descriptor is left
		}
		held = append(held, f)
	}
	_ = held[0].Close() // this one is for our end of a connection
	c, err := net.Dial("tcp", b.Addr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	held[0] = c
	eventually(t, "accept fails", func() bool { return b.count(t, "callseal_connections_refused_total", "cause=descriptors") > 0 })
	for _, c := range held {
		_ = c.Close()
	}
	eventually(t, "the listener answers again", func() bool {
		c, err := net.Dial("tcp", b.Addr("tcp").String())
		if err != nil {
			return false
		}
		defer func() { _ = c.Close() }()
		one := newCaller(c)
		if _, err := io.WriteString(one, text("OPTIONS", TCP, "again", fmt.Sprintf("z9hG4bK%d", time.Now().UnixNano()), 1, "", "")); err != nil {
			return false
		}
		h, err := one.listen(time.Second)
		return err == nil && h.status() == 200
	})
}
