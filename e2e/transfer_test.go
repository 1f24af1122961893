package e2e

import (
	"strings"
	"testing"
	"time"
)

// A phone that talks with a carrier through its dialer transfers it. REFER goes to the dialer, which joins the carrier and the target.

func TestBlindTransfer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		version int
	}{{"Asterisk 16", 16}, {"Asterisk 22", 22}} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			h := startHouse(t, houseConfig{dialer: asteriskConfig{Version: row.version}, carrier: asteriskConfig{Version: 22}})
			p := startPhone(t, h.ca, h.sbc.phones())
			wire := listen(t, h.sbc.addr, h.dialer.Addr, h.carrier.Addr)
			p.dial(t, "9900", h.sbc.phones())
			h.upAll(t)
			time.Sleep(1500 * time.Millisecond) // they talk
			p.command(t, "transfer", "sip:101@"+h.sbc.phones().String())
			h.dialer.logs(t, "\nREFER sip")
			h.dialer.logs(t, "ARRIVED 101")
			p.says(t, "NOTIFY sip")
			h.dialer.logs(t, "ENDED cause") // the target hangs up after some seconds
			h.sbc.idle(t)
			h.carrier.idle(t)
			wantOrder(t, h.carrier.heard(t, "900"), phoneTone, dialerTone)
			wantTone(t, h.carrier.heard(t, "900"), dialerTone, 2*time.Second, phoneTone)
			wantTone(t, h.dialer.heard(t, "101"), carrierTone, 2*time.Second)
			wantTone(t, p.heard(t), carrierTone, time.Second)
			wantOnlyOurs(t, h)
			h.wantSealedHouse(t, wire.stop(t))
		})
	}
}

// The softphone asks the target first, who is behind the carrier too; its REFER names that call (Replaces), which the dialer knows by
// other identifiers.
func TestAttendedTransfer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		version int
	}{{"Asterisk 16", 16}, {"Asterisk 22", 22}} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			h := startHouse(t, houseConfig{dialer: asteriskConfig{Version: row.version}, carrier: asteriskConfig{Version: 22}})
			p := startSoftphone(t, h.ca)
			wire := listen(t, h.sbc.addr, h.dialer.Addr, h.carrier.Addr)
			p.dial(t, "9900", h.sbc.phones())
			h.upAll(t)
			time.Sleep(1500 * time.Millisecond) // they talk
			p.hold(t)
			p.says(t, "is now paused")
			p.dial(t, "9800", h.sbc.phones())
			eventually(t, "the target has answered", func() bool { return h.sbc.metric(t, "callseal_srtp_legs") == 8 })
			time.Sleep(1500 * time.Millisecond) // they talk about the first
			p.do(t, "transfer 1 --to-call 2")
			eventually(t, "the softphone is out", func() bool { return h.sbc.metric(t, "callseal_srtp_legs") == 4 })
			time.Sleep(2500 * time.Millisecond) // the two that are left talk
			h.carrier.hangup()
			h.sbc.idle(t)
			h.dialer.idle(t)
			wantOrder(t, h.carrier.heard(t, "900"), phoneTone, holdTone, earlyTone)
			wantOrder(t, h.carrier.heard(t, "800"), phoneTone, carrierTone)
			if trace := read(t, h.dialer.fullLog()); !strings.Contains(trace, "\nREFER sip") || !strings.Contains(trace, "Replaces=") && !strings.Contains(trace, "Replaces%3D") {
				t.Error("the dialer saw no REFER with Replaces")
			}
			wantOnlyOurs(t, h)
			h.wantSealedHouse(t, wire.stop(t))
		})
	}
}

// wantOnlyOurs asserts that the carrier heard nothing of the transfer.
func wantOnlyOurs(t *testing.T, h house) {
	t.Helper()
	for _, method := range []string{"REFER", "NOTIFY"} {
		if strings.Contains(read(t, h.carrier.fullLog()), "\n"+method+" sip") {
			t.Errorf("a %s reached the carrier", method)
		}
	}
}
