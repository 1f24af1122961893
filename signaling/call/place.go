package call

import (
	"context"
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// placement is C, the leg that a transfer sets up: by what transfer.go says.
type placement struct {
	number   int
	side     side // of X, whose place it is to take
	to       string
	replaces replacement
	dropped  bool       // it is not wanted any more
	*callee             // who is asked now
	waiting  []Party    // who else may be, the next one first
	status   rejection  // what C said last, for X's ears
	verdict  *rejection // what one said before that gave way to another; nil: none did

	x subscriber
}

// subscriber is X, who is told how its transfer goes.
type subscriber struct {
	tx     *transport.ServerTx // its REFER
	leg    *leg                // in the call, or what it was
	dialog *dialog.Dialog
	event  string
	silent bool // it wants no NOTIFYs, or takes none
	gone   bool // it has hung up
}

// execute takes a REFER that we do ourselves: the new leg goes to a trunk, never
// to the host that the REFER names.
func (c *Call) execute(s side, tx *transport.ServerTx, to header.ReferTo) *refused {
	party := c.leg(s).party
	_, d := c.find(s, c.machine.winner)
	if d == nil {
		return &refused{481, "Call Transaction Does Not Exist", "no_dialog"}
	}
	p := &placement{side: s, to: party.Rules().Came(header.Unescaped(to.Number)), callee: &callee{leg: &leg{}}}
	if to.Replaces != nil {
		far, at, no := c.replaced(*to.Replaces, party)
		if no != nil {
			return no
		}
		p.waiting, p.replaces = []Party{at}, replacement{far, at}
	} else {
		onward, err := c.house.Next(party, Wanted(party, tx.Flow(), tx.Request(), p.to))
		if err != nil {
			return &refused{503, Unrouted(party, err), "route"}
		}
		p.waiting, p.to = onward.Parties, onward.Number
	}
	p.x = subscriber{tx: tx, leg: c.leg(s), dialog: d, silent: noSubscription(tx.Request()), event: "refer"}
	if c.hasReferred[s] {
		p.x.event = fmt.Sprintf("refer;id=%d", tx.Request().CSeq().SeqNo)
	}
	if c.session != nil && c.machine.state == up { // else the machine refuses it
		if no := c.firstCallee(p); no != nil {
			return no
		}
	}
	c.lastRef++
	c.referring[c.lastRef] = p
	c.feed(event{kind: evRefer, side: s, ask: question{ref: c.lastRef}})
	return nil
}

// firstCallee finds somebody to ask. What becomes of it after that is X's to
// hear.
func (c *Call) firstCallee(p *placement) *refused {
	first := p.waiting[0].Name
	err := c.nextCallee(p)
	switch {
	case err == nil:
		return nil
	case whyNot(err) != notAsked:
		return &refused{503, limitPhrase(err), "limit"}
	}
	c.house.Log.Error("cannot transfer", "call", c.id, "leg", first, "error", err)
	return &refused{503, "SBC cannot make an offer to " + first, "transfer"}
}

// refuseRefer refuses a REFER that the machine does not take.
func (c *Call) refuseRefer(ref, code int, phrase string) {
	p := c.referring[ref]
	delete(c.referring, ref)
	p.leg.permit.Release()
	c.turnDown(p.x.tx, code, phrase, "transfer")
}

// place takes a REFER: X gets its 202, and C its INVITE.
func (c *Call) place(ref int) {
	p := c.referring[ref]
	delete(c.referring, ref)
	c.placed = append(c.placed, p)
	p.number = len(c.placed)
	c.hasReferred[p.side] = true
	c.knowCallee(p.callee)
	res := c.answer(p.x.tx.Request(), 202, "Accepted")
	if p.x.silent {
		res.AppendHeader(sip.NewHeader("Refer-Sub", "false"))
	}
	c.answerRefer(p.x.leg, p.x.tx, res)
	c.notify(p, rejection{100, "Trying"}, nil)
	c.house.Log.Info("call is being transferred", "call", c.id, "by", p.x.leg.party.Name, "to", p.leg.party.Name)
	if !p.waits {
		c.inviteTarget(p)
	}
}

func (c *Call) placement(ref int) *placement { return c.placed[ref-1] }

// inviteTarget sends C's INVITE. Every result comes back through the mailbox.
func (c *Call) inviteTarget(p *placement) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	t, way := p.callee, c.wayTo(p.callee)
	c.watchCallee(p)
	p.leg.sign(p.invite, Party{})
	p.tx = c.house.Endpoint.Send(ctx, transport.Outgoing{
		Request: p.invite.Clone(),
		Hop:     p.leg.party.Hop(),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			req.AppendHeader(&sip.ContactHeader{Address: Complete(req, f, way, header.Setup, t.theirs)})
			from := req.From().Address
			c.box.put(func() { t.invite.From().Address = from })
		},
		Each: func(r transport.Result) {
			if !c.box.put(func() { c.targetSaid(p, t, r) }) {
				c.stray(t.leg, t.invite, r)
			}
		},
	})
}

