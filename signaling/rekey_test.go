package signaling

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"

	"callseal/sdp"
)

// sealedEnd is the carrier's audio: SRTP by pion, both ways.
type sealedEnd struct {
	*remote
	at   netip.AddrPort // callseal's port
	seal *pion.Context
	open *pion.Context
	seq  uint16
}

var cryptoLine = regexp.MustCompile(`a=crypto:(\d+) AES_CM_128_HMAC_SHA1_80 inline:([A-Za-z0-9+/=]{40})`)

func context80(t testing.TB, key []byte) *pion.Context {
	t.Helper()
	c, err := pion.CreateContext(key[:16], key[16:], pion.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// describe takes callseal's offer and gives the carrier's SDP: a key made of one byte, good for 256 packets.
func (e *sealedEnd) describe(offer message, fill byte) string {
	e.t.Helper()
	line := cryptoLine.FindStringSubmatch(offer.body())
	if line == nil {
		e.t.Fatalf("no crypto line in %q", offer.body())
	}
	theirs, err := base64.StdEncoding.DecodeString(line[2])
	if err != nil {
		e.t.Fatal(err)
	}
	own := []byte(strings.Repeat(string(fill), 30))
	e.open, e.seal, e.at = context80(e.t, theirs), context80(e.t, own), mediaOf(e.t, offer)
	text := strings.ReplaceAll(answerSDP, "31000 RTP/AVP", strconv.Itoa(int(e.addr().Port()))+" RTP/SAVP")
	return text + fmt.Sprintf("a=crypto:%s AES_CM_128_HMAC_SHA1_80 inline:%s|2^8\n", line[1], base64.StdEncoding.EncodeToString(own))
}

// sealed makes the next packet of the carrier's stream.
func (e *sealedEnd) sealed() []byte {
	e.t.Helper()
	e.seq++
	packet := append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, fmt.Sprint("audio ", e.seq)...)
	binary.BigEndian.PutUint16(packet[2:], e.seq)
	binary.BigEndian.PutUint32(packet[4:], 160*uint32(e.seq))
	out, err := e.seal.EncryptRTP(nil, packet, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// says sends a packet and fails unless the plain other side hears it.
func (e *sealedEnd) says(packet []byte, seq uint16, other *remote) {
	e.t.Helper()
	if _, err := e.conn.WriteToUDPAddrPort(packet, e.at); err != nil {
		e.t.Fatal(err)
	}
	if got := string(other.packet()); got != fmt.Sprint("audio ", seq) {
		e.t.Fatalf("heard %q, want packet %d", got, seq)
	}
}

// packet is the payload of the next RTP packet.
func (r *remote) packet() []byte {
	r.t.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 1500)
	n, _, err := r.conn.ReadFromUDPAddrPort(buf)
	if err != nil || n < 12 {
		r.t.Fatalf("%s hears %q, %v", r.name, buf[:n], err)
	}
	return buf[12:n]
}

// TestKeysAreRenewedInTime: a key that may protect 256 packets (as 2^20 scaled down) is replaced by a re-INVITE before
// it has, on both ways of the leg, and no packet is lost meanwhile.
func TestKeysAreRenewedInTime(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Table.Trunks[1].Media, c.Table.Trunks[1].Suites = sdp.Required, []sdp.Suite{pion.ProtectionProfileAes128CmHmacSha1_80}
	})
	caller := newRemote(t, "the caller's audio", dialerIP)
	end := &sealedEnd{remote: newRemote(t, "the carrier's audio", carrierIP)}
	f.dialer.send(f.invite(1, "", strings.ReplaceAll(offer, "30000", strconv.Itoa(int(caller.addr().Port())))))
	invite := f.carrier.want("INVITE ")
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", end.describe(invite, 'a'))
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	for range 224 {
		end.says(end.sealed(), end.seq, caller)
	}
	again := f.carrier.want("INVITE ")
	for range 5 { // before the answer: the old keys
		end.says(end.sealed(), end.seq, caller)
	}
	if first, second := cryptoLine.FindStringSubmatch(invite.body()), cryptoLine.FindStringSubmatch(again.body()); second == nil || first[2] == second[2] {
		t.Fatalf("offered again: %v", second)
	}
	late, lateSeq := end.sealed(), end.seq
	f.carrier.answer(again, "200 OK", "", "Content-Type: application/sdp\n", end.describe(again, 'b'))
	f.carrier.want("ACK ")
	end.says(late, lateSeq, caller)
	for range 150 {
		end.says(end.sealed(), end.seq, caller)
	}
	if _, err := caller.conn.WriteToUDPAddrPort([]byte("\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x09"+"to the carrier"), mediaOf(t, ok)); err != nil {
		t.Fatal(err)
	}
	_ = end.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 1500)
	n, _, err := end.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := end.open.DecryptRTP(nil, buf[:n], nil); err != nil || string(plain[12:]) != "to the carrier" {
		t.Errorf("under our new key: %q, %v", plain, err)
	}
	f.hangUp(t, 1, ok)
}
