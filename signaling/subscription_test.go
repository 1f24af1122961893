package signaling

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// subscribed begins a subscription of the dialer's and gives its 200 and the
// carrier's SUBSCRIBE.
func (f *fixture) subscribed(t *testing.T) (ok, subscribe message) {
	t.Helper()
	f.dialer.send(f.ask("SUBSCRIBE", fmt.Sprintf("Contact: <sip:mwi@%s>\nEvent: message-summary\nExpires: 600\nAccept: application/simple-message-summary\n", f.dialer.addr()), ""))
	subscribe = f.carrier.want("SUBSCRIBE sip:18005551212@" + carrierIP)
	f.carrier.answer(subscribe, "200 OK", "carriertag", "Expires: 300\n", "")
	ok = f.dialer.want("SIP/2.0 200")
	return ok, subscribe
}

// notify writes a NOTIFY of the carrier's.
func (f *fixture) notify(subscribe message, tag string, seq int, state string) string {
	return fmt.Sprintf("NOTIFY sip:x@%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKnotify%s%d\nMax-Forwards: 70\nFrom: %s;tag=%s\nTo: %s\nCall-ID: %s\nCSeq: %d NOTIFY\nContact: <sip:b@%s>\n"+
		"Event: message-summary\nSubscription-State: %s\nContent-Type: application/simple-message-summary\n\nMessages-Waiting: yes\n",
		f.Addr("carriers"), f.carrier.addr(), tag, seq, subscribe.header("To"), tag, subscribe.header("From"), subscribe.header("Call-ID"), seq, f.carrier.addr(), state)
}

func (f *fixture) subscriptionsLeft() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subscriptions) + len(f.relaying)
}