// targetSaid takes what came of C's INVITE.
func (c *Call) targetSaid(p *placement, t *callee, r transport.Result) {
	if p.callee != t { // somebody else was asked since
		c.stray(t.leg, t.invite, r)
		return
	}
	c.note(&t.hearing, t.leg.party.Trunk, r)
	if (r.Err != nil || r.Response.StatusCode >= 300) && c.goesOn(p, r) {
		return
	}
	ev := event{ask: question{ref: p.number}}
	if r.Err != nil {
		p.status = rejection{503, unreached(p.leg.party, r.Err)}
		if p.verdict != nil {
			p.status = *p.verdict
		}
		c.targetFailed(p, ev)
		return
	}
	res := r.Response
	if c.leg(p.side).callID != p.leg.callID {
		p.leg.flow = r.Flow
	}
	switch {
	case res.StatusCode == 100:
	case challenged(r) && c.house.answers(p.leg.party, p.leg.invited, res):
		p.invite.CSeq().SeqNo++
		p.cancel() // frees what the last one holds
		c.inviteTarget(p)
	case challenged(r) && c.otherCallee(p, "password", nil): // it is not the number's fault
	case res.StatusCode == 422 && !p.least: // RFC 4028 section 7.3
		p.least = true
		p.invite.CSeq().SeqNo++
		for _, name := range []string{"Session-Expires", "Min-SE", "Supported"} {
			p.invite.RemoveHeader(name)
		}
		c.sessionHeaders(p.invite, dialog.Timer{}, dialog.MinSE(res))
		p.cancel() // frees what the last one holds
		c.inviteTarget(p)
	case res.IsProvisional():
		tag := c.targetDialog(p, res)
		reliable := dialog.IsReliable(res)
		if reliable && !c.prackAt(p.leg, tag, res) {
			return
		}
		if body := sdpBody(res); len(body) > 0 && p.leg.dialogs[tag] != nil {
			_, err := p.read(tag, body, reliable) // what counts is the 2xx
			p.offered = p.offered || err == nil
		}
		p.status = rejection{res.StatusCode, header.Foreign(res.Reason)}
		ev.kind, ev.code = evTargetRings, res.StatusCode
		c.feed(ev)
	case res.IsSuccess():
		ev.kind, ev.tag = evTargetAnswers, c.targetDialog(p, res)
		if p.leg.dialogs[ev.tag] == nil { // one fork too many
			return
		}
		p.answers[ev.tag] = dialog.TakeTimer(res)
		if _, err := p.read(ev.tag, sdpBody(res), true); err != nil {
			ev.fault = c.unusable(p, err)
		}
		c.feed(ev)
	default:
		p.status = c.targetRefusal(p.callee, res)
		c.targetFailed(p, ev)
	}
}

