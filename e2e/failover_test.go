package e2e

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A call goes on to the second carrier when the first cannot be reached, says nothing, or says 503; other answers are the number's own. The
// carriers are an address where nothing listens (TLS), one where nobody hears (UDP), sipp and an Asterisk.
func TestFailover(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	sbcAddr := address()
	second := startAsterisk(t, "second", address(), ca, asteriskConfig{Version: 22, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: true, Tone: carrierTone})
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	teller := netip.AddrPortFrom(address(), 5060)
	mute, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address(), 5060))) // nobody reads it; without it the kernel would refuse
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
			{role: "carrier", name: "absent", remote: netip.AddrPortFrom(address(), 5061)},
			{role: "carrier", name: "mute", remote: mute.LocalAddr().(*net.UDPAddr).AddrPort(), plain: true},
			{role: "carrier", name: "teller", remote: teller, plain: true},
			{role: "carrier", name: "second", remote: second.sip()},
		},
		routes: []string{
			`{from: dialer, to: [second]}`,
			`{from: dialer, tech_prefix: "41", to: [absent, second]}`,
			`{from: dialer, tech_prefix: "42", to: [mute, second]}`,
			`{from: dialer, tech_prefix: "43", to: [teller, second]}`,
			`{from: dialer, tech_prefix: "44", to: [absent]}`,
		},
	})
	dialer.dial(t, "agent", "503") // the second's connection is there now, as on any day
	dialer.result(t, "503")
	setup := func() time.Duration {
		return time.Duration(s.metric(t, "callseal_call_setup_seconds_sum") * float64(time.Second))
	}
	for _, row := range []struct {
		name, number string
		tells        string // what sipp says
		status       string
		cause        int
		from         string // the carrier that the call went on from
		why          string
		least, most  time.Duration // from the dialer's INVITE to its answer
	}{
		{"refused", "41486", "", "BUSY", 17, "absent", "refused", 0, 100 * time.Millisecond},
		{"silent", "42404", "", "CHANUNAVAIL", 1, "mute", "silent", time.Second, 2 * time.Second},
		{"503", "43486", "503", "BUSY", 17, "teller", "503", 0, time.Second},
		{"408", "43404", "408", "CHANUNAVAIL", 1, "teller", "408", 0, time.Second},
		{"404 stays", "43101", "404", "CHANUNAVAIL", 1, "", "", 0, time.Second},
		{"486 stays", "43100", "486", "BUSY", 17, "", "", 0, time.Second},
		{"603 stays", "43600", "603", "BUSY", 21, "", "", 0, time.Second},
		{"nobody", "44101", "", "CONGESTION", 34, "", "", 0, time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			var sipp *process
			if row.tells != "" {
				scenario := strings.Replace(read(t, sippScenario("answer.xml")), "CODE", row.tells, 1)
				sipp = startSipp(t, write(t, filepath.Join(t.ArtifactDir(), "answer.xml"), scenario), teller, "-t", "u1")
			}
			before, moved := setup(), s.metric(t, "callseal_failovers_total")
			dialer.dial(t, "agent", row.number)
			if status, cause := dialer.result(t, row.number); status != row.status || cause != row.cause {
				t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want %s %d", status, cause, row.status, row.cause)
			}
			if sipp != nil {
				sipp.wantSuccess(t)
			}
			s.idle(t)
			took := setup() - before
			t.Logf("from INVITE to the answer: %v", took)
			if took < row.least || took > row.most {
				t.Errorf("it took %v, want %v to %v", took, row.least, row.most)
			}
			if n := s.metric(t, "callseal_failovers_total") - moved; n > 0 != (row.from != "") {
				t.Errorf("the call went on %v times", n)
			}
			if row.from != "" {
				s.logLine(t, "call ended", "tried="+row.from+":"+row.why, "to=second/")
			}
		})
	}
	t.Run("answered", func(t *testing.T) {
		dialer.dial(t, "answered", "41100")
		within(t, patience, "the call is up", func() bool { return s.metric(t, "callseal_srtp_legs", `role="carrier"`) == 1 })
		time.Sleep(2 * time.Second) // they talk
		dialer.hangup()
		s.idle(t)
		wantTone(t, dialer.heard(t, "answered"), carrierTone, time.Second, dialerTone)
	})
}

// OPTIONS take a carrier that is gone out, and back in when it is there again.
func TestHealthOfACarrier(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	sbcAddr, at := address(), address()
	config := asteriskConfig{Version: 22, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: true, Tone: carrierTone}
	first := startAsterisk(t, "first", at, ca, config)
	second := startAsterisk(t, "second", address(), ca, config)
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
			{role: "carrier", name: "first", remote: first.sip(), more: []string{"health: {interval: 1s, down_after: 2, up_after: 2}"}},
			{role: "carrier", name: "second", remote: second.sip()},
		},
		routes: []string{"dialer first, second"},
	})
	asked := func(carrier string, n float64) {
		t.Helper()
		if got := s.metric(t, "callseal_call_attempts_total", `name="`+carrier+`"`); got != n {
			t.Errorf("%s was asked %v times, want %v", carrier, got, n)
		}
	}
	up := func(want float64) func() bool {
		return func() bool { return s.metric(t, "callseal_trunk_up", `trunk="first"`) == want }
	}
	eventually(t, "the first is up", up(1))
	dialer.dial(t, "agent", "486")
	dialer.result(t, "486")
	asked("first", 1)

	first.end(t, syscall.SIGTERM)
	eventually(t, "the first is down", up(0))
	s.logLine(t, "trunk is down", "trunk=first")
	dialer.dial(t, "agent", "404")
	if status, cause := dialer.result(t, "404"); status != "CHANUNAVAIL" || cause != 1 {
		t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want CHANUNAVAIL 1", status, cause)
	}
	asked("first", 1)
	asked("second", 1)

	startAsterisk(t, "first", at, ca, config)
	eventually(t, "the first is up again", up(1))
	s.logLine(t, "trunk is up again", "trunk=first")
	dialer.dial(t, "agent", "503")
	dialer.result(t, "503")
	asked("first", 2)
	s.idle(t)
}
