package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// udpRemote is a UDP peer of the endpoint.
func udpRemote(t *testing.T) (*net.UDPConn, *Target) {
	t.Helper()
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	a := u.LocalAddr().(*net.UDPAddr).AddrPort()
	return u, &Target{Trunk: "udp1", Role: Carrier, Proto: UDP, Host: a.Addr().String(), Port: a.Port()}
}

// hearFrom reads one datagram.
func hearFrom(t *testing.T, u *net.UDPConn) (heard, netip.AddrPort) {
	t.Helper()
	h, from, err := listenFrom(u, patience)
	if err != nil {
		t.Fatal(err)
	}
	return h, from
}

func listenFrom(u *net.UDPConn, within time.Duration) (heard, netip.AddrPort, error) {
	buf := make([]byte, 1<<16)
	if err := u.SetReadDeadline(time.Now().Add(within)); err != nil {
		return heard{}, netip.AddrPort{}, err
	}
	n, from, err := u.ReadFromUDPAddrPort(buf)
	if err != nil {
		return heard{}, from, err
	}
	a, b := net.Pipe()
	defer func() { _ = a.Close() }()
	go func() { // ends when all is read, or with a
		_, _ = b.Write(buf[:n])
		_ = b.Close()
	}()
	h, err := newCaller(a).listen(patience)
	return h, from, err
}

func tell(t *testing.T, u *net.UDPConn, to netip.AddrPort, s string) {
	t.Helper()
	if _, err := u.WriteToUDPAddrPort([]byte(s), to); err != nil {
		t.Fatal(err)
	}
}

// TestUDPClientRepeats: an unanswered request is repeated at growing intervals, then times out (RFC 3261 sections 17.1.1.2 and 17.1.2.2).
func TestUDPClientRepeats(t *testing.T) {
	for _, method := range []sip.RequestMethod{sip.INVITE, sip.OPTIONS} {
		t.Run(method.String(), func(t *testing.T) {
			u, target := udpRemote(t)
			b := start(t, Config{})
			each, got := results()
			b.Send(context.Background(), Outgoing{Request: outgoing(method, "r"), Hop: Hop{Target: target}, Each: each})
			times := 0
			var first heard
			for {
				h, _, err := listenFrom(u, 20*testT1)
				if err != nil {
					break
				}
				if times++; times == 1 {
					first = h
				} else if h.Get("Via") != first.Get("Via") {
					t.Errorf("repetition has Via %s", h.Get("Via"))
				}
			}
			if want := map[sip.RequestMethod][2]int{sip.INVITE: {5, 8}, sip.OPTIONS: {8, 20}}[method]; times < want[0] || times > want[1] {
				t.Errorf("sent %d times, want %v", times, want)
			}
			r := receive(t, "failure", got)
			var f *Failure
			if !errors.As(r.Err, &f) || f.Stage != StageTimeout || f.Cause != CauseTimeout || f.Trunk != "udp1" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestUDPReAck: every repetition of a final response above 299 is acknowledged at once, and shown to nobody.
func TestUDPReAck(t *testing.T) {
	u, target := udpRemote(t)
	b := start(t, Config{})
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "r"), Hop: Hop{Target: target}, Each: each})
	invite, from := hearFrom(t, u)
	for i := range 4 {
		began := time.Now()
		tell(t, u, from, reply(invite, 486, "Busy Here", ""))
		ack, _ := hearFrom(t, u)
		for strings.HasPrefix(ack.start, "INVITE") {
			ack, _ = hearFrom(t, u)
		}
		if !strings.HasPrefix(ack.start, "ACK ") || ack.Get("Via") != invite.Get("Via") || !strings.HasSuffix(ack.Get("To"), ";tag=remote") || ack.Get("CSeq") != "1 ACK" {
			t.Fatalf("ACK %d: %+v", i, ack)
		}
		if took := time.Since(began); i > 0 && took > 2*testT1 {
			t.Errorf("ACK %d took %s: the machine slept", i, took)
		}
	}
	if r := receive(t, "486", got); r.Response == nil || r.Response.StatusCode != 486 {
		t.Errorf("got %+v", r)
	}
	if len(got) != 0 {
		t.Errorf("repetitions were shown: %+v", <-got)
	}
}

// TestUDPRepeated2xx: every repeated 2xx is shown, marked Again.
func TestUDPRepeated2xx(t *testing.T) {
	u, target := udpRemote(t)
	b := start(t, Config{})
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "r"), Hop: Hop{Target: target}, Each: each})
	invite, from := hearFrom(t, u)
	for i := range 3 {
		tell(t, u, from, reply(invite, 200, "OK", ""))
		r := receive(t, "200", got)
		if r.Response == nil || r.Response.StatusCode != 200 || r.Again != (i > 0) || r.Flow.Trunk() != "udp1" {
			t.Fatalf("200 number %d: %+v", i, r)
		}
		ack := outgoing(sip.ACK, "r")
		b.SendAck(ack, Hop{Flow: r.Flow, Target: target})
		for {
			h, _ := hearFrom(t, u)
			if strings.HasPrefix(h.start, "INVITE") {
				continue
			}
			if !strings.HasPrefix(h.start, "ACK ") || branchOf(h) == branchOf(invite) {
				t.Fatalf("got %+v", h)
			}
			break
		}
	}
	tell(t, u, from, reply(invite, 180, "Ringing", "")) // late
	eventually(t, "a late 180 is dropped", func() bool { return b.count(t, "callseal_sip_refused_total", "cause=late_response") == 1 })
}