// targetRefusal is what X is told of a final answer.
func (c *Call) targetRefusal(t *callee, res *sip.Response) rejection {
	switch {
	case res.StatusCode < 400:
		return rejection{503, header.Phrase(t.leg.party.Name + " redirects and that is not followed")}
	case res.StatusCode == 401 || res.StatusCode == 407:
		return rejection{503, header.Phrase(passwordPhrase(t.leg.party))}
	}
	return rejection{res.StatusCode, header.Foreign(res.Reason)}
}

// targetFailed ends a transfer without C; where X has left that is the end of
// the call.
func (c *Call) targetFailed(p *placement, ev event) {
	if c.machine.left(p.side) {
		c.summary.end(p.leg.party.Name, fmt.Sprintf("transfer failed: %d %s", p.status.code, p.status.phrase), originOf(p.leg.party))
	}
	c.house.Log.Info("transfer failed", "call", c.id, "leg", p.leg.party.Name, "code", p.status.code)
	c.house.Metrics.transferred(p.leg.party, "failed")
	p.leg.permit.Release()
	ev.kind, ev.code = evTargetFails, p.status.code
	c.feed(ev)
}

// unusable says what is wrong with C's answer.
func (c *Call) unusable(p *placement, err error) string {
	phrase, cause, advice := fault(p.leg.party, err)
	c.house.Metrics.mediaRefused(p.leg.party, cause)
	c.house.Log.Warn("answer unusable: "+phrase, "call", c.id, "leg", p.leg.party.Name, "cause", cause, "error", err, "advice", advice)
	c.house.Metrics.transferred(p.leg.party, "failed")
	p.status = rejection{503, header.Phrase(phrase)}
	if c.machine.left(p.side) {
		c.summary.end(p.leg.party.Name, p.status.phrase, originOf(p.leg.party))
	}
	return p.status.phrase
}

// unreached is why a party cannot be reached, as a phrase.
func unreached(p Party, err error) string {
	var failure *transport.Failure
	if errors.As(err, &failure) {
		return header.Phrase(failure.Phrase())
	}
	return header.Phrase("SBC cannot reach " + p.Name)
}

// targetDialog keeps the dialog that a response of C opens or confirms, and
// gives its To tag.
func (c *Call) targetDialog(p *placement, res *sip.Response) string {
	tag := res.To().Params.GetOr("tag", "")
	if d, ok := p.leg.dialogs[tag]; ok {
		if _, answered := p.answers[tag]; !answered {
			d.Update(res)
		}
		return tag
	}
	if len(p.leg.dialogs) >= maxForks {
		return tag
	}
	if d, err := dialog.Calling(p.invite, res); err == nil {
		p.leg.dialogs[tag] = d
	}
	return tag
}

// read takes what a To tag of C answers: one without SDP repeats what the tag
// said before.
func (t *callee) read(tag string, body []byte, final bool) (agreed, error) {
	a, known := t.forks[tag]
	if known && (a.final || len(body) == 0) {
		return a, nil
	}
	a, err := t.negotiation.read(t.offer, body)
	if err == nil {
		err = t.negotiation.check(&proposal{from: t.offer.to, stream: a.stream})
	}
	if err != nil {
		return agreed{}, err
	}
	a.final = final
	t.forks[tag] = a
	return a, nil
}

// ackTarget acknowledges C's 2xx of this tag.
func (c *Call) ackTarget(ref int, tag string) {
	p := c.placement(ref)
	if d := p.leg.dialogs[tag]; d != nil {
		c.sendAck(p.leg, d, p.invite.CSeq().SeqNo, header.CredentialsOf(p.invite))
	}
}

// byeTarget ends a dialog of C that does not take X's place.
func (c *Call) byeTarget(ref int, tag string) {
	p := c.placement(ref)
	c.sendBye(p.leg, p.leg.dialogs[tag], true, func() { c.feed(event{kind: evByeDone, side: p.side}) })
}

