package e2e

import (
	"strings"
	"testing"
	"time"
)

// Keys pass callseal as telephone-events (RFC 4733) and as INFO, and Asterisk's Read() has them all; then both sides talk.

func TestKeysAsEvents(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name            string
		dialer, carrier int
	}{{"Asterisk 16 reads a phone and 22 a dialer", 16, 22}, {"Asterisk 22 reads a phone and 16 a dialer", 22, 16}} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			h := startHouse(t, houseConfig{dialer: asteriskConfig{Version: row.dialer}, carrier: asteriskConfig{Version: row.carrier}})
			p := startPhone(t, h.ca, h.sbc.phones())
			h.testKeys(t, p, func(key string) { p.command(t, "sndcode", key) })
			for _, a := range []*asterisk{h.dialer, h.carrier} {
				if strings.Contains(read(t, a.fullLog()), "\nINFO sip:") {
					t.Errorf("%s saw an INFO", a.name)
				}
			}
		})
	}
}

func TestKeysByINFO(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name            string
		dialer, carrier int
	}{{"Asterisk 16 reads a phone and 22 a dialer", 16, 22}, {"Asterisk 22 reads a phone and 16 a dialer", 22, 16}} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			h := startHouse(t, houseConfig{dialer: keysByINFO(row.dialer), carrier: keysByINFO(row.carrier)})
			p := startSoftphone(t, h.ca, "use_info=1", "use_rfc2833=0")
			h.testKeys(t, p, func(key string) { p.do(t, key) })
			for _, a := range []*asterisk{h.dialer, h.carrier} {
				if trace := read(t, a.fullLog()); strings.Count(trace, "\nINFO sip:") < 4 || strings.Contains(trace, "telephone-event") {
					t.Errorf("%s did not see keys by INFO alone", a.name)
				}
			}
		})
	}
}

// keysByINFO is an Asterisk that neither offers nor takes telephone-events.
func keysByINFO(version int) asteriskConfig {
	option := "dtmfmode = info"
	if version == 22 {
		option = "dtmf_mode = info"
	}
	return asteriskConfig{Version: version, Options: []string{option}}
}

// testKeys lets the phone press keys at the dialer, then the dialer at the carrier.
func (h house) testKeys(t *testing.T, p holder, press func(key string)) {
	t.Helper()
	const keys = "2580"
	wire := listen(t, h.sbc.addr, h.dialer.Addr, h.carrier.Addr)
	p.dial(t, "300", h.sbc.phones())
	eventually(t, "the phone's call is up", func() bool { return h.sbc.metric(t, "callseal_srtp_legs") == 2 })
	for _, key := range strings.Split(keys, "") {
		time.Sleep(300 * time.Millisecond) // as a hand does
		press(key)
	}
	h.dialer.logs(t, "READ "+keys+" OK")
	h.dialer.logs(t, "ENDED cause")
	h.sbc.idle(t)
	wantTone(t, h.dialer.heard(t, "300"), phoneTone, 2*time.Second)
	wantTone(t, p.heard(t), dialerTone, 2*time.Second)

	h.dialer.dial(t, "agent", "300")
	h.carrier.logs(t, "READ "+keys+" OK")
	if status, cause := h.dialer.result(t, "300"); status != "ANSWER" || cause != 16 {
		t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want ANSWER 16", status, cause)
	}
	h.sbc.idle(t)
	wantTone(t, h.carrier.heard(t, "300"), dialerTone, 2*time.Second)
	wantTone(t, h.dialer.heard(t, "agent"), carrierTone, 2*time.Second)
	h.wantSealedHouse(t, wire.stop(t))
}
