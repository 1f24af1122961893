package call

// A REFER of X that we do ourselves (RFC 3515): a new leg C is set up that takes
// X's place beside Y. Until C answers, X and Y talk on.
//
//	          REFER              C 2xx: it takes X's place
//	resting -------> placing ------------------------------> resting
//	   ^               |  |                                     ^
//	   +---------------+  | Y hangs up, the call ends,          |
//	    C answers no      v C rings too long                    |
//	                   dropping --------------------------------+
//	                            C's final answer; a 2xx is ended
//
// X may hang up while C is placed: Y waits for C then, and is hung up on where C
// does not come.
type transferring uint8

const (
	resting  transferring = iota
	placing               // C's INVITE is with it
	dropping              // it is cancelled; its final answer is awaited
)

func (t transferring) String() string {
	switch t {
	case resting:
		return "resting"
	case placing:
		return "placing"
	case dropping:
		return "dropping"
	}
	return "unknown"
}

// transfer is what a call knows of its REFERs that we do ourselves.
type transfer struct {
	progress transferring
	from     side            // X's, whose place C is to take
	gone     bool            // X has hung up already
	count    int             // the REFERs so far; names the last C
	heard    map[answer]bool // the 2xx of each C so far
	parting  map[int]bool    // those whose X is told that it is over, and gets its BYE then
}

// answer names a dialog of a C.
type answer struct {
	ref int
	tag string
}

// maxTransfers bounds the REFERs of one call: two sides that refer each other on
// would never end.
const maxTransfers = 5

// moving takes the events of transfers, in every state. It tells whether the
// event was one of them.
func (m *machine) moving(ev event) bool {
	switch ev.kind {
	case evRefer:
		m.referred(ev)
	case evTargetRings:
		if t := &m.transfer; t.progress == placing && t.count == ev.ask.ref && !t.gone {
			m.do(action{op: opNotify, ref: t.count, code: ev.code})
		}
	case evTargetAnswers:
		m.targetAnswered(ev)
	case evTargetFails:
		m.targetFailed(ev)
	case evNotified:
		if m.transfer.parting[ev.ask.ref] {
			delete(m.transfer.parting, ev.ask.ref)
			m.byes++
			m.do(action{op: opByePast, ref: ev.ask.ref})
		}
	case evPastBye: // X hangs up itself, or its BYE crosses ours
		delete(m.transfer.parting, ev.ask.ref)
		m.do(action{op: opAnswerBye, side: ev.side})
	case evBye:
		if !m.departs(ev) && !m.left(ev.side) {
			return false
		}
		m.do(action{op: opAnswerBye, side: ev.side})
		if m.left(ev.side) { // twice
			return true
		}
		m.transfer.gone = true
		m.leave(ev.side)
		m.do(action{op: opPart, side: ev.side})
		m.proceed()
	case evTimer:
		return m.transferTimer(ev.timer)
	default:
		return false
	}
	m.ended()
	return true
}

// departs tells whether a BYE is that of an X who does not wait for C.
func (m *machine) departs(ev event) bool {
	t := &m.transfer
	return m.state == up && t.progress == placing && t.from == ev.side && !t.gone && !m.lost(ev)
}

// left tells whether a side has nobody any more, until C is there.
func (m *machine) left(s side) bool { return m.transfer.gone && m.transfer.from == s }

// referred takes a REFER. ev.ask.ref names it.
func (m *machine) referred(ev event) {
	t := &m.transfer
	refuse := func(code int, phrase string) {
		m.do(action{op: opRefuseRefer, ref: ev.ask.ref, code: code, phrase: phrase})
	}
	switch {
	case m.state > up || m.owedBye || m.left(ev.side):
		refuse(481, "Call Transaction Does Not Exist")
	case m.state != up:
		refuse(491, "SBC transfers answered calls only")
	case t.progress != resting:
		refuse(491, "SBC is transferring this call")
	case t.count >= maxTransfers:
		refuse(482, "SBC has transferred this call too often")
	default:
		t.count++
		t.progress, t.from, t.gone = placing, ev.side, false
		m.do(action{op: opPlace, ref: ev.ask.ref, side: ev.side})
		m.do(action{op: opStart, timer: placeTimer, delay: m.limits.ring})
	}
}

