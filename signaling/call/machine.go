package call

import "time"

// A call moves through these states; each arrow names what moves it.
//
//	          B 2xx             A ACK
//	calling ---------> answering -----> up
//	   |                   |             |
//	   | A CANCEL, ring    | A BYE, ACK  | BYE from either,
//	   | timeout, end      | lost, end   | max. length, end
//	   v      B 2xx        v             v
//	cancelling ----------> closing <-----+
//	   |                      |
//	   | B final              | every BYE answered
//	   v                      v
//	  done <------------------+
//
// A final answer of B other than 2xx takes calling straight to done.
type state uint8

const (
	calling    state = iota // INVITE is with B; A has had no final answer
	answering               // A was sent the 200; its ACK has not come
	up                      // both legs are confirmed
	cancelling              // A has its final answer; B's is awaited
	closing                 // our BYEs are on their way
	done
)

func (s state) String() string {
	switch s {
	case calling:
		return "calling"
	case answering:
		return "answering"
	case up:
		return "up"
	case cancelling:
		return "cancelling"
	case closing:
		return "closing"
	case done:
		return "done"
	}
	return "unknown"
}

// side names a leg: A called in, B is called out.
type side uint8

const (
	sideA side = iota
	sideB
)

func (s side) other() side { return sideB - s }

func (s side) String() string {
	if s == sideA {
		return "A"
	}
	return "B"
}

// timer names the clocks of a call.
type timer uint8

const (
	ringTimer       timer = iota // calling for too long
	retransmitTimer              // the 200 to A goes out again
	ackTimer                     // A's ACK is lost (64*T1)
	cancelTimer                  // B does not end the INVITE that we cancelled (64*T1)
	lengthTimer                  // the call is as long as a call may be
	glareTimer                   // an offer of ours was met by a 491
	repeatTimer                  // the 200 to a re-INVITE of a side goes out again
	confirmTimer                 // the ACK of that is lost (64*T1)
	prackTimer                   // a reliable response to A goes out again
	refreshTimer                 // a leg's session is to be refreshed
	expireTimer                  // a leg's session has not been refreshed
	askTimer                     // an offer of ours is not answered
	placeTimer                   // a transfer's new leg rings for too long
	silentTimer                  // a party says nothing at all to its INVITE
	dropTimer                    // it does not end the INVITE that we cancelled (64*T1)
	quietTimer                   // a silent side does not say whether it is there
)

// kind says what happened.
type kind uint8

const (
	evProvisional kind = iota // B: 1xx
	evSuccess                 // B: 2xx, each time it comes
	evRejected                // B: 3xx-6xx, or no answer at all
	evCancel                  // A: CANCEL
	evLost                    // A: its connection died before the answer
	evAck                     // A: ACK of the 200
	evBye                     // BYE on side
	evByeDone                 // our BYE on side was answered, or never will be
	evTimer
	evEnd       // the server wants the call to end
	evOffer     // an offer inside the call came from side
	evAsked     // our offer inside the call had its final answer from side
	evWithdrawn // the INVITE of an offer inside the call was cancelled
	evConfirmed // ACK of a re-INVITE's 200 from side
	evOwed      // side has to be offered what the other leg has now
	evReleased  // the 200 that waited for A's PRACK has gone out

	evRefer         // a REFER that we may do came from side
	evTargetRings   // the new leg of a transfer, C: 1xx
	evTargetAnswers // C: 2xx, each time it comes
	evTargetFails   // C: 3xx-6xx, or no answer at all
	evNotified      // X has heard the end of its transfer, or never will
	evPastBye       // BYE of an X whose place was taken
)

// event is one thing that happened to the call; only the fields of its kind
// are set.
type event struct {
	kind  kind
	side  side
	tag   string // the remote tag, where side or kind means B
	code  int    // evProvisional, evRejected: what A may be told
	fault string // evSuccess, evEnd, evAsked: why the call cannot go on, as a phrase
	held  bool   // evSuccess: the 200 has to wait for A's PRACK
	timer timer

	ask     question // evOffer, evWithdrawn; of transfers only the ref
	dead    bool     // evAsked: the remote knows nothing of the call any more
	changed bool     // evAsked, evConfirmed: the answer says something that the other leg has to know of
	luck    float64  // evAsked: random, in [0, 1)
}

// op says what is to be done.
type op uint8

