package transport

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// gate is a recorder that turns calls away while it is shut.
type gate struct {
	recorder
	shut  atomic.Bool
	asked atomic.Int32
}

func (g *gate) Screen(*Flow, string) *Busy {
	g.asked.Add(1)
	if g.shut.Load() {
		return &Busy{Status: 503, Phrase: "SBC call limit reached", RetryAfter: 10 * time.Second}
	}
	return nil
}

func TestScreen(t *testing.T) {
	taken := make(chan *ServerTx, 1)
	g := &gate{recorder: recorder{request: func(tx *ServerTx) {
		if tx.Request().IsInvite() {
			taken <- tx
			return
		}
		answerOK(tx)
	}}}
	b := start(t, Config{Handler: g, Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
	c := dialCaller(t, b, "tcp", nil)
	c.say(t, text("INVITE", TCP, "one", "z9hG4bKone", 1, "", ""))
	tx := receive(t, "the call that there is room for", taken)
	g.shut.Store(true)
	again := text("INVITE", TCP, "two", "z9hG4bKtwo", 1, "", "")
	for range 2 { // the same each time, tag included
		c.say(t, again)
	}
	first, second := c.hear(t), c.hear(t)
	if first.start != "SIP/2.0 503 SBC call limit reached" || first.Get("Retry-After") != "10" || !strings.Contains(first.Get("To"), ";tag=") ||
		first.Get("To") != second.Get("To") {
		t.Errorf("refused by %s, To %q and %q, Retry-After %q", first.start, first.Get("To"), second.Get("To"), first.Get("Retry-After"))
	}
	asked := g.asked.Load()
	for _, passes := range []string{
		text("INVITE", TCP, "one", "z9hG4bKone", 1, "", ""), // repeats the one that was taken
		text("OPTIONS", TCP, "three", "z9hG4bKthree", 1, "", ""),
		strings.Replace(text("INVITE", TCP, "one", "z9hG4bKre", 2, "", ""), "To: <sip:bob@127.0.0.1>", "To: <sip:bob@127.0.0.1>;tag=x", 1),
	} {
		c.say(t, passes)
	}
	if h := c.hear(t); h.Get("CSeq") != "1 OPTIONS" {
		t.Errorf("%s to %s", h.start, h.Get("CSeq"))
	}
	receive(t, "the INVITE inside a dialog", taken)
	if g.asked.Load() != asked {
		t.Error("asked about what is no new call")
	}
	_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 486, "Busy Here", nil))
	if h := c.hear(t); h.status() != 486 {
		t.Errorf("%s", h.start)
	}
}

// The key that is made of a Via alone is the one that the transaction has.
func TestBranchKey(t *testing.T) {
	for _, via := range []string{"SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bKa;rport", "SIP/2.0/TLS h.example;branch=z9hG4bKb", "SIP/2.0/TCP [::1]:9;branch=z9hG4bKc"} {
		raw := strings.Replace(text("INVITE", UDP, "k", "z9hG4bKa", 1, "", ""), "SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bKa;rport", via, 1)
		m := datagram([]byte(raw))
		msg, flt := newChecker().check(m)
		if flt != nil {
			t.Fatal(flt)
		}
		want, err := serverKey(msg.(*sip.Request))
		if got := branchKey(m.topVia()); err != nil || got != want {
			t.Errorf("%s: %q, want %q (%v)", via, got, want, err)
		}
	}
}

// A new call does not wait behind many others; what is no new call does.
func TestCrowdedLane(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 16)
	b := start(t, Config{
		Limits:    Limits{CallQueue: 2},
		Listeners: []Listener{at(TCP, Dialer, "tcp", nil)},
		Handler: &recorder{request: func(tx *ServerTx) {
			began <- struct{}{}
			<-release
			answerOK(tx)
		}},
	})
	c := dialCaller(t, b, "tcp", nil)
	c.say(t, text("OPTIONS", TCP, "same", "z9hG4bK0", 1, "", ""))
	receive(t, "the first in the lane", began)
	for _, branch := range []string{"z9hG4bK1", "z9hG4bK2"} {
		c.say(t, text("OPTIONS", TCP, "same", branch, 1, "", ""))
	}
	c.say(t, text("INVITE", TCP, "same", "z9hG4bK3", 1, "", ""))
	if h := c.hear(t); h.status() != 503 || h.Get("Retry-After") == "" {
		t.Errorf("got %s", h.start)
	}
	c.say(t, text("OPTIONS", TCP, "same", "z9hG4bK4", 1, "", ""))
	close(release)
	for range 4 {
		if h := c.hear(t); h.status() != 200 {
			t.Errorf("got %s", h.start)
		}
	}
}

func TestDismiss(t *testing.T) {
	var seen atomic.Int32
	b := start(t, Config{Listeners: []Listener{at(UDP, Dialer, "udp", nil)}, Handler: &recorder{request: func(tx *ServerTx) {
		seen.Add(1)
		res := func() *sip.Response { return sip.NewResponseFromRequest(tx.Request(), 403, "Forbidden", nil) }
		if err := tx.Dismiss(res()); err != nil {
			t.Error(err)
		}
		if err := tx.Respond(res()); err == nil {
			t.Error("a dismissed request is answered again")
		}
	}}})
	c := dialCaller(t, b, "udp", nil)
	invite := text("INVITE", UDP, "d", "z9hG4bKd", 1, "", "")
	c.say(t, invite)
	first := c.hear(t)
	c.say(t, invite)
	if second := c.hear(t); first.status() != 403 || first.Get("To") != second.Get("To") || seen.Load() != 2 {
		t.Errorf("%s, To %q and %q, handled %d times", first.start, first.Get("To"), second.Get("To"), seen.Load())
	}
	eventually(t, "no transaction is kept", func() bool { // the answer leaves first
		for _, l := range b.lanes {
			l.tables.Lock()
			kept := len(l.servers)
			l.tables.Unlock()
			if kept > 0 {
				return false
			}
		}
		return true
	})
}
