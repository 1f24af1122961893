package e2e

import (
	"strings"
	"testing"
	"time"
)

// What a carrier plays before it answers reaches the dialer, whichever of the two insists on reliable provisional responses (RFC 3262):
// each leg has its own.

func TestReliableEarlyMedia(t *testing.T) {
	t.Parallel()
	required := []string{"100rel = required"}
	for _, row := range []struct {
		name            string
		dialer, carrier asteriskConfig
		legs            [2]bool // on which there are PRACKs: dialer, carrier
	}{
		{"required by both", asteriskConfig{Version: 22, Options: required}, asteriskConfig{Version: 22, Options: required}, [2]bool{true, true}},
		{"required by the dialer", asteriskConfig{Version: 22, Options: required}, asteriskConfig{Version: 16}, [2]bool{true, false}},
		{"required by the carrier", asteriskConfig{Version: 16}, asteriskConfig{Version: 22, Options: required}, [2]bool{false, true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			h := startHouse(t, houseConfig{dialer: row.dialer, carrier: row.carrier})
			wire := listen(t, h.dialer.Addr, h.carrier.Addr)
			h.dialer.dial(t, "early", "183")
			h.carrier.logs(t, "Gosub(\"")
			time.Sleep(2500 * time.Millisecond) // they talk
			h.dialer.hangup()
			h.sbc.idle(t)
			for i, a := range []*asterisk{h.dialer, h.carrier} {
				trace := read(t, a.fullLog())
				if prack := strings.Contains(trace, "\nPRACK sip") && strings.Contains(trace, "\nRSeq: "); prack != row.legs[i] {
					t.Errorf("a PRACK at %s: %v, want %v", a.name, prack, row.legs[i])
				}
			}
			wantOrder(t, h.dialer.heard(t, "early"), earlyTone, carrierTone)
			wantTone(t, h.carrier.heard(t, "183"), dialerTone, time.Second)
			packets := wire.stop(t)
			wantSealed(t, with("dialer to callseal", packets, h.dialer.Addr))
			wantSealed(t, with("callseal to carrier", packets, h.carrier.Addr))
		})
	}
}