const (
	opRelay        op = iota // send A the response of B that came with the event
	opRefuse                 // answer A's INVITE with code and phrase
	opResend                 // send A the 200 again
	opCancel                 // CANCEL B's INVITE
	opAbandon                // give up B's INVITE transaction
	opAck                    // ACK B's 2xx of tag
	opBye                    // BYE on side (to tag where side is B)
	opAnswerBye              // 200 to the BYE that came on side
	opStart                  // start timer after delay
	opStop                   // stop timer
	opAsk                    // offer side what the other leg offered, or has (ref 0)
	opCancelAsk              // CANCEL that offer
	opAnswerOffer            // answer the offer ref of side
	opRefuseOffer            // refuse the offer ref with code and phrase
	opRelayRefusal           // refuse the offer ref in the words of who was asked
	opRepeat                 // send side the 200 to its re-INVITE again
	opRefuseRefer            // refuse the REFER ref with code and phrase
	opPlace                  // take the REFER ref of side: 202, and C gets its INVITE
	opNotify                 // tell X of the transfer ref how it goes
	opNotifyLast             // tell it how it ended
	opAckTarget              // ACK C's 2xx of tag
	opByeTarget              // BYE to C's dialog of tag
	opDrop                   // CANCEL C's INVITE
	opForsake                // give up C's INVITE transaction
	opTakeOver               // C's dialog of tag takes the place of side
	opByePast                // BYE to X, whose place was taken
	opPart                   // side has nobody for a while
	opCloseMedia             // no audio any more
	opFinish                 // the call is over: forget it
)

// action is one thing to do; only the fields of its op are set.
type action struct {
	op     op
	side   side
	tag    string
	code   int
	phrase string
	ref    int
	timer  timer
	delay  time.Duration
}

// RFC 3261 section 17.1.1.1 and table 4.
const (
	t1       = 500 * time.Millisecond
	t2       = 4 * time.Second
	lifetime = 64 * t1
)

// limits are the clocks that an administrator sets.
type limits struct {
	ring, length time.Duration
}

// machine is the call's mind: pure, without clock or socket. It is told what
// happened and says what to do, in order.
type machine struct {
	limits limits
	state  state

	winner   string          // To tag of the 2xx that A was given
	losers   map[string]bool // To tags of further 2xx: each gets one BYE
	owedBye  bool            // A is to get a BYE once its ACK came or is lost
	held     bool            // answering: the 200 waits for A's PRACK and was not sent yet
	interval time.Duration   // until the 200 goes out again
	byes     int             // our BYEs that have no answer yet

	exchange exchange         // the offer inside the call that is being passed on
	owed     [2]bool          // sides that have to be offered what the other leg has
	echoes   int              // offers that were owed only because an answer said something new, in a row
	unacked  [2]bool          // sides whose re-INVITE was answered 2xx and has no ACK yet
	repeat   [2]time.Duration // until that 2xx goes out again

	ours     [2]bool // sides that C has taken, whose Call-ID is ours
	transfer transfer

	actions []action
}

// start is what a new call does once B's INVITE is on its way.
func (m *machine) start() []action {
	return []action{{op: opStart, timer: ringTimer, delay: m.limits.ring}}
}

// usualActions is how much most events call for, at most.
const usualActions = 6

// handle takes one event and gives what is to be done about it, valid until
// the next call.
func (m *machine) handle(ev event) []action {
	if m.actions == nil {
		m.actions = make([]action, 0, usualActions)
	}
	m.actions = m.actions[:0]
	m.inState(ev)
	return m.actions
}

func (m *machine) inState(ev event) {
	if m.moving(ev) {
		return
	}
	talking := (m.state == calling || m.state == answering || m.state == up) && !m.owedBye
	if talking && m.exchanging(ev) {
		return
	}
	switch m.state {
	case calling:
		m.whenCalling(ev)
	case answering:
		m.whenAnswering(ev)
	case up:
		m.whenUp(ev)
	case cancelling:
		m.whenCancelling(ev)
	case closing, done:
		m.whenClosing(ev)
	}
}

func (m *machine) do(a action) { m.actions = append(m.actions, a) }

func (m *machine) whenCalling(ev event) {
	switch ev.kind {
	case evProvisional:
		if ev.code > 100 {
			m.do(action{op: opRelay})
		}
	case evSuccess:
		m.answered(ev)
	case evRejected:
		m.do(action{op: opRelay})
		m.finish()
	case evCancel, evLost:
		m.giveUp(487, "Request Terminated")
	case evBye: // an early dialog may be ended by BYE too (RFC 3261 section 15)
		m.do(action{op: opAnswerBye, side: ev.side})
		if ev.side == sideA {
			m.giveUp(487, "Request Terminated")
		}
	case evTimer:
		if ev.timer == ringTimer {
			m.giveUp(503, "SBC ring timeout")
		}
	case evEnd:
		m.giveUp(503, ev.fault)
	case evAck, evByeDone, evOffer, evAsked, evWithdrawn, evConfirmed, evOwed, evReleased,
		evRefer, evTargetRings, evTargetAnswers, evTargetFails, evNotified, evPastBye:
	}
}

