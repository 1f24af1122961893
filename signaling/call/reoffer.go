package call

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Offers inside a call: hold and resume, other codecs, other addresses, new
// keys. What the two legs make of them is exchange.go's to say.

// request is an offer of a remote that waits for its answer.
type request struct {
	from     side
	tx       *transport.ServerTx
	dialog   *dialog.Dialog
	proposal *proposal // nil: an INVITE without SDP, which we answer with an offer
}

// inquiry is an offer of ours that waits for its answer.
type inquiry struct {
	*offering
	leg    *leg
	dialog *dialog.Dialog
	seq    uint32              // of the INVITE; 0 for UPDATE
	tx     *transport.ClientTx // nil until it is sent
	answer *sip.Response       // its final response
	again  bool                // it was sent anew because of a 422
	told   []sip.Header        // of the remote's request that it passes on; nil where it is our own
	renews bool                // it brings a new key of ours
	// exchange answers the challenges to it; shown is what it carries of that.
	exchange *auth.Exchange
	shown    []sip.Header
}

// unconfirmed is a 2xx of ours to a re-INVITE that waits for its ACK.
type unconfirmed struct {
	tx    *transport.ServerTx
	res   *sip.Response
	seq   uint32
	offer *offering // what the ACK has to answer; nil where the INVITE had the offer
}

// offered takes an INVITE, UPDATE or PRACK inside a dialog that may change the
// session.
func (c *Call) offered(s side, d *dialog.Dialog, tx *transport.ServerTx) {
	req := tx.Request()
	body := sdpBody(req)
	r := &request{from: s, tx: tx, dialog: d}
	switch {
	case dialog.TooSmall(req):
		res := c.answer(req, 422, "Session Interval Too Small")
		res.AppendHeader(minSE(dialog.MinSession))
		_ = tx.Respond(res)
		return
	case c.machine.state > up:
		c.refuseRequest(tx, 481, "Call Transaction Does Not Exist")
		return
	case len(body) == 0 && req.Method == sip.UPDATE: // RFC 3311 section 5.2: a target or session refresh
		c.accept(r, nil)
		return
	}
	if code, phrase := c.premature(s, d, req); code != 0 {
		c.refuseRequest(tx, code, phrase)
		return
	}
	if len(body) > 0 {
		var err error
		if r.proposal, err = c.negotiation.propose(s, body); err != nil {
			c.badReoffer(r, err)
			return
		}
	}
	c.lastRef++
	c.requests[c.lastRef] = r
	c.feed(event{kind: evOffer, side: s, ask: question{
		ref: c.lastRef, invite: req.IsInvite(),
		local: r.proposal == nil || c.negotiation.isLocal(r.proposal),
		ready: c.canAsk(s.other()),
	}})
}

// premature tells why an offer comes before its time: while the INVITE that
// began the call, or the offer in it, has no answer yet (RFC 3261 sections 14.1
// and 14.2, RFC 3311 section 5.2). Code 0 is none.
func (c *Call) premature(s side, d *dialog.Dialog, req *sip.Request) (code int, phrase string) {
	switch {
	case c.machine.state != calling && c.negotiation.isLate(): // A has our offer, and its ACK will answer it
		return 491, "Request Pending"
	case c.machine.held && s == sideA && req.IsInvite():
		return 500, "The INVITE has no answer yet"
	case c.machine.state != calling:
		return 0, ""
	case s == sideB && d != c.b.dialogs[c.fork]:
		return 500, "Another fork is connected"
	case s == sideB && (req.IsInvite() || !c.negotiation.forks[c.fork].final):
		return 491, "Request Pending"
	case s == sideA && (req.IsInvite() || req.Method == sip.UPDATE && !c.reliable.answered):
		return 500, "The INVITE has no answer yet"
	}
	return 0, ""
}

// badReoffer refuses an offer that cannot be taken; the session stays as it is
// (RFC 3261 section 14.2).
func (c *Call) badReoffer(r *request, err error) {
	party := c.leg(r.from).party
	phrase, cause, advice := fault(party, err)
	c.house.Metrics.mediaRefused(party, cause)
	c.house.Log.Warn("change of the session refused: "+phrase, "call", c.id, "leg", party.Name, "cause", cause, "error", err, "advice", advice)
	_ = r.tx.Respond(c.answer(r.tx.Request(), 488, header.Phrase(phrase)))
}

// canAsk tells whether a leg can be sent an offer: at any time once it is
// confirmed, before that by UPDATE where an answer has been given reliably (RFC
// 3311 section 5.1).
func (c *Call) canAsk(s side) bool {
	if c.machine.state != calling {
		return true
	}
	_, d := c.find(s, c.fork)
	if d == nil || !d.Allows(sip.UPDATE) {
		return false
	}
	if s == sideA {
		return c.reliable.answered && c.reliable.waiting == nil
	}
	return c.negotiation.forks[c.fork].final
}

