package call

import (
	"crypto/rand"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// A call asks the parties that it may go to one after the other. It moves on
// from one that is out of reach, says nothing at all, wants a password that it
// does not get, or answers 408 or 503; not once A has heard SDP of it, and not
// after any other answer: that is what the callee, or the number, is like. A's
// dialog stays one throughout, each party has a dialog, and keys, of its own.

// attempt is one party that is asked. It is asked again within it where it
// redirects, or wants a longer session.
type attempt struct {
	to      Party
	permit  *trunk.Permit
	waits   bool // for its turn at the trunk
	sent    bool
	counted bool // in metrics
	hearing
	// left is the leg as it was when the call moved on, and invite what it was
	// asked with; nil before that.
	left   *leg
	invite *sip.Request
}

// attempts is where a call has been and may still go.
type attempts struct {
	now     *attempt
	waiting []Party // the next one first
	tried   []string
	told    bool // A has heard SDP: it is too late for another party
	// said is the last final answer of a party that the call moved on from, by
	// that party.
	said *sip.Response
	by   *Party
	past []*attempt
}

// setOut asks the first party that takes the call.
func (c *Call) setOut() error {
	t := &c.attempts
	if t.waiting = c.onward.Parties; t.waiting == nil {
		t.waiting = []Party{c.b.party}
	}
	a, err := c.room()
	if err != nil {
		return err
	}
	return c.launch(a)
}

// room finds the next party whose limits let the call in. The error is that of
// the last one, a *trunk.Limited.
func (c *Call) room() (*attempt, error) {
	t := &c.attempts
	for {
		a := &attempt{to: t.waiting[0]}
		t.waiting = t.waiting[1:]
		err := c.takePlace(a)
		if err == nil {
			return a, nil
		}
		why := "limit"
		if limited := (*trunk.Limited)(nil); errors.As(err, &limited) {
			why = limited.Limit.String()
		}
		t.tried = append(t.tried, a.to.Name+":"+why)
		if len(t.waiting) == 0 {
			return nil, err
		}
		c.house.Metrics.failedOver(a.to, why)
	}
}

// takePlace takes a place at a party's trunk; a phone has room.
func (c *Call) takePlace(a *attempt) (err error) {
	if a.to.Trunk == nil {
		return nil
	}
	if c.resent {
		c.resent = false
		a.permit, err = c.house.Desk.Again(a.to.Trunk, c.asks().Recipient.User)
		return err
	}
	a.permit, a.waits, err = c.house.Desk.Ask(a.to.Trunk, c.asks().Recipient.User, func() {
		c.box.put(func() {
			if c.attempts.now == a && c.machine.state == calling {
				c.callB()
			}
		})
	})
	return err
}

// launch makes the party of an attempt leg B, and sends it its INVITE unless it
// waits for its turn.
func (c *Call) launch(a *attempt) error {
	c.attempts.now = a
	err := c.aim(a.to)
	c.b.permit = a.permit
	if err == nil {
		c.inviteB, err = c.buildInvite()
	}
	if err == nil && !a.waits {
		c.callB()
	}
	return err
}

// aim makes a party leg B: with a dialog of its own, and ports at its media
// address.
func (c *Call) aim(to Party) error {
	if c.session == nil {
		c.b.party = to
		c.negotiation.ends[sideB] = endOf(to)
		return c.openMedia()
	}
	here, _ := c.session.Local(media.B)
	bind, show := c.mediaAddress(to, to.speaks6())
	c.b = leg{party: to, callID: token(16), tag: token(16), dialogs: make(map[string]*dialog.Dialog)}
	c.keys = append(c.keys, c.b.key())
	c.house.Enter(c, c.b.key())
	c.least[sideB], c.timer[sideB], c.fork, c.redirect = 0, dialog.Timer{}, "", redirection{}
	clear(c.negotiation.forks)
	local := c.negotiation.ends[sideB].local
	c.negotiation.ends[sideB] = endOf(to)
	if here.Addr() != bind { // A knows nothing of the ports yet
		c.closeMedia()
		return c.openMedia()
	}
	id := make([]byte, 8)
	if _, err := io.ReadFull(rand.Reader, id); err != nil {
		return err
	}
	c.negotiation.ends[sideB].local = endpoint{show, local.RTP, local.RTCP}.local(id)
	return nil
}

// sent notes that the present party is asked, and watches that it says
// something where there is another one.
func (c *Call) sent() {
	a := c.attempts.now
	if !c.mayBeAsked() {
		c.attempted(a)
	}
	a.sent = true
	c.watchSilence(&a.hearing, a.to.Trunk, len(c.attempts.waiting), func() bool { return c.attempts.now == a && c.machine.state == calling },
		func() { c.moveOn("silent", nil) })
}

// heard notes what came of the present party's INVITE.
func (c *Call) heard(r transport.Result) {
	a := c.attempts.now
	if r.Err != nil || !challenged(r) {
		c.attempted(a)
	}
	c.note(&a.hearing, c.b.party.Trunk, r)
}

// silentInvite is the fault of a trunk that did not even say 100.
const silentInvite = "INVITE without any answer"

// noteHealth notes what came of an INVITE at its trunk; nil is a phone's. first
// is the first thing that came.
func (h *House) noteHealth(t *trunk.Trunk, r transport.Result, first bool) {
	if r.Err != nil {
		if why := unreachable(r.Err); why != "" {
			h.dead(t, why)
		}
		return
	}
	if t == nil {
		return
	}
	if first {
		h.Desk.Alive(t, 0)
	}
	if wish := RetryAfter(r.Response); r.Response.StatusCode == 503 && wish > 0 {
		h.Desk.Rest(t, wish)
	}
}

// mayBeAsked tells whether A's INVITE may meet a challenge that is A's to answer: what comes of that is the call's next INVITE, and this one no
// attempt.
func (c *Call) mayBeAsked() bool {
	return c.a.party.Through && len(header.CredentialsOf(c.inA.Request())) == 0
}

// attempted counts an attempt, once.
func (c *Call) attempted(a *attempt) {
	if !a.counted {
		a.counted = true
		c.house.Metrics.attempted(a.to)
	}
}

func (h *House) dead(t *trunk.Trunk, reason string) {
	if t != nil {
		h.Desk.Dead(t, reason)
	}
}

// RetryAfter is how long a response asks to be left alone (RFC 3261 section
// 20.33); 0 where it does not.
func RetryAfter(res *sip.Response) time.Duration {
	h := res.GetHeader("retry-after")
	if h == nil {
		return 0
	}
	value := h.Value()
	if i := strings.IndexAny(value, "(; \t"); i >= 0 {
		value = value[:i]
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// unreachable names why a party could not be reached; "" is nothing of the
// party's.
func unreachable(err error) string {
	var f *transport.Failure
	if !errors.As(err, &f) || f.Cause == transport.CauseShutdown || f.Cause == transport.CauseInvalid {
		return ""
	}
	return f.Cause.String()
}

// passedBy takes a final answer of the present party, or that it is out of
// reach. It tells whether another one is asked because of it.
func (c *Call) passedBy(r transport.Result) bool {
	why := c.attempts.now.fails(r)
	return why != "" && c.moveOn(why, r.Response)
}

// moveOn asks another party in the place of the present one, which failed for
// this reason, with said as its final answer where it gave one. It tells whether
// there was one. An INVITE that is still on its way is cancelled, and a 2xx that
// comes of it ended.
func (c *Call) moveOn(why string, said *sip.Response) bool {
	t := &c.attempts
	if c.machine.state != calling || t.told || len(t.waiting) == 0 {
		return false
	}
	from, name := t.now, c.b.party.Name
	next, err := c.room()
	if err != nil {
		return false
	}
	if said != nil {
		by := c.b.party
		t.said, t.by = said, &by
	}
	t.tried = append(t.tried, name+":"+why)
	c.attempted(from)
	c.house.Metrics.failedOver(c.b.party, why)
	c.house.Log.Info("call goes on to another party", "call", c.id, "from", name, "cause", why, "to", next.to.Name)
	past := c.b
	from.left, from.invite = &past, c.inviteB
	t.past = append(t.past, from)
	c.stop(clock{timer: silentTimer})
	c.outB.Cancel() // does nothing to an INVITE that has its answer
	past.permit.Release()
	if err := c.launch(next); err != nil {
		c.house.Log.Error("call failed: no media session", "call", c.id, "leg", next.to.Name, "error", err)
		c.summary.end("callseal", mediaPhrase(err), originLocal)
		c.box.put(func() { c.feed(event{kind: evEnd, fault: mediaPhrase(err)}) })
	}
	return true
}

// verdict is what A is told when the last party could not be reached: what one
// before it said, if one did. It tells whether there was one.
func (c *Call) verdict() bool {
	t := &c.attempts
	if t.said == nil {
		return false
	}
	c.from, c.failure = t.said, rejection{t.said.StatusCode, header.Foreign(t.said.Reason)}
	c.summary.reject(t.said.StatusCode, answerLine(t.said), *t.by)
	return true
}

// cancelAttempt cancels the INVITE of the present party. One that is not sent
// yet is not sent.
func (c *Call) cancelAttempt() {
	if a := c.attempts.now; !a.sent {
		a.permit.Release()
		c.box.put(func() { c.feed(event{kind: evRejected}) })
		return
	}
	c.outB.Cancel(c.way(&c.b).Cross(header.Ending, c.reason)...)
}

// isPast takes a request of a party that the call moved on from, and tells
// whether it was one.
func (c *Call) isPast(tx *transport.ServerTx, key Key) bool {
	for _, a := range c.attempts.past {
		if a.left.key() != key {
			continue
		}
		if tx.Request().Method == sip.BYE { // an early dialog may be ended by BYE too (RFC 3261 section 15)
			_ = tx.Respond(c.answer(tx.Request(), 200, "OK")) // its client repeats or gives up
		} else {
			c.turnDown(tx, 481, "Call Transaction Does Not Exist", "no_dialog")
		}
		return true
	}
	return false
}
