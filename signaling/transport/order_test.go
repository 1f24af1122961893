package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// The order tests send pairs of messages in one TLS record each and want no inversion in orderPairs of them. sipgo's own layer, a goroutine per
// message, inverts almost all.
const orderPairs = 10000

// sequence notes what arrived for each Call-ID.
type sequence struct {
	mu     sync.Mutex
	events map[string][]string
	done   chan struct{} // closed after want Call-IDs have two events
	want   int
	full   int
}

func newSequence(want int) *sequence {
	return &sequence{events: map[string][]string{}, done: make(chan struct{}), want: want}
}

func (s *sequence) note(callID, event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[callID] = append(s.events[callID], event)
	if len(s.events[callID]) == 2 {
		if s.full++; s.full == s.want {
			close(s.done)
		}
	}
}

func (s *sequence) check(t *testing.T, first, second string) {
	t.Helper()
	receive(t, "all pairs", s.done)
	inversions := 0
	for id, e := range s.events {
		if len(e) != 2 || e[0] != first || e[1] != second {
			if inversions++; inversions < 5 {
				t.Errorf("%s: %v", id, e)
			}
		}
	}
	t.Logf("%d inversions of %d", inversions, len(s.events))
	if inversions > 0 {
		t.Fatalf("%d inversions", inversions)
	}
}

func TestOrderAckBye(t *testing.T) {
	s := newSequence(orderPairs)
	b, client := orderServer(t, &recorder{
		ack: func(r *sip.Request, _ *Flow) { s.note(r.CallID().Value(), "ACK") },
		request: func(tx *ServerTx) {
			s.note(tx.Request().CallID().Value(), tx.Request().Method.String())
			answerOK(tx)
		},
	})
	drain(t, b, client)
	for i := range orderPairs {
		id := fmt.Sprintf("ab-%d", i)
		client.say(t, text("ACK", TLS, id, "z9hG4bKa"+id, 1, "", "")+text("BYE", TLS, id, "z9hG4bKb"+id, 2, "", ""))
	}
	s.check(t, "ACK", "BYE")
}

func TestOrderInviteCancel(t *testing.T) {
	s := newSequence(orderPairs)
	b, client := orderServer(t, &recorder{
		request: func(tx *ServerTx) { s.note(tx.Request().CallID().Value(), "INVITE") },
		cancel: func(tx *ServerTx, _ *sip.Request) {
			s.note(tx.Request().CallID().Value(), "CANCEL")
			_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 487, "Request Terminated", nil))
		},
	})
	drain(t, b, client)
	for i := range orderPairs {
		id := fmt.Sprintf("ic-%d", i)
		client.say(t, text("INVITE", TLS, id, "z9hG4bK"+id, 1, "", "")+text("CANCEL", TLS, id, "z9hG4bK"+id, 1, "", ""))
	}
	s.check(t, "INVITE", "CANCEL")
	if n := b.count(t, "callseal_sip_refused_total", "cause=stray_cancel"); n != 0 {
		t.Fatalf("%v CANCELs found no INVITE", n)
	}
}

// TestOrderProvisionalFinal has a remote answer every INVITE with 183 and 200 in one TLS record, then repeat the 200.
func TestOrderProvisionalFinal(t *testing.T) {
	ca := newAuthority(t)
	r := listenRemote(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"remote.example"}})}})
	b := start(t, Config{})
	target := &Target{Trunk: "remote", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: r.port(),
		TLS: &ClientTLS{Roots: ca.pool, ServerName: "remote.example"}}
	s := newSequence(orderPairs)
	window := make(chan struct{}, 256)
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := range orderPairs {
			window <- struct{}{}
			id := fmt.Sprintf("pf-%d", i)
			b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, id), Hop: Hop{Target: target}, Each: func(r Result) {
				if r.Err != nil {
					s.note(id, r.Err.Error())
					return
				}
				s.note(id, fmt.Sprint(r.Response.StatusCode))
				if r.Response.StatusCode >= 200 {
					<-window
				}
			}})
		}
	})
	defer sender.Wait()
	c := receive(t, "connection", r.accepted)
	for range orderPairs {
		h := c.hear(t)
		c.say(t, reply(h, 183, "Session Progress", "")+reply(h, 200, "OK", ""))
	}
	s.check(t, "183", "200")
}

func orderServer(t *testing.T, h Handler) (*bench, *caller) {
	t.Helper()
	ca := newAuthority(t)
	b := start(t, Config{Handler: h, Limits: Limits{LaneQueue: 4 * orderPairs, CallQueue: 4 * orderPairs, WriteQueue: 1 << 26},
		Listeners: []Listener{at(TLS, Dialer, "tls", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"us.example"}})}})}})
	return b, dialCaller(t, b, "tls", &tls.Config{RootCAs: ca.pool, ServerName: "us.example"})
}

// drain reads and forgets what the endpoint answers.
func drain(t *testing.T, b *bench, c *caller) {
	t.Helper()
	var wg sync.WaitGroup
	var read atomic.Int64
	wg.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := c.Read(buf)
			read.Add(int64(n))
			if err != nil {
				if !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "closed") && !strings.Contains(err.Error(), "reset") {
					t.Error(err)
				}
				return
			}
		}
	})
	t.Cleanup(func() { // runs before the endpoint's own cleanup
		_ = c.Close()
		wg.Wait()
		if read.Load() == 0 {
			t.Error("nothing was answered")
		}
		b.stop()
	})
}
