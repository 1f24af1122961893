package e2e

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Scenario 5: what is wrong with a remote is said at once, by a log line, a metric and a SIP phrase.

func TestCarrierThatCannotBeTrusted(t *testing.T) {
	needPeers(t)
	for _, row := range []struct {
		name       string
		otherCA    bool
		serverName string
		port       uint16
		limit      time.Duration
		cause      string // label of the metric
		phrase     string // what Asterisk gets
		advice     string // what the log tells to change
	}{
		{"wrong certificate name", false, "elsewhere.test", 5061, 3 * time.Second, "name_mismatch",
			"SIP/2.0 503 TLS telco certificate name mismatch", "tls.server_name"},
		{"unknown CA", true, "", 5061, 3 * time.Second, "unknown_ca",
			"SIP/2.0 503 TLS telco certificate unknown CA", "tls.ca"},
		// Asterisk's TCP port waits in silence for the end of what it takes for a SIP header: only our deadline of 5 s ends that.
		{"no TLS on the port", false, "", 5066, 8 * time.Second, "timeout",
			"SIP/2.0 503 TLS telco does not shake hands", "correct the port here, or enable TLS there"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			carrierCA := ca
			if row.otherCA {
				carrierCA = newAuthority(t, "other")
			}
			sbcAddr := address()
			carrier := startAsterisk(t, "telco", address(), carrierCA, asteriskConfig{Version: 22, Remote: dialersOf(sbcAddr), Sealed: true, Tone: carrierTone})
			dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{
					{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
					{role: "carrier", name: "telco", remote: netip.AddrPortFrom(carrier.Addr, row.port), serverName: row.serverName},
				},
				routes: []string{"dialer telco"},
			})
			begin := time.Now()
			dialer.dial(t, "agent", "101")
			if status, cause := dialer.result(t, "101"); status != "CONGESTION" || cause != 34 {
				t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want CONGESTION 34", status, cause)
			}
			if took := time.Since(begin); took > row.limit {
				t.Errorf("the call failed after %v, want at most %v", took, row.limit)
			}
			dialer.logs(t, row.phrase)
			s.logLine(t, "telco", row.advice)
			if n := s.metric(t, "callseal_tls_failures_total", `role="carrier"`, `trunk="telco"`, `cause="`+row.cause+`"`); n < 1 {
				t.Errorf("callseal_tls_failures_total with cause %s is %v", row.cause, n)
			}
			if n := s.metric(t, "callseal_calls_total", `outcome="failed"`, `origin="local"`); n != 1 {
				t.Errorf("callseal_calls_total: %v failed calls of local origin, want 1", n)
			}
		})
	}
}

// A carrier that answers in plain text on the port that should speak TLS is found out at once.
func TestCarrierThatAnswersInPlainText(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	sbcAddr := address()
	carrier := plainCarrier(t)
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: carrier},
		},
		routes: []string{"dialer telco"},
	})
	begin := time.Now()
	dialer.dial(t, "agent", "101")
	if status, cause := dialer.result(t, "101"); status != "CONGESTION" || cause != 34 {
		t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want CONGESTION 34", status, cause)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the call failed after %v, want at once", took)
	}
	dialer.logs(t, "SIP/2.0 503 TLS telco peer speaks no TLS")
	s.logLine(t, "telco", "correct the port here, or enable TLS there")
	if n := s.metric(t, "callseal_tls_failures_total", `role="carrier"`, `trunk="telco"`, `cause="plaintext_peer"`); n < 1 {
		t.Errorf("callseal_tls_failures_total with cause plaintext_peer is %v", n)
	}
}

// plainCarrier listens on TCP and answers the first bytes that come with a SIP message in the clear.
func plainCarrier(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(address(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed by the cleanup above
			}
			_, _ = conn.Read(make([]byte, 1024))
			_, _ = io.WriteString(conn, "SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			_ = conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestPlainOfferOfPhoneWhereSRTPIsRequired(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	s := startSBC(t, address(), ca, sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(address(), 5061), calls: true}},
		routes: []string{"phone dialer1"},
	})
	local := netip.AddrPortFrom(phoneAddr, freePort(t))
	startSipp(t, sippScenario("plain_offer.xml"), local, sippTLS(t, ca, s.phones())...).wantSuccess(t)
	if trace := read(t, sippMessages(t)); !strings.Contains(trace, "SIP/2.0 488 ") || !strings.Contains(trace, "SRTP") {
		t.Errorf("the phrase does not tell that SRTP is missing:\n%s", trace)
	}
	s.logLine(t, "phones", "SRTP")
	if n := s.metric(t, "callseal_media_refused_total", `role="phone"`, `name="phones"`); n != 1 {
		t.Errorf("callseal_media_refused_total is %v, want 1", n)
	}
}

func TestPlainOfferOfDialerWhereSRTPIsRequired(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	sbcAddr := address()
	carrier := startAsterisk(t, "telco", address(), ca, asteriskConfig{Version: 22, Remote: dialersOf(sbcAddr), Sealed: true, Tone: carrierTone})
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, PlainMedia: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: carrier.sip()},
		},
		routes: []string{"dialer telco"},
	})
	begin := time.Now()
	dialer.dial(t, "agent", "101")
	if status, cause := dialer.result(t, "101"); status != "CHANUNAVAIL" || cause != 58 {
		t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want CHANUNAVAIL 58", status, cause)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the call failed after %v, want at once", took)
	}
	dialer.logs(t, "SIP/2.0 488 ")
	s.logLine(t, "dialer1", "SRTP")
	if n := s.metric(t, "callseal_media_refused_total", `role="dialer"`, `name="dialer1"`); n != 1 {
		t.Errorf("callseal_media_refused_total is %v, want 1", n)
	}
}

func TestPlainPeerOnTheTLSPort(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	s := startSBC(t, address(), ca, sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(address(), 5061), calls: true}},
		routes: []string{"phone dialer1"},
	})
	conn, err := net.Dial("tcp", s.phones().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("OPTIONS sip:sbc.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(4 * time.Second))
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("callseal keeps a plain-text peer on its TLS port: %v", err)
	}
	s.logLine(t, "phone", "TLS")
	if n := s.metric(t, "callseal_tls_failures_total", `role="phone"`, `cause="plaintext_peer"`); n != 1 {
		t.Errorf("callseal_tls_failures_total of plain-text phones is %v, want 1", n)
	}
}

// A dialer that does not trust our certificate never sends its INVITE; we have to tell, because Asterisk hardly does.
func TestDialerThatDoesNotTrustUs(t *testing.T) {
	needPeers(t)
	for _, row := range []struct {
		name    string
		version int
	}{{"Asterisk 16", 16}, {"Asterisk 22", 22}} {
		t.Run(row.name, func(t *testing.T) {
			ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
			sbcAddr := address()
			dialer := startAsterisk(t, "dialer1", address(), other, asteriskConfig{Version: row.version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone, Ring: 4})
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{
					{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
					{role: "carrier", name: "telco", remote: netip.AddrPortFrom(address(), 5061)},
				},
				routes: []string{"dialer telco"},
			})
			dialer.dial(t, "agent", "101")
			if status, _ := dialer.result(t, "101"); status == "ANSWER" {
				t.Error("the call was answered")
			}
			s.logLine(t, "level=WARN", "dialer", "may not trust our certificate")
			if n := s.metric(t, "callseal_connections_closed_total", `role="dialer"`, `cause="closed_unused"`); n < 1 {
				t.Errorf("callseal_connections_closed_total with cause closed_unused is %v", n)
			}
		})
	}
}
