package bench

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Caller places calls at a server, all over one connection.
type Caller struct {
	*Endpoint
	target Target

	mu   sync.Mutex
	link *link // wild calls make it anew when it is lost
}

// NewCaller connects to the server. The error is a sentence that says whether
// it is unreachable or its certificate is refused.
func NewCaller(ctx context.Context, cfg Config, target Target) (*Caller, error) {
	e := newEndpoint(cfg)
	l, err := e.dial(ctx, target)
	if err != nil {
		e.Close()
		return nil, err
	}
	a := &Caller{Endpoint: e, link: l, target: target}
	if target.Proto != UDP {
		e.redial = a.again
	}
	return a, nil
}

// again connects anew, for the first call that has lost the connection, and for
// the others gives them that connection.
func (a *Caller) again(lost *link) (*link, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != lost && !a.link.dead() {
		return a.link, nil
	}
	l, err := a.dial(a.open, a.target)
	if err == nil {
		a.link = l
	}
	return l, err
}

// Revive connects anew where the connection is lost; the error is a sentence.
func (a *Caller) Revive() error {
	_, err := a.again(nil)
	return err
}

// way is the connection now.
func (a *Caller) way() *link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

// Place makes one call and returns when it is over. When ctx ends, the call
// is cancelled or hung up.
func (a *Caller) Place(ctx context.Context, plan Plan) Result {
	l := a.way()
	c := a.newCall(plan, Calling, l, a.callingDialog(l, plan, a.target))
	if !a.enter(c.id, c) {
		return Result{Plan: plan, Got: Stopped, Err: ErrStopped}
	}
	if err := c.sendInvite(); err != nil {
		c.fail(err)
		c.state = over
	}
	return c.run(ctx)
}

func (c *call) sendInvite() error {
	var err error
	if c.socket, err = c.e.studio.engine.Bind(c.link.local.Addr()); err != nil {
		return err
	}
	if c.own, err = offer(c.socket.Local(), c.e.cfg.Suites); err != nil {
		return err
	}
	return c.askIn()
}

// askIn sends the INVITE, with the answers to all challenges so far.
func (c *call) askIn() error {
	body, err := c.own.describe(c.session)
	if err != nil {
		return err
	}
	c.dialog.cseq++
	c.invite = c.dialog.request(sip.INVITE, c.dialog.cseq, branch(), c.link)
	if err := c.proof.sign(c.invite); err != nil {
		return err
	}
	c.invite.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	c.invite.SetBody(body)
	c.rang = false
	c.enter(inviting, c.limit())
	c.insist([]byte(c.invite.String()), false)
	return nil
}

// meets takes a challenge, and tells whether the request is to be sent again.
func (c *call) meets(res *sip.Response) bool {
	if !challenged(res) || c.proof.account.Password == "" || c.result.Err != nil {
		return false
	}
	if err := c.proof.take(res); err != nil {
		c.fail(err)
		return false
	}
	return true
}

// ringTimeout is the caller's alarm before the answer.
func (c *call) ringTimeout() {
	switch {
	case !c.rang:
		c.fail(fmt.Errorf("%w: INVITE got no response", ErrTimeout))
		c.state = over
		return
	case c.result.Outcome != Cancelled:
		c.fail(fmt.Errorf("%w: call was not answered", ErrTimeout))
	}
	c.cancel()
}

// cancel takes the INVITE back (RFC 3261, section 9.1: same branch and
// sequence number).
func (c *call) cancel() {
	b, _ := c.invite.Via().Params.Get("branch")
	req := c.dialog.request(sip.CANCEL, c.invite.CSeq().SeqNo, b, c.link)
	c.insist([]byte(req.String()), false)
	c.enter(cancelling, c.limit())
}

// response handles what the server answers.
func (c *call) response(res *sip.Response, at time.Time) {
	switch res.CSeq().MethodName {
	case sip.INVITE:
		switch {
		case c.result.Party == Calling && res.CSeq().SeqNo == c.invite.CSeq().SeqNo:
			c.inviteResponse(res, at)
		default:
			c.changed(res, at)
		}
	case sip.CANCEL:
		if c.state == cancelling && !res.IsProvisional() {
			c.hush()
		}
	case sip.BYE:
		switch {
		case c.state != leaving || res.IsProvisional() || res.CSeq().SeqNo != c.dialog.cseq:
		case c.meets(res):
			c.bye()
		default:
			c.state = over
		}
	default:
		c.e.stray.Add(1)
	}
}

func (c *call) inviteResponse(res *sip.Response, at time.Time) {
	switch {
	case res.IsProvisional():
		c.provisional(res, at)
	case res.IsSuccess():
		c.answered(res, at)
	default:
		c.refused(res)
	}
}