// TestUDPServer: repeated requests get the last response again, once answered; the handler sees them once.
func TestUDPServer(t *testing.T) {
	seen := make(chan *ServerTx, 16)
	acks := make(chan *sip.Request, 16)
	b := start(t, Config{Listeners: []Listener{at(UDP, Dialer, "udp", nil)}, Handler: &recorder{
		request: func(tx *ServerTx) { seen <- tx },
		ack:     func(r *sip.Request, _ *Flow) { acks <- r },
	}})
	c := dialCaller(t, b, "udp", nil)
	final := func(h heard) heard {
		t.Helper()
		for h.status() < 200 {
			h = c.hear(t)
		}
		return h
	}
	t.Run("OPTIONS", func(t *testing.T) {
		options := text("OPTIONS", UDP, "o", "z9hG4bKo", 1, "", "")
		c.say(t, options)
		c.say(t, options)
		answerOK(receive(t, "request", seen))
		c.hear(t)
		c.say(t, options)
		if h := c.hear(t); h.status() != 200 {
			t.Errorf("got %s", h.start)
		}
	})
	t.Run("INVITE refused", func(t *testing.T) {
		var last heard
		c.say(t, text("INVITE", UDP, "i", "z9hG4bKi", 1, "", ""))
		tx := receive(t, "INVITE", seen)
		if err := tx.Respond(sip.NewResponseFromRequest(tx.Request(), 486, "Busy Here", nil)); err != nil {
			t.Fatal(err)
		}
		for !strings.Contains(last.Get("CSeq"), "INVITE") { // the OPTIONS above may have been answered once more
			last = final(heard{})
		}
		first, again := last, final(heard{}) // timer G
		if first.status() != 486 || again.status() != 486 || first.Get("To") != again.Get("To") {
			t.Errorf("got %s, then %s", first.start, again.start)
		}
		if err := tx.Respond(sip.NewResponseFromRequest(tx.Request(), 180, "Ringing", nil)); !errors.Is(err, ErrAnswered) {
			t.Errorf("180 after 486: %v", err)
		}
		for range 2 {
			c.say(t, text("ACK", UDP, "i", "z9hG4bKi", 1, "", ""))
		}
		receive(t, "end of the transaction", tx.Done())
		if err := tx.Respond(sip.NewResponseFromRequest(tx.Request(), 200, "OK", nil)); !errors.Is(err, ErrEnded) {
			t.Errorf("200 after the end: %v", err)
		}
		if len(acks) != 0 {
			t.Error("the ACK of a 486 was shown to the handler")
		}
		for { // what timer G still sent before the ACK
			if _, err := c.listen(5 * testT1); err != nil {
				break
			}
		}
	})
	t.Run("INVITE accepted", func(t *testing.T) {
		invite := text("INVITE", UDP, "a", "z9hG4bKa", 1, "", "")
		c.say(t, invite)
		tx := receive(t, "INVITE", seen)
		for range 2 { // the handler repeats its 200 until the ACK comes
			if err := tx.Respond(sip.NewResponseFromRequest(tx.Request(), 200, "OK", nil)); err != nil {
				t.Fatal(err)
			}
			if h := final(heard{}); h.status() != 200 {
				t.Errorf("got %s", h.start)
			}
		}
		c.say(t, invite) // absorbed (RFC 6026 section 7.1)
		c.say(t, text("ACK", UDP, "a", "z9hG4bKother", 1, "", ""))
		receive(t, "ACK", acks)
		c.say(t, text("ACK", UDP, "a", "z9hG4bKa", 1, "", "")) // with the INVITE's branch, as some do
		receive(t, "ACK with the INVITE's branch", acks)
		if len(seen) != 0 {
			t.Error("a repetition was shown")
		}
		receive(t, "end after timer L", tx.Done())
	})
}

// TestUDPServerOddities: a handler that takes its time, and a client from before RFC 3261.
func TestUDPServerOddities(t *testing.T) {
	seen := make(chan *ServerTx, 16)
	b := start(t, Config{Listeners: []Listener{at(UDP, Dialer, "udp", nil)}, Handler: &recorder{request: func(tx *ServerTx) { seen <- tx }}})
	c := dialCaller(t, b, "udp", nil)
	t.Run("100 by itself", func(t *testing.T) {
		c.say(t, text("INVITE", UDP, "t", "z9hG4bKt", 1, "", ""))
		tx := receive(t, "INVITE", seen)
		if h := c.hear(t); h.status() != 100 || strings.Contains(h.Get("To"), "tag=") {
			t.Errorf("got %s, To %s", h.start, h.Get("To"))
		}
		answerOK(tx)
		c.hear(t)
	})
	t.Run("RFC 2543", func(t *testing.T) {
		old := crlf("INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:" + port(c) + "\nFrom: <sip:a@h>\nTo: <sip:b@h>\nCall-ID: old\nCSeq: 1 INVITE\n\n")
		c.say(t, old)
		c.say(t, old)
		tx := receive(t, "INVITE", seen)
		_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 404, "Not Found", nil))
		if h := c.hear(t); h.status() != 404 {
			t.Errorf("got %s", h.start)
		}
		c.say(t, strings.ReplaceAll(old, "INVITE", "ACK"))
		receive(t, "end of the transaction", tx.Done())
		if len(seen) != 0 {
			t.Error("a repetition was shown")
		}
	})
}