// ask sends a leg an offer: the other remote's that came as ref, or for ref 0
// what the other leg has.
func (c *Call) ask(to side, ref int) {
	l, d := c.find(to, c.fork)
	if d == nil {
		c.notAsked(to, errNotReady)
		return
	}
	var o *offering
	var err error
	var told []sip.Header
	method := sip.INVITE
	if r := c.requests[ref]; r != nil {
		told = r.tx.Request().Headers()
		o, err = c.negotiation.offer(to, r.proposal.offer, r.proposal.stream, false)
		if c.machine.state == calling || r.tx.Request().Method == sip.UPDATE && d.Allows(sip.UPDATE) {
			method = sip.UPDATE
		}
	} else {
		o, err = c.negotiation.refresh(to, c.renew[to])
	}
	if err != nil {
		c.notAsked(to, err)
		return
	}
	c.sendOffer(&inquiry{offering: o, leg: l, dialog: d, told: told, renews: c.requests[ref] == nil && c.renew[to]}, method)
}

// notAsked ends an exchange that could not begin.
func (c *Call) notAsked(to side, err error) {
	c.house.Log.Error("cannot write an offer", "call", c.id, "leg", c.leg(to).party.Name, "error", err)
	c.asked = nil
	c.box.put(func() { c.feed(event{kind: evAsked, side: to, code: 503}) })
}

// sendOffer sends a request with an offer.
func (c *Call) sendOffer(a *inquiry, method sip.RequestMethod) {
	req := a.dialog.Request(method)
	a.seq = 0
	if method == sip.INVITE {
		a.seq = req.CSeq().SeqNo
	}
	req.AppendHeader(sip.NewHeader("Allow", Allow))
	for _, h := range c.way(a.leg).Cross(header.Change, a.told) {
		req.AppendHeader(h)
	}
	c.timerHeaders(req, a.to)
	setSDP(req, a.body)
	if a.exchange == nil {
		a.exchange = a.leg.secrets.Begin()
	}
	a.exchange.Sign(req)
	a.shown = header.CredentialsOf(req)
	c.asked = a
	a.tx = c.sendOnce(a.leg, a.dialog, req, func(r transport.Result) {
		if !c.box.put(func() { c.answered(a, r) }) {
			c.acknowledge(a, r)
		}
	})
}

// acknowledge ACKs a 2xx to a re-INVITE of ours, whatever became of the call.
func (c *Call) acknowledge(a *inquiry, r transport.Result) {
	if r.Err != nil || a.seq == 0 || !r.Response.IsSuccess() {
		return
	}
	a.dialog.Refresh(r.Response.Contact())
	c.sendAck(a.leg, a.dialog, r.Response.CSeq().SeqNo, a.shown)
}

// answered takes what came of an offer of ours.
func (c *Call) answered(a *inquiry, r transport.Result) {
	if r.Again || c.asked != a || r.Err == nil && r.Response.IsProvisional() {
		c.acknowledge(a, r)
		return
	}
	ev := event{kind: evAsked, side: a.to, luck: rand.Float64()} //nolint:gosec // only spreads retries in time
	if r.Err != nil {
		ev.code, ev.fault, ev.dead = c.unanswered(a, r.Err)
		c.feed(ev)
		return
	}
	res := r.Response
	if challenged(r) && c.house.answers(a.leg.party, a.exchange, res) {
		c.sendOffer(a, methodOf(a))
		return
	}
	if res.StatusCode == 422 && !a.again {
		c.least[a.to] = dialog.MinSE(res)
		a.again = true
		c.sendOffer(a, methodOf(a))
		return
	}
	a.answer, ev.code = res, res.StatusCode
	if a.renews && ev.code != 491 { // after that it is made again
		c.renew[a.to] = false
	}
	switch {
	case res.IsSuccess():
		a.dialog.Refresh(res.Contact())
		a.dialog.Learn(res)
		c.arm(a.to, dialog.TakeTimer(res))
		ev.changed, ev.fault = c.take(a.offering, sdpBody(res))
		c.acknowledge(a, r) // not before: who has the ACK may use the new keys at once
	case res.StatusCode == 408 || res.StatusCode == 481: // RFC 3261 section 12.2.1.2
		ev.dead, ev.fault = true, fmt.Sprintf("%s knows the call no more", a.leg.party.Name)
		c.summary.end(a.leg.party.Name, fmt.Sprintf("%d to an offer", res.StatusCode), originOf(a.leg.party))
	}
	c.feed(ev)
}

