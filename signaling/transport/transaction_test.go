package transport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// trunkOf starts an endpoint and a TCP remote with a target that leads to it.
func trunkOf(t *testing.T, c Config) (*bench, *remote, *Target) {
	t.Helper()
	r := listenRemote(t, nil)
	return start(t, c), r, &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: r.port()}
}

func TestCancel(t *testing.T) {
	b, r, target := trunkOf(t, Config{})
	each, got := results()
	send := func(id string) *ClientTx {
		return b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, id), Hop: Hop{Target: target}, Each: each})
	}
	reason := sip.NewHeader("Reason", "Q.850;cause=16")
	send("warm")
	c := receive(t, "connection", r.accepted)
	c.say(t, reply(c.hear(t), 404, "Not Found", ""))
	receive(t, "404", got)
	c.hear(t) // ACK

	cancelled := func(t *testing.T, invite heard) {
		t.Helper()
		cancel := c.hear(t)
		if !strings.HasPrefix(cancel.start, "CANCEL sip:bob@example.com ") || cancel.Get("Via") != invite.Get("Via") || cancel.Get("Reason") != "Q.850;cause=16" ||
			cancel.Get("CSeq") != "1 CANCEL" || cancel.Get("To") != invite.Get("To") {
			t.Fatalf("got %+v", cancel)
		}
		c.say(t, reply(cancel, 200, "OK", "")+reply(invite, 487, "Request Terminated", ""))
		if r := receive(t, "487", got); r.Response == nil || r.Response.StatusCode != 487 {
			t.Errorf("got %+v", r)
		}
		if ack := c.hear(t); !strings.HasPrefix(ack.start, "ACK") {
			t.Errorf("got %+v", ack)
		}
	}
	t.Run("after ringing", func(t *testing.T) {
		tx := send("a")
		invite := c.hear(t)
		c.say(t, reply(invite, 180, "Ringing", ""))
		receive(t, "180", got)
		tx.Cancel(reason)
		tx.Cancel(reason) // counts once
		cancelled(t, invite)
	})
	t.Run("before any response waits for one (RFC 3261 section 9.1)", func(t *testing.T) {
		tx := send("b")
		invite := c.hear(t)
		tx.Cancel(reason)
		if h, err := c.listen(50 * time.Millisecond); err == nil {
			t.Fatalf("sent %+v", h)
		}
		c.say(t, reply(invite, 100, "Trying", ""))
		receive(t, "100", got)
		cancelled(t, invite)
	})
	t.Run("after the final response", func(t *testing.T) {
		tx := send("c")
		invite := c.hear(t)
		c.say(t, reply(invite, 200, "OK", ""))
		receive(t, "200", got)
		tx.Cancel(reason)
		if h, err := c.listen(50 * time.Millisecond); err == nil {
			t.Fatalf("sent %+v", h)
		}
	})
	t.Run("crossing a 200", func(t *testing.T) {
		tx := send("d")
		invite := c.hear(t)
		c.say(t, reply(invite, 180, "Ringing", ""))
		receive(t, "180", got)
		tx.Cancel(reason)
		c.hear(t)
		c.say(t, reply(invite, 200, "OK", ""))
		if r := receive(t, "200", got); r.Response == nil || r.Response.StatusCode != 200 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("never answered", func(t *testing.T) {
		tx := send("e")
		invite := c.hear(t)
		c.say(t, reply(invite, 180, "Ringing", ""))
		receive(t, "180", got)
		tx.Cancel(reason)
		c.hear(t)
		r := receive(t, "timeout", got)
		var f *Failure
		if !errors.As(r.Err, &f) || f.Stage != StageTimeout {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("before it was sent", func(t *testing.T) {
		hole := *target
		hole.Trunk, hole.Host = "hole", "hole.example"
		release := make(chan struct{})
		b := start(t, Config{Resolver: slowZone{release}})
		tx := b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "f"), Hop: Hop{Target: &hole}, Each: each})
		tx.Cancel()
		if r := receive(t, "ErrCancelled", got); !errors.Is(r.Err, ErrCancelled) {
			t.Errorf("got %+v", r)
		}
		close(release)
	})
	if len(got) != 0 {
		t.Errorf("one more: %+v", <-got)
	}
}

// slowZone answers when released.
type slowZone struct{ release chan struct{} }

func (s slowZone) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	select {
	case <-s.release:
		return []netip.Addr{loopback}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestContextEndsTransaction(t *testing.T) {
	b, r, target := trunkOf(t, Config{})
	each, got := results()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b.Send(ctx, Outgoing{Request: outgoing(sip.INVITE, "ended before"), Hop: Hop{Target: target}, Each: each})
	if r := receive(t, "end", got); !errors.Is(r.Err, context.Canceled) {
		t.Errorf("got %+v", r)
	}
	ctx, cancel = context.WithCancel(context.Background())
	b.Send(ctx, Outgoing{Request: outgoing(sip.INVITE, "a"), Hop: Hop{Target: target}, Each: each})
	c := receive(t, "connection", r.accepted)
	invite := c.hear(t)
	c.say(t, reply(invite, 180, "Ringing", ""))
	receive(t, "180", got)
	cancel()
	if r := receive(t, "end", got); !errors.Is(r.Err, context.Canceled) {
		t.Errorf("got %+v", r)
	}
	c.say(t, reply(invite, 200, "OK", ""))
	eventually(t, "the 200 is a stray", func() bool { return b.count(t, "callseal_sip_refused_total", "cause=stray_response") == 1 })

	ctx, cancel = context.WithCancel(context.Background())
	b.Send(ctx, Outgoing{Request: outgoing(sip.OPTIONS, "b"), Hop: Hop{Target: target}, Each: each})
	c.say(t, reply(c.hear(t), 200, "OK", ""))
	receive(t, "200", got)
	cancel()
	if len(got) != 0 {
		t.Errorf("one more: %+v", <-got)
	}
}

// TestConnectionDies: everything pending on a connection ends at once, then Closed is called.
func TestConnectionDies(t *testing.T) {
	events := make(chan string, 16)
	txs := make(chan *ServerTx, 1)
	b, r, target := trunkOf(t, Config{Handler: &recorder{
		request: func(tx *ServerTx) { txs <- tx },
		closed:  func(f *Flow, err error) { events <- "closed " + f.Trunk() },
	}})
	for i := range 3 {
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, fmt.Sprint(i)), Hop: Hop{Target: target}, Each: func(r Result) {
			var f *Failure
			if errors.As(r.Err, &f) {
				events <- "failed " + f.Stage.String() + " " + f.Trunk
			}
		}})
	}
	c := receive(t, "connection", r.accepted)
	for range 3 { // an INVITE that came when the connection was up would go again over a new one, had it no answer at all
		c.say(t, reply(c.hear(t), 180, "Ringing", ""))
	}
	c.say(t, text("INVITE", TCP, "in", "z9hG4bKin", 1, "", ""))
	tx := receive(t, "INVITE", txs)
	_ = c.Close()
	for range 3 {
		if e := receive(t, "failure", events); e != "failed closed t" {
			t.Errorf("got %q", e)
		}
	}
	if e := receive(t, "Closed", events); e != "closed t" {
		t.Errorf("got %q", e)
	}
	receive(t, "end of the server transaction", tx.Done())
	if err := tx.Respond(sip.NewResponseFromRequest(tx.Request(), 200, "OK", nil)); !errors.Is(err, ErrEnded) {
		t.Errorf("answer on a dead connection: %v", err)
	}
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.BYE, "gone"), Hop: Hop{Flow: tx.Flow()}, Each: each})
	var f *Failure
	if r := receive(t, "failure", got); !errors.As(r.Err, &f) || f.Cause != CauseNoPath {
		t.Errorf("got %+v", r)
	}
}

