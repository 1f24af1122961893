package bench

import (
	"cmp"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Chaos is what happens in a wild call, in which either end does what it wants at
// any moment. Only how its dialogs end is judged: at either end by a refusal, or
// by one BYE (or one of each end, where they cross).
type Chaos struct {
	Quit    [2]time.Duration // by Party: when it hangs up, refuses or cancels, since its INVITE; less than 0: never
	Refuse  int              // status that the answerer refuses with, after Ring; 0: it answers
	Scripts [2][]Step        // what each end changes in between
	Wait    time.Duration    // for an answer, an ACK, or the other end's BYE; 0: 64*T1
}

// answerLimit is 64*T1, after which no repetition of a message comes any more
// (RFC 3261, section 17): how long a wild call waits for whatever it waits for.
const answerLimit = 64 * timerT1

// limit is how long this end waits for an answer.
func (c *call) limit() time.Duration {
	if w := c.result.Wild; w != nil {
		return cmp.Or(w.Wait, answerLimit)
	}
	return c.e.cfg.Timeout
}

// tire lets this end of a wild call hang up, as far as the protocol allows it
// now; else as soon as it does (RFC 3261, sections 9.1 and 15).
func (c *call) tire() {
	c.tired = true
	switch c.state {
	case inviting:
		if c.rang {
			c.cancel()
		}
	case ringing:
		c.refuse(sip.StatusTemporarilyUnavailable, phrase(sip.StatusTemporarilyUnavailable))
	case up:
		c.bye()
	case cancelling, accepting, refusing, leaving, over: // at the ACK, or it ends by itself
	}
}

// survive goes on without the connection, which a dialog does not need (RFC 3261,
// section 12). What was not answered yet is lost with it; false when there is no
// other connection to go on with.
func (c *call) survive() bool {
	switch c.state {
	case up, leaving:
		l, err := c.e.relink(c.link)
		if err != nil {
			return false
		}
		c.link, c.change = l, nil
		if c.state == leaving {
			c.bye()
		}
		return true
	case inviting, cancelling, ringing, accepting, refusing, over:
	}
	// RFC 3261, section 17.1.4: the transaction has failed.
	if c.result.Got = Wild; c.result.Err != nil {
		c.result.Got = Failed
	}
	c.orphan = c.state != ringing && c.state != refusing
	c.state = over
	return true
}

// relink gives a living connection in the place of a lost one.
func (e *Endpoint) relink(lost *link) (*link, error) {
	if e.redial != nil {
		return e.redial(lost)
	}
	for end := time.Now().Add(answerLimit); ; {
		e.mu.Lock()
		closed := e.closed
		for l := range e.links {
			if l != lost && !l.dead() {
				e.mu.Unlock()
				return l, nil
			}
		}
		e.mu.Unlock()
		if closed || time.Now().After(end) {
			return nil, ErrLink
		}
		time.Sleep(relinkPoll)
	}
}

// relinkPoll is how often an answerer looks whether the server has connected
// again.
const relinkPoll = 20 * time.Millisecond
