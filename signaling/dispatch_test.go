package signaling

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// cancel writes the CANCEL of the dialer's call n.
func (f *fixture) cancel(n int, extra string) string {
	head, _, _ := strings.Cut(f.invite(n, extra, ""), "Content-Type:")
	return strings.Replace(head, "INVITE", "CANCEL", 2) + "\n"
}

// byeOf writes a BYE of the carrier's in the dialog of its tag.
func (f *fixture) byeOf(invite message, tag string, to netip.AddrPort) string {
	return fmt.Sprintf("BYE sip:x@%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbyeof%s\nMax-Forwards: 70\nFrom: %s%s\nTo: %s\nCall-ID: %s\nCSeq: 1 BYE\n\n",
		to, f.carrier.addr(), strings.TrimPrefix(tag, ";tag="), invite.header("To"), tag, invite.header("From"), invite.header("Call-ID"))
}

// never fails when a message that begins so is among those that came.
func (r *remote) never(start string) {
	r.t.Helper()
	for _, text := range r.seen {
		if strings.HasPrefix(text, start) {
			r.t.Errorf("%s got\n%s", r.name, text)
		}
	}
}

func (f *fixture) wantNoFault(t *testing.T) {
	t.Helper()
	if strings.Contains(f.logs.String(), "please report it") {
		t.Error("a fault of callseal's own, see the log")
	}
}

// Early media may cross the CANCEL on its way: the session is closed then.
func TestEarlyMediaAfterCancel(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.invite(1, "", offer))
	invite := f.carrier.want("INVITE ")
	f.carrier.answer(invite, "180 Ringing", "carriertag", "", "")
	f.dialer.want("SIP/2.0 180")
	f.dialer.send(f.cancel(1, "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\n"))
	terminated := f.dialer.want("SIP/2.0 487")
	f.dialer.send(f.inDialog("ACK", 102, 1, terminated))
	cancel := f.carrier.want("CANCEL ")
	if got := cancel.header("Reason"); !strings.HasPrefix(got, "SIP;cause=200") {
		t.Errorf("Reason of the CANCEL: %q", got)
	}
	f.carrier.answer(invite, "183 Session Progress", "carriertag", "Content-Type: application/sdp\n", answerSDP)
	f.carrier.answer(cancel, "200 OK", "carriertag", "", "")
	f.carrier.answer(invite, "487 Request Terminated", "carriertag", "", "")
	f.carrier.want("ACK ")
	f.wantIdle(t)
	f.wantNoFault(t)
}

