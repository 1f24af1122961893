package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// Scenarios 2 and 3: an Asterisk calls a carrier, sealed on both legs or with a plain hop that the configuration accepts.

func TestAsterisk16ToCarrier(t *testing.T) { testAsteriskToCarrier(t, 16) }

func TestAsterisk22ToCarrier(t *testing.T) { testAsteriskToCarrier(t, 22) }

func testAsteriskToCarrier(t *testing.T, version int) {
	needPeers(t)
	for _, row := range []struct {
		name   string
		sealed bool
	}{{"TLS and SRTP", true}, {"UDP and RTP", false}} {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t, version, row.sealed)
			wire := listen(t, h.dialer.Addr, h.carrier.Addr)
			h.dialer.dial(t, "agent", "101")
			if status, cause := h.dialer.result(t, "101"); status != "ANSWER" || cause != 16 {
				t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want ANSWER 16", status, cause)
			}
			h.sbc.idle(t)
			wantTone(t, h.dialer.heard(t, "agent"), carrierTone, 2*time.Second)
			wantTone(t, h.carrier.heard(t, "101"), dialerTone, 2*time.Second)
			packets := wire.stop(t)
			wantSealed(t, with("dialer to callseal", packets, h.dialer.Addr))
			if leg := with("callseal to carrier", packets, h.carrier.Addr); row.sealed {
				wantSealed(t, leg)
			} else {
				wantReadable(t, leg, dialerTone, carrierTone)
			}
			if n := h.sbc.metric(t, "callseal_calls_total", `from="dialer"`, `to="carrier"`, `outcome="answered"`); n != 1 {
				t.Errorf("callseal_calls_total: %v answered calls, want 1", n)
			}
			h.carrier.logs(t, `<`+callerNumber+`>`)
			h.sbc.logLine(t, "call ended", "from=dialer1/"+callerNumber, "to=telco/101", "caller_code="+callerCode, "outcome=answered", "ended_by=telco")
			if n := h.sbc.metric(t, "callseal_plaintext_hops", `name="telco"`); (n == 1) == row.sealed {
				t.Errorf("callseal_plaintext_hops of telco is %v, sealed %v", n, row.sealed)
			}
			wantHidden(t, h.dialer, h.carrier)
			wantHidden(t, h.carrier, h.dialer)
		})
	}
}

var identifier = regexp.MustCompile(`(?m)^(?:Call-ID: |i: |(?:From|To):.*;tag=|Via:.*;branch=)([^;\s]+)`)

// wantHidden asserts that nothing which names the one party, its dialog or its call shows in the SIP trace of the other.
func wantHidden(t *testing.T, of, from *asterisk) {
	t.Helper()
	for _, secret := range shownAt(t, of, from) {
		t.Errorf("%q of %s shows at %s", secret, of.name, from.name)
	}
}

// shownAt lists what of the one party shows in the SIP trace of the other: its address, Call-IDs, tags, branches, VICIdial's key of its calls.
func shownAt(t *testing.T, of, from *asterisk) (shown []string) {
	t.Helper()
	trace := read(t, from.fullLog())
	names := map[string]bool{of.Addr.String() + ":": true, of.Addr.String() + ">": true, of.Addr.String() + "\n": true}
	if of.Tone == dialerTone {
		names[callerCode] = true
	}
	for _, m := range identifier.FindAllStringSubmatch(read(t, of.fullLog()), -1) {
		names[m[1]] = true
	}
	for name := range names {
		if strings.Contains(trace, name) {
			shown = append(shown, name)
		}
	}
	return shown
}