// targetAnswered takes a 2xx of C, each time it comes. It is ACKed at once, as
// every 2xx; the first one takes X's place.
func (m *machine) targetAnswered(ev event) {
	t := &m.transfer
	ref := ev.ask.ref
	m.do(action{op: opAckTarget, ref: ref, tag: ev.tag})
	if t.heard[answer{ref, ev.tag}] {
		return
	}
	if t.heard == nil {
		t.heard = make(map[answer]bool)
	}
	t.heard[answer{ref, ev.tag}] = true
	first := t.progress != resting && t.count == ref
	if first && t.progress == placing && ev.fault == "" {
		m.takeOver(ev)
		return
	}
	m.byes++
	m.do(action{op: opByeTarget, ref: ref, tag: ev.tag})
	if first {
		m.notReached(503)
	}
}

// takeOver puts C into X's place. X gets its BYE once it was told.
func (m *machine) takeOver(ev event) {
	t := &m.transfer
	waits := !t.gone
	t.gone = true
	m.do(action{op: opStop, timer: placeTimer})
	m.leave(t.from)
	m.do(action{op: opTakeOver, side: t.from, ref: t.count, tag: ev.tag})
	if t.from == sideB {
		m.winner = ev.tag
	}
	m.ours[t.from] = true
	if waits {
		if t.parting == nil {
			t.parting = make(map[int]bool)
		}
		t.parting[t.count] = true
		m.do(action{op: opNotifyLast, ref: t.count, code: 200})
	}
	t.progress, t.gone = resting, false
	m.proceed()
}

// targetFailed takes C's final answer that is no 2xx.
func (m *machine) targetFailed(ev event) {
	if t := &m.transfer; t.progress != resting && t.count == ev.ask.ref {
		m.notReached(ev.code)
	}
}

// notReached ends a transfer without C: X goes on talking to Y, or Y is hung up
// on where X has left.
func (m *machine) notReached(code int) {
	t := &m.transfer
	m.do(action{op: opStop, timer: placeTimer})
	m.do(action{op: opStop, timer: dropTimer})
	was := t.progress
	t.progress = resting
	switch {
	case was == dropping: // X knows
	case t.gone:
		m.hangUp(t.from.other())
	default:
		m.do(action{op: opNotifyLast, ref: t.count, code: code})
	}
}

// drop gives C up before it has answered. X is told why, unless it has left.
func (m *machine) drop(code int) {
	t := &m.transfer
	if t.progress != placing {
		return
	}
	t.progress = dropping
	m.do(action{op: opStop, timer: placeTimer})
	m.do(action{op: opDrop, ref: t.count})
	m.do(action{op: opStart, timer: dropTimer, delay: lifetime})
	if !t.gone {
		m.do(action{op: opNotifyLast, ref: t.count, code: code})
	}
}

func (m *machine) transferTimer(t timer) bool {
	switch t {
	case placeTimer:
		m.drop(408)
		if m.transfer.gone && m.state == up {
			m.hangUp(m.transfer.from.other())
		}
	case dropTimer: // C does not end the INVITE that was cancelled (64*T1)
		m.do(action{op: opForsake, ref: m.transfer.count})
		m.notReached(408)
	default:
		return false
	}
	m.ended()
	return true
}

// leave ends a side's part in the exchange of offers: its remote leaves the
// call.
func (m *machine) leave(s side) {
	x := &m.exchange
	switch {
	case x.progress == idle:
	case x.to == s:
		if x.ref != 0 {
			m.refuseOffer(x.ref, 491, "Request Pending")
		}
		m.do(action{op: opStop, timer: glareTimer})
		m.do(action{op: opStop, timer: askTimer})
		m.exchange = exchange{}
	case x.ref != 0:
		m.withdrawn(event{ask: question{ref: x.ref}})
	}
	m.owed[s] = false
	m.confirmed(s)
}

// ended finishes a call that waited for nothing but its transfers.
func (m *machine) ended() {
	if m.state == closing && m.over() {
		m.finish()
	}
}

// over tells whether nothing that the call has begun is without its end.
func (m *machine) over() bool {
	return m.byes == 0 && m.transfer.progress == resting && len(m.transfer.parting) == 0
}
