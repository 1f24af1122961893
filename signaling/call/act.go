package call

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// act does one thing that the machine asked for.
func (c *Call) act(a action) {
	switch a.op {
	case opRelay:
		c.relay()
	case opRefuse:
		c.refuse(a.code, a.phrase)
	case opResend:
		c.respond(c.ok)
	case opCancel:
		c.cancelAttempt()
	case opAbandon:
		if c.cancelB != nil {
			c.cancelB()
		}
	case opAck:
		c.ack(a.tag)
	case opBye:
		c.bye(a.side, a.tag)
	case opAnswerBye:
		_ = c.byeIn.Respond(c.answer(c.byeIn.Request(), 200, "OK")) // its client repeats or gives up
	case opAsk:
		c.ask(a.side, a.ref)
	case opCancelAsk:
		if c.asked != nil { // or it could not be sent
			c.asked.tx.Cancel()
		}
	case opAnswerOffer:
		c.answerOffer(a.ref)
	case opRefuseOffer:
		c.refuseOffer(a.ref, a.code, a.phrase)
	case opRelayRefusal:
		c.relayRefusal(a.ref, a.code)
	case opRepeat:
		c.repeat2xx(a.side)
	case opStart:
		c.start(clock{a.timer, a.side}, a.delay)
	case opStop:
		c.stop(clock{a.timer, a.side})
	case opRefuseRefer, opPlace, opNotify, opNotifyLast, opAckTarget, opByeTarget, opDrop, opForsake, opTakeOver, opByePast, opPart:
		c.actTransfer(a)
	case opCloseMedia:
		c.closeMedia()
	case opFinish:
	}
}

// actTransfer is act for transfers.
func (c *Call) actTransfer(a action) {
	switch a.op {
	case opRefuseRefer:
		c.refuseRefer(a.ref, a.code, a.phrase)
	case opPlace:
		c.place(a.ref)
	case opNotify:
		p := c.placement(a.ref)
		c.notify(p, p.status, nil)
	case opNotifyLast:
		c.notifyLast(a.ref, a.code)
	case opAckTarget:
		c.ackTarget(a.ref, a.tag)
	case opByeTarget:
		c.byeTarget(a.ref, a.tag)
	case opDrop:
		c.drop(a.ref)
	case opForsake:
		if p := c.placement(a.ref); p.cancel != nil {
			p.cancel()
		}
	case opTakeOver:
		c.takeOver(a.side, a.ref, a.tag)
	case opByePast:
		c.byePast(a.ref)
	case opPart:
		c.part(a.side)
	default:
	}
}

// clock names a running timer; side is A where a timer has none.
type clock struct {
	timer timer
	side  side
}

// start lets the machine know when a time has passed.
func (c *Call) start(name clock, delay time.Duration) {
	c.after(name, delay, func() {
		c.summary.timeout(name.timer, c.machine.state)
		c.feed(event{kind: evTimer, timer: name.timer, side: name.side})
	})
}

// after runs f in the call's goroutine when a time has passed, unless the clock
// is stopped or started anew before.
func (c *Call) after(name clock, delay time.Duration, f func()) {
	c.stop(name)
	var t *time.Timer
	t = time.AfterFunc(delay, func() {
		c.box.put(func() {
			if c.timers[name] == t {
				f()
			}
		})
	})
	c.timers[name] = t
}

func (c *Call) stop(name clock) {
	if t, ok := c.timers[name]; ok {
		t.Stop()
		delete(c.timers, name)
	}
}

// relay sends A what B just said: code and phrase, the headers that cross,
// and the description rewritten.
func (c *Call) relay() {
	invite := c.inA.Request()
	if c.from == nil || c.from.StatusCode >= 300 {
		res := c.answer(invite, c.failure.code, c.failure.phrase)
		c.crossing(res)
		if c.from != nil && c.failure.code == c.from.StatusCode && c.a.party.Through {
			header.Challenges(res, c.from)
		}
		if c.summary.outcome == Challenged {
			c.house.Metrics.challenged(c.b.party, "passed")
			c.house.Challenged(invite, c.a.flow)
		}
		c.tell(res)
		return
	}
	res := c.answer(invite, c.from.StatusCode, header.Foreign(c.from.Reason))
	c.crossing(res)
	c.dress(res, &c.a, invite)
	if body := c.describe(res); body != nil {
		setSDP(res, body)
		c.attempts.told = true
	}
	if res.IsSuccess() {
		c.ok = res
		t := dialog.AnswerTimer(invite, c.house.Session, c.timer[sideA])
		c.timerAnswer(res, t)
		c.arm(sideA, t)
	}
	c.tell(res)
}

// describe gives the SDP for a response to A's INVITE: the answer, or our offer
// in a 2xx where A made none. nil is none.
func (c *Call) describe(res *sip.Response) []byte {
	switch {
	case !c.sdpUsable:
		return nil
	case c.reliable.answered: // A has its answer: what another fork says is for an offer of ours
		c.owedA = c.owedA || c.negotiation.ends[sideB].crossing != c.reliable.said
		return nil
	case !c.negotiation.isLate():
		return c.negotiation.answer(c.negotiation.first)
	case !res.IsSuccess():
		return nil // RFC 3261 section 13.2.1: an offer only in a reliable response
	}
	o, err := c.negotiation.refresh(sideA, false)
	if err != nil {
		c.house.Log.Error("cannot write an offer", "call", c.id, "leg", c.a.party.Name, "error", err)
		return nil // the ACK will bring no answer, which ends the call
	}
	c.lateOffer = o
	return o.body
}

