package e2e

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Scenario 4: what arrives at Asterisk is what the carrier said.

func TestOutcomesAtAsterisk16(t *testing.T) {
	testOutcomes(t, 16, []outcome{
		{"busy", "486", "BUSY", 17},
		{"no such number", "404", "CHANUNAVAIL", 1},
		{"no circuit", "503", "CONGESTION", 34},
	})
}

func TestOutcomesAtAsterisk22(t *testing.T) {
	testOutcomes(t, 22, []outcome{
		{"busy", "486", "BUSY", 17},
		{"no such number", "404", "CHANUNAVAIL", 1},
		{"no circuit", "503", "CONGESTION", 34},
	})
}

// outcome is what a carrier answers, by the number dialled, and what Asterisk makes of it (the same as without callseal in between).
type outcome struct {
	name, number, status string
	cause                int
}

func testOutcomes(t *testing.T, version int, outcomes []outcome) {
	needPeers(t)
	h := newHouse(t, version, true)
	for _, o := range outcomes {
		t.Run(o.name, func(t *testing.T) {
			h.dialer.dial(t, "agent", o.number)
			if status, cause := h.dialer.result(t, o.number); status != o.status || cause != o.cause {
				t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want %s %d", status, cause, o.status, o.cause)
			}
			h.dialer.logs(t, "SIP/2.0 "+o.number) // the numbers of the carrier are its codes
		})
	}
	t.Run("no answer, CANCEL", func(t *testing.T) {
		h.dialer.dial(t, "agent", "180")
		h.dialer.logs(t, "SIP/2.0 180 ")
		h.carrier.logs(t, "CANCEL sip:")
		if status, _ := h.dialer.result(t, "180"); status != "NOANSWER" {
			t.Errorf("DIALSTATUS %s, want NOANSWER", status)
		}
		h.sbc.idle(t)
		if n := h.sbc.metric(t, "callseal_calls_total", `outcome="cancelled"`); n != 1 {
			t.Errorf("callseal_calls_total: %v cancelled calls, want 1", n)
		}
	})
	t.Run("early media", func(t *testing.T) {
		wire := listen(t, h.dialer.Addr, h.carrier.Addr)
		h.dialer.dial(t, "early", "183")
		h.carrier.logs(t, "Gosub(\"")
		time.Sleep(2500 * time.Millisecond) // they talk
		h.dialer.hangup()
		h.sbc.idle(t)
		h.dialer.logs(t, "SIP/2.0 183 ")
		heard := h.dialer.heard(t, "early")
		wantTone(t, heard, earlyTone, 2*time.Second, carrierTone)
		wantTone(t, heard, carrierTone, time.Second, earlyTone)
		packets := wire.stop(t)
		wantSealed(t, with("dialer to callseal", packets, h.dialer.Addr))
		wantSealed(t, with("callseal to carrier", packets, h.carrier.Addr))
	})
}

// A carrier's phrase reaches Asterisk as far as VICIdial can store it, and its Q.850 reason as it was.
func TestCarrierPhrase(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	sbcAddr := address()
	carrier := netip.AddrPortFrom(address(), 5060)
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: carrier, plain: true},
		},
		routes: []string{"dialer telco"},
	})
	sipp := startSipp(t, sippScenario("refuse.xml"), carrier, "-t", "u1")
	dialer.dial(t, "agent", "503")
	if status, cause := dialer.result(t, "503"); status != "CONGESTION" || cause != 42 {
		t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want CONGESTION 42", status, cause)
	}
	sipp.wantSuccess(t)
	dialer.logs(t, "SIP/2.0 503 CPS limit ")
	dialer.logs(t, "Reason: Q.850;cause=42;")
	if answer := regexp.MustCompile(`SIP/2\.0 503 (.*)`).FindStringSubmatch(read(t, dialer.fullLog())); !regexp.MustCompile(`^[A-Za-z0-9 ._]{1,50}$`).MatchString(strings.TrimSpace(answer[1])) {
		t.Errorf("the phrase %q is more than VICIdial can store", answer[1])
	}
	if n := s.metric(t, "callseal_calls_total", `origin="carrier"`, `outcome="rejected"`); n != 1 {
		t.Errorf("callseal_calls_total: %v calls rejected by the carrier, want 1", n)
	}
}
