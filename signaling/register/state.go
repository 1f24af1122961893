// Package register keeps a registration (RFC 3261 section 10) alive at a
// registrar: machine.go, pure, says what is to be done, registration.go does
// it, line.go reads how Asterisk writes one down.
package register

import (
	"fmt"
	"time"
)

// State is where a registration stands.
//
//	           start                     2xx
//	Idle ──────────────> Registering ──────────────> Registered ──┐
//	                        ^  │                      │  ^        │ lost
//	                  timer │  │ refused,       timer │  │ 2xx    │
//	                        │  v no answer            v  │        │
//	                     Waiting <──────────────── Refreshing     │
//	                        ^                                     │
//	                        └── Registering <─────────────────────┘
//
//	403 (policy stop): Stopped, until it is started anew
//	stop: Registered, Refreshing ─> Unregistering ─> Ended; else Ended
type State uint8

// The states.
const (
	Idle          State = iota // not begun
	Registering                // asked, and not registered as far as we know
	Registered                 // the registrar knows our contact
	Refreshing                 // registered, and asked again
	Waiting                    // it failed, and is tried again later
	Stopped                    // refused for good
	Unregistering              // its end was asked for
	Ended                      // over
)

// States lists every state.
func States() []State {
	return []State{Idle, Registering, Registered, Refreshing, Waiting, Stopped, Unregistering, Ended}
}

// String gives the name used in logs, metrics and the API.
func (s State) String() string {
	switch s {
	case Idle:
		return "idle"
	case Registering:
		return "registering"
	case Registered:
		return "registered"
	case Refreshing:
		return "refreshing"
	case Waiting:
		return "waiting"
	case Stopped:
		return "stopped"
	case Unregistering:
		return "unregistering"
	case Ended:
		return "ended"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Up tells whether calls for us arrive.
func (s State) Up() bool { return s == Registered || s == Refreshing }

// Policy is what becomes of a registration that the registrar forbids (403).
type Policy uint8

// The policies.
const (
	// Stop asks no more, as Asterisk does.
	Stop Policy = iota
	// Retry asks again at the longest interval.
	Retry
)

// String is the name that ParsePolicy takes.
func (p Policy) String() string {
	switch p {
	case Stop:
		return "stop"
	case Retry:
		return "retry"
	}
	return fmt.Sprintf("Policy(%d)", uint8(p))
}

// ParsePolicy takes "stop" or "retry".
func ParsePolicy(name string) (Policy, error) {
	for _, p := range []Policy{Stop, Retry} {
		if name == p.String() {
			return p, nil
		}
	}
	return Stop, fmt.Errorf("register: unknown policy %q: want stop or retry", name)
}

// Outcome is what came of one attempt: a label of metrics.
type Outcome uint8

// The outcomes.
const (
	Pending      Outcome = iota // none yet
	Confirmed                   // 2xx: registered, or registered still
	Removed                     // 2xx: no longer registered, as we asked
	Forgotten                   // 2xx, but our contact is not there or has no time
	TooBrief                    // 423: asked again at once, for longer
	NoPassword                  // 401 or 407, and there are no credentials
	BadPassword                 // 401 or 407 to the right answer: user or password is wrong
	BadChallenge                // 401 or 407 that nobody here can answer
	Forbidden                   // 403
	Unknown                     // 404, 410, 604: there is no such user
	Redirected                  // 3xx
	Overloaded                  // 500, 503, 480, 486 or 600
	Refused                     // any other refusal
	Silent                      // no answer in time
	Unreachable                 // it could not be sent
)

// Outcomes lists every outcome of an attempt.
func Outcomes() []Outcome {
	all := make([]Outcome, 0, Unreachable)
	for o := Confirmed; o <= Unreachable; o++ {
		all = append(all, o)
	}
	return all
}

// String gives the name used in logs, metrics and the API.
func (o Outcome) String() string {
	switch o {
	case Pending:
		return "pending"
	case Confirmed:
		return "registered"
	case Removed:
		return "unregistered"
	case Forgotten:
		return "forgotten"
	case TooBrief:
		return "too_brief"
	case NoPassword:
		return "no_password"
	case BadPassword:
		return "bad_password"
	case BadChallenge:
		return "bad_challenge"
	case Forbidden:
		return "forbidden"
	case Unknown:
		return "unknown_user"
	case Redirected:
		return "redirected"
	case Overloaded:
		return "overloaded"
	case Refused:
		return "refused"
	case Silent:
		return "timeout"
	case Unreachable:
		return "unreachable"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// OutcomeOf names a final answer to a REGISTER that has no further meaning here:
// the driver tells 2xx and challenges apart.
func OutcomeOf(code int) Outcome {
	switch code {
	case 423:
		return TooBrief
	case 403:
		return Forbidden
	case 404, 410, 604:
		return Unknown
	case 480, 486, 500, 503, 600:
		return Overloaded
	case 408:
		return Silent
	}
	if code >= 300 && code < 400 {
		return Redirected
	}
	return Refused
}

// The times of a registration. Asterisk's are 20 s between attempts, for ever,
// and a refresh 15 s before the expiry.
const (
	DefaultExpires = 2 * time.Minute
	LeastExpires   = 10 * time.Second // shorter ones that a registrar grants are taken as this
	MostExpires    = 24 * time.Hour   // longer ones too
	retryBase      = 20 * time.Second
	retryMost      = 5 * time.Minute
	retryQuick     = time.Second // after a lost connection: most remotes are back within seconds
	retryAfterMost = time.Hour   // of a Retry-After
	refreshEarly   = 15 * time.Second
)
