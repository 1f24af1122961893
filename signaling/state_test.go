package signaling

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// After a reload new calls go by the new configuration; the one that is up
// knows nothing of it.
func TestReload(t *testing.T) {
	second := newRemote(t, "second carrier", "127.0.11.3")
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	cfg := f.state().cfg
	kept := cfg.Table.Trunks[0]
	same := *kept
	to := &trunk.Trunk{
		Target: transport.Target{Trunk: "second", Role: transport.Carrier, Proto: transport.UDP, Host: "127.0.11.3", Port: second.addr().Port()},
		Media:  sdp.Off, Sources: []netip.Prefix{netip.MustParsePrefix("127.0.11.3/32")},
	}
	cfg.Table = trunk.Table{Trunks: []*trunk.Trunk{&same, to}, Routes: []trunk.Route{{From: transport.Dialer, To: trunk.To(to)}}}
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if f.state().cfg.Table.Trunks[0] != kept {
		t.Error("a trunk that is the same was exchanged")
	}
	f.dialer.send(f.invite(2, "", offer))
	second.answer(second.want("INVITE "), "486 Busy Here", "b", "", "")
	second.want("ACK ")
	f.dialer.send(f.inDialog("ACK", 102, 2, f.dialer.want("SIP/2.0 486")))
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.dialer.want("SIP/2.0 200")
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	f.wantNoFault(t)
}

// A listener that cannot be bound leaves all as it is.
func TestReloadRefused(t *testing.T) {
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(serverIP)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	f := newFixture(t, nil)
	was := f.state()
	cfg := was.cfg
	more := cfg.Listeners[0]
	more.Name, more.Address = "more", taken.LocalAddr().(*net.UDPAddr).AddrPort()
	cfg.Listeners = append(slices.Clone(cfg.Listeners), more)
	cfg.Table.Routes = nil
	if err := f.Reload(cfg); err == nil || !strings.Contains(err.Error(), "listener more") {
		t.Errorf("error %v", err)
	}
	if f.state() != was {
		t.Error("something changed")
	}
	ok, _ := f.answered(1)
	f.dialer.send(f.inDialog("BYE", 103, 1, ok))
	f.dialer.want("SIP/2.0 200")
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

// A call outlives its listener and its trunk; a new one does not come in.
func TestReloadRemoves(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	address := f.Addr("dialers")
	cfg := f.state().cfg
	cfg.Listeners, cfg.Table.Trunks, cfg.Table.Routes = cfg.Listeners[1:], cfg.Table.Trunks[1:], nil
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	f.dialer.send(strings.ReplaceAll(f.invite(2, "", offer), f.Addr("dialers").String(), address.String()))
	f.dialer.send(strings.ReplaceAll(f.inDialog("BYE", 103, 1, ok), f.Addr("dialers").String(), address.String()))
	f.dialer.want("SIP/2.0 200")
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	f.wantNoFault(t)
	if got := strings.Count(strings.Join(f.carrier.seen, ""), "INVITE sip:"); got != 1 {
		t.Errorf("%d calls reached the carrier", got)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // the kernel tells nobody that a port is free
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("the socket outlives the last call: ", err)
		}
	}
}

// TestReloadOfTheMediaAddress: new calls get the new address; those that are up keep theirs, also when they change.
func TestReloadOfTheMediaAddress(t *testing.T) {
	f := newFixture(t, nil)
	const other = "127.0.11.18"
	was, invite := f.answered(1)
	cfg := f.state().cfg
	cfg.Media.V4 = netip.MustParseAddr(other)
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	is, second := f.answered(20)
	for at, m := range map[string]message{mediaIP: was, other: is} {
		if got := mediaOf(t, m).Addr().String(); got != at {
			t.Errorf("the dialer is shown %s, want %s", got, at)
		}
	}
	if got := mediaOf(t, second).Addr().String(); got != other {
		t.Errorf("the carrier is shown %s", got)
	}
	f.reoffer(invite, 1, "sendonly", "recvonly")
	moved := 0
	for _, m := range f.dialer.seen {
		if strings.Contains(m, "a=sendonly") {
			moved++
			if got := mediaOf(t, message{m}).Addr().String(); got != mediaIP {
				t.Errorf("the call that was up moves to %s", got)
			}
		}
	}
	if moved == 0 {
		t.Error("no offer came")
	}
	f.dialer.send(f.inDialog("BYE", 104, 1, was))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.hangUp(t, 20, is)
}
