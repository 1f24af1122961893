package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/bench/stream"
)

// Timers of RFC 3261, section 17.1.1.1.
const (
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
)

// settle is how long the end that hangs up waits after its last packet, so
// that what is under way still arrives and counts.
const settleTime = 300 * time.Millisecond

// grace is how long the other end waits for that BYE.
const grace = 5 * time.Second

// patience is how long beyond settleTime BYE is held back while either end still
// sends or has not heard the last packet: on a busy machine the two do not keep
// the same time, and what the server gets after BYE it need not relay.
const patience = 2 * time.Second

// settlePoll is how often that is looked at.
const settlePoll = 20 * time.Millisecond

// state is where a call stands.
//
//	caller:   inviting ──180/200──> up ──BYE──> leaving ──200──> over
//	             └──CANCEL──> cancelling ──487──> over
//	answerer: ringing ──200──> accepting ──ACK──> up ──BYE──> leaving ──> over
//	             └──486, 487──> refusing ──ACK──> over
type state uint8

const (
	inviting state = iota
	cancelling
	ringing
	accepting
	refusing
	up
	leaving
	over
)

func (s state) String() string {
	names := [...]string{"inviting", "cancelling", "ringing", "accepting", "refusing", "up", "leaving", "over"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// call is one end of one call. One goroutine runs it.
type call struct {
	e      *Endpoint
	id     string
	inbox  chan incoming // filled by post, never closed
	halted chan struct{} // closed by stop
	once   sync.Once
	audio  atomic.Pointer[voice]

	// owned by the goroutine in run
	link       *link
	dialog     dialog
	state      state
	result     Result
	proof      credentials
	invite     *sip.Request // sent or received
	began      time.Time
	rang       bool // a provisional response came
	socket     *stream.Port
	own        audio     // what we offered or answered
	session    uint64    // of our SDP
	ack        []byte    // of the 2xx, to be repeated
	reack      []byte    // of the last re-INVITE's 2xx, to be repeated
	change     *change   // nil: no re-INVITE is under way
	early      bool      // the audio began before the answer
	reply2xx   *reply2xx // nil: no answer to a re-INVITE waits for its ACK
	promised   *promise  // a key of ours that is not used yet; nil: none
	last       []byte    // last response to the INVITE, to be repeated
	audioEnd   time.Time
	tired      bool   // a wild call's end has hung up, or will as soon as it may
	byes       int    // BYE requests that came, each counted once
	byeSeq     uint32 // of the last one
	byeLink    *link  // that it came over
	hungUpHere bool   // we have sent BYE
	orphan     bool   // a wild call lost its connection when the server may have thought that it was up

	alarm   *time.Timer // what it means depends on the state
	cue     *time.Timer // the next step of the script
	quit    *time.Timer // when this end of a wild call hangs up
	again   *time.Timer // repeats message
	message []byte      // nil: nothing to repeat
	wait    time.Duration
}

func (e *Endpoint) newCall(plan Plan, party Party, l *link, d dialog) *call {
	began := time.Now()
	c := &call{
		e: e, id: d.id, dialog: d, link: l, began: began, session: uint64(rand.Uint32()),
		inbox: make(chan incoming, 64), halted: make(chan struct{}),
		alarm: time.NewTimer(time.Hour), again: time.NewTimer(time.Hour),
		cue: time.NewTimer(time.Hour), quit: time.NewTimer(time.Hour),
		result: Result{Plan: plan, Party: party, Local: e.at(l), Began: began}, proof: credentials{account: e.cfg.Account},
	}
	c.again.Stop()
	c.cue.Stop()
	c.quit.Stop()
	if plan.Wild != nil && plan.Wild.Quit[party] >= 0 {
		c.quit.Reset(plan.Wild.Quit[party])
	}
	return c
}

// post hands a message to the call. It never blocks the reader; a call that
// is 64 messages behind loses them, and its peer repeats.
func (c *call) post(in incoming) {
	select {
	case c.inbox <- in:
	default:
		c.e.stray.Add(1)
	}
}

// stop ends the call from outside.
func (c *call) stop() { c.once.Do(func() { close(c.halted) }) }

// run lives from the first message to the last and gives the account.
func (c *call) run(ctx context.Context) Result {
	done := ctx.Done()
	for c.state != over {
		select {
		case in := <-c.inbox:
			c.handle(in)
		case <-c.alarm.C:
			c.timeout()
		case <-c.again.C:
			c.repeat()
		case <-c.cue.C:
			c.move()
		case <-c.quit.C:
			c.tire()
		case <-c.link.lost:
			c.stranded()
		case <-c.halted:
			c.fail(ErrStopped)
			c.state = over
		case <-done:
			done = nil
			c.interrupt()
		}
	}
	c.alarm.Stop()
	c.again.Stop()
	c.cue.Stop()
	c.quit.Stop()
	if c.result.Over.IsZero() {
		c.result.Over = time.Now()
	}
	if s := c.audio.Load(); s != nil {
		c.result.Media = s.close()
	} else if c.socket != nil {
		c.socket.Close()
	}
	c.bury()
	if w := c.e.cfg.Watch; w != nil {
		w.Ended(c.result)
	}
	return c.result
}

// stranded ends a call whose connection is gone, after what had arrived on it.
func (c *call) stranded() {
	for c.state != over {
		select {
		case in := <-c.inbox:
			c.handle(in)
			continue
		default:
		}
		if c.result.Wild != nil && c.survive() {
			return
		}
		c.fail(c.link.err)
		c.state = over
	}
}

// fail keeps the first error.
func (c *call) fail(err error) {
	if c.result.Err == nil {
		c.result.Err = err
		c.result.Got = Failed
		if errors.Is(err, ErrStopped) {
			c.result.Got = Stopped
		}
	}
}

// enter goes to a state and sets the alarm.
func (c *call) enter(s state, alarm time.Duration) {
	c.state = s
	c.alarm.Reset(alarm)
}

// write sends a message. A dead connection ends all its calls by its own
// event.
func (c *call) write(message []byte) {
	err := c.link.write(message)
	switch {
	case err == nil:
	case c.link.lost != nil:
		c.link.down(err)
	default:
		c.fail(fmt.Errorf("%w: %w", ErrLink, err))
	}
}

// insist sends a message and repeats it until hush (RFC 3261, sections
// 17.1.1.2, 17.1.2.2 and 13.3.1.4). On a connection only final responses to
// INVITE with 2xx are repeated.
func (c *call) insist(message []byte, always bool) {
	c.hush()
	c.write(message)
	if always || c.link.proto == UDP {
		c.repeatLater(message)
	}
}

func (c *call) repeatLater(message []byte) {
	c.message, c.wait = message, timerT1
	c.again.Reset(c.wait)
}

func (c *call) hush() {
	c.message = nil
	c.again.Stop()
}

func (c *call) repeat() {
	if c.message == nil {
		return
	}
	c.write(c.message)
	c.wait = min(2*c.wait, timerT2)
	c.again.Reset(c.wait)
}

func (c *call) handle(in incoming) {
	switch m := in.message.(type) {
	case *sip.Request:
		m.SetSource(in.link.remote.String())
		c.request(m, in.link)
	case *sip.Response:
		c.response(m, in.at)
	}
}

// timeout is what happens when the alarm of a state rings.
func (c *call) timeout() {
	switch c.state {
	case inviting:
		c.ringTimeout()
	case ringing:
		c.ringEnds()
	case accepting:
		c.fail(fmt.Errorf("%w: no ACK to 200", ErrTimeout))
		c.bye()
	case up:
		switch {
		case c.result.Outcome == Dropped && c.result.Party == Calling:
			c.cut()
			return
		case c.result.Outcome == Wild, c.result.EndedBy != c.result.Party || c.result.Outcome == Dropped:
			c.fail(ErrNoBye)
		case c.unsettled():
			c.alarm.Reset(settlePoll)
			return
		}
		c.bye()
	case cancelling:
		c.fail(fmt.Errorf("%w: no final response after CANCEL", ErrTimeout))
		c.state = over
	case refusing:
		c.fail(fmt.Errorf("%w: no ACK to %d", ErrTimeout, c.result.Status))
		c.state = over
	case leaving:
		c.fail(fmt.Errorf("%w: BYE", ErrTimeout))
		c.state = over
	case over:
	}
}

// unsettled tells that audio is still under way, and that it is worth waiting.
func (c *call) unsettled() bool {
	v := c.audio.Load()
	return v != nil && !v.Settled() && time.Since(c.audioEnd) < settleTime+patience
}

// interrupt ends the call early, but as the protocol wants it.
func (c *call) interrupt() {
	c.fail(ErrStopped)
	switch c.state {
	case inviting:
		if c.rang {
			c.cancel()
		} // else at the first provisional response (RFC 3261, section 9.1)
	case up:
		c.bye()
	case cancelling, ringing, accepting, refusing, leaving, over:
	}
}

// prepareAudio readies the stream that both descriptions agreed on; it
// receives from now on.
func (c *call) prepareAudio(remote audio, mine, theirs crypto) error {
	plan := c.result.Plan
	plan.anySource = c.e.cfg.Hears != nil // a PBX that bridges what it had let through before changes it
	v, err := c.e.studio.open(c.socket, plan, c.result.Party, remote.Addr, mine, theirs)
	if err != nil {
		return err
	}
	c.audio.Store(v)
	c.e.speaks(v.suite)
	return nil
}

// startAudio begins to send, and sets when the call shall end.
func (c *call) startAudio() {
	c.audioEnd = time.Now().Add(c.result.Audio)
	c.audio.Load().Start()
}

// goUp waits for the end of the audio, and then for the BYE.
func (c *call) goUp() {
	left := time.Until(c.audioEnd) + settleTime
	switch {
	case c.result.Wild != nil:
		left = max(c.result.Wild.Quit[0], c.result.Wild.Quit[1]) + c.limit()
	case c.result.Outcome == Dropped && c.result.Party == Calling:
		left = time.Until(c.audioEnd) / 2
	case c.result.Outcome == Dropped || c.result.EndedBy != c.result.Party:
		left += grace
	}
	c.enter(up, left)
	c.rehearse()
	if c.tired {
		c.bye()
	}
}

// cut ends the connection in the middle of the call. That the server says BYE
// to the other end is the answerer's to judge.
func (c *call) cut() {
	c.result.Over = time.Now()
	c.result.Got = Dropped
	c.state = over
	if c.link.stream == nil {
		c.fail(fmt.Errorf("%w: udp has no connection that could be cut", ErrTarget))
		return
	}
	_ = c.link.stream.Close()
}

// bye hangs up.
func (c *call) bye() {
	if s := c.audio.Load(); s != nil {
		s.Halt()
	}
	c.cue.Stop()
	c.change, c.hungUpHere = nil, true
	c.dialog.cseq++
	c.result.Over = time.Now()
	req := c.dialog.request(sip.BYE, c.dialog.cseq, branch(), c.link)
	if err := c.proof.sign(req); err != nil {
		c.fail(err)
	}
	c.insist([]byte(req.String()), false)
	c.enter(leaving, c.limit())
}

// request answers what comes within the call.
func (c *call) request(req *sip.Request, l *link) {
	switch req.Method {
	case sip.INVITE:
		c.reinvite(req, l)
	case sip.ACK:
		c.keep(req)
		c.reacknowledged(req)
		c.reacknowledged(req)
		c.acknowledged(req)
	case sip.CANCEL:
		c.cancelled(req, l)
	case sip.BYE:
		c.hungUp(req, l)
	default:
		c.reply(req, l, sip.StatusOK, "OK", nil)
	}
}

func (c *call) reply(req *sip.Request, l *link, status int, phrase string, body []byte) {
	if err := l.write(c.dialog.respond(req, status, phrase, body)); err != nil {
		c.e.cfg.Log.Debug("reply", "error", err)
	}
}

// reinvite repeats the last response to the same INVITE, and answers a new
// one.
func (c *call) reinvite(req *sip.Request, l *link) {
	if c.result.Party == Answering && req.CSeq().SeqNo == c.invite.CSeq().SeqNo {
		if err := l.write(c.last); err != nil {
			c.e.cfg.Log.Debug("reply", "error", err)
		}
		return
	}
	c.reinvited(req, l)
}

// hungUp ends the call when the other side says BYE.
func (c *call) hungUp(req *sip.Request, l *link) {
	c.reply(req, l, sip.StatusOK, "OK", nil)
	if c.result.Over.IsZero() { // else both have hung up at once
		c.result.Over = time.Now()
	}
	if s := c.audio.Load(); s != nil {
		s.Halt()
	}
	if seq := req.CSeq().SeqNo; (c.byes == 0 || seq != c.byeSeq) && !unheard(c.byeLink, l) { // else it is repeated
		c.byes++
	}
	c.byeSeq, c.byeLink = req.CSeq().SeqNo, l
	if c.byes > 1 {
		c.fail(ErrSecondBye)
	}
	switch c.state {
	case leaving: // both at once: our own BYE is answered, too
	case up, accepting:
		if c.result.Outcome == Wild {
			c.result.Got = Wild
		} else if c.result.Outcome == Dropped {
			c.result.Got = Dropped
		} else if left := time.Until(c.audioEnd); left > 0 {
			c.fail(fmt.Errorf("%w: %v too early", ErrHungUp, left.Round(time.Millisecond)))
		}
		c.state = over
	case inviting, cancelling, ringing, refusing, over:
		c.fail(fmt.Errorf("%w: BYE while %v", ErrHungUp, c.state))
		c.state = over
	}
}
