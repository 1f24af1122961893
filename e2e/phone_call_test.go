package e2e

import (
	"testing"
	"time"
)

// Scenarios 1 and 3: a phone calls an Asterisk, and nobody on the wire can read or hear it on either leg.

func TestPhoneToAsterisk16(t *testing.T) { testPhoneToAsterisk(t, 16) }

func TestPhoneToAsterisk22(t *testing.T) { testPhoneToAsterisk(t, 22) }

func testPhoneToAsterisk(t *testing.T, version int) {
	needPeers(t)
	for _, row := range []struct {
		name, number string
		phoneEnds    bool
		endedBy      string // as callseal's log names it
	}{
		{"the phone hangs up", "100", true, "phones"},
		{"Asterisk hangs up", "101", false, "dialer1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			sbcAddr, dialerAddr := address(), address()
			dialer := startAsterisk(t, "dialer1", dialerAddr, ca, asteriskConfig{Version: version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
				routes: []string{"phone dialer1"},
			})
			p := startPhone(t, ca, s.phones())
			phoneCall(t, p, s, dialer, row.number, row.phoneEnds)
			s.logLine(t, "call ended", "outcome=answered", "ended_by="+row.endedBy, "cause=", "BYE",
				`leg_a="TLS 1.3 + AES_CM_128_HMAC_SHA1_80" leg_b="TLS 1.`, "lost 0")
		})
	}
}

// phoneCall lets the phone call the dialer through callseal for some seconds, and judges recordings, wire and metrics.
func phoneCall(t *testing.T, p *phone, s *sbc, dialer *asterisk, number string, phoneEnds bool) {
	t.Helper()
	wire := listen(t, s.addr, dialer.Addr)
	p.dial(t, number, s.phones())
	eventually(t, "the call is up", func() bool { return s.metric(t, "callseal_srtp_legs", `suite="AES_CM_128_HMAC_SHA1_80"`) == 2 })
	if phoneEnds {
		time.Sleep(3500 * time.Millisecond) // they talk
		p.hangup(t)
	}
	dialer.logs(t, "ENDED cause")
	s.idle(t)
	wantTone(t, dialer.heard(t, number), phoneTone, 2*time.Second)
	wantTone(t, p.heard(t), dialerTone, 2*time.Second)
	packets := wire.stop(t)
	wantSealed(t, between("phone to callseal", packets, phoneAddr, s.addr))
	wantSealed(t, with("callseal to dialer", packets, dialer.Addr))
	if n := s.metric(t, "callseal_calls_total", `from="phone"`, `to="dialer"`, `outcome="answered"`); n != 1 {
		t.Errorf("callseal_calls_total: %v answered calls, want 1", n)
	}
	if n := s.metric(t, "callseal_legs_in_the_clear"); n != 0 {
		t.Errorf("callseal_legs_in_the_clear is %v, want 0", n)
	}
}
