package e2e

import (
	"net/netip"
	"regexp"
	"testing"
	"time"
)

// sessionLength is for how long the calls with session timers are watched.
const sessionLength = 5 * time.Minute

// A call whose four sessions of 90 s (RFC 4028) are refreshed, each leg by itself, lives on.
func TestSessionTimers(t *testing.T) {
	t.Parallel()
	sip := func(refresher string) []string {
		return []string{"session-timers = originate", "session-expires = 90", "session-minse = 90", "session-refresher = " + refresher}
	}
	pjsip := []string{"timers = always", "timers_sess_expires = 90", "timers_min_se = 90"}
	for _, row := range []struct {
		name            string
		dialer, carrier asteriskConfig
	}{
		{"chan_sip that refreshes calls PJSIP", asteriskConfig{Version: 16, Options: sip("uac")}, asteriskConfig{Version: 22, Options: pjsip}},
		{"PJSIP calls chan_sip that refreshes", asteriskConfig{Version: 22, Options: pjsip}, asteriskConfig{Version: 16, Options: sip("uas")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			needPeers(t)
			h := startHouse(t, houseConfig{dialer: row.dialer, carrier: row.carrier, limits: "session: 90s"})
			wire := listen(t, h.dialer.Addr, h.carrier.Addr)
			h.dialer.dial(t, "agent", "900")
			eventually(t, "the call is up", func() bool { return h.sbc.metric(t, "callseal_srtp_legs") == 2 })
			for end := time.Now().Add(sessionLength); time.Now().Before(end); time.Sleep(time.Second) { // the peers' clocks are real
				if n := h.sbc.metric(t, "callseal_calls_active"); n != 1 {
					t.Fatalf("%v calls %v before their end, want 1", n, time.Until(end))
				}
			}
			h.dialer.hangup()
			h.sbc.idle(t)
			h.carrier.idle(t)
			for _, a := range []*asterisk{h.dialer, h.carrier} {
				if n := refreshes(read(t, a.fullLog())); n < 5 {
					t.Errorf("%d refreshes between %s and callseal in %v, want one each 45 s", n, a.name, sessionLength)
				}
			}
			wantTone(t, h.dialer.heard(t, "agent"), carrierTone, sessionLength-5*time.Second)
			wantTone(t, h.carrier.heard(t, "900"), dialerTone, sessionLength-5*time.Second)
			packets := wire.stop(t)
			wantSealed(t, with("dialer to callseal", packets, h.dialer.Addr))
			wantSealed(t, with("callseal to carrier", packets, h.carrier.Addr))
		})
	}
}

var refresh = regexp.MustCompile(`(?m)^(?:INVITE|UPDATE) sips?:[^\n]*\n(?:[^\n]+\n)*?To: [^\n]*;tag=`)

// refreshes counts the requests inside a dialog that start its session timer anew.
func refreshes(trace string) int { return len(refresh.FindAllString(trace, -1)) }

// A carrier that has to refresh the session and does not is taken for dead 30 s before its end (RFC 4028 section 10), and the dialer
// gets its BYE.
func TestSessionThatIsNotRefreshed(t *testing.T) {
	t.Parallel()
	needPeers(t)
	ca, sbcAddr, carrier := newAuthority(t, "ca"), address(), netip.AddrPortFrom(address(), 5060)
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: carrier, plain: true},
		},
		routes: []string{"dialer telco"},
		limits: "session: 90s",
	})
	lazy := startSipp(t, sippScenario("lazy.xml"), carrier, "-t", "u1", "-rtp_echo", "-mi", carrier.Addr().String(), "-timeout", "100s")
	dialer.dial(t, "agent", "900")
	within(t, 90*time.Second, "the call ends", lazy.ended)
	lazy.wantSuccess(t)
	s.logLine(t, "call ended", "outcome=answered", `ended_by=telco cause="session timer expired"`)
	if status, _ := dialer.result(t, "900"); status != "ANSWER" {
		t.Errorf("DIALSTATUS %s, want ANSWER", status)
	}
	s.idle(t)
	wantTone(t, dialer.heard(t, "agent"), dialerTone, 55*time.Second) // the carrier gives the audio back
}