// A call that is given up before its INVITE could be sent is not placed.
func TestCancelWhileDialling(t *testing.T) {
	stalled, err := net.Listen("tcp", carrierIP+":0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stalled.Close() }()
	f := newFixture(t, func(c *Config) {
		to := &c.Table.Trunks[1].Target
		to.Proto, to.Port, to.TLS = transport.TLS, uint16(stalled.Addr().(*net.TCPAddr).Port), &transport.ClientTLS{}
		c.Transport.Handshake = time.Minute
	})
	f.dialer.send(f.invite(1, "", offer))
	f.dialer.want("SIP/2.0 100")
	f.dialer.send(f.cancel(1, ""))
	terminated := f.dialer.want("SIP/2.0 487")
	f.dialer.send(f.inDialog("ACK", 102, 1, terminated))
	f.wantIdle(t)
}

// A fork that lost is ended once, and its own BYE does not end the call.
func TestAForkThatLost(t *testing.T) {
	f := newFixture(t, nil)
	ok, invite := f.answered(1)
	for range 2 {
		f.carrier.answer(invite, "200 OK", "othertag", "Content-Type: application/sdp\n", answerSDP)
		f.carrier.want("ACK ")
	}
	f.carrier.send(f.byeOf(invite, ";tag=othertag", f.Addr("carriers")))
	f.carrier.want("SIP/2.0 200")
	byes := map[string]bool{}
	for _, text := range f.carrier.seen {
		if strings.HasPrefix(text, "BYE ") {
			byes[message{text}.header("CSeq")] = true
		}
	}
	if len(byes) != 1 {
		t.Errorf("BYEs to the fork: %v, want one", byes)
	}
	f.dialer.send(f.inDialog("OPTIONS", 103, 1, ok))
	f.carrier.answer(f.carrier.want("OPTIONS "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.dialer.never("BYE ")
	if n := f.Calls(); n != 1 {
		t.Fatalf("%d calls, want the one that won", n)
	}
	f.dialer.send(f.inDialog("BYE", 104, 1, ok))
	f.dialer.want("SIP/2.0 200")
}

// What another fork says after the answer does not move the audio.
func TestEarlyMediaOfAForkThatLost(t *testing.T) {
	f := newFixture(t, nil)
	listen := func(ip string) *net.UDPConn {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	caller, winner, loser := listen(dialerIP), listen(carrierIP), listen(carrierIP)
	at := func(body, port string, c *net.UDPConn) string {
		return strings.Replace(body, port, fmt.Sprint(c.LocalAddr().(*net.UDPAddr).Port), 1)
	}
	f.dialer.send(f.invite(1, "", at(offer, "30000", caller)))
	invite := f.carrier.want("INVITE ")
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", at(answerSDP, "31000", winner))
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	f.carrier.answer(invite, "183 Session Progress", "othertag", "Content-Type: application/sdp\n", at(answerSDP, "31000", loser))
	f.dialer.send(f.inDialog("OPTIONS", 103, 1, ok))
	f.carrier.answer(f.carrier.want("OPTIONS "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	var port int
	for line := range strings.Lines(ok.body()) {
		_, _ = fmt.Sscanf(line, "m=audio %d", &port) // the other lines do not fit
	}
	packet := append([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9}, make([]byte, 160)...)
	_, _ = caller.WriteToUDP(packet, &net.UDPAddr{IP: net.ParseIP(mediaIP), Port: port})
	_ = winner.SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, _, err := winner.ReadFromUDP(make([]byte, 2000)); err != nil {
		t.Errorf("the audio does not reach who answered: %v", err)
	}
}

// RFC 3261 section 12.1.2: a UAC has to take a 2xx without To tag.
func TestAnswerWithoutToTag(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.invite(1, "", offer))
	invite := f.carrier.want("INVITE ")
	f.carrier.answer(invite, "200 OK", "", "Content-Type: application/sdp\n", answerSDP)
	if got := f.carrier.want("ACK ").header("To"); strings.Contains(got, "tag=") {
		t.Errorf("To of the ACK: %s", got)
	}
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	f.carrier.send(f.byeOf(invite, "", f.Addr("carriers")))
	f.carrier.want("SIP/2.0 200")
	f.dialer.answer(f.dialer.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

// Texts of one leg may name its machines: they do not cross.
func TestAddressesInTextsStayOnTheirLeg(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.invite(1, "", offer))
	f.carrier.answer(f.carrier.want("INVITE "), "404 No route to 10.9.8.7", "carriertag",
		"Reason: SIP;cause=404;text=\"at 10.9.8.7, Q.850 it was\"\nReason: Q.850;cause=1;text=\"gw.carrier [2001:db8::1]\"\nX-Node: 10.9.8.7\nRetry-After: 5 (10.9.8.7)\n", "")
	got := f.dialer.want("SIP/2.0 404 No route to\r\n")
	f.dialer.send(f.inDialog("ACK", 102, 1, got))
	for _, secret := range []string{"10.9.8.7", "2001:db8"} {
		if strings.Contains(got.text, secret) {
			t.Errorf("%s crosses:\n%s", secret, got.text)
		}
	}
	if got := got.header("Reason"); !strings.HasPrefix(got, "Q.850;cause=1") {
		t.Errorf("first Reason %q, want that of Q.850", got)
	}
	f.wantIdle(t)
}

// A socket of a trunk's own is no proof that the trunk speaks.
func TestAStrangerAtATrunksOwnSocket(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Listeners = c.Listeners[:1] // none for carriers: the trunk gets a socket of its own
	})
	f.dialer.send(f.invite(1, "", offer))
	f.carrier.want("INVITE ")
	stranger := newRemote(t, "stranger", "127.0.11.66")
	stranger.to = f.carrier.to
	stranger.send(strings.ReplaceAll(f.invite(2, "", offer), f.dialer.addr().String(), stranger.addr().String()))
	stranger.want("SIP/2.0 403")
}

// A dialog's requests may come from any address, as carriers' do, but not by
// the door of another role.
func TestInDialogRequestByAnotherDoor(t *testing.T) {
	f := newFixture(t, nil)
	_, invite := f.answered(1)
	other := newRemote(t, "carrier's other machine", "127.0.11.67")
	bye := func(door string) string {
		return strings.Replace(f.byeOf(invite, ";tag=carriertag", f.Addr(door)), f.carrier.addr().String(), other.addr().String(), 1)
	}
	other.to = f.Addr("dialers")
	other.send(bye("dialers"))
	other.want("SIP/2.0 481")
	other.to = f.Addr("carriers")
	other.send(strings.Replace(bye("carriers"), "z9hG4bKbyeof", "z9hG4bKagain", 1))
	other.want("SIP/2.0 200")
	f.dialer.answer(f.dialer.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

// The line of a call that never had audio does not claim that it was in the
// clear.
func TestABusyCallHasNoMediaInItsLine(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Table.Trunks[1].Media, c.Table.Trunks[1].Suites = sdp.Required, sdp.Suites() })
	f.dialer.send(f.invite(1, "", offer))
	f.carrier.answer(f.carrier.want("INVITE "), "486 Busy Here", "carriertag", "", "")
	got := f.dialer.want("SIP/2.0 486")
	f.dialer.send(f.inDialog("ACK", 102, 1, got))
	f.wantIdle(t)
	if !strings.Contains(f.logs.String(), `leg_b="udp + no media"`) {
		t.Error("want leg_b with no media")
	}
}

// X-CIDNAME cannot break out of the display name, and a tel URI's number is a
// number too.
func TestTheCallersNameAndNumber(t *testing.T) {
	for _, c := range []struct{ name, old, new, extra, want string }{
		{"name", "", "", "X-CIDNAME: ACME\" <sip:evil@x>;tag=1\\\n", `"ACME <>;tag=1" <sip:7275551234@`},
		{"tel URI", fmt.Sprintf("<sip:7275551234@%s>;tag", dialerIP), "<tel:+17275551234;phone-context=x>;tag", "", "<sip:+17275551234@"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, nil)
			text := f.invite(1, c.extra, offer)
			if c.old != "" {
				text = strings.Replace(text, c.old, c.new, 1)
			}
			f.dialer.send(text)
			if got := f.carrier.want("INVITE ").header("From"); !strings.HasPrefix(got, c.want) {
				t.Errorf("From %s, want %s...", got, c.want)
			}
		})
	}
}

// BYEs that cross each other are both answered, however the race ends.
func TestCrossingByes(t *testing.T) {
	f := newFixture(t, nil)
	for n := range 40 {
		ok, invite := f.answered(n)
		f.dialer.send(f.inDialog("BYE", 103, n, ok))
		bye := f.carrier.want("BYE ")
		f.carrier.answer(bye, "200 OK", "", "", "")
		f.carrier.send(strings.Replace(f.byeOf(invite, ";tag=carriertag", f.Addr("carriers")), "z9hG4bKbyeof", fmt.Sprintf("z9hG4bK%dx", n), 1))
		for !strings.Contains(f.carrier.want("SIP/2.0 ").header("CSeq"), "1 BYE") {
			continue
		}
		f.dialer.want("SIP/2.0 200")
	}
	f.wantIdle(t)
}

// A fault of ours while a request is looked at is answered 503 too.
func TestAPanicBeforeTheCall(t *testing.T) {
	f := newFixture(t, func(c *Config) { // a route to nobody: next stumbles over it
		c.Table.Routes = []trunk.Route{{From: transport.Dialer, To: []trunk.Destination{{}}}}
	})
	f.dialer.send(f.invite(1, "", offer))
	f.dialer.want("SIP/2.0 503 SBC internal fault")
}

// A carrier that invents To tags gets no memory for them, and its answer is
// still taken.
func TestForksWithoutEnd(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.invite(1, "", offer))
	invite := f.carrier.want("INVITE ")
	for n := range 50 {
		f.carrier.answer(invite, "183 Session Progress", fmt.Sprintf("fork%d", n), "Content-Type: application/sdp\n", answerSDP)
		f.dialer.want("SIP/2.0 183")
	}
	f.carrier.answer(invite, "200 OK", "fork49", "Content-Type: application/sdp\n", answerSDP)
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

// Scanners do not fill the log.
func TestStrangersAreNotedOnceASecond(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Table.Trunks[0].Sources = nil })
	for n := range 20 {
		f.dialer.send(f.invite(n, "", offer))
		f.dialer.want("SIP/2.0 403")
	}
	if n := strings.Count(f.logs.String(), "INVITE from an unknown address refused"); n > 3 {
		t.Errorf("%d lines for 20 strangers", n)
	}
}

