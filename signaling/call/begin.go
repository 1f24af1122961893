package call

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// begin sets the call up as far as B's INVITE. Whatever fails here is
// answered, and the call is over.
func (c *Call) begin() {
	invite := c.inA.Request()
	d, err := dialog.Answering(invite, c.a.tag)
	if err != nil {
		c.fail(400, "INVITE with a Contact that is no URI")
		return
	}
	c.a.dialogs[d.ID().Remote] = d
	if dialog.TooSmall(invite) {
		c.refuseWith(422, "Session Interval Too Small", minSE(dialog.MinSession))
		return
	}
	if err := c.readOffer(invite); err != nil {
		c.badOffer(err)
		return
	}
	if err := c.arrive(); err != nil {
		c.full(err)
		return
	}
	if err := c.setOut(); err != nil {
		c.notSetOut(err)
		return
	}
	for _, a := range c.machine.start() {
		c.act(a)
	}
}

// arrive takes A's place at its trunk.
func (c *Call) arrive() (err error) {
	if c.a.party.Trunk != nil {
		c.a.permit, err = c.house.Desk.Arrive(c.a.party.Trunk)
	}
	return err
}

// notSetOut refuses a call that reached no party.
func (c *Call) notSetOut(err error) {
	var limited *trunk.Limited
	switch {
	case errors.As(err, &limited):
		c.full(limited)
	case errors.Is(err, media.ErrFamily):
		c.badOffer(err)
	default:
		c.house.Log.Error("call refused: no media session", "call", c.id, "leg", c.b.party.Name, "error", err)
		c.fail(503, mediaPhrase(err))
	}
}

// full refuses a call that a trunk's limits keep out.
func (c *Call) full(err error) {
	phrase := limitPhrase(err)
	c.house.Log.Warn("call refused: "+phrase, "call", c.id, "leg", c.a.party.Name, "tried", strings.Join(c.attempts.tried, " "))
	c.fail(503, phrase)
}

// limitPhrase says in a status line's words which limit keeps a call out.
func limitPhrase(err error) string {
	if limited := (*trunk.Limited)(nil); errors.As(err, &limited) {
		return header.Phrase(limited.Phrase())
	}
	return "SBC limit"
}

// readOffer takes A's offer, or makes one for B where A leaves that to us.
func (c *Call) readOffer(invite *sip.Request) (err error) {
	n := c.negotiation
	if body := sdpBody(invite); len(body) > 0 {
		if n.first, err = n.propose(sideA, body); err == nil {
			n.agree(sideA, n.first.settled())
		}
		return err
	}
	n.first, err = n.late()
	return err
}

// badOffer refuses what A offered.
func (c *Call) badOffer(err error) {
	phrase, cause, advice := fault(c.a.party, err)
	c.house.Metrics.mediaRefused(c.a.party, cause)
	c.house.Log.Warn("call refused: "+phrase, "call", c.id, "leg", c.a.party.Name, "cause", cause, "error", err, "advice", advice)
	c.fail(488, phrase)
}

// fail answers an INVITE that never reached B: a 4xx is A's fault, a 5xx
// ours.
func (c *Call) fail(code int, phrase string) {
	if code < 500 {
		c.summary.end(c.a.party.Name, phrase, originOf(c.a.party))
		c.summary.outcome = Refused
	}
	c.summary.end("callseal", phrase, originLocal)
	c.refuse(code, phrase)
	c.machine.finish()
}

// refuseWith is fail with headers that say what would do.
func (c *Call) refuseWith(code int, phrase string, headers ...sip.Header) {
	c.summary.end(c.a.party.Name, phrase, originOf(c.a.party))
	c.summary.outcome = Refused
	c.summary.told(code)
	res := c.answer(c.inA.Request(), code, phrase)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	c.tell(res)
	c.machine.finish()
}

func mediaPhrase(err error) string {
	switch {
	case errors.Is(err, media.ErrNoPorts):
		return "SBC out of media ports"
	case errors.Is(err, media.ErrNoDescriptors):
		return "SBC out of file descriptors"
	}
	return "SBC media fault"
}

