package signaling

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// A carrier's redirection is followed by q, under numbers that it names, and to
// another carrier with that one's media and headers.
func TestRedirection(t *testing.T) {
	second := newRemote(t, "second carrier", "127.0.11.3")
	f := newFixture(t, func(c *Config) {
		c.Table.Trunks[1].Follow = true
		c.Table.Trunks = append(c.Table.Trunks, &trunk.Trunk{
			Target: transport.Target{Trunk: "second", Role: transport.Carrier, Proto: transport.UDP, Host: "127.0.11.3", Port: second.addr().Port()},
			Media:  sdp.Required, Suites: sdp.Suites()[:1],
			Sources: []netip.Prefix{netip.MustParsePrefix("127.0.11.3/32")},
		})
	})
	f.dialer.send(f.invite(1, "X-CIDNAME: ACME\n", offer))
	invite := f.carrier.want("INVITE sip:18005551212@")
	f.carrier.answer(invite, "300 Multiple Choices", "a", fmt.Sprintf(
		"Contact: <sip:15550001@%s>;q=0.4, Transfer <sip:15550002@%s>;q=0.8\nContact: <sip:15550003@127.0.11.3>;q=0.6, <sip:15550004@evil.example>\n", f.carrier.addr(), f.carrier.addr()), "")
	f.carrier.want("ACK ")
	again := f.carrier.want("INVITE sip:b@") // the one without q, which answer wrote
	if again.header("Call-ID") != invite.header("Call-ID") || again.header("From") != invite.header("From") ||
		again.header("CSeq") != "2 INVITE" || again.header("Via") == invite.header("Via") || strings.Contains(again.header("To"), "tag=") {
		t.Errorf("the second INVITE:\n%s", again.text)
	}
	f.carrier.answer(again, "404 Not Found", "b", "", "")
	f.carrier.want("ACK ")
	f.carrier.answer(f.carrier.want("INVITE sip:15550002@"), "480 Temporarily Unavailable", "b", "", "")
	f.carrier.want("ACK ")
	third := second.want("INVITE sip:15550003@127.0.11.3")
	if !strings.Contains(third.body(), "RTP/SAVP") || strings.Contains(third.text, carrierIP) || !strings.HasPrefix(third.header("From"), `"ACME" <sip:7275551234@`) {
		t.Errorf("the INVITE to the second carrier:\n%s", third.text)
	}
	second.answer(third, "486 Busy Here", "c", "", "")
	second.want("ACK ")
	f.carrier.answer(f.carrier.want("INVITE sip:15550001@"), "603 Decline", "d", "", "")
	f.carrier.want("ACK ")
	got := f.dialer.want("SIP/2.0 603 Decline")
	f.dialer.send(f.inDialog("ACK", 102, 1, got))
	f.dialer.never("SIP/2.0 3")
	f.wantIdle(t)
	f.wantNoFault(t)
}

// Over UDP another machine of the carrier is one in its sources; the call goes
// on with it.
func TestRedirectionToAnotherMachine(t *testing.T) {
	other := newRemote(t, "another machine", "127.0.11.4")
	f := newFixture(t, func(c *Config) {
		c.Table.Trunks[1].Follow = true
		c.Table.Trunks[1].Sources = append(c.Table.Trunks[1].Sources, netip.MustParsePrefix("127.0.11.4/32"))
	})
	f.dialer.send(f.invite(1, "", offer))
	f.carrier.answer(f.carrier.want("INVITE "), "302 Moved Temporarily", "a", fmt.Sprintf("Contact: <sip:15550001@%s>\n", other.addr()), "")
	f.carrier.want("ACK ")
	f.carrier.answer(f.carrier.want("INVITE sip:b@"), "404 Not Found", "b", "", "")
	invite := other.want(fmt.Sprintf("INVITE sip:15550001@%s ", other.addr()))
	other.answer(invite, "200 OK", "c", "Content-Type: application/sdp\n", strings.ReplaceAll(answerSDP, carrierIP, "127.0.11.4"))
	other.want("ACK ")
	ok := f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("ACK", 102, 1, ok))
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.dialer.want("SIP/2.0 200")
	other.answer(other.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	for _, text := range f.dialer.seen {
		for _, secret := range []string{"15550001", "127.0.11.4", "SIP/2.0 3"} {
			if strings.Contains(text, secret) {
				t.Errorf("the dialer sees %s:\n%s", secret, text)
			}
		}
	}
}