// TestDeafConnectionIsReplaced: a trunk that takes requests and says nothing for 64*T1 loses its connection.
func TestDeafConnectionIsReplaced(t *testing.T) {
	b, r, target := trunkOf(t, Config{})
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "a"), Hop: Hop{Target: target}, Each: each})
	c := receive(t, "connection", r.accepted)
	c.hear(t)
	if r := receive(t, "timeout", got); r.Err == nil || r.Flow.Alive() {
		t.Errorf("got %+v", r)
	}
	c.closedWithin(t, patience)
}

func TestServerCancel(t *testing.T) {
	type event struct {
		tx     *ServerTx
		cancel bool
	}
	events := make(chan event, 8)
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}, Handler: &recorder{
		request: func(tx *ServerTx) {
			if tx.Request().CallID().Value() == "early" {
				tx.Request().To().Params.Add("tag", "ours")
			}
			events <- event{tx, false}
		},
		cancel: func(tx *ServerTx, _ *sip.Request) { events <- event{tx, true} },
	}})
	c := dialCaller(t, b, "tcp", nil)
	t.Run("tag set early", func(t *testing.T) {
		c.say(t, text("INVITE", TCP, "early", "z9hG4bKe", 1, "", "")+text("CANCEL", TCP, "early", "z9hG4bKe", 1, "", ""))
		tx := receive(t, "INVITE", events).tx
		if e := receive(t, "CANCEL", events); !e.cancel || e.tx != tx {
			t.Fatalf("got %+v", e)
		}
		if h := c.hear(t); h.status() != 200 || h.Get("CSeq") != "1 CANCEL" || !strings.HasSuffix(h.Get("To"), ";tag=ours") {
			t.Errorf("got %+v", h)
		}
		if err := tx.Respond(sip.NewResponseFromRequest(tx.Request(), 487, "Request Terminated", nil)); err != nil {
			t.Fatal(err)
		}
		if h := c.hear(t); h.status() != 487 || !strings.HasSuffix(h.Get("To"), ";tag=ours") {
			t.Errorf("got %+v", h)
		}
	})
	t.Run("tag of the 180, and a repeated CANCEL", func(t *testing.T) {
		c.say(t, text("INVITE", TCP, "rung", "z9hG4bKr", 1, "", ""))
		tx := receive(t, "INVITE", events).tx
		_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 180, "Ringing", nil))
		ringing := c.hear(t)
		for range 2 {
			c.say(t, text("CANCEL", TCP, "rung", "z9hG4bKr", 1, "", ""))
			if h := c.hear(t); h.status() != 200 || h.Get("To") != ringing.Get("To") {
				t.Errorf("got %+v", h)
			}
		}
		receive(t, "CANCEL", events)
		if len(events) != 0 {
			t.Error("a repeated CANCEL was shown")
		}
		_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 487, "Request Terminated", nil))
		c.hear(t)
	})
	t.Run("after the final response", func(t *testing.T) {
		c.say(t, text("INVITE", TCP, "done", "z9hG4bKd", 1, "", ""))
		tx := receive(t, "INVITE", events).tx
		answerOK(tx)
		c.hear(t)
		c.say(t, text("CANCEL", TCP, "done", "z9hG4bKd", 1, "", ""))
		if h := c.hear(t); h.status() != 200 {
			t.Errorf("got %+v", h)
		}
		if len(events) != 0 {
			t.Error("a late CANCEL was shown")
		}
	})
	t.Run("of nothing", func(t *testing.T) {
		c.say(t, text("CANCEL", TCP, "none", "z9hG4bKn", 1, "", ""))
		if h := c.hear(t); h.status() != 481 {
			t.Errorf("got %+v", h)
		}
	})
}