// takeOver puts C into X's place: leg, dialog, session and media.
func (c *Call) takeOver(s side, ref int, tag string) {
	p, l := c.placement(ref), c.leg(s)
	past := *l
	past.permit.Release()
	p.x.leg = &past
	if s == sideB {
		if c.formerB == nil {
			c.formerB = &past
		}
		c.fork = tag
	}
	*l = leg{party: p.leg.party, callID: p.leg.callID, tag: p.leg.tag, flow: p.leg.flow, permit: p.leg.permit, secrets: p.leg.secrets,
		dialogs: map[string]*dialog.Dialog{tag: p.leg.dialogs[tag]}}
	c.quiet(s)
	n, y := c.negotiation, s.other()
	n.ends[s] = p.negotiation.ends[s]
	a := p.forks[tag]
	c.least[s], c.renew[s] = 0, false
	c.house.Log.Info("call transferred", "call", c.id, "from", past.party.Name, "to", l.party.Name)
	c.house.Metrics.transferred(l.party, "answered")
	if err := c.setMedia(s, a.remote()); err != nil {
		c.house.Log.Error("media of the new leg refused", "call", c.id, "leg", l.party.Name, "error", err)
		c.box.put(func() { c.feed(event{kind: evEnd, fault: "SBC media fault"}) })
	}
	c.agree(s, a)
	c.arm(s, p.answers[tag])
	for _, to := range []side{s, y} {
		if to == y && n.isNews(y) || to == s && n.ends[y].said != p.said {
			c.box.put(func() { c.feed(event{kind: evOwed, side: to}) })
		}
	}
}

// quiet forgets what was under way with the remote of a side.
func (c *Call) quiet(s side) {
	c.stop(clock{refreshTimer, s})
	c.stop(clock{expireTimer, s})
	c.stop(clock{quietTimer, s})
	c.silences[s] = nil
	c.timer[s] = dialog.Timer{}
	c.unconfirmed[s] = nil
	if p := c.probes[s]; p != nil && p.timer != nil {
		p.timer.Stop()
	}
	c.probes[s] = nil
	if c.asked != nil && c.asked.to == s {
		c.asked = nil
	}
}

// part lets a side be without a remote until C is there: nobody listens there,
// and nobody is missed.
func (c *Call) part(s side) {
	c.quiet(s)
	for _, p := range c.placed {
		if p.side == s && p.number == len(c.placed) {
			p.x.gone = true
		}
	}
	e := &c.negotiation.ends[s]
	r := agreed{stream: e.stream, key: e.key}.remote()
	r.Hold, r.Mute = true, true
	if err := c.setMedia(s, r); err != nil {
		c.house.Log.Debug("cannot hold the media of a leg", "call", c.id, "leg", c.leg(s).party.Name, "error", err)
	}
}

// drop cancels C's INVITE.
func (c *Call) drop(ref int) {
	p := c.placement(ref)
	if c.machine.left(p.side) {
		c.summary.end("callseal", "transfer rang too long", originLocal)
	}
	c.house.Metrics.transferred(p.leg.party, "abandoned")
	if p.dropped = true; p.tx == nil {
		p.leg.permit.Release()
		c.box.put(func() { c.feed(event{kind: evTargetFails, ask: question{ref: p.number}, code: 487}) })
		return
	}
	p.tx.Cancel()
}

