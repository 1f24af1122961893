package e2e

import (
	"net/netip"
	"testing"
	"time"
)

// An Asterisk as a dialer that callseal asks for a password.

func TestInboundAuthOfAsterisk16(t *testing.T) { testInboundAuth(t, 16) }

func TestInboundAuthOfAsterisk22(t *testing.T) { testInboundAuth(t, 22) }

// answers are what the dialer's configuration says of the password that callseal asks for.
var answers = map[int][]string{
	16: {"defaultuser = 107", "remotesecret = " + phoneSecret},
	22: {"outbound_auth = 107"},
}

func testInboundAuth(t *testing.T, version int) {
	t.Parallel()
	needPeers(t)
	for _, row := range []struct {
		name, password string
		sources        bool
		status         string // DIALSTATUS; "" where there is no call
	}{
		{"from its address", phoneSecret, true, "ANSWER"},
		{"from any address", phoneSecret, false, "ANSWER"},
		{"with a wrong password", "no-such-secret", true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ca, sbcAddr := newAuthority(t, "ca"), address()
			carrier := startAsterisk(t, "telco", address(), ca, asteriskConfig{Version: 22, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: true, Tone: carrierTone})
			dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{
				Version: version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone, Ring: 10, Options: answers[version]})
			sbc := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{
					{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: row.sources, more: []string{"inbound_auth: {user: \"107\", password: \"" + row.password + "\"}"}},
					{role: "carrier", name: "telco", remote: carrier.sip()},
				},
				routes: []string{"dialer telco"},
			})
			dialer.dial(t, "agent", "101")
			status, _ := dialer.result(t, "101")
			sbc.idle(t)
			verdict := "accepted"
			if row.status == "" {
				verdict = "wrong"
			}
			for _, v := range []string{"missing", verdict} {
				if n := sbc.metric(t, "callseal_digest_checks_total", `verdict="`+v+`"`); n < 1 {
					t.Errorf("callseal_digest_checks_total: %v %s", n, v)
				}
			}
			if row.status == "" {
				if status == "ANSWER" || sbc.metric(t, "callseal_calls_total") > 0 {
					t.Errorf("a call without the password: %s", status)
				}
				return
			}
			if status != row.status {
				t.Errorf("DIALSTATUS %s, want %s", status, row.status)
			}
			wantTone(t, dialer.heard(t, "agent"), carrierTone, 2*time.Second)
			wantTone(t, carrier.heard(t, "101"), dialerTone, 2*time.Second)
		})
	}
}
