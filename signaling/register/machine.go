package register

import "time"

// Machine is one registration as a pure machine: it has no socket and no clock.
// Handle takes what happened and gives what is to be done.
type Machine struct {
	// Never mutated after the start.
	Expires time.Duration // what is asked for
	On403   Policy

	state    State
	outcome  Outcome       // of the last attempt
	least    time.Duration // Min-Expires of a 423
	failures int           // attempts in a row that failed
	quick    int           // those since the connection was lost
	lost     bool          // it was registered when its connection was lost
	pressed  bool          // a 423 was answered in this attempt
	leaving  bool          // it is to end, once the answer to a REGISTER is there
}

// Kind is what happened.
type Kind uint8

// The kinds of events.
const (
	Start    Kind = iota // begin, or begin anew after Stopped
	Timer                // the time that opWait or opRefresh asked for has passed
	Answer               // a REGISTER has come to its end
	Lost                 // the connection that the registration stands on is gone
	Shutdown             // un-register
)

// Event is something that happened.
type Event struct {
	Kind Kind
	// Of an Answer.
	Outcome    Outcome
	Granted    time.Duration // Confirmed: for how long
	MinExpires time.Duration // TooBrief
	RetryAfter time.Duration // any refusal; 0: not said
	Luck       float64       // 0 to 1, spreads what is tried again
}

// Op is what is to be done.
type Op uint8

// The operations.
const (
	// Send sends a REGISTER for Action.Expires, 0 to un-register.
	Send Op = iota
	// Wait asks for a Timer event after Action.Delay, in the place of an earlier one.
	Wait
	// StopTimer takes the Timer event back.
	StopTimer
	// Finish: it is over.
	Finish
)

// Action is something to be done.
type Action struct {
	Op      Op
	Expires time.Duration // of Send
	Delay   time.Duration // of Wait
}

// State is where it stands.
func (m *Machine) State() State { return m.state }

// Outcome is what came of the last attempt.
func (m *Machine) Outcome() Outcome { return m.outcome }

// Failures is how many attempts have failed since the last success.
func (m *Machine) Failures() int { return m.failures }

// Handle takes an event. What does not fit the state changes nothing.
func (m *Machine) Handle(ev Event) []Action {
	switch ev.Kind {
	case Start:
		if m.state == Idle || m.state == Stopped || m.state == Waiting {
			return append(m.stopTimer(), m.ask(Registering)...)
		}
	case Timer:
		switch m.state {
		case Waiting:
			return m.ask(Registering)
		case Registered:
			return m.ask(Refreshing)
		default:
		}
	case Answer:
		return m.answered(ev)
	case Lost:
		if m.state == Registered { // a REGISTER under way hears of it by itself
			m.lost, m.quick = true, 0
			return append(m.stopTimer(), m.ask(Registering)...)
		}
	case Shutdown:
		return m.shutDown()
	}
	return nil
}

func (m *Machine) stopTimer() []Action {
	if m.state == Waiting || m.state == Registered {
		return []Action{{Op: StopTimer}}
	}
	return nil
}

// ask sends a REGISTER.
func (m *Machine) ask(next State) []Action {
	m.state, m.pressed = next, false
	return []Action{{Op: Send, Expires: max(m.Expires, m.least)}}
}

func (m *Machine) shutDown() []Action {
	switch m.state {
	case Registered:
		done := m.stopTimer()
		m.state = Unregistering
		return append(done, Action{Op: Send})
	case Registering, Refreshing: // it may become registered yet
		m.leaving = true
		m.state = Unregistering
		return nil
	case Unregistering, Ended:
		return nil
	default:
		done := m.stopTimer()
		m.state = Ended
		return append(done, Action{Op: Finish})
	}
}

// answered takes the end of a REGISTER.
func (m *Machine) answered(ev Event) []Action {
	switch m.state {
	case Registering, Refreshing:
	case Unregistering:
		m.outcome = ev.Outcome
		if m.leaving && (ev.Outcome == Confirmed || ev.Outcome == TooBrief) {
			m.leaving = false
			return []Action{{Op: Send}}
		}
		m.state = Ended
		return []Action{{Op: Finish}}
	default:
		return nil
	}
	m.outcome = ev.Outcome
	switch ev.Outcome {
	case Confirmed:
		m.state, m.failures, m.quick, m.lost = Registered, 0, 0, false
		return []Action{{Op: Wait, Delay: refreshAfter(ev.Granted)}}
	case TooBrief:
		if longer := min(ev.MinExpires, MostExpires); !m.pressed && longer > max(m.Expires, m.least) { // RFC 3261 section 10.2.8
			m.pressed, m.least = true, longer
			return []Action{{Op: Send, Expires: longer}}
		}
	default:
	}
	return m.failed(ev)
}

// failed decides when it is tried again.
func (m *Machine) failed(ev Event) []Action {
	if m.state == Refreshing {
		m.lost, m.quick = true, 0
	}
	m.failures++
	if ev.Outcome == Forbidden && m.On403 == Stop {
		m.state = Stopped
		return nil
	}
	m.state = Waiting
	return []Action{{Op: Wait, Delay: m.pause(ev)}}
}

// pause is how long it waits before it asks again.
func (m *Machine) pause(ev Event) time.Duration {
	if ev.RetryAfter > 0 { // RFC 3261 section 20.33: not before that
		return spread(min(ev.RetryAfter, retryAfterMost), 1, 1.1, ev.Luck)
	}
	switch ev.Outcome {
	case Unreachable, Silent:
		if m.lost && retryQuick<<m.quick < retryBase { // it was there a moment ago
			m.quick++
			return spread(retryQuick<<(m.quick-1), 0.8, 1.2, ev.Luck)
		}
	case BadPassword, NoPassword, BadChallenge, Forbidden, Unknown, Redirected:
		// Nothing changes by itself, and who tries often is taken for an attacker.
		return spread(retryMost, 0.9, 1.1, ev.Luck)
	default:
	}
	steps := max(0, m.failures-1-m.quick)
	return spread(min(retryBase<<min(steps, 8), retryMost), 0.9, 1.1, ev.Luck)
}

// spread keeps those who failed together from coming back together.
func spread(d time.Duration, from, to, luck float64) time.Duration {
	return time.Duration(float64(d) * (from + (to-from)*min(max(luck, 0), 1)))
}

// refreshAfter is when a registration is refreshed: 15 s before its end, or
// after four fifths where it is short.
func refreshAfter(granted time.Duration) time.Duration {
	granted = min(max(granted, LeastExpires), MostExpires)
	if granted > 2*refreshEarly {
		return granted - refreshEarly
	}
	return granted * 4 / 5
}