// notify tells X how its transfer goes, and calls over once it knows of the
// last, or never will.
func (c *Call) notify(p *placement, said rejection, over func()) {
	x := &p.x
	if x.silent || x.gone {
		if over != nil {
			c.box.put(over)
		}
		return
	}
	req := x.dialog.Request(sip.NOTIFY)
	req.AppendHeader(sip.NewHeader("Event", x.event))
	state := "active;expires=" + fmt.Sprint(int((c.house.Ring + lifetime).Seconds()))
	if over != nil {
		state = "terminated;reason=noresource"
	}
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	req.AppendHeader(sip.NewHeader("Content-Type", sipfrag))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", said.code, said.phrase))
	c.send(x.leg, x.dialog, req, func(r transport.Result) {
		if r.Err == nil && r.Response.IsProvisional() {
			return
		}
		c.box.put(func() {
			if r.Err == nil && r.Response.StatusCode == 481 { // RFC 6665 section 4.2.2
				x.silent = true
			}
			if over != nil {
				over()
			}
		})
	})
}

// notifyLast tells X how its transfer ended.
func (c *Call) notifyLast(ref, code int) {
	p := c.placement(ref)
	said := p.status
	if said.code != code {
		said = rejection{code, lastPhrases[code]}
	}
	c.notify(p, said, func() { c.feed(event{kind: evNotified, side: p.side, ask: question{ref: ref}}) })
}

// lastPhrases are those of the ends that are not C's own words.
var lastPhrases = map[int]string{200: "OK", 408: "Request Timeout", 487: "Request Terminated", 503: "Service Unavailable"}

// byePast hangs up on X, whose place was taken.
func (c *Call) byePast(ref int) {
	p := c.placement(ref)
	c.sendBye(p.x.leg, p.x.dialog, true, func() { c.feed(event{kind: evByeDone, side: p.side}) })
}

// outsider takes a request of somebody who is not, or not yet, in the call: an
// X whose place was taken, or a C that has not answered. It tells whether it was
// one.
func (c *Call) outsider(tx *transport.ServerTx) bool {
	req := tx.Request()
	key := Key{req.CallID().Value(), req.To().Params.GetOr("tag", "")}
	switch {
	case key == c.a.key() || key == c.b.key():
		return false
	case c.isPast(tx, key):
		return true
	}
	for _, p := range c.placed {
		past := p.x.leg.key() == key
		l := p.leg
		if past {
			l = p.x.leg
		}
		d := l.dialogs[req.From().Params.GetOr("tag", "")]
		if l.key() != key || d == nil || tx.Flow().Role() != l.party.Role {
			continue
		}
		switch {
		case d.Accept(req) != nil:
			c.turnDown(tx, 500, "CSeq out of order", "cseq")
		case req.Method == sip.BYE && past && d == p.x.dialog:
			c.byeIn = tx
			c.feed(event{kind: evPastBye, side: p.side, ask: question{ref: p.number}})
		case req.Method == sip.BYE: // an early dialog, or a fork that lost
			_ = tx.Respond(c.answer(req, 200, "OK"))
		case past:
			c.turnDown(tx, 481, "Call Transaction Does Not Exist", "no_dialog")
		default:
			c.turnDown(tx, 500, "SBC is transferring this call", "early")
		}
		return true
	}
	return false
}

func (l *leg) key() Key { return Key{l.callID, l.tag} }

// stray takes what still comes of an INVITE of ours whose outcome is settled: a
// 2xx that comes again is ACKed again, and that of another fork ended, or it
// would wait, and be billed, for an ACK that nobody sends.
func (c *Call) stray(called *leg, invite *sip.Request, r transport.Result) {
	if r.Err != nil || !r.Response.IsSuccess() {
		return
	}
	tag := r.Response.To().Params.GetOr("tag", "")
	d, known := called.dialogs[tag]
	if !known {
		var err error
		if d, err = dialog.Calling(invite, r.Response); err != nil || len(called.dialogs) >= 2*maxForks {
			return
		}
		called.dialogs[tag] = d
	}
	l := &leg{party: called.party, flow: r.Flow, secrets: called.secrets} // the leg's own flow is the call's
	c.sendAck(l, d, invite.CSeq().SeqNo, header.CredentialsOf(invite))
	if !known {
		c.send(l, d, d.Request(sip.BYE), nil)
	}
}