func methodOf(a *inquiry) sip.RequestMethod {
	if a.seq == 0 {
		return sip.UPDATE
	}
	return sip.INVITE
}

// unanswered says what no answer to an offer means: a remote that is silent is
// gone, one that cannot be reached at the moment may come back.
func (c *Call) unanswered(a *inquiry, err error) (code int, phrase string, dead bool) {
	phrase = "SBC cannot reach " + a.leg.party.Name
	var failure *transport.Failure
	if errors.As(err, &failure) {
		phrase, dead = failure.Phrase(), failure.Stage == transport.StageTimeout
	}
	if errors.Is(err, context.Canceled) {
		return 487, phrase, false
	}
	c.house.Log.Warn("offer not answered: "+phrase, "call", c.id, "leg", a.leg.party.Name, "error", err)
	if dead {
		c.summary.end(a.leg.party.Name, phrase, originLocal)
	}
	return 503, header.Phrase(phrase), dead
}

// take puts the answer to an offer of ours in force. It tells whether the
// other leg has to know of it, and the phrase of what is wrong with it.
func (c *Call) take(o *offering, body []byte) (changed bool, wrong string) {
	if c.session == nil {
		return false, "" // the call is ending
	}
	settled, err := c.negotiation.read(o, body)
	if err == nil {
		err = c.setMedia(o.to, settled.remote())
	}
	if err != nil {
		party := c.leg(o.to).party
		phrase, cause, advice := fault(party, err)
		c.house.Metrics.mediaRefused(party, cause)
		c.house.Log.Warn("answer unusable: "+phrase, "call", c.id, "leg", party.Name, "cause", cause, "error", err, "advice", advice)
		c.summary.end(party.Name, phrase, originOf(party))
		return false, header.Phrase(phrase)
	}
	c.agree(o.to, settled)
	return c.negotiation.isNews(o.to.other()), ""
}

// answerOffer answers an offer: its own leg's part takes effect now.
func (c *Call) answerOffer(ref int) {
	r := c.requests[ref]
	delete(c.requests, ref)
	if r.proposal == nil {
		o, err := c.negotiation.refresh(r.from, false)
		if err != nil {
			c.house.Log.Error("cannot write an offer", "call", c.id, "leg", c.leg(r.from).party.Name, "error", err)
			c.End("SBC cannot make an offer")
			_ = r.tx.Respond(c.answer(r.tx.Request(), 503, "SBC cannot make an offer"))
			return
		}
		c.accept(r, o)
		return
	}
	settled := r.proposal.settled()
	if err := c.setMedia(r.from, settled.remote()); err != nil { // propose has checked it
		c.badReoffer(r, err)
		c.End("SBC media fault")
		return
	}
	c.agree(r.from, settled)
	c.accept(r, nil)
}

// agree puts a leg's new session in force, also in the figures.
func (c *Call) agree(s side, a agreed) {
	c.negotiation.agree(s, a)
	if s == sideB && c.machine.state == calling { // by UPDATE, and A knows: it still holds when the fork answers the INVITE
		a.final = true
		c.negotiation.forks[c.fork] = a
		c.reliable.said = c.negotiation.ends[sideB].crossing
	}
	c.summary.media(c.negotiation)
	c.house.Metrics.recount(c)
}

// accept sends the 2xx to a request inside a dialog that may have had an
// offer. o is the offer of ours that it carries where it answers none.
func (c *Call) accept(r *request, o *offering) {
	req := r.tx.Request()
	l := c.leg(r.from)
	res := c.answer(req, 200, "OK")
	if req.Method != sip.PRACK {
		r.dialog.Refresh(req.Contact())
		c.dress(res, l, req)
	}
	if req.Method != sip.PRACK && c.machine.state != calling { // before the answer there is no session to time
		t := dialog.AnswerTimer(req, c.house.Session, c.timer[r.from])
		c.timerAnswer(res, t)
		c.arm(r.from, t)
	}
	switch {
	case o != nil:
		setSDP(res, o.body)
	case r.proposal != nil:
		setSDP(res, c.negotiation.answer(r.proposal))
	}
	if req.IsInvite() {
		c.unconfirmed[r.from] = &unconfirmed{tx: r.tx, res: res, seq: req.CSeq().SeqNo, offer: o}
	}
	if err := r.tx.Respond(res); err != nil {
		c.house.Log.Debug("response not sent", "call", c.id, "leg", l.party.Name, "error", err)
		c.unheard(r.from)
	}
}