func (c *call) provisional(res *sip.Response, at time.Time) {
	if c.state != inviting {
		return
	}
	c.hush()
	c.rang = true
	if c.result.Err != nil || c.tired { // stopped before the first response
		c.cancel()
		return
	}
	if res.StatusCode <= sip.StatusTrying {
		return
	}
	c.hearEarly(res)
	if c.result.Setup != 0 {
		return
	}
	c.result.Setup = at.Sub(c.began)
	if w := c.e.cfg.Watch; w != nil {
		w.Rang(c.result.Plan, c.result.Setup)
	}
	if c.result.Outcome == Cancelled {
		c.alarm.Reset(c.result.Ring)
	} else {
		c.alarm.Reset(c.result.Ring*time.Duration(max(1, c.e.cfg.Tries)) + c.limit())
	}
}

// tells whether a final code is the answerer's, or what a PBX makes of it.
func (c *call) tells(status, answerers int) bool {
	return status == answerers || status == c.e.cfg.Hears[answerers]
}

// hearEarly receives the audio that a provisional response describes (RFC
// 3960, section 3). We send none of ours before the answer.
func (c *call) hearEarly(res *sip.Response) {
	if c.early || len(res.Body()) == 0 || !c.result.Early {
		return
	}
	c.early = true
	if err := c.hear(res.Body()); err != nil {
		c.fail(err)
		c.cancel()
	}
}

// answered takes the 2xx: ACK at once, then audio.
func (c *call) answered(res *sip.Response, at time.Time) {
	if c.ack != nil { // repeated (RFC 3261, section 13.2.2.4)
		c.write(c.ack)
		return
	}
	glare := c.state == cancelling
	c.hush()
	c.result.Status, c.result.Phrase, c.result.Connect = res.StatusCode, res.Reason, at.Sub(c.began)
	if w := c.e.cfg.Watch; w != nil {
		if c.result.Setup == 0 {
			w.Rang(c.result.Plan, c.result.Connect)
		}
		w.Connected(c.result.Plan, c.result.Connect)
	}
	err := c.dialog.confirm(res)
	c.ack = []byte(c.dialog.request(sip.ACK, c.invite.CSeq().SeqNo, branch(), c.link).String())
	c.write(c.ack)
	if err == nil {
		err = c.talk(res.Body())
	}
	if err != nil {
		c.fail(err)
	}
	if glare && c.result.Wild == nil {
		c.fail(fmt.Errorf("%w: 200 after CANCEL", ErrStatus))
	}
	if c.result.Err != nil {
		c.bye()
		return
	}
	c.result.Got = c.result.Outcome
	if c.result.Wild == nil {
		c.result.Got = Answered
	}
	c.goUp()
}

// talk begins the audio that the answer describes. Where it has begun early the
// description is the same one (RFC 6337, section 3.1.1).
func (c *call) talk(body []byte) error {
	if !c.early {
		if err := c.hear(body); err != nil {
			return err
		}
	}
	c.startAudio()
	return nil
}

// hear readies the audio that a description describes, and receives.
func (c *call) hear(body []byte) error {
	remote, err := readAudio(body)
	if err != nil {
		return err
	}
	mine, theirs, err := settle(c.own, remote)
	if err != nil {
		return err
	}
	return c.prepareAudio(remote, mine, theirs)
}

// refused takes a final response that is no answer.
func (c *call) refused(res *sip.Response) {
	// RFC 3261, section 17.1.1.3: same branch, the response's To.
	b, _ := c.invite.Via().Params.Get("branch")
	to := c.dialog.remote
	c.dialog.remote = *res.To()
	ack := []byte(c.dialog.request(sip.ACK, c.invite.CSeq().SeqNo, b, c.link).String())
	c.write(ack)
	c.dialog.remote = to
	if c.state == inviting && c.meets(res) {
		err := c.askIn()
		if err == nil {
			return
		}
		c.fail(err)
	}
	c.ack, c.result.Status, c.result.Phrase, c.result.Over = ack, res.StatusCode, res.Reason, time.Now()
	switch {
	case c.result.Wild != nil && c.result.Err == nil:
		c.result.Got = Wild
	case c.result.Outcome == Refused && c.tells(res.StatusCode, c.result.Plan.Status) && c.result.Err == nil:
		c.result.Got = Refused
	case c.tells(res.StatusCode, sip.StatusBusyHere) && c.result.Err == nil:
		c.result.Got = Busy
	case res.StatusCode == sip.StatusRequestTerminated && c.state == cancelling && c.result.Err == nil:
		c.result.Got = Cancelled
	default:
		c.fail(fmt.Errorf("%w: %d %s", ErrStatus, res.StatusCode, res.Reason))
	}
	c.state = over
}

// Local is the address that the calls come from.
func (a *Caller) Local() netip.AddrPort { return a.way().local }
