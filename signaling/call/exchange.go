package call

import "time"

// An offer inside a call goes through these states. There is one exchange at a
// time: each leg's session is a function of the other's.
//
//	      offer that the other leg has to know of
//	idle -----------------------------------------> asking
//	  ^                                             |  ^
//	  | final answer: the one who offered has its   |  | random delay
//	  +---------------------------------------------+  |
//	                                                |  |
//	                                             491 v  |
//	                                               pausing
//
// Who is asked and does not answer in time is not waited for any longer.
//
// An offer that changes nothing for the other leg (its address, its key, a
// refresh) is answered at once, in any state.
type progress uint8

const (
	idle    progress = iota
	asking           // our offer is with the other remote
	pausing          // it had an offer of its own on the way (491): we ask again
)

func (p progress) String() string {
	switch p {
	case idle:
		return "idle"
	case asking:
		return "asking"
	case pausing:
		return "pausing"
	}
	return "unknown"
}

// exchange is the offer that is being passed on.
type exchange struct {
	progress progress
	to       side // who is asked
	ref      int  // whose offer it is; 0: ours, nobody waits for the answer
	invite   bool // it came in an INVITE: the answer has to be acknowledged
	tries    int  // how often it was met by a 491
	resumes  bool // it was withdrawn (CANCEL): the one who is asked has to be told what holds
}

// maxTries is how often an offer is made again after a 491.
const maxTries = 3

// maxEchoes ends what two remotes could go on with for ever, each of which
// answers what the other did with something else.
const maxEchoes = 4

// How long a remote may think about an offer. An INVITE goes on for ever once it
// has a provisional response. Other requests time out where they came from
// after 64*T1 (RFC 3261 section 17.1.2.2): the answer has to be there before.
const (
	patience      = 2 * lifetime
	shortPatience = lifetime * 3 / 4
)

// question says what is asked in an offer inside the call.
type question struct {
	ref    int  // names the request to be answered
	invite bool // it is an INVITE: its 2xx has to be acknowledged
	local  bool // it can be answered without the other leg
	ready  bool // the other leg can be asked now
}

// offered takes an offer that came inside a dialog.
func (m *machine) offered(ev event) {
	m.echoes = 0
	other := ev.side.other()
	busy := m.exchange.progress != idle
	switch {
	case m.left(ev.side):
		m.refuseOffer(ev.ask.ref, 481, "Call Transaction Does Not Exist")
	case m.left(other) && !ev.ask.local: // nobody is there to be asked
		m.refuseOffer(ev.ask.ref, 491, "Request Pending")
	case m.waits(ev.side) || m.unacked[ev.side]: // RFC 3261 section 14.2: one INVITE after the other
		m.refuseOffer(ev.ask.ref, 500, "Another offer is in progress")
	case m.exchange.progress == asking && m.exchange.to == ev.side: // ours crossed it
		m.refuseOffer(ev.ask.ref, 491, "Request Pending")
	case ev.ask.local:
		m.answerOffer(ev.side, ev.ask.ref, ev.ask.invite)
	case m.exchange.progress == pausing && !m.unacked[other]: // the offer that ours was crossed by: it goes first
		if m.exchange.ref != 0 {
			m.refuseOffer(m.exchange.ref, 491, "Request Pending")
		} else {
			m.owed[m.exchange.to] = true
		}
		m.do(action{op: opStop, timer: glareTimer})
		m.exchange = exchange{}
		m.pass(ev, other)
	case busy || m.unacked[other] || m.state == answering && other == sideA:
		m.refuseOffer(ev.ask.ref, 491, "Request Pending")
	default:
		m.pass(ev, other)
	}
}

// waits tells whether a remote waits for the answer to an offer of its own.
func (m *machine) waits(s side) bool {
	return m.exchange.progress != idle && m.exchange.ref != 0 && m.exchange.to == s.other()
}

// pass hands an offer on to the other leg.
func (m *machine) pass(ev event, to side) {
	if !ev.ask.ready { // RFC 3311 section 5.2: no answer can be had without asking
		m.refuseOffer(ev.ask.ref, 504, "SBC cannot ask the other side yet")
		return
	}
	m.exchange = exchange{to: to, ref: ev.ask.ref, invite: ev.ask.invite}
	m.ask()
}

// ask makes the offer of the exchange.
func (m *machine) ask() {
	x := &m.exchange
	x.progress = asking
	m.do(action{op: opAsk, side: x.to, ref: x.ref})
	delay := patience
	if x.ref != 0 && !x.invite {
		delay = shortPatience
	}
	m.do(action{op: opStart, timer: askTimer, delay: delay})
}

// unheard gives up an offer that nobody answers.
func (m *machine) unheard() {
	x := &m.exchange
	if x.progress != asking || x.resumes {
		return
	}
	if x.ref != 0 {
		m.refuseOffer(x.ref, 504, "SBC got no answer from the other side")
	}
	x.ref, x.resumes = 0, true
	m.do(action{op: opCancelAsk, side: x.to})
}

// answerOffer answers an offer.
func (m *machine) answerOffer(s side, ref int, invite bool) {
	m.do(action{op: opAnswerOffer, side: s, ref: ref})
	if invite {
		m.confirming(s)
	}
}

func (m *machine) refuseOffer(ref, code int, phrase string) {
	m.do(action{op: opRefuseOffer, ref: ref, code: code, phrase: phrase})
}

// confirming notes that a re-INVITE was answered 2xx: RFC 3261 section 13.3.1.4
// holds for it too.
func (m *machine) confirming(s side) {
	m.unacked[s] = true
	m.repeat[s] = t1
	m.do(action{op: opStart, timer: repeatTimer, side: s, delay: t1})
	m.do(action{op: opStart, timer: confirmTimer, side: s, delay: lifetime})
}

