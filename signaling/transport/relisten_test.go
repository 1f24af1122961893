package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func nothing() {}

// apart is at on a loopback address of this process alone: nobody takes a port there that was free a moment ago.
func apart(proto Proto, role Role, name string) Listener {
	l := at(proto, role, name, nil)
	pid := os.Getpid()
	l.Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 201, byte(pid >> 8), byte(pid)}), 0)
	return l
}

// shown dials a TLS listener and gives the name in its certificate.
func shown(t *testing.T, address netip.AddrPort, ca *authority) string {
	t.Helper()
	c, err := tls.Dial("tcp", address.String(), &tls.Config{RootCAs: ca.pool, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// fixed is a listener on the port where another one is bound.
func fixed(l Listener, at netip.AddrPort) Listener {
	l.Address = at
	return l
}

// The next handshake shows the new certificate; the connection that is up
// stays, and so does the port.
func TestRelistenCertificate(t *testing.T) {
	ca := newAuthority(t)
	config := func(name string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{name}})}}
	}
	b := start(t, Config{Listeners: []Listener{at(TLS, Dialer, "tls", config("old.example"))}})
	address := b.Addr("tls")
	up := dialCaller(t, b, "tls", &tls.Config{InsecureSkipVerify: true})
	if err := b.Relisten([]Listener{at(TLS, Dialer, "tls", config("new.example"))}, nothing); err != nil {
		t.Fatal(err)
	}
	if b.Addr("tls") != address {
		t.Errorf("moved to %s", b.Addr("tls"))
	}
	if got := shown(t, address, ca); got != "new.example" {
		t.Errorf("shows %s", got)
	}
	up.say(t, text("OPTIONS", TLS, "x", "z9hG4bKx", 1, "", ""))
	if h := up.hear(t); h.status() != 200 {
		t.Errorf("got %s", h.start)
	}
}

// A listener that is added accepts, one that is removed does not, and its
// connection goes on until Retain.
func TestRelistenAddAndRemove(t *testing.T) {
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp-old", nil)}})
	old := b.Addr("tcp-old")
	up := dialCaller(t, b, "tcp-old", nil)
	say := func(c *caller, id string) {
		t.Helper()
		c.say(t, text("OPTIONS", TCP, id, "z9hG4bK"+id, 1, "", ""))
		if h := c.hear(t); h.status() != 200 {
			t.Errorf("got %s", h.start)
		}
	}
	say(up, "a")
	settled := false
	if err := b.Relisten([]Listener{at(TCP, Carrier, "tcp-new", nil)}, func() { settled = true }); err != nil || !settled {
		t.Fatal(err, settled)
	}
	fresh := dialCaller(t, b, "tcp-new", nil)
	say(fresh, "b")
	say(up, "c")
	if c, err := net.Dial("tcp", old.String()); err == nil {
		_ = c.Close()
		t.Error("the old listener still accepts")
	}
	b.Retain(nil, nil)
	up.closedWithin(t, patience)
	say(fresh, "d")
}

// Another role and name for what is bound: the socket stays, also of UDP.
func TestRelistenRename(t *testing.T) {
	flows := make(chan *Flow, 8)
	b := start(t, Config{
		Listeners: []Listener{apart(TCP, Dialer, "tcp"), apart(UDP, Dialer, "udp")},
		Handler:   &recorder{request: func(tx *ServerTx) { flows <- tx.Flow(); answerOK(tx) }},
	})
	tcp, udp := b.Addr("tcp"), b.Addr("udp")
	if err := b.Relisten([]Listener{fixed(apart(TCP, Dialer, "tcp"), tcp), fixed(apart(UDP, Dialer, "udp"), udp)}, nothing); err == nil {
		t.Fatal("port 0 is another address: the port cannot be bound twice")
	}
	b.stop()
	b = start(t, Config{
		Listeners: []Listener{fixed(apart(TCP, Dialer, "tcp"), tcp), fixed(apart(UDP, Dialer, "udp"), udp)},
		Handler:   &recorder{request: func(tx *ServerTx) { flows <- tx.Flow(); answerOK(tx) }},
	})
	ask := func(listener string, proto Proto, id string) *Flow {
		t.Helper()
		c := dialCaller(t, b, listener, nil)
		c.say(t, text("OPTIONS", proto, id, "z9hG4bK"+id, 1, "", ""))
		c.hear(t)
		return receive(t, "request", flows)
	}
	if f := ask("udp", UDP, "a"); f.Role() != Dialer || f.Listener() != "udp" {
		t.Errorf("%s %s", f.Role(), f.Listener())
	}
	if err := b.Relisten([]Listener{fixed(apart(TCP, Phone, "tcp2"), tcp), fixed(apart(UDP, Carrier, "udp2"), udp)}, nothing); err != nil {
		t.Fatal(err)
	}
	if f := ask("udp2", UDP, "b"); f.Role() != Carrier || f.Listener() != "udp2" {
		t.Errorf("%s %s", f.Role(), f.Listener())
	}
	if f := ask("tcp2", TCP, "c"); f.Role() != Phone || f.Listener() != "tcp2" {
		t.Errorf("%s %s", f.Role(), f.Listener())
	}
}

