package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestPhoneAnswersByItself: a telephone that heeds what it is told in a call answers an agent's login because callseal tells it so. It rings
// when callseal is not set to do that, and for any other call.
func TestPhoneAnswersByItself(t *testing.T) {
	needPeers(t)
	for _, row := range []struct {
		name       string
		version    int
		autoAnswer bool
		prefix     string // of the dialplan: who calls
		answers    bool
	}{
		{"Asterisk 16 logs an agent in", 16, true, "79", true},
		{"Asterisk 16 logs an agent in and nobody says how", 16, false, "79", false},
		{"Asterisk 16 calls", 16, true, "76", false},
		{"Asterisk 22 logs an agent in", 22, true, "79", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca, sbcAddr := newAuthority(t, "ca"), address()
			dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{
				Version: row.version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone, Ring: 4})
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
				routes: []string{"phone dialer1"},
				phones: fmt.Sprintf("source: %s, auto_answer: %t", address(), row.autoAnswer),
			})
			r := &registered{sbc: s, dialer: dialer, front: s.phones()}
			p := startHandset(t, ca, handset{name: "phone", account: r.baresip(";sip_autoanswer=yes"), newer: true})
			r.reachable(t)
			dialer.dial(t, "agent", row.prefix+phoneNumber)
			p.says(t, "INVITE sip:"+phoneNumber)
			if !row.answers {
				p.says(t, "SIP/2.0 180 Ringing")
				if status, _ := dialer.result(t, row.prefix+phoneNumber); status != "NOANSWER" {
					t.Errorf("DIALSTATUS %s of a telephone that rings, want NOANSWER", status)
				}
				s.idle(t)
				return
			}
			eventually(t, "the call is up", func() bool { return s.metric(t, "callseal_srtp_legs") == 2 })
			time.Sleep(2500 * time.Millisecond) // they talk
			dialer.hangup()
			s.idle(t)
			dialer.idle(t)
			wantTone(t, dialer.heard(t, "agent"), phoneTone, 2*time.Second)
			wantTone(t, p.heard(t), dialerTone, 2*time.Second)
		})
	}
}
