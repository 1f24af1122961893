package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Answerer takes calls and does with each what its plan says.
type Answerer struct {
	*Endpoint
	plans func(number string) (Plan, bool)

	mu      sync.Mutex
	results []Result
}

// NewAnswerer listens. plans finds the plan of a dialled number; numbers
// without one get 404. Where the config admits an account, calls get 403 while
// it is not registered here.
func NewAnswerer(cfg Config, plans func(number string) (Plan, bool)) (*Answerer, error) {
	a := &Answerer{Endpoint: newEndpoint(cfg), plans: plans}
	a.accept, a.mute = a.invited, time.Now().Add(cfg.Silent)
	if cfg.Admits.User != "" {
		a.desk = newAdmission(cfg.Admits)
	}
	if err := a.listen(); err != nil {
		a.Close()
		return nil, fmt.Errorf("cannot answer on %v: %w", cfg.Local, err)
	}
	return a, nil
}

// NewRegistered connects to a server, registers there, and takes the calls that
// come over that connection. The errors are those of NewCaller and Register.
func NewRegistered(ctx context.Context, cfg Config, target Target, account Account, plans func(number string) (Plan, bool)) (*Answerer, error) {
	cfg.User, cfg.Account = account.User, account
	a := &Answerer{Endpoint: newEndpoint(cfg), plans: plans}
	a.accept = a.invited
	l, err := a.dial(ctx, target)
	if err == nil {
		_, err = a.register(ctx, l, target, account)
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Admitted is closed when the server has registered; nil where it need not.
func (a *Answerer) Admitted() <-chan struct{} {
	if a.desk == nil {
		return nil
	}
	return a.desk.met
}

// Results are the calls that have ended so far; none where a Watcher has them.
func (a *Answerer) Results() []Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Result(nil), a.results...)
}

// invited begins a call. It runs on the reading goroutine.
func (a *Answerer) invited(req *sip.Request, l *link) {
	plan, ok := a.plans(req.Recipient.User)
	if !ok {
		a.reply(req, l, sip.StatusNotFound, "No Plan")
		return
	}
	if !a.desk.registered() {
		a.reply(req, l, sip.StatusForbidden, "Register First")
		return
	}
	d, err := a.answeringDialog(req, l)
	if err != nil {
		a.reply(req, l, sip.StatusBadRequest, "Bad Request")
		return
	}
	c := a.newCall(plan, Answering, l, d)
	c.invite = req
	if !a.enter(c.id, c) {
		return
	}
	a.working.Go(func() { // ends with the call; Close stops it
		c.ring()
		r := c.run(context.Background())
		if a.cfg.Watch != nil {
			return // it has them
		}
		a.mu.Lock()
		a.results = append(a.results, r)
		a.mu.Unlock()
	})
}

// say answers the INVITE and keeps the answer for repeated INVITEs.
func (c *call) say(status int, phrase string, body []byte) []byte {
	c.last = c.dialog.respond(c.invite, status, phrase, body)
	return c.last
}

// ring is what every call begins with.
func (c *call) ring() {
	c.write(c.say(sip.StatusTrying, "Trying", nil))
	if c.result.Early {
		c.ringEarly()
	} else {
		c.write(c.say(sip.StatusRinging, "Ringing", nil))
	}
	wait := c.result.Ring
	if c.result.Outcome == Cancelled {
		wait += c.e.cfg.Timeout
	}
	c.enter(ringing, wait)
}

// ringEnds is when the plan answers or refuses.
func (c *call) ringEnds() {
	switch c.result.Outcome {
	case Answered, Dropped, Wild:
		if c.result.Wild != nil && c.result.Wild.Refuse != 0 {
			c.refuse(c.result.Wild.Refuse, phrase(c.result.Wild.Refuse))
			return
		}
		if err := c.accept(); err != nil {
			c.fail(err)
			c.refuse(sip.StatusNotAcceptableHere, "Not Acceptable Here")
		}
	case Busy:
		c.result.Got = Busy
		c.refuse(sip.StatusBusyHere, "Busy Here")
	case Refused:
		c.result.Got = Refused
		c.refuse(c.result.Plan.Status, phrase(c.result.Plan.Status))
	case Cancelled, Failed, Stopped:
		c.fail(fmt.Errorf("%w: no CANCEL came", ErrTimeout))
		c.refuse(sip.StatusTemporarilyUnavailable, "Temporarily Unavailable")
	}
}