// A UDP socket outlives its listener until Retain, and serves again when the
// listener comes back before.
func TestRelistenUDPComesBack(t *testing.T) {
	b := start(t, Config{Listeners: []Listener{apart(TCP, Dialer, "tcp")}})
	udp := fixed(apart(UDP, Carrier, "udp"), b.Addr("tcp")) // free: TCP has it
	with := []Listener{apart(TCP, Dialer, "tcp"), udp}
	for _, id := range []string{"a", "b", "c"} {
		if err := b.Relisten(with, nothing); err != nil {
			t.Fatal(err)
		}
		c := dialCaller(t, b, "udp", nil)
		c.say(t, text("OPTIONS", UDP, id, "z9hG4bK"+id, 1, "", ""))
		c.hear(t)
		if err := b.Relisten(with[:1], nothing); err != nil {
			t.Fatal(err)
		}
	}
	b.Retain(nil, nil)
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(udp.Address))
	if err != nil {
		t.Fatalf("the socket was not closed: %v", err)
	}
	_ = c.Close()
}

// What cannot be bound changes nothing.
func TestRelistenRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
	was := b.Addr("tcp")
	for name, list := range map[string][]Listener{
		"new":           {at(TCP, Carrier, "other", nil), fixed(at(TCP, Dialer, "taken", nil), netip.MustParseAddrPort(taken.Addr().String()))},
		"twice":         {at(TCP, Carrier, "other", nil), at(TCP, Carrier, "other", nil)},
		"no advertised": {{Name: "tcp", Role: Dialer, Proto: TCP, Address: netip.AddrPortFrom(loopback, 0), Advertise: "a b"}},
	} {
		err := b.Relisten(list, func() { t.Error("settled") })
		if err == nil || name == "new" && !strings.Contains(err.Error(), "listener taken") || name != "new" && !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if b.Addr("tcp") != was || b.Addr("other").IsValid() {
			t.Errorf("%s: something changed", name)
		}
		dialCaller(t, b, "tcp", nil)
	}
}

// Retain closes what leads to no target, and nothing else.
func TestRetain(t *testing.T) {
	r := listenRemote(t, nil)
	answers(t, r)
	b := start(t, Config{})
	target := func(name string) *Target {
		return &Target{Trunk: name, Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: r.port()}
	}
	kept, gone := exchange(t, b, target("kept"), "a", nil), exchange(t, b, target("gone"), "b", nil)
	phones := target("kept")
	phones.Pool = "phones"
	pooled := exchange(t, b, phones, "c", nil)
	moved := target("moved")
	was := exchange(t, b, moved, "d", nil)
	moved.Host = "localhost"
	targets := []Target{*target("kept"), *moved}
	b.Retain(targets, func(trunk string) bool { return trunk == "gone" })
	eventually(t, "that of no call is closed", func() bool { return !was.Alive() })
	if !gone.Alive() {
		t.Error("a connection that calls use was closed")
	}
	b.Retain(targets, nil)
	eventually(t, "the other one too", func() bool { return !gone.Alive() })
	if !kept.Alive() || !pooled.Alive() {
		t.Error("a connection in use was closed")
	}
}

func TestSetLimits(t *testing.T) {
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
	dialCaller(t, b, "tcp", nil).say(t, text("OPTIONS", TCP, "a", "z9hG4bKa", 1, "", ""))
	eventually(t, "the connection counts", func() bool { return b.count(t, "callseal_connections") == 1 })
	b.SetLimits(Limits{PerAddress: 1})
	dialCaller(t, b, "tcp", nil).closedWithin(t, patience)
	b.SetLimits(Limits{PerAddress: 2})
	c := dialCaller(t, b, "tcp", nil)
	c.say(t, text("OPTIONS", TCP, "b", "z9hG4bKb", 1, "", ""))
	c.hear(t)
}