// openMedia binds the ports of both legs and tells the relay where A is.
func (c *Call) openMedia() error {
	bindA, showA := c.mediaAddress(c.a.party, c.speaks6())
	bindB, showB := c.mediaAddress(c.b.party, c.b.party.speaks6())
	session, err := c.house.Relay.Open(bindA, bindB)
	if err != nil {
		return err
	}
	c.session = session
	c.watchMedia()
	rtpA, rtcpA := session.Local(media.A)
	rtpB, rtcpB := session.Local(media.B)
	if err := c.negotiation.locate(
		endpoint{showA, rtpA.Port(), rtcpA.Port()},
		endpoint{showB, rtpB.Port(), rtcpB.Port()},
	); err != nil {
		return err
	}
	if c.negotiation.isLate() {
		return nil
	}
	return c.setMedia(sideA, c.negotiation.first.settled().remote())
}

// speaks6 tells whether A's audio is to go over IPv6: where it asks for that,
// else where its signaling does.
func (c *Call) speaks6() bool {
	if !c.negotiation.isLate() {
		return c.negotiation.first.stream.RTP.Addr().Is6()
	}
	remote := c.a.flow.Remote().Addr()
	return remote.Is6() && !remote.Is4In6()
}

// buildInvite makes B's INVITE. What it carries of A is what header lets
// cross and the two numbers; every identifier is our own.
func (c *Call) buildInvite() (*sip.Request, error) {
	n := c.negotiation
	var err error
	if n.asked, err = n.offer(sideB, n.first.offer, n.first.stream, false); err != nil {
		return nil, err
	}
	req := Outgoing(c.asks(), c.b.party, c.way(&c.b), c.b.callID, c.b.tag, c.house.UserAgent)
	c.a.party.Carry(req, c.inA.Request())
	req.AppendHeader(sip.NewHeader("Allow", Allow))
	c.timerHeaders(req, sideB)
	c.replacing(req)
	setSDP(req, n.asked.body)
	return req, nil
}

// Allow lists the methods that callseal takes (RFC 3261 section 20.5).
const Allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, REFER, SUBSCRIBE"

// Supported lists the extensions that callseal knows (RFC 3261 section 20.37).
const Supported = "100rel, timer, replaces, norefersub"

func setSDP(msg sip.Message, body []byte) {
	contentType := sip.ContentTypeHeader("application/sdp")
	msg.AppendHeader(&contentType)
	msg.SetBody(body)
}

// callB sends B its INVITE. Every result comes back through the mailbox.
func (c *Call) callB() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancelB = cancel
	way, theirs := c.way(&c.b), c.inA.Request()
	autoAnswers := c.b.party.AutoAnswer && isLogin(theirs)
	hop := c.b.party.Hop()
	hop.Addr = c.redirect.addr
	a, invite := c.attempts.now, c.inviteB
	c.sent()
	c.b.sign(c.inviteB, c.a.party)
	c.outB = c.house.Endpoint.Send(ctx, transport.Outgoing{
		Request: c.inviteB.Clone(),
		Hop:     hop,
		Prepare: func(req *sip.Request, f *transport.Flow) {
			contact := Complete(req, f, way, header.Setup, theirs)
			req.AppendHeader(&sip.ContactHeader{Address: contact})
			if autoAnswers {
				autoAnswer(req, contact.Host)
			}
			from := req.From().Address
			c.box.put(func() { invite.From().Address = from })
		},
		Each: func(r transport.Result) {
			if !c.box.put(func() { c.result(a, r) }) {
				c.straggler(a, r)
			}
		},
	})
}

// retryB asks B anew after an answer that says what B wants otherwise: the same
// INVITE but for what edit changes, with the next CSeq number (RFC 3261 section
// 8.1.3.5).
func (c *Call) retryB(edit func(*sip.Request)) {
	c.inviteB.CSeq().SeqNo++
	edit(c.inviteB)
	clear(c.b.dialogs)
	clear(c.negotiation.forks)
	c.fork = ""
	c.cancelB() // frees what the last one holds
	c.callB()
}