// Both legs over IPv6: addresses in URIs and Via stand in brackets, those in
// SDP do not.
func TestCallOverIPv6(t *testing.T) {
	dialer, carrier := newRemote(t, "dialer", "::1"), newRemote(t, "carrier", "::1")
	f := newFixture(t, func(c *Config) {
		loopback := netip.IPv6Loopback()
		for i := range c.Listeners {
			c.Listeners[i].Address = netip.AddrPortFrom(loopback, 0)
		}
		c.Table.Trunks[1].Target.Host, c.Table.Trunks[1].Target.Port = "::1", carrier.addr().Port()
		for _, tr := range c.Table.Trunks {
			tr.Sources = []netip.Prefix{netip.PrefixFrom(loopback, 128)}
		}
		c.Media = MediaAddresses{V6: loopback}
	})
	f.dialer, f.carrier = dialer, carrier
	f.dialer.to, f.carrier.to = f.Addr("dialers"), f.Addr("carriers")
	v6 := func(body, ip string) string { return strings.ReplaceAll(body, "IN IP4 "+ip, "IN IP6 ::1") }
	f.dialer.send(strings.ReplaceAll(f.invite(1, "", v6(offer, dialerIP)), "@"+dialerIP, "@[::1]"))
	invite := f.carrier.want("INVITE ")
	for _, want := range []string{"INVITE sip:18005551212@[::1]:", "\r\nFrom: <sip:7275551234@[::1]>;tag=", "\r\nContact: <sip:7275551234@[::1]:", "UDP [::1]:", "c=IN IP6 ::1\r\n"} {
		if !strings.Contains(invite.text, want) {
			t.Errorf("no %q in\n%s", want, invite.text)
		}
	}
	f.carrier.answer(invite, "200 OK", "carriertag", "Content-Type: application/sdp\n", v6(answerSDP, carrierIP))
	f.carrier.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

// What comes too late changes nothing and is answered.
func TestLateRequests(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	f.dialer.send(f.cancel(1, "")) // the INVITE has its final response
	f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.invite(1, "", offer)) // repeated: absorbed
	f.dialer.send(f.inDialog("OPTIONS", 103, 1, ok))
	f.carrier.answer(f.carrier.want("OPTIONS "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	if n := f.Calls(); n != 1 {
		t.Fatalf("%d calls, want one", n)
	}
	stranger := message{strings.Replace(ok.text, "tag=dialertag1", "tag=another", 1)}
	f.dialer.send(f.inDialog("BYE", 104, 11, stranger))
	f.dialer.want("SIP/2.0 481")
	f.dialer.send(f.inDialog("BYE", 105, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	f.dialer.send(strings.Replace(f.inDialog("BYE", 106, 1, ok), "dialer1bye", "dialer1late", 1))
	f.dialer.want("SIP/2.0 481")
	f.dialer.send(f.cancel(1, ""))
	if !strings.HasPrefix(f.dialer.want("SIP/2.0 ").text, "SIP/2.0 200") { // RFC 6026: its transaction is still there
		t.Error("CANCEL of a call that is over")
	}
}

// The caller code and other names reach a dialer as they are.
func TestTheNameTowardADialer(t *testing.T) {
	f := newFixture(t, nil)
	for n, name := range []string{`"V1234567890123456789"`, `"a \"b\" \\ c"`, "Jörg Müller", `"Ø, <x>; y"`, `"M` + "\xfc" + `ller"`} {
		text := f.invite(n, "P-Asserted-Identity: <sip:1@10.0.0.1>\nRemote-Party-ID: <sip:1@10.0.0.1>\n", offer)
		text = strings.Replace(text, `"V1234567890123456789"`, name, 1)
		text = strings.ReplaceAll(strings.ReplaceAll(text, f.dialer.addr().String(), f.carrier.addr().String()), f.Addr("dialers").String(), f.Addr("carriers").String())
		f.carrier.send(text)
		got := f.dialer.want("INVITE ")
		if want := `"` + strings.Trim(name, `"`) + `" <sip:7275551234@`; !strings.HasPrefix(got.header("From"), want) {
			t.Errorf("From %s, want %s...", got.header("From"), want)
		}
		if strings.Contains(got.text, "10.0.0.1") {
			t.Errorf("an identity crosses:\n%s", got.text)
		}
		f.dialer.answer(got, "486 Busy Here", "x", "", "")
		f.carrier.send(f.inDialog("ACK", 102, n, f.carrier.want("SIP/2.0 486")))
	}
	f.wantIdle(t)
}

// A fork that answers when the call is over already is ACKed and ended.
func TestAForkThatAnswersAfterTheEnd(t *testing.T) {
	f := newFixture(t, nil)
	ok, invite := f.answered(1)
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	for range 2 {
		f.carrier.answer(invite, "200 OK", "latetag", "Content-Type: application/sdp\n", answerSDP)
		if got := f.carrier.want("ACK ").header("To"); !strings.HasSuffix(got, ";tag=latetag") {
			t.Errorf("ACK to %s", got)
		}
	}
	byes := map[string]bool{}
	for _, text := range append(f.carrier.seen, f.carrier.want("BYE ").text) {
		if strings.HasPrefix(text, "BYE ") && strings.Contains(text, "latetag") {
			byes[message{text}.header("CSeq")] = true
		}
	}
	if len(byes) != 1 {
		t.Errorf("BYEs %v, want one", byes)
	}
}
