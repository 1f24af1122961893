package e2e

import (
	"net/netip"
	"testing"
)

// house is callseal between a dialer and a carrier, which phones can call too.
type house struct {
	ca      *authority
	dialer  *asterisk
	carrier *asterisk
	sbc     *sbc
}

// houseConfig says what is particular about a house. Of the two Asterisks it gives Version, Options and PlainMedia.
type houseConfig struct {
	dialer, carrier asteriskConfig
	plainCarrier    bool
	limits          string
}

// newHouse starts all three; the carrier is an Asterisk 22.
func newHouse(t *testing.T, dialerVersion int, sealedCarrier bool) house {
	t.Helper()
	return startHouse(t, houseConfig{
		dialer: asteriskConfig{Version: dialerVersion}, carrier: asteriskConfig{Version: 22}, plainCarrier: !sealedCarrier,
	})
}

// startHouse starts all three.
func startHouse(t *testing.T, c houseConfig) house {
	t.Helper()
	h := house{ca: newAuthority(t, "ca")}
	sbcAddr := address()
	c.carrier.Remote, c.carrier.Sealed, c.carrier.Tone = netip.AddrPortFrom(sbcAddr, 5080), !c.plainCarrier, carrierTone
	h.carrier = startAsterisk(t, "telco", address(), h.ca, c.carrier)
	c.dialer.Remote, c.dialer.Sealed, c.dialer.Tone, c.dialer.Ring = dialersOf(sbcAddr), true, dialerTone, 4
	h.dialer = startAsterisk(t, "dialer1", address(), h.ca, c.dialer)
	h.sbc = startSBC(t, sbcAddr, h.ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: h.dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: h.carrier.sip(), plain: c.plainCarrier},
		},
		routes: []string{"dialer telco", "phone dialer1"},
		limits: c.limits,
	})
	return h
}

// wantSealedHouse asserts that nobody on the wire could read or hear any leg that the packets show.
func (h house) wantSealedHouse(t *testing.T, packets []packet) {
	t.Helper()
	wantSealed(t, between("phone to callseal", packets, phoneAddr, h.sbc.addr))
	wantSealed(t, with("callseal to dialer", packets, h.dialer.Addr))
	wantSealed(t, with("callseal to carrier", packets, h.carrier.Addr))
	if n := h.sbc.metric(t, "callseal_legs_in_the_clear"); n != 0 {
		t.Errorf("callseal_legs_in_the_clear is %v, want 0", n)
	}
}
