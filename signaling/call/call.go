// Package call is the back-to-back part of callseal: a call is an A leg that
// came in, a B leg that we placed, and one goroutine at a time that owns both. What
// happens reaches it through its mailbox; what is to be done about it is the
// machine's to say (machine.go), and done in act.go.
package call

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// House is what a call uses of the server. It is never mutated.
type House struct {
	// Endpoint sends requests and ACKs.
	Endpoint interface {
		Send(context.Context, transport.Outgoing) *transport.ClientTx
		SendAck(*sip.Request, transport.Hop)
	}
	Relay Relay
	// Table gives the trunks of now, which a redirection may lead to.
	Table func() *trunk.Table
	// MediaAddress is where the relay binds for a leg, and what SDP says of it.
	MediaAddress func(v6 bool) (bind, advertise netip.Addr)
	// Desk keeps the limits and the health of trunks.
	Desk         *trunk.Desk
	Ring, Length time.Duration
	// Silent is how long a party may say nothing at all before another one is
	// asked; 0 is for ever.
	Silent time.Duration
	// Session is the session interval that a leg is asked for (RFC 4028); 0 asks
	// for none.
	Session   time.Duration
	UserAgent string
	Log       *slog.Logger
	Metrics   *Metrics
	// Refused counts a request inside a dialog that was refused, by cause.
	Refused func(transport.Role, string)
	// Forget is called once, by the call's goroutine, when the call is over.
	Forget func(*Call)
	// Find gives the call that one of our tags belongs to, or nil.
	Find func(callID, tag string) *Call
	// Enter lets Find find a call by one more key, until it is forgotten.
	Enter func(*Call, Key)
	// IsPhone tells whether a phone of the named dialer has registered under a user
	// name; nil: none has.
	IsPhone func(dialer, user string) bool
	// Challenged is told, by the call's goroutine, that A was asked by B for the
	// password: A's next INVITE is the call.
	Challenged func(invite *sip.Request, from *transport.Flow)
	// Next says where a request of a party goes to; the errors are trunk.Find's.
	Next func(Party, trunk.Wanted) (Onward, error)
}

// Key finds a call by the dialog identifiers that are our own.
type Key struct {
	CallID, Tag string
}

// Call is one call. Its fields are owned by its goroutine (Run) but for the
// mailbox and what New sets.
type Call struct {
	house *House
	id    string // names the call in logs
	box   *mailbox
	over  func() // called when it is over and forgotten

	a, b    leg
	invite  Invite              // A's
	inA     *transport.ServerTx // its transaction
	outB    *transport.ClientTx // ours to B
	inviteB *sip.Request        // a copy of it; nil before B was asked
	cancelB context.CancelFunc  // ends outB at once

	machine     machine
	negotiation *negotiation
	session     Session
	stats       *media.Stats // the session's last; nil before it is closed
	timers      map[clock]*time.Timer

	reliable    reliable
	fork        string           // B's To tag whose session is connected
	lateOffer   *offering        // ours to A, whose INVITE had none; answered by its ACK
	owedA       bool             // A's early answer does not hold any more: it is offered what does after its ACK
	requests    map[int]*request // offers inside the call, by the machine's ref
	lastRef     int
	asked       *inquiry // our own offer inside the call
	unconfirmed [2]*unconfirmed
	timer       [2]dialog.Timer
	least       [2]time.Duration // the shortest session interval that a leg takes, where it said so
	renew       [2]bool          // the next offer to a leg brings a new key of ours
	probes      [2]*probe        // by side, of a leg that lost its connection
	silences    [2]*silence      // by side, of a leg that is asked because it is silent

	from        *sip.Response // B's response that opRelay sends on
	sdpUsable   bool          // whether the SDP that came with it may be passed on, rewritten
	failure     rejection     // what opRelay tells A where B's own words cannot be told
	byeIn       *transport.ServerTx
	onward      Onward // where else B may be, and for what number it is asked; zero: for A's
	attempts    attempts
	redirect    redirection
	referrals   []*referral // REFERs that were relayed
	hasReferred [2]bool     // a REFER of this side was relayed
	named       named
	resent      bool               // A's INVITE answers a challenge of B, and has paid for its place
	replaces    *replacement       // what B's INVITE takes the place of; nil: nothing
	caller      Party              // who began the call
	keys        []Key              // under which the server finds the call
	referring   map[int]*placement // REFERs that the machine has not taken yet, by its ref
	placed      []*placement       // those that it took, in their order
	formerB     *leg               // the B that began the call, once its place was taken
	passing     int                // requests that wait for the other leg's answer
	reason      []sip.Header       // headers of A's CANCEL
	ok          *sip.Response      // the 200 that A was sent
	summary     Summary
	counted     []legLabels // what Metrics counted in
	startedAs   []string    // roles under which Metrics counted it in
}

// rejection is a final answer in our own words.
type rejection struct {
	code   int
	phrase string
}