func port(c *caller) string {
	_, p, _ := net.SplitHostPort(c.LocalAddr().String())
	return p
}

func TestUDPLargeMessages(t *testing.T) {
	u, target := udpRemote(t)
	b := start(t, Config{})
	each, got := results()
	big := outgoing(sip.OPTIONS, "big")
	big.SetBody([]byte(strings.Repeat("x", 60000)))
	b.Send(context.Background(), Outgoing{Request: big, Hop: Hop{Target: target}, Each: each})
	h, from := hearFrom(t, u)
	if len(h.body) != 60000 {
		t.Errorf("%d octets came", len(h.body))
	}
	tell(t, u, from, reply(h, 200, "OK", ""))
	receive(t, "200", got)
	if b.count(t, "callseal_sip_large_datagrams_total") == 0 || !strings.Contains(b.log.String(), "larger than one packet") {
		t.Error("not noted")
	}
	huge := outgoing(sip.OPTIONS, "huge")
	huge.SetBody([]byte(strings.Repeat("x", 66000)))
	b.Send(context.Background(), Outgoing{Request: huge, Hop: Hop{Target: target}, Each: each})
	if r := receive(t, "failure", got); !errors.Is(r.Err, ErrTooLarge) {
		t.Errorf("got %+v", r)
	}
}

// TestUDPSockets: a trunk is sent to from the listener of its role when there is one, else from a socket of its own, on which it can also call us.
func TestUDPSockets(t *testing.T) {
	u, target := udpRemote(t)
	ask := func(b *bench, hop Hop) (heard, netip.AddrPort) {
		each, got := results()
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "s"), Hop: hop, Each: each,
			Prepare: func(r *sip.Request, f *Flow) { r.AppendHeader(&sip.ContactHeader{Address: f.Contact("me")}) }})
		h, from := hearFrom(t, u)
		tell(t, u, from, reply(h, 200, "OK", ""))
		if r := receive(t, "200", got); r.Err != nil || r.Flow.Trunk() != "udp1" {
			t.Errorf("got %+v", r)
		}
		return h, from
	}
	t.Run("the role's listener", func(t *testing.T) {
		b := start(t, Config{Listeners: []Listener{at(UDP, Dialer, "udp-d", nil), at(UDP, Carrier, "udp-c", nil)}})
		if _, from := ask(b, Hop{Target: target}); from != b.Addr("udp-c") {
			t.Errorf("sent from %s, the listener is %s", from, b.Addr("udp-c"))
		}
	})
	t.Run("its own", func(t *testing.T) {
		b := start(t, Config{Listeners: []Listener{at(UDP, Dialer, "udp-d", nil)}})
		h, from := ask(b, Hop{Target: target})
		if from == b.Addr("udp-d") {
			t.Error("sent from another role's listener")
		}
		if want := "<sip:me@" + from.String() + ";transport=udp>"; h.Get("Contact") != want {
			t.Errorf("Contact %s, want %s", h.Get("Contact"), want)
		}
		if _, again := ask(b, Hop{Target: target}); again != from {
			t.Error("a socket per request")
		}
		tell(t, u, from, text("OPTIONS", UDP, "back", "z9hG4bKback", 1, "", ""))
		if h, _ := hearFrom(t, u); h.status() != 200 {
			t.Errorf("got %s", h.start)
		}
	})
	t.Run("address of the dialog", func(t *testing.T) {
		b := start(t, Config{})
		elsewhere := *target
		elsewhere.Host = "192.0.2.1"
		ask(b, Hop{Target: &elsewhere, Addr: u.LocalAddr().(*net.UDPAddr).AddrPort()})
	})
}

// TestUDPNextAddress: when a UDP trunk does not answer, its next request tries another of its addresses.
func TestUDPNextAddress(t *testing.T) {
	u, target := udpRemote(t)
	silent, err := net.ListenPacket("udp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.66"), target.Port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	b := start(t, Config{Resolver: zone{"pbx.example": {netip.MustParseAddr("127.0.0.66"), loopback}}})
	target.Host = "pbx.example"
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "1"), Hop: Hop{Target: target}, Each: each})
	if r := receive(t, "timeout", got); r.Err == nil {
		t.Fatalf("got %+v", r)
	}
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "2"), Hop: Hop{Target: target}, Each: each})
	h, from := hearFrom(t, u)
	tell(t, u, from, reply(h, 200, "OK", ""))
	if r := receive(t, "200", got); r.Err != nil {
		t.Error(r.Err)
	}
}
