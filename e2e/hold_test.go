package e2e

import (
	"net/netip"
	"testing"
	"time"
)

// A phone calls a carrier through its dialer, holds the call and takes it back. The call passes callseal twice: phone to dialer, and
// dialer to carrier.

// chan_sip plays its own music to the carrier and tells it nothing.
func TestHoldAtAsterisk16(t *testing.T) {
	t.Parallel()
	testHold(t, softphoneOf, houseConfig{dialer: asteriskConfig{Version: 16}, carrier: asteriskConfig{Version: 22}}, "100", "100")
}

func TestHoldAtAsterisk22(t *testing.T) {
	t.Parallel()
	testHold(t, softphoneOf, houseConfig{dialer: asteriskConfig{Version: 22}, carrier: asteriskConfig{Version: 22}}, "100", "100")
}

// The dialer hands the hold on by a re-INVITE of its own, and the carrier plays its music to the one it has bridged.
func TestHoldByAsterisk22(t *testing.T) {
	t.Parallel()
	h := testHold(t, softphoneOf, houseConfig{
		dialer:  asteriskConfig{Version: 22, Options: []string{"moh_passthrough = yes"}},
		carrier: asteriskConfig{Version: 16},
	}, "200", "colleague")
	h.carrier.logs(t, "a=sendonly")
}

// baresip goes on sending while it holds, and records nothing after that, with callseal or without.
func TestHoldByBaresip(t *testing.T) {
	t.Parallel()
	testHold(t, baresipOf, houseConfig{dialer: asteriskConfig{Version: 16}, carrier: asteriskConfig{Version: 22}}, "100", "100")
}

// holder is a phone that can hold its call.
type holder interface {
	dial(t *testing.T, number string, remote netip.AddrPort)
	hold(t *testing.T)
	resume(t *testing.T)
	hangup(t *testing.T)
	heard(t *testing.T) string
}

func baresipOf(t *testing.T, h house) holder { return startPhone(t, h.ca, h.sbc.phones()) }

func softphoneOf(t *testing.T, h house) holder { return startSoftphone(t, h.ca) }

// testHold plays the call to a number of the carrier, who records under the name, and judges it.
func testHold(t *testing.T, phoneOf func(*testing.T, house) holder, c houseConfig, number, name string) house {
	t.Helper()
	needPeers(t)
	h := startHouse(t, c)
	p := phoneOf(t, h)
	wire := listen(t, h.sbc.addr, h.dialer.Addr, h.carrier.Addr)
	p.dial(t, "9"+number, h.sbc.phones())
	h.upAll(t)
	time.Sleep(2 * time.Second) // they talk
	p.hold(t)
	time.Sleep(1500 * time.Millisecond) // the music plays
	soft, _ := p.(*softphone)
	resumed := 0
	if soft != nil {
		resumed = soft.recorded(t)
	}
	p.resume(t)
	time.Sleep(2500 * time.Millisecond) // they talk again
	p.hangup(t)
	h.sbc.idle(t)
	h.carrier.idle(t)
	wantOrder(t, h.carrier.heard(t, name), phoneTone, holdTone, phoneTone)
	wantOrder(t, p.heard(t), carrierTone)
	if soft != nil {
		if again := carrierTone.heard(readWAV(t, p.heard(t))[resumed:]); again < 1500*time.Millisecond {
			t.Errorf("the phone heard %v of the carrier after it took the call back, want at least 1.5 s", again)
		}
	}
	h.wantSealedHouse(t, wire.stop(t))
	return h
}

// upAll waits until the phone's call and the dialer's own that goes on from it are both answered.
func (h house) upAll(t *testing.T) {
	t.Helper()
	eventually(t, "both calls are up", func() bool {
		return h.sbc.metric(t, "callseal_srtp_legs", `suite="AES_CM_128_HMAC_SHA1_80"`) == 4
	})
}