// straggler takes what comes of B's INVITE when the call is over, from the
// lane, which owns B's dialogs from the moment the mailbox is closed. A fork
// that answers now is ACKed and ended too, or it would wait, and be billed, for
// an ACK that nobody sends.
func (c *Call) straggler(a *attempt, r transport.Result) {
	if a.left != nil {
		c.stray(a.left, a.invite, r)
		return
	}
	called := &c.b
	if c.formerB != nil {
		called = c.formerB
	}
	c.stray(called, c.inviteB, r)
}

// result takes what came of B's INVITE.
func (c *Call) result(a *attempt, r transport.Result) {
	if c.formerB != nil || a.left != nil { // somebody else has its place
		c.straggler(a, r)
		return
	}
	c.heard(r)
	if r.Flow != nil {
		c.b.flow = r.Flow
	}
	if r.Err != nil {
		c.noAnswer(r.Err)
		return
	}
	res := r.Response
	if challenged(r) && !c.a.party.Through && c.machine.state == calling {
		if c.house.answers(c.b.party, c.b.invited, res) {
			c.retryB(func(*sip.Request) {})
			return
		}
		if c.moveOn("password", nil) { // it is not the number's fault
			return
		}
	}
	if res.StatusCode == 422 && c.machine.state == calling && c.least[sideB] == 0 { // RFC 4028 section 7.3
		c.least[sideB] = dialog.MinSE(res)
		c.retryB(func(req *sip.Request) {
			req.RemoveHeader("Session-Expires")
			req.RemoveHeader("Min-SE")
			req.RemoveHeader("Supported")
			c.timerHeaders(req, sideB)
		})
		return
	}
	if res.StatusCode >= 300 && (c.redirected(res) || c.passedBy(r)) {
		return
	}
	c.from = res
	switch {
	case res.IsProvisional():
		c.provisional(res)
	case res.IsSuccess():
		c.success(res)
	default:
		c.rejected(res)
	}
}

// noAnswer is B out of reach: a fault that VICIdial has to see as 503, never
// as a code that would mark the number.
func (c *Call) noAnswer(err error) {
	if c.machine.state == calling && (c.elsewhere() || c.passedBy(transport.Result{Err: err})) {
		return
	}
	phrase := "SBC cannot reach " + c.b.party.Name
	advice := ""
	var failure *transport.Failure
	if errors.As(err, &failure) {
		phrase, advice = failure.Phrase(), failure.Advice()
	}
	if c.machine.state == calling {
		c.house.Log.Warn("call failed: "+phrase, "call", c.id, "leg", c.b.party.Name, "error", err, "advice", advice)
		if c.verdict() {
			c.feed(event{kind: evRejected, code: c.failure.code})
			return
		}
		c.summary.end(c.b.party.Name, phrase, originLocal)
		c.summary.told(c.b.party.unreachedCode())
	}
	c.from, c.failure = nil, rejection{c.b.party.unreachedCode(), phrase}
	c.feed(event{kind: evRejected})
}

func (c *Call) provisional(res *sip.Response) {
	tag := c.early(res)
	reliable := dialog.IsReliable(res)
	if reliable && !c.prack(tag, res) {
		return
	}
	ev := event{kind: evProvisional, tag: tag, code: res.StatusCode}
	c.sdpUsable = false
	if res.StatusCode > 100 && c.machine.state == calling { // later there is no session to connect, or another answer in it
		c.summary.ringing()
		c.sdpUsable = c.keeps(tag) && len(sdpBody(res)) > 0 && c.connect(tag, res, reliable) == ""
	}
	c.feed(ev)
}

func (c *Call) success(res *sip.Response) {
	tag := c.early(res)
	if c.b.dialogs[tag] == nil { // one fork too many
		return
	}
	ev := event{kind: evSuccess, tag: tag, held: c.reliable.owesAnswer()}
	if c.machine.state == calling {
		if ev.fault = c.connect(tag, res, true); ev.fault != "" {
			c.summary.end(c.b.party.Name, ev.fault, originOf(c.b.party))
		} else {
			c.arm(sideB, dialog.TakeTimer(res))
			c.summary.answered()
			c.session.Answered()
			c.summary.media(c.negotiation)
			if !c.negotiation.isLate() {
				c.house.Metrics.answered(c)
			}
		}
	}
	c.sdpUsable = ev.fault == ""
	c.feed(ev)
}