// New makes the call that tx, an INVITE, asks for. Nothing happens before
// Run.
func New(house *House, tx *transport.ServerTx, from, to Party) *Call {
	c := &Call{
		house:     house,
		id:        token(8),
		box:       newMailbox(),
		invite:    InviteOf(tx.Request()),
		inA:       tx,
		timers:    make(map[clock]*time.Timer),
		requests:  make(map[int]*request),
		referring: make(map[int]*placement),
		caller:    from,
		machine:   machine{limits: limits{ring: house.Ring, length: house.Length}},
	}
	c.a = leg{party: from, callID: tx.Request().CallID().Value(), tag: token(16), flow: tx.Flow(), dialogs: make(map[string]*dialog.Dialog),
		secrets: from.secrets()}
	callID, tag := from.Dialog(tx.Request())
	c.b = leg{party: to, callID: callID, tag: tag, dialogs: make(map[string]*dialog.Dialog)}
	if from.Phone != nil {
		if f := from.Phone.Flow(); f != nil {
			c.a.known = f.ID()
		}
	}
	c.negotiation = newNegotiation(c.a.party, c.b.party, rand.Reader)
	c.keys = []Key{c.a.key(), c.b.key()}
	c.summary = newSummary(c)
	// Every response, the one to a CANCEL included, carries this tag.
	tx.Request().To().Params.Add("tag", c.a.tag)
	return c
}

// token is a random hex string of 2n characters.
func token(n int) string {
	b := make([]byte, n)
	_, _ = io.ReadFull(rand.Reader, b) // crypto/rand never fails (Go 1.24)
	return hex.EncodeToString(b)
}

// Keys are the identifiers under which in-dialog messages find the call: at
// first one of each leg. Once it runs, its own goroutine alone may ask.
func (c *Call) Keys() []Key { return c.keys }

// Resent says that A's INVITE answers a challenge that B put to an earlier one, which has taken a place. It is called before Run.
func (c *Call) Resent() { c.resent = true }

// Invite is what every copy of one INVITE shares (RFC 3261 section 8.2.2.2).
type Invite struct {
	callID, fromTag string
	seq             uint32
}

// InviteOf gives what the copies of req share.
func InviteOf(req *sip.Request) Invite {
	return Invite{req.CallID().Value(), req.From().Params.GetOr("tag", ""), req.CSeq().SeqNo}
}

// Invite is that of the call's A leg.
func (c *Call) Invite() Invite { return c.invite }

// ID names the call in logs.
func (c *Call) ID() string { return c.id }

// Run begins the call, and returns before it is over: what happens to it later
// is dealt with in a goroutine that begins with it and ends when there is nothing
// more (mailbox.go). over is called when the call is over and forgotten.
func (c *Call) Run(over func()) {
	c.box.turn, c.over = func() { c.turn(nil) }, over
	c.turn(func() {
		c.house.Metrics.started(c)
		c.begin()
	})
}

// turn does first, unless it is nil, and all that is in the mailbox. The last
// turn of a call buries it.
func (c *Call) turn(first func()) {
	waits := false // for what happens next: whatever that is, it may be under way already
	defer func() {
		if fault := recover(); !waits {
			c.bury(fault)
		}
	}()
	if first != nil {
		first()
	}
	for c.machine.state != done {
		items := c.box.take()
		if waits = items == nil; waits {
			return
		}
		for _, f := range items { // to the last, also when the call is over: whoever asked gets an answer
			f()
		}
	}
}

// bury frees everything, and turns a panic, where there was one, into the end of
// this one call. Whatever else fails on the way, the call is forgotten.
func (c *Call) bury(fault any) {
	defer c.over()
	defer c.house.Forget(c)
	if fault != nil {
		c.panicked(fault)
		c.summary.end("callseal", "internal fault", originLocal)
		c.try(c.abort)
		c.machine.state = done
	}
	for items := c.box.finish(); items != nil; items = c.box.finish() {
		for _, f := range items {
			c.try(f)
		}
	}
	for _, t := range c.timers {
		t.Stop()
	}
	c.stopProbes()
	c.try(c.closeMedia)
	c.release()
	c.try(func() { c.summary.finish(c) })
	c.lighten()
}

// settle lets go of what only a call that is being set up needs: most of its
// memory, for as long as it is up.
func (c *Call) settle() {
	c.from, c.ok, c.machine.actions = nil, nil, nil
	if c.outB == nil {
		return
	}
	c.outB, c.cancelB = nil, nil
	c.onward, c.attempts.waiting, c.attempts.said, c.attempts.by = Onward{}, nil, nil, nil
	c.inviteB = outline(c.inviteB)
	c.negotiation.begun()
}

// outline is what an INVITE's further forks are answered with: its dialog, and
// the credentials in it.
func outline(invite *sip.Request) *sip.Request {
	o := sip.NewRequest(invite.Method, invite.Recipient)
	for _, h := range invite.Headers() {
		switch h.(type) {
		case *sip.FromHeader, *sip.ToHeader, *sip.CallIDHeader, *sip.CSeqHeader:
			o.AppendHeader(h)
		}
	}
	for _, h := range header.CredentialsOf(invite) {
		o.AppendHeader(h)
	}
	return o
}