// unheard takes a 2xx to a re-INVITE that cannot be sent, because its connection
// is gone: no ACK will come. Whether the remote is still there is lost.go's to
// find out; it may offer anew.
func (c *Call) unheard(s side) {
	u := c.unconfirmed[s]
	if u == nil || u.tx.Flow().Alive() {
		return
	}
	c.box.put(func() {
		if c.unconfirmed[s] == u {
			c.unconfirmed[s] = nil
			c.feed(event{kind: evConfirmed, side: s})
		}
	})
}

// refuseOffer refuses an offer in our own words.
func (c *Call) refuseOffer(ref, code int, phrase string) {
	r := c.requests[ref]
	delete(c.requests, ref)
	c.refuseRequest(r.tx, code, phrase)
}

func (c *Call) refuseRequest(tx *transport.ServerTx, code int, phrase string) {
	res := c.answer(tx.Request(), code, header.Phrase(phrase))
	if code == 500 { // RFC 3261 section 14.2
		res.AppendHeader(sip.NewHeader("Retry-After", fmt.Sprint(1+rand.IntN(9)))) //nolint:gosec // only spreads retries in time
	}
	_ = tx.Respond(res)
}

// relayRefusal refuses an offer in the words of the remote that was asked.
func (c *Call) relayRefusal(ref, code int) {
	r := c.requests[ref]
	if c.asked == nil || c.asked.answer == nil || code < 400 || code == 401 || code == 407 || code == 422 {
		c.refuseOffer(ref, 503, "SBC cannot change the other leg")
		return
	}
	delete(c.requests, ref)
	told := c.asked.answer
	res := c.answer(r.tx.Request(), code, header.Foreign(told.Reason))
	c.cross(res, told, c.leg(r.from))
	_ = r.tx.Respond(res)
}

// repeat2xx sends the 2xx to a re-INVITE again.
func (c *Call) repeat2xx(s side) {
	if u := c.unconfirmed[s]; u != nil && u.tx.Respond(u.res) != nil {
		c.unheard(s)
	}
}

// confirmed takes the ACK of a re-INVITE's 2xx. It tells whether it was one.
func (c *Call) confirmed(s side, ack *sip.Request) bool {
	u := c.unconfirmed[s]
	if u == nil || u.seq != ack.CSeq().SeqNo {
		return false
	}
	c.unconfirmed[s] = nil
	ev := event{kind: evConfirmed, side: s}
	wrong := ""
	if body := sdpBody(ack); u.offer != nil && len(body) > 0 { // without an answer the session stays as it is
		ev.changed, wrong = c.take(u.offer, body)
	}
	c.feed(ev)
	if wrong != "" {
		c.feed(event{kind: evEnd, fault: wrong})
	}
	return true
}

// acked takes the ACK of the 2xx that A's INVITE got. It answers our offer where
// A made none.
func (c *Call) acked(ack *sip.Request) {
	o := c.lateOffer
	c.lateOffer = nil
	if o == nil {
		c.feed(event{kind: evAck})
		if c.owedA {
			c.owedA = false
			c.feed(event{kind: evOwed, side: sideA})
		}
		return
	}
	_, wrong := c.take(o, sdpBody(ack))
	if wrong == "" {
		c.house.Metrics.answered(c)
	}
	c.feed(event{kind: evAck})
	switch {
	case wrong != "":
		c.feed(event{kind: evEnd, fault: wrong})
	case c.negotiation.ends[sideA].stream.Direction != sdp.SendRecv, // B was told otherwise
		!c.negotiation.ends[sideA].stream.Covers(c.negotiation.ends[sideB].stream):
		c.feed(event{kind: evOwed, side: sideB})
	}
}

// withdraw takes the CANCEL of an INVITE inside the call.
func (c *Call) withdraw(tx *transport.ServerTx) {
	for ref, r := range c.requests {
		if r.tx == tx {
			c.feed(event{kind: evWithdrawn, side: r.from, ask: question{ref: ref}})
			return
		}
	}
}

// check finds what the relay would refuse before anybody is told of the offer:
// an address of another family, and a key of ours.
func (n *negotiation) check(p *proposal) error {
	e := &n.ends[p.from]
	address := p.stream.RTP.Addr()
	if address.IsValid() && !address.IsUnspecified() && e.local.Addr.IsValid() && address.Is4() != e.local.Addr.Unmap().Is4() {
		return media.ErrFamily
	}
	if !p.stream.Secure {
		return nil
	}
	for _, key := range []*sdp.Crypto{p.key, n.ends[sideA].key, n.ends[sideB].key} {
		if key != nil && bytes.Equal(key.Key, p.stream.Crypto.Key) {
			return sdp.ErrReuse
		}
	}
	return nil
}
