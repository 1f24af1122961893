package e2e

import (
	"strings"
	"testing"
)

// TestCallerCodeStaysInTheHouse: an Asterisk that asserts its caller (sendrpid=pai) and names its campaign tells VICIdial's key of the call in
// two headers. The carrier gets the campaign's name and our address instead.
func TestCallerCodeStaysInTheHouse(t *testing.T) {
	needPeers(t)
	h := startHouse(t, houseConfig{
		dialer:  asteriskConfig{Version: 16, Options: []string{"sendrpid = pai"}},
		carrier: asteriskConfig{Version: 22},
	})
	h.dialer.dial(t, "agent", "77101")
	if status, cause := h.dialer.result(t, "101"); status != "ANSWER" || cause != 16 {
		t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want ANSWER 16", status, cause)
	}
	h.sbc.idle(t)
	for _, header := range []string{"From", "P-Asserted-Identity"} {
		if want := header + `: "ACME" <sip:` + callerNumber + "@"; !strings.Contains(read(t, h.carrier.fullLog()), want) {
			t.Errorf("the carrier did not get %s", want)
		}
	}
	wantHidden(t, h.dialer, h.carrier)
	wantHidden(t, h.carrier, h.dialer)
	if !strings.Contains(read(t, h.dialer.fullLog()), `P-Asserted-Identity: "`+callerCode) {
		t.Error("the dialer asserted nobody: the test shows nothing")
	}
}