// TestContact: what a remote is told to send new requests to.
func TestContact(t *testing.T) {
	ca := newAuthority(t)
	advertised := tlsListener(t, ca, Phone)
	advertised.Advertise = "pbx.example"
	full := at(TCP, Carrier, "tcp-c", nil)
	full.Advertise = "[2001:db8::7]:7"
	wild := at(TCP, Dialer, "tcp-d", nil)
	wild.Address = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	wildUDP := at(UDP, Dialer, "udp-d", nil)
	wildUDP.Address = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	b := start(t, Config{Listeners: []Listener{advertised, full, wild, wildUDP}})
	flow := func(l string, remote string) *Flow {
		for _, known := range b.listening() {
			switch {
			case known.Name != l:
			case known.socket != nil:
				return known.socket.flow(netip.MustParseAddrPort(remote), "")
			default:
				local := netip.AddrPortFrom(loopback, 40000)
				return &Flow{role: known.Role, proto: known.Proto, local: local, contact: b.contactFor(&Target{Role: known.Role, Proto: known.Proto}, local)}
			}
		}
		t.Fatal("no listener", l)
		return nil
	}
	tests := []struct{ name, listener, want string }{
		{"advertised name, bound port", "tls", fmt.Sprintf("sip:u@pbx.example:%d;transport=tls", b.Addr("tls").Port())},
		{"advertised name and port", "tcp-c", "sip:u@[2001:db8::7]:7;transport=tcp"},
		{"bound to all: the connection's address, the listener's port", "tcp-d", fmt.Sprintf("sip:u@127.0.0.1:%d;transport=tcp", b.Addr("tcp-d").Port())},
		{"UDP bound to all: the address that reaches the remote", "udp-d", fmt.Sprintf("sip:u@127.0.0.1:%d;transport=udp", b.Addr("udp-d").Port())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := flow(tt.listener, "127.0.0.1:5060").Contact("u")
			if got := c.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("no listener of that role and protocol", func(t *testing.T) {
		f := &Flow{role: Carrier, proto: TLS, local: netip.MustParseAddrPort("[2001:db8::1]:40000"), contact: b.contactFor(&Target{Role: Carrier, Proto: TLS}, netip.AddrPort{})}
		c := f.Contact("")
		if got := c.String(); got != "sip:[2001:db8::1]:40000;transport=tls" {
			t.Errorf("got %s", got)
		}
	})
}

func TestShutdown(t *testing.T) {
	b, r, target := trunkOf(t, Config{})
	u, udp := udpRemote(t)
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "a"), Hop: Hop{Target: target}, Each: each})
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "b"), Hop: Hop{Target: udp}, Each: each})
	c := receive(t, "connection", r.accepted)
	c.hear(t)
	hearFrom(t, u)
	b.stop()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "late"), Hop: Hop{Target: target}, Each: each})
	for range 3 {
		var f *Failure
		if r := receive(t, "failure", got); !errors.As(r.Err, &f) || f.Cause != CauseShutdown {
			t.Errorf("got %+v", r)
		}
	}
	if err := b.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("second Run: %v", err)
	}
}