// Where the first trunk of a route takes no connection a subscription is made with the next one, and its NOTIFYs come from there.
func TestSubscriptionGoesOn(t *testing.T) {
	f := newFixture(t, func(cfg *Config) {
		closed, err := net.Listen("tcp", carrierIP+":0")
		if err != nil {
			t.Fatal(err)
		}
		at := netip.MustParseAddrPort(closed.Addr().String())
		_ = closed.Close() // nobody listens there from now on
		gone := &trunk.Trunk{Target: transport.Target{Trunk: "gone", Role: transport.Carrier, Proto: transport.TCP, Host: carrierIP, Port: at.Port()}}
		cfg.Table.Trunks = append(cfg.Table.Trunks, gone)
		cfg.Table.Routes[0].To = trunk.To(gone, cfg.Table.Trunks[1])
	})
	_, subscribe := f.subscribed(t)
	f.carrier.send(f.notify(subscribe, "carriertag", 1, "terminated;reason=timeout"))
	f.dialer.answer(f.dialer.want("NOTIFY sip:mwi@"), "200 OK", "", "", "")
	f.carrier.want("SIP/2.0 200")
	if n := f.subscriptionsLeft(); n > 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// A subscription with another trunk: both dialogs, its refresh, and its end.
func TestSubscription(t *testing.T) {
	f := newFixture(t, nil)
	ok, subscribe := f.subscribed(t)
	if ok.header("Expires") != "300" || !strings.Contains(ok.header("Contact"), serverIP) || subscribe.header("Event") != "message-summary" ||
		subscribe.header("Expires") != "600" || !strings.Contains(subscribe.header("Contact"), serverIP) {
		t.Errorf("%s\n%s", ok.text, subscribe.text)
	}
	f.carrier.send(f.notify(subscribe, "carriertag", 1, "active;expires=300"))
	got := f.dialer.want("NOTIFY sip:mwi@")
	if got.header("Subscription-State") != "active;expires=300" || got.body() != "Messages-Waiting: yes\r\n" || got.header("Max-Forwards") != "69" {
		t.Errorf("%s", got.text)
	}
	f.dialer.answer(got, "200 OK", "", "", "")
	f.carrier.want("SIP/2.0 200")

	f.dialer.send(with(strings.Replace(f.inDialog("SUBSCRIBE", 8, 1, ok), "Max-Forwards", fmt.Sprintf("Contact: <sip:mwi@%s>\nMax-Forwards", f.dialer.addr()), 1), "Event: message-summary\nExpires: 0\n", ""))
	refresh := f.carrier.want("SUBSCRIBE sip:b@")
	if refresh.header("Expires") != "0" || refresh.header("CSeq") != "2 SUBSCRIBE" || !strings.Contains(refresh.header("To"), "carriertag") {
		t.Errorf("%s", refresh.text)
	}
	f.carrier.answer(refresh, "200 OK", "", "Expires: 0\n", "")
	if got := f.dialer.want("SIP/2.0 200"); got.header("Expires") != "0" {
		t.Errorf("%s", got.text)
	}
	f.carrier.send(f.notify(subscribe, "carriertag", 2, "terminated;reason=timeout"))
	f.dialer.answer(f.dialer.want("NOTIFY "), "200 OK", "", "", "")
	f.carrier.want("SIP/2.0 200")
	if n := f.subscriptionsLeft(); n > 0 {
		t.Errorf("%d entries are left", n)
	}
	f.carrier.send(f.notify(subscribe, "carriertag", 3, "active"))
	f.carrier.want("SIP/2.0 481")
	for _, c := range []struct {
		at     *remote
		secret []string
	}{
		{f.carrier, []string{dialerIP, "asktag", "askSUBSCRIBE", "V1234"}}, {f.dialer, []string{carrierIP, "carriertag"}},
	} {
		for _, text := range c.at.seen {
			for _, secret := range c.secret {
				if strings.Contains(text, secret) {
					t.Errorf("%s sees %s in\n%s", c.at.name, secret, text)
				}
			}
		}
	}
	f.wantNoFault(t)
}

// RFC 6665 section 4.1.2.4: the first NOTIFY may overtake the 200.
func TestNotifyBeforeTheAnswer(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.ask("SUBSCRIBE", fmt.Sprintf("Contact: <sip:mwi@%s>\nEvent: message-summary\n", f.dialer.addr()), ""))
	subscribe := f.carrier.want("SUBSCRIBE ")
	f.carrier.send(f.notify(subscribe, "carriertag", 1, "active"))
	f.dialer.answer(f.dialer.want("NOTIFY "), "200 OK", "", "", "")
	f.carrier.want("SIP/2.0 200")
	f.carrier.send(f.notify(subscribe, "othertag", 1, "active")) // another fork
	f.carrier.want("SIP/2.0 481")
	f.carrier.answer(subscribe, "200 OK", "carriertag", "Expires: 604800\n", "")
	if got := f.dialer.want("SIP/2.0 200"); got.header("Expires") != "86400" { // longer than we keep it
		t.Errorf("%s", got.text)
	}
	f.carrier.send(f.notify(subscribe, "carriertag", 2, "active"))
	f.dialer.answer(f.dialer.want("NOTIFY "), "481 Subscription Does Not Exist", "", "", "")
	f.carrier.want("SIP/2.0 481 Subscription Does Not Exist")
	if n := f.subscriptionsLeft(); n > 0 {
		t.Errorf("%d entries are left of a subscription that the subscriber does not know", n)
	}
}

// What is refused leaves nothing, and what does not belong into a subscription
// is refused.
func TestSubscriptionRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.ask("SUBSCRIBE", "Event: presence\n", ""))
	f.carrier.answer(f.carrier.want("SUBSCRIBE "), "489 Bad Event", "x", "Allow-Events: message-summary\n", "")
	if got := f.dialer.want("SIP/2.0 489 Bad Event"); got.header("Allow-Events") != "message-summary" {
		t.Errorf("%s", got.text)
	}
	if n := f.subscriptionsLeft(); n > 0 {
		t.Errorf("%d entries are left", n)
	}
	g := newFixture(t, nil)
	ok, subscribe := g.subscribed(t)
	g.dialer.send(g.inDialog("INFO", 8, 1, ok))
	g.dialer.want("SIP/2.0 405")
	g.dialer.send(g.inDialog("SUBSCRIBE", 3, 1, ok)) // a number below the first one's
	g.dialer.want("SIP/2.0 500 CSeq out of order")
	wrong := strings.Replace(g.notify(subscribe, "carriertag", 1, "active"), g.carrier.addr().String(), g.dialer.addr().String(), 1)
	g.dialer.send(wrong) // by the door of another role
	g.dialer.want("SIP/2.0 481")
	g.carrier.send(g.notify(subscribe, "carriertag", 2, "terminated"))
	g.dialer.answer(g.dialer.want("NOTIFY "), "200 OK", "", "", "")
	g.carrier.want("SIP/2.0 200")
}