// confirmed takes the ACK of a re-INVITE's 2xx.
func (m *machine) confirmed(s side) {
	m.unacked[s] = false
	m.do(action{op: opStop, timer: repeatTimer, side: s})
	m.do(action{op: opStop, timer: confirmTimer, side: s})
}

// asked takes the final answer of the remote that was asked.
func (m *machine) asked(ev event) {
	x := m.exchange
	if x.progress != asking || x.to != ev.side {
		return
	}
	m.do(action{op: opStop, timer: askTimer})
	success := ev.code/100 == 2
	switch {
	case success && ev.fault != "", ev.dead: // there is no session any more (RFC 3261 section 12.2.1.2)
		m.exchange = exchange{}
		if x.ref != 0 {
			m.refuseOffer(x.ref, 503, ev.fault)
		}
		m.inState(event{kind: evEnd, fault: ev.fault})
		return
	case success && x.resumes: // it was withdrawn too late
		m.exchange = exchange{}
		m.owed[x.to] = true
	case ev.code == 491 && x.tries < maxTries && !x.resumes:
		m.exchange.progress = pausing
		m.exchange.tries++
		m.do(action{op: opStart, timer: glareTimer, delay: glareDelay(m.ours[x.to] || x.to == sideB, ev.luck)})
		return
	case success:
		m.exchange = exchange{}
		if x.ref != 0 {
			m.answerOffer(x.to.other(), x.ref, x.invite)
		} else if ev.changed && m.echoes < maxEchoes {
			m.echoes++
			m.owed[x.to.other()] = true
		}
	default:
		m.exchange = exchange{}
		if x.ref != 0 {
			m.do(action{op: opRelayRefusal, ref: x.ref, code: ev.code})
		}
	}
	m.proceed()
}

// glareDelay is how long RFC 3261 section 14.1 lets the two sides of a 491
// wait: whoever made the Call-ID (of leg B we did) the longer. luck is in
// [0, 1).
func glareDelay(ours bool, luck float64) time.Duration {
	const step = 10 * time.Millisecond
	if ours {
		return (2100*time.Millisecond + time.Duration(luck*float64(1900*time.Millisecond))).Truncate(step)
	}
	return time.Duration(luck * float64(2*time.Second)).Truncate(step)
}

// askAgain repeats an offer after its random delay.
func (m *machine) askAgain() {
	if m.exchange.progress == pausing {
		m.ask()
	}
}

// withdrawn takes the CANCEL of a re-INVITE.
func (m *machine) withdrawn(ev event) {
	x := &m.exchange
	if x.progress == idle || x.ref != ev.ask.ref || x.ref == 0 {
		return // it has its answer
	}
	m.refuseOffer(x.ref, 487, "Request Terminated")
	if x.progress == pausing {
		m.do(action{op: opStop, timer: glareTimer})
		m.exchange = exchange{}
		m.proceed()
		return
	}
	x.ref, x.resumes = 0, true
	m.do(action{op: opCancelAsk, side: x.to})
}

// proceed makes an offer that is owed.
func (m *machine) proceed() {
	if m.state != up || m.exchange.progress != idle || m.transfer.gone {
		return
	}
	for _, s := range []side{sideA, sideB} {
		if m.owed[s] && !m.unacked[s] && !m.unacked[s.other()] {
			m.owed[s] = false
			m.exchange = exchange{to: s}
			m.ask()
			return
		}
	}
}

// settle ends the exchange with the call: nobody is left without an answer
// (RFC 3261 section 15.1.2).
func (m *machine) settle() {
	if x := m.exchange; x.progress != idle && x.ref != 0 {
		m.refuseOffer(x.ref, 487, "Request Terminated")
	}
	m.exchange, m.owed = exchange{}, [2]bool{}
	m.do(action{op: opStop, timer: glareTimer})
	m.do(action{op: opStop, timer: askTimer})
	for _, s := range []side{sideA, sideB} {
		m.confirmed(s)
	}
}

// exchanging takes the events of offers inside the call in every state in
// which it has two remotes. It tells whether the event was one of them.
func (m *machine) exchanging(ev event) bool {
	switch ev.kind {
	case evOffer:
		m.offered(ev)
	case evAsked:
		m.asked(ev)
	case evWithdrawn:
		m.withdrawn(ev)
	case evConfirmed:
		m.confirmed(ev.side)
		m.echoes = 0
		if ev.changed { // the ACK carried an answer that the other leg has to know of
			m.owed[ev.side.other()] = true
		}
		m.proceed()
	case evOwed: // a remote has to be offered what the other leg has now
		m.echoes = 0
		m.owed[ev.side] = true
		m.proceed()
	case evTimer:
		return m.exchangeTimer(ev)
	default:
		return false
	}
	return true
}

func (m *machine) exchangeTimer(ev event) bool {
	switch ev.timer {
	case glareTimer:
		m.askAgain()
	case askTimer:
		m.unheard()
	case repeatTimer:
		m.repeat[ev.side] = min(2*m.repeat[ev.side], t2)
		m.do(action{op: opRepeat, side: ev.side})
		m.do(action{op: opStart, timer: repeatTimer, side: ev.side, delay: m.repeat[ev.side]})
	case confirmTimer: // RFC 3261 section 14.2: the ACK is lost, the session ends
		m.inState(event{kind: evEnd, fault: "no ACK came"})
	default:
		return false
	}
	return true
}
