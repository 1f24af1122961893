package signaling

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// speech sends so many packets of audio, each with its number, without any pause, and wants all of them at the other end, in their order.
func speech(t *testing.T, from *remote, at netip.AddrPort, to *remote, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		packet := []byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0}
		binary.BigEndian.PutUint16(packet[2:], uint16(i))
		binary.BigEndian.PutUint32(packet[4:], uint32(160*i))
		binary.BigEndian.PutUint16(packet[12:], uint16(i))
		if _, err := from.conn.WriteToUDPAddrPort(packet, at); err != nil {
			t.Fatal(err)
		}
	}
	for i := first; i < first+n; i++ {
		if got := int(binary.BigEndian.Uint16(to.packet())); got != i {
			t.Fatalf("%s hears packet %d, want %d", to.name, got, i)
		}
	}
}

// TestFirstAudioIsWhole: VICIdial's AMD listens to the first two seconds after the answer. Nothing of them is lost or comes late, nor of what a
// carrier plays before its answer, whichever way: from the first packet on that a remote sends once it has been told that it may.
func TestFirstAudioIsWhole(t *testing.T) {
	const twoSeconds = 100
	for name, early := range map[string]bool{"answer": false, "early media": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			caller, callee := newRemote(t, "the caller", dialerIP), newRemote(t, "the callee", carrierIP)
			f.dialer.send(f.invite(1, "", strings.ReplaceAll(offer, "30000", strconv.Itoa(int(caller.addr().Port())))))
			invite := f.carrier.want("INVITE ")
			answer, first := strings.ReplaceAll(answerSDP, "31000", strconv.Itoa(int(callee.addr().Port()))), 0
			if early {
				f.carrier.answer(invite, "183 Session Progress", "carriertag", "Content-Type: application/sdp\n", answer)
				at := mediaOf(t, f.dialer.want("SIP/2.0 183"))
				speech(t, callee, mediaOf(t, invite), caller, 0, twoSeconds)
				speech(t, caller, at, callee, 0, twoSeconds)
				first = twoSeconds
			}
			f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", answer)
			if !early {
				f.carrier.want("ACK ") // with early media the callee just goes on
			}
			speech(t, callee, mediaOf(t, invite), caller, first, twoSeconds)
			ok := f.dialer.want("SIP/2.0 200")
			speech(t, caller, mediaOf(t, ok), callee, first, twoSeconds)
			f.dialer.send(f.inDialog("ACK", 102, 1, ok))
			speech(t, callee, mediaOf(t, invite), caller, first+twoSeconds, twoSeconds)
			speech(t, caller, mediaOf(t, ok), callee, first+twoSeconds, twoSeconds)
			f.hangUp(t, 1, ok)
		})
	}
}
