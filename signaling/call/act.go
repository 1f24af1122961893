package call

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"

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
		c.outB.Cancel(c.way(&c.b).Cross(header.Ending, c.reason)...)
	case opAbandon:
		c.cancelB()
	case opAck:
		c.ack(a.tag)
	case opBye:
		c.bye(a.side, a.tag)
	case opAnswerBye:
		_ = c.byeIn.Respond(c.answer(c.byeIn.Request(), 200, "OK")) // its client repeats or gives up
	case opStart:
		c.start(a.timer, a.delay)
	case opStop:
		if t, ok := c.timers[a.timer]; ok {
			t.Stop()
			delete(c.timers, a.timer)
		}
	case opCloseMedia:
		c.closeMedia()
	case opFinish:
	}
}

func (c *Call) start(name timer, delay time.Duration) {
	c.timers[name] = time.AfterFunc(delay, func() {
		c.box.put(func() {
			c.summary.timeout(name, c.machine.state)
			c.feed(event{kind: evTimer, timer: name})
		})
	})
}

// relay sends A what B just said: code and phrase, the headers that cross,
// and the description rewritten.
func (c *Call) relay() {
	invite := c.inA.Request()
	if c.from == nil || c.from.StatusCode >= 300 {
		res := c.answer(invite, c.failure.code, c.failure.phrase)
		c.crossing(res)
		c.respond(res)
		return
	}
	res := c.answer(invite, c.from.StatusCode, header.Foreign(c.from.Reason))
	c.crossing(res)
	res.AppendHeader(&sip.ContactHeader{Address: contactFor(invite.Recipient, c.a.flow.Contact(invite.Recipient.User))})
	res.AppendHeader(sip.NewHeader("Allow", Allow))
	if known, ok := c.negotiation.answers[c.from.To().Params.GetOr("tag", "")]; ok && c.sdpUsable {
		setSDP(res, known.body)
	}
	if res.StatusCode >= 200 {
		c.ok = res
	}
	c.respond(res)
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
	if c.from == nil {
		return
	}
	for _, h := range c.way(&c.a).Cross(header.Answer, c.from.Headers()) {
		res.AppendHeader(h)
	}
}

// refuse is a final answer in our own words.
func (c *Call) refuse(code int, phrase string) {
	c.summary.told(code)
	c.respond(c.answer(c.inA.Request(), code, header.Phrase(phrase)))
}

// answer starts a response to a request of either leg.
func (c *Call) answer(req *sip.Request, code int, phrase string) *sip.Response {
	res := sip.NewResponseFromRequest(req, code, phrase, nil)
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

// ack acknowledges B's 2xx of this tag.
func (c *Call) ack(tag string) {
	if d, ok := c.b.dialogs[tag]; ok {
		c.house.Endpoint.SendAck(d.Ack(), c.b.hop(d))
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
	req := d.Request(sip.BYE)
	for _, h := range c.summary.reasons(c.way(l)) {
		req.AppendHeader(h)
	}
	c.send(l, d, req, func(r transport.Result) {
		if r.Again || (r.Err == nil && r.Response.IsProvisional()) {
			return
		}
		c.box.put(func() {
			if r.Err != nil {
				c.house.Log.Warn("BYE without an answer", "call", c.id, "leg", l.party.Name, "error", r.Err)
				c.house.Metrics.byeLost(l.party)
			}
			over()
		})
	})
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

// send sends an in-dialog request.
func (c *Call) send(l *leg, d *dialog.Dialog, req *sip.Request, each func(transport.Result)) {
	if each == nil {
		each = func(transport.Result) {}
	}
	user := ""
	req.AppendHeader(sip.NewHeader("User-Agent", c.house.UserAgent))
	c.house.Endpoint.Send(context.Background(), transport.Outgoing{
		Request: req,
		Hop:     l.hop(d),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			if req.Method != sip.BYE { // RFC 3261 table 2: no Contact in BYE
				req.AppendHeader(&sip.ContactHeader{Address: f.Contact(user)})
			}
		},
		Each: each,
	})
}

// closeMedia stops the audio and keeps its figures.
func (c *Call) closeMedia() {
	if c.session == nil {
		return
	}
	c.stats = c.session.Close()
	c.session = nil
	c.summary.media(c.negotiation)
}

// inDialog takes a request that carries our tag.
func (c *Call) inDialog(tx *transport.ServerTx) {
	req := tx.Request()
	s, d := c.dialogOf(req)
	// Tags and Call-ID say whose request it is, not the address: carriers send
	// BYEs from machines that they never named, and one that is refused is a
	// call billed on. The door has to be that of the leg's role, though: nobody
	// on another listener can have learned the tags in an honest way.
	if d == nil || tx.Flow().Role() != c.leg(s).party.Role {
		_ = tx.Respond(c.answer(req, 481, "Call/Transaction Does Not Exist"))
		return
	}
	if err := d.Accept(req); err != nil {
		_ = tx.Respond(c.answer(req, 500, "CSeq out of order")) // RFC 3261 section 12.2.2
		return
	}
	switch req.Method {
	case sip.BYE:
		c.hungUp(s, tx)
	case sip.OPTIONS:
		res := c.answer(req, 200, "OK")
		res.AppendHeader(sip.NewHeader("Allow", Allow))
		_ = tx.Respond(res)
	case sip.INVITE: // the session stays as it is (RFC 3261 section 14.2)
		_ = tx.Respond(c.answer(req, 488, "SBC does not change sessions yet"))
	default:
		res := c.answer(req, 405, "Method Not Allowed")
		res.AppendHeader(sip.NewHeader("Allow", Allow))
		_ = tx.Respond(res)
	}
}

// dialogOf finds the side and the dialog that a request belongs to.
func (c *Call) dialogOf(req *sip.Request) (side, *dialog.Dialog) {
	remote := req.From().Params.GetOr("tag", "")
	if req.CallID().Value() == c.a.callID && req.To().Params.GetOr("tag", "") == c.a.tag {
		return sideA, c.a.dialogs[remote]
	}
	return sideB, c.b.dialogs[remote]
}

// hungUp takes a BYE. One of a fork that lost is only answered.
func (c *Call) hungUp(s side, tx *transport.ServerTx) {
	ev := event{kind: evBye, side: s}
	if s == sideB {
		ev.tag = tx.Request().From().Params.GetOr("tag", "")
	}
	if l := c.leg(s); !c.machine.lost(ev) {
		l.flow = tx.Flow()
		c.summary.hungUp(l.party, tx.Request())
	}
	c.byeIn = tx
	c.feed(ev)
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