// maxForks bounds the early dialogs of one INVITE, and twice that all of its
// dialogs: who invents To tags without end gets no more memory of ours.
const maxForks = 16

// keeps tells whether there is room for what a fork says before its answer.
func (c *Call) keeps(tag string) bool {
	_, known := c.b.dialogs[tag]
	return known || len(c.b.dialogs) < maxForks
}

// early keeps the dialog that a response opens or confirms, and gives its To
// tag.
func (c *Call) early(res *sip.Response) string {
	tag := res.To().Params.GetOr("tag", "")
	if res.StatusCode == 100 || res.IsProvisional() && !c.keeps(tag) {
		return tag
	}
	if d, ok := c.b.dialogs[tag]; ok {
		if c.machine.winner == "" || c.machine.winner != tag { // else it comes again, and the remote may have moved
			d.Update(res)
		}
		return tag
	}
	if len(c.b.dialogs) >= 2*maxForks {
		return tag
	}
	if d, err := dialog.Calling(c.inviteB, res); err == nil { // 18x without To tag opens none
		c.b.dialogs[tag] = d
	}
	return tag
}

// connect takes the SDP of a response of B into the relay. It gives the
// phrase of what is wrong with it, or "".
func (c *Call) connect(tag string, res *sip.Response, final bool) string {
	answer, err := c.negotiation.fork(tag, sdpBody(res), final)
	if err == nil {
		err = c.setMedia(sideB, answer.remote())
	}
	if err == nil {
		c.fork = tag
		return ""
	}
	phrase, cause, advice := fault(c.b.party, err)
	if errors.Is(err, sdp.ErrPlain) {
		phrase = c.b.party.Name + " answered without SRTP"
	}
	c.house.Metrics.mediaRefused(c.b.party, cause)
	c.house.Log.Warn("answer unusable: "+phrase, "call", c.id, "leg", c.b.party.Name, "code", res.StatusCode, "cause", cause, "error", err, "advice", advice)
	return header.Phrase(phrase)
}

// sdpBody is the body when it is a session description.
func sdpBody(msg interface {
	Body() []byte
	ContentType() *sip.ContentTypeHeader
}) []byte {
	if ct := msg.ContentType(); ct != nil {
		kind, _, _ := strings.Cut(ct.Value(), ";")
		if !strings.EqualFold(strings.TrimSpace(kind), "application/sdp") {
			return nil
		}
	}
	return msg.Body()
}

// rejected is B's final answer other than 2xx.
func (c *Call) rejected(res *sip.Response) {
	c.failure = rejection{res.StatusCode, header.Foreign(res.Reason)}
	switch {
	case res.StatusCode < 400: // a dialer is never sent elsewhere
		c.failure = c.unfollowed()
	case c.a.party.Through && (res.StatusCode == 401 || res.StatusCode == 407):
	case res.StatusCode == 401 || res.StatusCode == 407:
		c.failure = rejection{503, header.Phrase(passwordPhrase(c.b.party))}
	case res.StatusCode == 422: // about an interval of ours; chan_sip would try again by itself
		c.failure = rejection{503, header.Phrase(c.b.party.Name + " refuses our session interval")}
	}
	if c.machine.state == calling {
		c.summary.reject(c.failure.code, answerLine(res), c.b.party)
		if c.a.party.Through && c.failure.code == res.StatusCode && (res.StatusCode == 401 || res.StatusCode == 407) {
			c.summary.outcome = Challenged
		}
	}
	if c.failure.code != res.StatusCode { // in our own words: its causes are not those of the call
		c.from = nil
	}
	c.feed(event{kind: evRejected, code: res.StatusCode})
}

// answerLine is a final answer as logs have it.
func answerLine(res *sip.Response) string {
	return fmt.Sprintf("%d %s", res.StatusCode, header.Phrase(res.Reason))
}