// lighten lets go of what nobody needs any more. The transactions of a call's INVITEs remember it for 32 s (RFC 6026),
// for stray, which looks at the legs alone; what they kept besides was most of a busy callseal's memory.
func (c *Call) lighten() {
	c.machine, c.negotiation, c.session = machine{state: done}, nil, nil
	c.timers, c.requests, c.referring, c.placed, c.referrals = nil, nil, nil, nil, nil
	c.reliable, c.summary, c.failure, c.attempts = reliable{}, Summary{}, rejection{}, attempts{}
	c.from, c.ok, c.byeIn, c.reason, c.asked = nil, nil, nil, nil, nil
	c.stats, c.replaces, c.onward, c.outB, c.cancelB = nil, nil, Onward{}, nil, nil
	c.a.dialogs, c.a.secrets, c.a.invited = nil, nil, nil
	c.inA.Release()
}

// release gives the call's places at trunks back.
func (c *Call) release() {
	for _, l := range []*leg{&c.a, &c.b} {
		l.permit.Release()
	}
	for _, p := range c.placed {
		p.leg.permit.Release()
	}
	if a := c.attempts.now; a != nil { // whose party had not become leg B yet
		a.permit.Release()
	}
}

// try does something that a fault which has happened may have broken.
func (c *Call) try(f func()) {
	defer func() {
		if r := recover(); r != nil {
			c.panicked(r)
		}
	}()
	f()
}

func (c *Call) panicked(r any) {
	c.house.Metrics.panicked()
	c.house.Log.Error("a fault of callseal ended a call; please report it", "call", c.id, "panic", r, "stack", string(debug.Stack()))
}

// abort ends both legs without waiting for anybody: the last resort.
func (c *Call) abort() {
	c.refuse(503, "SBC internal fault")
	if c.outB != nil {
		c.outB.Cancel() // does nothing to an INVITE that has its answer
	}
	for _, p := range c.placed {
		if p.tx != nil {
			p.tx.Cancel()
		}
	}
	for _, l := range []*leg{&c.a, &c.b} {
		for _, d := range l.dialogs {
			c.send(l, d, d.Request(sip.BYE), nil)
		}
	}
}

// feed tells the machine what happened and does what it says.
func (c *Call) feed(ev event) {
	for _, a := range c.machine.handle(ev) {
		c.act(a)
	}
	c.show()
	if c.machine.state == up {
		c.settle()
	}
}

// The methods below are called by others: they only put what happened into
// the mailbox.

// Cancel is the CANCEL of an INVITE of ours to answer, already answered itself.
func (c *Call) Cancel(tx *transport.ServerTx, cancel *sip.Request) {
	c.box.put(func() {
		if tx != c.inA {
			c.withdraw(tx)
			return
		}
		if c.pending() {
			c.summary.cancelled(c.a.party, "CANCEL"+reasonOf(cancel))
			c.reason = cancel.Headers()
		}
		c.feed(event{kind: evCancel})
	})
}

// pending tells whether A has had no final answer yet.
func (c *Call) pending() bool { return c.machine.state == calling || c.machine.held }

// Ack is the ACK of a 2xx of ours.
func (c *Call) Ack(req *sip.Request) {
	c.box.put(func() {
		s, d := c.dialogOf(req)
		if d == nil || c.confirmed(s, req) || s == sideB {
			return
		}
		c.acked(req)
	})
}

// Moved tells that a phone has registered by another flow than before.
func (c *Call) Moved(p Phone) {
	c.box.put(func() {
		for _, s := range [...]side{sideA, sideB} {
			if l := c.leg(s); l.party.Phone == p && l.moved() {
				c.house.Log.Info("phone goes on over another connection", "call", c.id, "leg", l.party.Name)
				c.probeNow(s)
			}
		}
	})
}

// Closed tells that a connection died: before the answer A cannot be answered
// on it any more, later see lost.go.
func (c *Call) Closed(f *transport.Flow) {
	c.box.put(func() {
		if c.a.flow == f && c.pending() {
			c.summary.cancelled(c.a.party, "connection lost")
			c.feed(event{kind: evLost})
		}
		c.connectionLost(f)
	})
}

// End hangs the call up for a reason of the server's, as a phrase.
func (c *Call) End(phrase string) {
	c.box.put(func() {
		c.summary.end("callseal", phrase, originLocal)
		c.feed(event{kind: evEnd, fault: phrase})
	})
}

// Kill ends the call without a word to anybody: the endpoint is gone.
func (c *Call) Kill() {
	c.box.put(func() {
		c.summary.end("callseal", "SBC is shutting down", originLocal)
		c.machine.state = done
	})
}

// Request is an in-dialog request that carries one of our tags. It tells
// whether the call is still there to take it.
func (c *Call) Request(tx *transport.ServerTx) bool {
	return c.box.offer(func() { c.inDialog(tx) })
}