// answered takes the first 2xx. It is ACKed at once: B's offer/answer is
// complete, and A's ACK may never come.
func (m *machine) answered(ev event) {
	m.winner = ev.tag
	m.do(action{op: opStop, timer: ringTimer})
	m.do(action{op: opAck, tag: ev.tag})
	if ev.fault != "" {
		m.do(action{op: opRefuse, code: 503, phrase: ev.fault})
		m.hangUp(sideB)
		return
	}
	m.state = answering
	m.interval = t1
	m.do(action{op: opRelay})
	if m.held = ev.held; !m.held {
		m.awaitAck()
	}
}

// awaitAck goes on sending the 200 until its ACK comes, over every transport
// (RFC 3261 section 13.3.1.4).
func (m *machine) awaitAck() {
	m.do(action{op: opStart, timer: retransmitTimer, delay: m.interval})
	m.do(action{op: opStart, timer: ackTimer, delay: lifetime})
}

// giveUp ends a call that has no answer yet: A is told, B is cancelled. The
// transport holds the CANCEL back until the RFC allows it (RFC 3261 section
// 9.1), and does not send an INVITE that still waits for its connection.
func (m *machine) giveUp(code int, phrase string) {
	m.state = cancelling
	m.settle()
	m.do(action{op: opStop, timer: ringTimer})
	m.do(action{op: opRefuse, code: code, phrase: phrase})
	m.do(action{op: opCloseMedia})
	m.do(action{op: opCancel})
	m.do(action{op: opStart, timer: cancelTimer, delay: lifetime})
}

func (m *machine) whenCancelling(ev event) {
	switch ev.kind {
	case evSuccess: // the 2xx won the race against CANCEL: ACK it, then BYE it
		m.winner = ev.tag
		m.do(action{op: opStop, timer: cancelTimer})
		m.do(action{op: opAck, tag: ev.tag})
		m.hangUp(sideB)
	case evRejected:
		m.do(action{op: opStop, timer: cancelTimer})
		m.finish()
	case evBye:
		m.do(action{op: opAnswerBye, side: ev.side})
	case evTimer:
		if ev.timer == cancelTimer {
			m.do(action{op: opAbandon})
			m.finish()
		}
	case evOffer:
		m.refuseOffer(ev.ask.ref, 487, "Request Terminated")
	case evProvisional, evCancel, evLost, evAck, evByeDone, evEnd, evAsked, evWithdrawn, evConfirmed, evOwed, evReleased,
		evRefer, evTargetRings, evTargetAnswers, evTargetFails, evNotified, evPastBye:
	}
}

func (m *machine) whenAnswering(ev event) {
	if m.held && m.whenHeld(ev) {
		return
	}
	switch ev.kind {
	case evSuccess:
		m.again(ev)
	case evAck:
		m.confirm()
	case evTimer:
		m.answeringTimer(ev.timer)
	case evBye:
		m.do(action{op: opAnswerBye, side: ev.side})
		if m.lost(ev) {
			return
		}
		m.do(action{op: opCloseMedia})
		switch {
		case ev.side == sideB:
			m.owedBye = true // RFC 3261 section 15: no BYE to A before its ACK
			m.settle()
		case m.owedBye: // B is ended already, and A has just ended itself
			m.hangUp()
		default:
			m.hangUp(sideB)
		}
	case evEnd:
		if !m.owedBye {
			m.owedBye = true
			m.settle()
			m.do(action{op: opCloseMedia})
			m.bye(sideB)
		}
	case evByeDone:
		m.byes--
	case evOffer: // A is on its way out
		m.refuseOffer(ev.ask.ref, 481, "Call Transaction Does Not Exist")
	case evProvisional, evRejected, evCancel, evLost, evAsked, evWithdrawn, evConfirmed, evOwed, evReleased,
		evRefer, evTargetRings, evTargetAnswers, evTargetFails, evNotified, evPastBye:
	}
}

// whenHeld takes what ends a call of which A has not been sent the 200 yet: its
// INVITE is refused instead (RFC 3261 section 15.1.2). It tells whether the
// event was taken.
func (m *machine) whenHeld(ev event) bool {
	code, phrase, sides := 487, "Request Terminated", []side{sideB}
	switch {
	case ev.kind == evReleased:
		m.held = false
		m.awaitAck()
		return true
	case ev.kind == evAck: // of nothing
		return true
	case ev.kind == evCancel, ev.kind == evLost:
	case ev.kind == evBye && !m.lost(ev):
		m.do(action{op: opAnswerBye, side: ev.side})
		if ev.side == sideB {
			code, phrase, sides = 503, "SBC lost the other side", nil
		}
	case ev.kind == evEnd:
		code, phrase = 503, ev.fault
	default:
		return false
	}
	m.do(action{op: opRefuse, code: code, phrase: phrase})
	m.held = false
	m.hangUp(sides...)
	return true
}

