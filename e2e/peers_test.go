package e2e

import (
	"net/netip"
	"testing"
	"time"
)

// The peers talk to each other here, without callseal: what fails here is the environment's fault, not ours.

func TestPeersBaresipToAsterisk(t *testing.T) {
	needPeers(t)
	for _, row := range []struct {
		name    string
		version int
	}{{"Asterisk 16", 16}, {"Asterisk 22", 22}} {
		t.Run(row.name, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			a := startAsterisk(t, "dialer", address(), ca, asteriskConfig{
				Version: row.version, Remote: netip.AddrPortFrom(phoneAddr, 5061), Sealed: true, Tone: dialerTone})
			p := startPhone(t, ca, a.sip())
			p.dial(t, "101", a.sip())
			a.logs(t, "ENDED cause")
			wantTone(t, a.heard(t, "101"), phoneTone, 2*time.Second)
			wantTone(t, p.heard(t), dialerTone, 2*time.Second)
		})
	}
}

func TestPeersAsteriskToAsterisk(t *testing.T) {
	needPeers(t)
	for _, row := range []struct {
		name    string
		version int
		sealed  bool
	}{{"16 to 22 sealed", 16, true}, {"22 to 22 sealed", 22, true}, {"16 to 22 plain", 16, false}, {"22 to 22 plain", 22, false}} {
		t.Run(row.name, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			near, far := address(), address()
			carrier := startAsterisk(t, "carrier", far, ca, asteriskConfig{
				Version: 22, Remote: netip.AddrPortFrom(near, 5061), Sealed: row.sealed, Tone: carrierTone})
			dialer := startAsterisk(t, "dialer", near, ca, asteriskConfig{
				Version: row.version, Remote: carrier.sip(), Sealed: row.sealed, Tone: dialerTone})
			wire := listen(t, near)
			dialer.dial(t, "answered", "101")
			if status, _ := dialer.result(t, "101"); status != "ANSWER" {
				t.Errorf("DIALSTATUS %s, want ANSWER", status)
			}
			dialer.dial(t, "busy", "486")
			if status, cause := dialer.result(t, "486"); status != "BUSY" || cause != 17 {
				t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want BUSY 17", status, cause)
			}
			dialer.idle(t)
			wantTone(t, dialer.heard(t, "answered"), carrierTone, 2*time.Second)
			wantTone(t, carrier.heard(t, "101"), dialerTone, 2*time.Second)
			if shown := shownAt(t, dialer, carrier); len(shown) < 5 { // the judge of topology hiding can fail
				t.Errorf("the dialer shows at the carrier only by %q", shown)
			}
			if l := between("dialer to carrier", wire.stop(t), near, far); row.sealed {
				wantSealed(t, l)
			} else {
				wantReadable(t, l, dialerTone, carrierTone)
			}
		})
	}
}

func TestPeersSippToAsterisk(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	a := startAsterisk(t, "dialer", address(), ca, asteriskConfig{
		Version: 22, Remote: netip.AddrPortFrom(phoneAddr, 5061), Sealed: true, Tone: dialerTone})
	local := netip.AddrPortFrom(phoneAddr, freePort(t))
	startSipp(t, sippScenario("plain_offer.xml"), local, sippTLS(t, ca, a.sip())...).wantSuccess(t)
}