// dress adds what a response that makes or refreshes a dialog says of us.
func (c *Call) dress(res *sip.Response, l *leg, req *sip.Request) {
	res.AppendHeader(&sip.ContactHeader{Address: contactFor(req.Recipient, l.flow.Contact(req.Recipient.User))})
	res.AppendHeader(sip.NewHeader("Allow", Allow))
	res.AppendHeader(sip.NewHeader("Supported", Supported))
}

// contactFor makes our Contact sips: where the INVITE was for a sips: URI (RFC
// 3261 section 12.1.1). TLS is what that scheme means: no transport is named.
func contactFor(asked, contact sip.Uri) sip.Uri {
	if asked.Scheme == "sips" && contact.UriParams.GetOr("transport", "") == transport.TLS.String() {
		contact.Scheme = asked.Scheme
		contact.UriParams.Remove("transport")
	}
	return contact
}

// crossing adds what crosses of B's response.
func (c *Call) crossing(res *sip.Response) {
	if c.from != nil {
		c.cross(res, c.from, &c.a)
	}
}

// cross adds what crosses of one leg's response to that of the other, to.
func (c *Call) cross(res, told *sip.Response, to *leg) {
	for _, h := range c.way(to).Cross(header.Answer, told.Headers()) {
		res.AppendHeader(h)
	}
}

// refuse is a final answer in our own words.
func (c *Call) refuse(code int, phrase string) {
	if c.reliable.final != nil {
		c.summary.untold(code)
	}
	c.summary.told(code)
	c.tell(c.answer(c.inA.Request(), code, header.Phrase(phrase)))
}

// answer starts a response to a request of either leg. VICIdial stores its
// phrase as it is.
func (c *Call) answer(req *sip.Request, code int, phrase string) *sip.Response {
	res := sip.NewResponseFromRequest(req, code, header.Phrase(phrase), nil)
	res.AppendHeader(sip.NewHeader("Server", c.house.UserAgent))
	return res
}

// respond sends A a response to its INVITE. Where the connection is gone the
// machine's timers end the call.
func (c *Call) respond(res *sip.Response) {
	if err := c.inA.Respond(res); err != nil {
		c.house.Log.Debug("response not sent", "call", c.id, "leg", c.a.party.Name, "code", res.StatusCode, "error", err)
	}
}

// bye ends one dialog. Every way it can go ends in evByeDone.
func (c *Call) bye(s side, tag string) {
	l, d := c.find(s, tag)
	over := func() { c.feed(event{kind: evByeDone, side: s}) }
	if d == nil {
		c.box.put(over)
		return
	}
	c.sendBye(l, d, true, over)
}

// find gives a leg and its dialog with a remote tag; A has only one.
func (c *Call) find(s side, tag string) (*leg, *dialog.Dialog) {
	if s == sideB {
		return &c.b, c.b.dialogs[tag]
	}
	for _, d := range c.a.dialogs {
		return &c.a, d
	}
	return &c.a, nil
}

// send sends an in-dialog request, again where a trunk asks for a password.
func (c *Call) send(l *leg, d *dialog.Dialog, req *sip.Request, each func(transport.Result)) {
	if each == nil {
		each = func(transport.Result) {}
	}
	c.dispatch(l, d, c.inside(l, d, req, each))
}

// sendOnce sends an in-dialog request; what becomes of a challenge is the
// sender's to say.
func (c *Call) sendOnce(l *leg, d *dialog.Dialog, req *sip.Request, each func(transport.Result)) *transport.ClientTx {
	return c.house.Endpoint.Send(context.Background(), c.inside(l, d, req, each))
}

func (c *Call) inside(l *leg, d *dialog.Dialog, req *sip.Request, each func(transport.Result)) transport.Outgoing {
	user := ""
	req.AppendHeader(sip.NewHeader("User-Agent", c.house.UserAgent))
	return transport.Outgoing{
		Request: req,
		Hop:     l.hop(d),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			if req.Method != sip.BYE { // RFC 3261 table 2: no Contact in BYE
				req.AppendHeader(&sip.ContactHeader{Address: f.Contact(user)})
			}
		},
		Each: each,
	}
}

// closeMedia stops the audio and keeps its figures.
func (c *Call) closeMedia() {
	if c.session == nil {
		return
	}
	stats := c.session.Close()
	c.stats = &stats
	c.session = nil
	c.summary.media(c.negotiation)
}

// figures are those of the audio, once it is closed.
func (c *Call) figures(s media.Side) media.SideStats {
	if c.stats == nil {
		return media.SideStats{}
	}
	return c.stats.Side[s]
}

func (c *Call) leg(s side) *leg {
	if s == sideB {
		return &c.b
	}
	return &c.a
}

func (c *Call) other(l *leg) *leg {
	if l == &c.a {
		return &c.b
	}
	return &c.a
}
