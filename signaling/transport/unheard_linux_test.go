package transport

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// closedPort is a UDP port at which nobody listens.
func closedPort(t *testing.T) uint16 {
	t.Helper()
	u, target := udpRemote(t)
	_ = u.Close()
	return target.Port
}

// TestNobodyListensOverUDP: what ICMP says is heard at once; a request goes on to the next address, or fails, and the socket's other datagrams go
// out as ever.
func TestNobodyListensOverUDP(t *testing.T) {
	u, target := udpRemote(t)
	dead := closedPort(t)
	alive := at127(1, target.Port)
	t.Run("the next address", func(t *testing.T) {
		b := start(t, Config{Resolver: guide{servers: []netip.AddrPort{at127(1, dead), alive}}})
		domain := Target{Trunk: "t", Role: Carrier, Proto: UDP, Host: "sip.example"}
		each, got := results()
		began := time.Now()
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, "1"), Hop: Hop{Target: &domain}, Each: each})
		h, from := hearFrom(t, u)
		t.Logf("took %v", time.Since(began))
		tell(t, u, from, reply(h, 486, "Busy", ""))
		if r := receive(t, "486", got); r.Err != nil || r.Response.StatusCode != 486 || r.Flow.Remote() != alive {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("the only address", func(t *testing.T) {
		b := start(t, Config{})
		only := *target
		only.Port = dead
		f := dialFailure(t, b, &only)
		if f.Stage != StageConnect || f.Cause != CauseRefused {
			t.Errorf("got %v", f)
		}
	})
	t.Run("inside of a dialog", func(t *testing.T) {
		b := start(t, Config{})
		only := *target
		only.Port = dead
		bye := outgoing(sip.BYE, "3")
		bye.To().Params.Add("tag", "theirs")
		each, got := results()
		b.Send(context.Background(), Outgoing{Request: bye, Hop: Hop{Target: &only}, Each: each})
		if r := receive(t, "the end", got); r.Err == nil || !strings.Contains(r.Err.Error(), "timeout") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("others", func(t *testing.T) {
		u, target := udpRemote(t)
		b := start(t, Config{Listeners: []Listener{at(UDP, target.Role, "udp", nil)}})
		gone, there := *target, *target
		gone.Trunk, gone.Port = "gone", dead
		for i := range 50 {
			each, got := results()
			b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "gone"+string(rune('A'+i))), Hop: Hop{Target: &gone}, Each: func(Result) {}})
			b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "there"+string(rune('A'+i))), Hop: Hop{Target: &there}, Each: each})
			h, from := hearFrom(t, u)
			tell(t, u, from, reply(h, 200, "OK", ""))
			if r := receive(t, "200", got); r.Err != nil {
				t.Fatalf("request %d: %v", i, r.Err)
			}
		}
	})
}
