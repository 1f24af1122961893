package call

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/transport"
)

// reliable sends A provisional responses that it acknowledges by PRACK (RFC
// 3262 section 3), one at a time and in order. The legs are apart: B's are
// acknowledged by us (prack), whatever A does.
type reliable struct {
	seq      uint32          // RSeq of the last one
	waiting  *sip.Response   // sent, and not acknowledged
	queue    []*sip.Response // what waits for its PRACK
	late     bool            // the last one was not acknowledged when the final response went out
	interval time.Duration   // until waiting is sent again
	since    time.Duration   // for how long it has been sent
	answered bool            // one with SDP was sent: it was the answer to A's offer
	said     string          // what B had said then
	final    *sip.Response   // a 2xx that waits for the PRACK of an answer
}

// maxQueued bounds what waits: the next ones are not passed on, which is what
// provisional responses have to bear.
const maxQueued = 8

// owesAnswer tells whether A has been sent the answer to its offer, or is about
// to be, without a PRACK for it.
func (r *reliable) owesAnswer() bool {
	return r.waiting != nil && (len(r.waiting.Body()) > 0 || slices.ContainsFunc(r.queue, func(res *sip.Response) bool { return len(res.Body()) > 0 }))
}

// wantsReliable tells whether A is to get a provisional response reliably: it insists,
// or both B and A do it.
func (c *Call) wantsReliable() bool {
	invite := c.inA.Request()
	return dialog.Lists(invite, "require", "100rel") ||
		c.from != nil && dialog.IsReliable(c.from) && dialog.Lists(invite, "supported", "100rel")
}

// tell sends A a response to its INVITE, in its turn.
func (c *Call) tell(res *sip.Response) {
	r := &c.reliable
	switch {
	case res.IsProvisional() && c.wantsReliable() && len(r.queue) >= maxQueued:
	case res.IsProvisional() && c.wantsReliable():
		if len(res.Body()) > 0 {
			r.answered, r.said = true, c.negotiation.ends[sideB].crossing
		}
		if r.waiting != nil {
			r.queue = append(r.queue, res)
			return
		}
		c.sendReliable(res)
	case res.IsSuccess() && r.owesAnswer(): // RFC 3262 section 3: not before the answer is acknowledged
		r.final = res
	case res.IsProvisional():
		c.respond(res)
	default:
		c.stopReliable()
		c.respond(res)
	}
}

// sendReliable sends one, and goes on until its PRACK comes.
func (c *Call) sendReliable(res *sip.Response) {
	r := &c.reliable
	if r.seq == 0 {
		r.seq = rand.Uint32N(1 << 20) //nolint:gosec // RFC 3262 section 3 wants it spread, not secret
	}
	r.seq++
	res.AppendHeader(sip.NewHeader("Require", "100rel"))
	res.AppendHeader(sip.NewHeader("RSeq", fmt.Sprint(r.seq)))
	r.waiting, r.interval, r.since = res, t1, 0
	c.respond(res)
	c.after(clock{timer: prackTimer}, r.interval, c.repeatReliable)
}

// repeatReliable sends it again, at doubling distances, for 64*T1.
func (c *Call) repeatReliable() {
	r := &c.reliable
	if r.waiting == nil {
		return
	}
	r.since += r.interval
	if r.since >= lifetime {
		c.summary.end(c.a.party.Name, "no PRACK came", originOf(c.a.party))
		c.feed(event{kind: evEnd, fault: c.a.party.Name + " sent no PRACK"})
		return
	}
	r.interval *= 2
	c.respond(r.waiting)
	c.after(clock{timer: prackTimer}, min(r.interval, lifetime-r.since), c.repeatReliable)
}

func (c *Call) stopReliable() {
	c.stop(clock{timer: prackTimer})
	r := &c.reliable
	r.late = r.late || r.waiting != nil
	r.waiting, r.queue, r.final = nil, nil, nil
}

// pracked takes a PRACK. It may carry an offer (RFC 3262 section 5), and may have
// crossed the final response (section 3).
func (c *Call) pracked(s side, d *dialog.Dialog, tx *transport.ServerTx) {
	r := &c.reliable
	req := tx.Request()
	if s != sideA || r.waiting == nil && !r.late || !dialog.Acknowledges(req, r.seq, c.inA.Request().CSeq().SeqNo) {
		_ = tx.Respond(c.answer(req, 481, "No response waits for this PRACK"))
		return
	}
	c.stop(clock{timer: prackTimer})
	r.waiting, r.late = nil, false
	if len(sdpBody(req)) > 0 {
		c.offered(s, d, tx)
	} else {
		_ = tx.Respond(c.answer(req, 200, "OK"))
	}
	switch {
	case len(r.queue) > 0:
		next := r.queue[0]
		r.queue = r.queue[1:]
		c.sendReliable(next)
	case r.final != nil:
		res := r.final
		r.final = nil
		c.respond(res)
		c.feed(event{kind: evReleased})
	}
}

// prack acknowledges a reliable provisional response of B. It tells whether
// the response is to be heard: not one that was there before, or came out of
// turn (RFC 3262 section 4).
func (c *Call) prack(tag string, res *sip.Response) bool { return c.prackAt(&c.b, tag, res) }

// prackAt is prack for a leg that we call.
func (c *Call) prackAt(l *leg, tag string, res *sip.Response) bool {
	d, ok := l.dialogs[tag]
	if !ok {
		return false
	}
	req, err := d.Reliable(res)
	if err != nil {
		return false
	}
	c.send(l, d, req, func(r transport.Result) {
		if r.Err == nil && (r.Response.IsProvisional() || r.Response.IsSuccess()) {
			return
		}
		c.house.Log.Warn("PRACK not taken", "call", c.id, "leg", l.party.Name, "error", r.Err)
	})
	return true
}