func (m *machine) answeringTimer(t timer) {
	switch t {
	case retransmitTimer:
		m.interval = min(2*m.interval, t2)
		m.do(action{op: opResend})
		m.do(action{op: opStart, timer: retransmitTimer, delay: m.interval})
	case ackTimer: // RFC 3261 section 13.3.1.4: the ACK is lost, the session ends
		if m.owedBye {
			m.hangUp(sideA)
			return
		}
		m.hangUp(sideA, sideB)
	case ringTimer, cancelTimer, lengthTimer, glareTimer, repeatTimer, confirmTimer, prackTimer, refreshTimer, expireTimer, askTimer, placeTimer, silentTimer, dropTimer:
	}
}

// confirm takes A's ACK.
func (m *machine) confirm() {
	m.do(action{op: opStop, timer: retransmitTimer})
	m.do(action{op: opStop, timer: ackTimer})
	if m.owedBye {
		m.hangUp(sideA)
		return
	}
	m.state = up
	m.do(action{op: opStart, timer: lengthTimer, delay: m.limits.length})
	m.proceed()
}

func (m *machine) whenUp(ev event) {
	switch ev.kind {
	case evSuccess:
		m.again(ev)
	case evBye:
		m.do(action{op: opAnswerBye, side: ev.side})
		if !m.lost(ev) {
			m.hangUp(ev.side.other())
		}
	case evTimer:
		if ev.timer == lengthTimer {
			m.hangUp(sideA, sideB)
		}
	case evEnd:
		m.hangUp(sideA, sideB)
	case evByeDone: // another fork's
		m.byes--
	case evProvisional, evRejected, evCancel, evLost, evAck, evOffer, evAsked, evWithdrawn, evConfirmed, evOwed, evReleased,
		evRefer, evTargetRings, evTargetAnswers, evTargetFails, evNotified, evPastBye:
	}
}

// again takes a 2xx after the first: the winner's is ACKed again (RFC 3261
// section 13.2.2.4), another fork's is ACKed and ended, once.
func (m *machine) again(ev event) {
	m.do(action{op: opAck, tag: ev.tag})
	if ev.tag == m.winner || m.losers[ev.tag] {
		return
	}
	if m.losers == nil {
		m.losers = make(map[string]bool)
	}
	m.losers[ev.tag] = true
	m.byes++
	m.do(action{op: opBye, side: sideB, tag: ev.tag})
}

// lost tells whether a BYE comes from a dialog of B that is not the call's: a
// fork that rang or answered too late ends itself only.
func (m *machine) lost(ev event) bool { return ev.side == sideB && ev.tag != m.winner }

// lostFork tells whether a dialog of B is not the call's any more: another fork
// has answered.
func (m *machine) lostFork(tag string) bool {
	return m.state != calling && m.state != cancelling && tag != m.winner
}

// hangUp sends the BYEs and waits for their answers.
func (m *machine) hangUp(sides ...side) {
	m.state = closing
	m.settle()
	m.do(action{op: opStop, timer: retransmitTimer})
	m.do(action{op: opStop, timer: ackTimer})
	m.do(action{op: opStop, timer: lengthTimer})
	m.do(action{op: opCloseMedia})
	m.drop(487)
	for _, s := range sides {
		if !m.left(s) {
			m.bye(s)
		}
	}
	if m.over() {
		m.finish()
	}
}

func (m *machine) bye(s side) {
	m.byes++
	m.do(action{op: opBye, side: s, tag: m.winner})
}

func (m *machine) whenClosing(ev event) {
	switch ev.kind {
	case evSuccess:
		m.again(ev)
	case evBye: // it crossed ours
		m.do(action{op: opAnswerBye, side: ev.side})
	case evByeDone:
		m.byes--
		m.ended()
	case evOffer:
		m.refuseOffer(ev.ask.ref, 481, "Call Transaction Does Not Exist")
	case evProvisional, evRejected, evCancel, evLost, evAck, evTimer, evEnd, evAsked, evWithdrawn, evConfirmed, evOwed, evReleased,
		evRefer, evTargetRings, evTargetAnswers, evTargetFails, evNotified, evPastBye:
	}
}

func (m *machine) finish() {
	m.state = done
	m.settle()
	m.do(action{op: opStop, timer: ringTimer})
	m.do(action{op: opCloseMedia})
	m.do(action{op: opFinish})
}
