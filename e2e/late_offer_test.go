package e2e

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// A dialer that sends no SDP in its INVITE gets callseal's offer in the 200, and answers in its ACK. sipp records nothing: what it hears is
// on the wire, under the key that callseal's offer names.
func TestLateOffer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		version int
	}{{"to Asterisk 16", 16}, {"to Asterisk 22", 22}} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			ca, sbcAddr, dialer := newAuthority(t, "ca"), address(), netip.AddrPortFrom(address(), 5061)
			carrier := startAsterisk(t, "telco", address(), ca, asteriskConfig{
				Version: row.version, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: true, Tone: carrierTone})
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{
					{role: "dialer", name: "dialer1", remote: dialer, calls: true},
					{role: "carrier", name: "telco", remote: carrier.sip()},
				},
				routes: []string{"dialer telco"},
			})
			scenario := filepath.Join(t.ArtifactDir(), "late_offer.xml")
			render(t, sippScenario("late_offer.xml"), scenario, map[string]string{
				"Tone": write(t, filepath.Join(t.ArtifactDir(), "tone.ulaw"), string(dialerTone.muLaw(time.Second))),
			})
			wire := listen(t, dialer.Addr(), carrier.Addr)
			startSipp(t, scenario, dialer, append([]string{"-mi", dialer.Addr().String()}, sippTLS(t, ca, dialersOf(s.addr))...)...).wantSuccess(t)
			carrier.logs(t, "ENDED cause")
			s.idle(t)
			trace := read(t, sippMessages(t))
			collected.learn(trace)
			packets := wire.stop(t)
			leg := between("dialer to callseal", packets, dialer.Addr(), s.addr)
			wantTone(t, carrier.heard(t, "101"), dialerTone, 2*time.Second)
			if got := carrierTone.heard(leg.open(t, s.addr, keyLine.FindStringSubmatch(trace)[1])); got < 2*time.Second {
				t.Errorf("the dialer can hear the carrier for %v, want at least 2 s", got)
			}
			wantSealed(t, leg)
			wantSealed(t, with("callseal to carrier", packets, carrier.Addr))
			if n := s.metric(t, "callseal_calls_total", `outcome="answered"`); n != 1 {
				t.Errorf("callseal_calls_total: %v answered calls, want 1", n)
			}
		})
	}
}