func (c *call) refuse(status int, phrase string) {
	if c.result.Wild != nil && c.result.Err == nil {
		c.result.Got = Wild
	}
	c.result.Status, c.result.Phrase, c.result.Over = status, phrase, time.Now()
	c.insist(c.say(status, phrase, nil), false)
	c.enter(refusing, c.limit())
}

// ringEarly says 183 with a description and talks at once. Where that cannot
// be, the call just rings, and the answer fails.
func (c *call) ringEarly() {
	body, err := c.prepare()
	if err != nil {
		c.write(c.say(sip.StatusRinging, "Ringing", nil))
		return
	}
	c.early = true
	c.write(c.say(sip.StatusSessionInProgress, "Session Progress", body))
	c.audio.Load().Start()
}

// accept sends 200 and begins to talk in the same moment.
func (c *call) accept() error {
	body, err := c.prepare()
	if err != nil {
		return err
	}
	if c.early {
		c.audio.Load().Await() // before the 200: what the caller says to it may be here at once
	}
	c.insist(c.say(sip.StatusOK, "OK", body), true)
	c.result.Status, c.result.Phrase, c.result.Got = sip.StatusOK, "OK", c.result.Outcome
	c.enter(accepting, c.limit())
	if c.early {
		c.audioEnd = time.Now().Add(c.result.Audio)
	} else {
		c.startAudio()
	}
	return nil
}

// prepare readies the audio, and gives the description that answers the offer.
func (c *call) prepare() ([]byte, error) {
	if c.early {
		return c.own.describe(c.session)
	}
	offered, err := readAudio(c.invite.Body())
	if err != nil {
		return nil, err
	}
	if c.socket, err = c.e.studio.engine.Bind(c.link.local.Addr()); err != nil {
		return nil, err
	}
	own, theirs, err := answer(offered, c.socket.Local(), c.e.cfg.Suites)
	if err != nil {
		return nil, err
	}
	body, err := own.describe(c.session)
	if err != nil {
		return nil, err
	}
	var mine crypto
	if len(own.Keys) > 0 {
		mine = own.Keys[0]
	}
	c.own = own
	return body, c.prepareAudio(offered, mine, theirs)
}

// phrases of the refusals that carriers give (RFC 3261, section 21, RFC 8197,
// RFC 8688).
var phrases = map[int]string{
	403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
	484: "Address Incomplete", 486: "Busy Here", 488: "Not Acceptable Here", 500: "Server Internal Error",
	501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
	607: "Unwanted", 608: "Rejected",
}

func phrase(status int) string {
	if text, ok := phrases[status]; ok {
		return text
	}
	return "Refused"
}

// acknowledged ends the wait for ACK.
func (c *call) acknowledged(req *sip.Request) {
	if c.invite == nil || req.CSeq().SeqNo != c.invite.CSeq().SeqNo {
		return
	}
	switch c.state {
	case accepting:
		c.hush()
		c.goUp()
	case refusing:
		c.hush()
		c.state = over
	case inviting, cancelling, ringing, up, leaving, over: // repeated
	}
}

// cancelled ends a ringing call (RFC 3261, section 9.2: 200 to the CANCEL,
// 487 to the INVITE).
func (c *call) cancelled(req *sip.Request, l *link) {
	c.reply(req, l, sip.StatusOK, "OK", nil)
	if c.state != ringing {
		return
	}
	if c.result.Got = Cancelled; c.result.Wild != nil {
		c.result.Got = Wild
	}
	c.refuse(sip.StatusRequestTerminated, "Request Terminated")
}

func localAddr(c *net.UDPConn) netip.AddrPort {
	return unmap(c.LocalAddr().(*net.UDPAddr).AddrPort())
}
