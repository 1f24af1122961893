package bench

import (
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Move is what a re-INVITE changes (RFC 3261, section 14).
type Move uint8

// The moves.
const (
	Refresh Move = iota // nothing: the same description again, the same key
	Hold                // the caller goes on, the answerer is silent (RFC 3264, section 8.4)
	Resume              // both talk
	Rekey               // new SRTP keys both ways (RFC 4568, section 7.1.4)
	Mute                // nobody talks
)

// String is the move's name in scenario files and reports.
func (m Move) String() string {
	switch m {
	case Refresh:
		return "refresh"
	case Hold:
		return "hold"
	case Resume:
		return "resume"
	case Rekey:
		return "rekey"
	case Mute:
		return "mute"
	}
	return fmt.Sprintf("Move(%d)", uint8(m))
}

// Step is one move of a call's script.
type Step struct {
	After time.Duration // since the answer, or the step before
	Move  Move
}

// Change is how a step went.
type Change struct {
	Move   Move
	Status int           // final code of the re-INVITE; 0: none came
	Took   time.Duration // until it came
}

// Attributes of RFC 8866, section 6.7.
const (
	sendrecv = "sendrecv"
	sendonly = "sendonly"
	recvonly = "recvonly"
	inactive = "inactive"
)

// mirrored is the direction of an answer to an offer (RFC 3264, section 6.1).
func mirrored(direction string) string {
	switch direction {
	case sendonly:
		return recvonly
	case recvonly:
		return sendonly
	case inactive:
		return inactive
	}
	return sendrecv
}

// script is what an end changes in between.
func (p Plan) script(party Party) []Step {
	switch {
	case p.Wild != nil:
		return p.Wild.Scripts[party]
	case party == Calling:
		return p.Script
	}
	return nil
}

// rehearse sets the alarm for the next step of this end's script.
func (c *call) rehearse() {
	if script := c.result.script(c.result.Party); len(c.result.Changes) < len(script) {
		c.cue.Reset(script[len(c.result.Changes)].After)
	}
}

// move sends the re-INVITE of the next step.
func (c *call) move() {
	if c.state != up || c.change != nil {
		return
	}
	if c.reply2xx != nil { // RFC 3261, section 14.1: not while the other end's is under way
		c.cue.Reset(settlePoll)
		return
	}
	c.ask(c.result.script(c.result.Party)[len(c.result.Changes)].Move)
}

// ask sends the re-INVITE of a move.
func (c *call) ask(move Move) {
	next := c.own
	next.Version++
	switch move {
	case Refresh:
	case Hold:
		next.Direction = sendonly
	case Resume:
		next.Direction = sendrecv
	case Mute:
		next.Direction = inactive
	case Rekey:
		fresh, err := offer(next.Addr, c.e.cfg.Suites)
		if err != nil {
			c.fail(err)
			return
		}
		next.Keys = fresh.Keys
	}
	body, err := next.describe(c.session)
	if err != nil {
		c.fail(err)
		return
	}
	c.dialog.cseq++
	req := c.dialog.request(sip.INVITE, c.dialog.cseq, branch(), c.link)
	if err := c.proof.sign(req); err != nil {
		c.fail(err)
		return
	}
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(body)
	c.change = &change{request: req, offered: next, move: move, began: time.Now()}
	c.insist([]byte(req.String()), false)
}

// change is a re-INVITE under way.
type change struct {
	request *sip.Request
	offered audio
	move    Move
	began   time.Time
}

// changed takes the final response to a re-INVITE. One that is refused leaves
// the call as it was (RFC 3261, section 14.1).
func (c *call) changed(res *sip.Response, at time.Time) {
	if c.change == nil || res.CSeq().SeqNo != c.change.request.CSeq().SeqNo {
		if c.reack != nil && res.IsSuccess() { // repeated
			c.write(c.reack)
		}
		return
	}
	if res.IsProvisional() {
		c.hush()
		return
	}
	made := *c.change
	c.change = nil
	c.hush()
	if !res.IsSuccess() {
		// RFC 3261, section 17.1.1.3: same branch.
		b, _ := made.request.Via().Params.Get("branch")
		c.write([]byte(c.dialog.request(sip.ACK, made.request.CSeq().SeqNo, b, c.link).String()))
		if c.meets(res) {
			c.ask(made.move)
			return
		}
	}
	c.result.Changes = append(c.result.Changes, Change{made.move, res.StatusCode, at.Sub(made.began)})
	defer c.rehearse()
	if !res.IsSuccess() {
		if c.result.Wild != nil { // the other end may have changed something at once, or hung up
			return
		}
		c.fail(fmt.Errorf("%w: re-INVITE to %v was answered %d %s", ErrStatus, made.move, res.StatusCode, res.Reason))
		return
	}
	if res.Contact() != nil {
		c.dialog.target = res.Contact().Address // section 12.2.1.2: it may move
	}
	c.reack = []byte(c.dialog.request(sip.ACK, made.request.CSeq().SeqNo, branch(), c.link).String())
	c.write(c.reack)
	if err := c.adopt(made.offered, res.Body()); err != nil {
		c.fail(fmt.Errorf("re-INVITE to %v: %w", made.move, err))
	}
}

// adopt talks on as offer and answer say now.
func (c *call) adopt(offered audio, answer []byte) error {
	remote, err := readAudio(answer)
	if err != nil {
		return err
	}
	mine, theirs, err := settle(offered, remote)
	if err != nil {
		return err
	}
	c.own = offered
	return c.retune(remote, mine, theirs)
}

// retune changes the keys and the direction of the audio that runs.
func (c *call) retune(remote audio, mine, theirs crypto) error {
	v := c.audio.Load()
	if v == nil {
		return fmt.Errorf("%w: there is no audio to change", ErrMedia)
	}
	if err := v.rekey(mine, theirs); err != nil {
		return err
	}
	v.Pause(remote.Direction == sendonly || remote.Direction == inactive)
	return nil
}

// reinvited answers a re-INVITE (RFC 3264, section 8): a key that is offered
// anew gets a new one of ours, an old one keeps its own.
func (c *call) reinvited(req *sip.Request, l *link) {
	refuse := func(status int, phrase string) { c.reply(req, l, status, phrase, nil) }
	switch {
	case c.reply2xx != nil && c.reply2xx.cseq == req.CSeq().SeqNo: // repeated
		if err := l.write(c.reply2xx.message); err != nil {
			c.e.cfg.Log.Debug("reply", "error", err)
		}
		return
	case c.state == leaving:
		refuse(sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist")
		return
	case c.change != nil: // section 14.2
		refuse(sip.StatusRequestPending, "Request Pending")
		return
	}
	if len(req.Body()) == 0 { // an offer is asked for: ours is what it was
		c.describeAgain(req, l, c.own)
		return
	}
	offered, err := readAudio(req.Body())
	if err != nil {
		refuse(sip.StatusNotAcceptableHere, "Not Acceptable Here")
		return
	}
	next, theirs, err := answer(offered, c.own.Addr, c.e.cfg.Suites)
	if err != nil {
		refuse(sip.StatusNotAcceptableHere, "Not Acceptable Here")
		return
	}
	v := c.audio.Load()
	if v == nil {
		refuse(sip.StatusRequestPending, "Request Pending") // RFC 3261, section 14.2
		return
	}
	mine := crypto{}
	if len(next.Keys) > 0 {
		if v.hears(theirs) {
			next.Keys[0].Key = v.mine.Key
		}
		mine = next.Keys[0]
	}
	next.Version, next.Direction = c.own.Version+1, mirrored(offered.Direction)
	c.own = next
	if err := c.retune(offered, v.mine, theirs); err != nil {
		c.fail(err)
		refuse(sip.StatusInternalServerError, "Bench Error")
		return
	}
	c.promised = &promise{req.CSeq().SeqNo, mine}
	c.describeAgain(req, l, next)
}

// promise is a key that we use when its answer has arrived: packets under it
// would overtake the answer, and nobody could read them.
type promise struct {
	cseq uint32
	mine crypto
}

// keep uses the key that was promised, when the ACK shows that it is known.
func (c *call) keep(ack *sip.Request) {
	if c.promised == nil || c.promised.cseq != ack.CSeq().SeqNo {
		return
	}
	mine := c.promised.mine
	c.promised = nil
	if v := c.audio.Load(); v != nil {
		if err := v.rekey(mine, v.theirs); err != nil {
			c.fail(err)
		}
	}
}

func (c *call) describeAgain(req *sip.Request, l *link, own audio) {
	body, err := own.describe(c.session)
	if err != nil {
		c.reply(req, l, sip.StatusInternalServerError, "Bench Error", nil)
		return
	}
	c.reply2xx = &reply2xx{req.CSeq().SeqNo, c.dialog.respond(req, sip.StatusOK, "OK", body)}
	if err := l.write(c.reply2xx.message); err != nil {
		c.e.cfg.Log.Debug("reply", "error", err)
	}
	c.repeatLater(c.reply2xx.message)
}

// reply2xx is an answer to a re-INVITE that was not acknowledged yet.
type reply2xx struct {
	cseq    uint32
	message []byte
}

// reacknowledged ends the wait for the ACK to a re-INVITE's answer.
func (c *call) reacknowledged(ack *sip.Request) {
	if c.reply2xx != nil && c.reply2xx.cseq == ack.CSeq().SeqNo {
		c.reply2xx = nil
		if c.state == up {
			c.hush()
		}
	}
}
