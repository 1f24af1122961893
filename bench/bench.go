// Package bench judges a SIP server from outside: it places calls through it
// with SIP user agents and SRTP endpoints of its own, and counts what arrives.
//
// It imports nothing of callseal, so that it cannot share its bugs: SIP is
// parsed by sipgo, SRTP is pion/srtp.
//
// A Caller places calls at a server, an Answerer takes them at the server's
// other side, a Ledger holds what both ends know together, and a Pair runs a
// list of Plans over them and reports.
package bench

import (
	"fmt"
	"net/netip"
	"time"
)

// Party is one of the two ends of a call.
type Party uint8

// The parties of a call.
const (
	Calling Party = iota
	Answering
)

// String is the name of the party in reports.
func (p Party) String() string {
	switch p {
	case Calling:
		return "caller"
	case Answering:
		return "answerer"
	}
	return fmt.Sprintf("Party(%d)", uint8(p))
}

// Other is the opposite end of the call.
func (p Party) Other() Party { return 1 - p&1 }

// Outcome is how a call shall end, or how it did.
type Outcome uint8

// The outcomes of a call.
const (
	Failed    Outcome = iota // none of those below: see Result.Err
	Answered                 // 200, audio both ways, BYE
	Busy                     // 486 by the answerer
	Cancelled                // CANCEL by the caller while it rings
	Refused                  // the plan's Status by the answerer
	Dropped                  // 200, and then the caller's connection is cut
	Wild                     // anything, at any moment: see Plan.Wild
	Stopped                  // ended early, from outside
)

// String is the name of the outcome in reports.
func (o Outcome) String() string {
	switch o {
	case Failed:
		return "failed"
	case Answered:
		return "answered"
	case Busy:
		return "busy"
	case Cancelled:
		return "cancelled"
	case Refused:
		return "refused"
	case Dropped:
		return "dropped"
	case Wild:
		return "wild"
	case Stopped:
		return "stopped"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Plan says what shall happen in one call. Both ends follow the same plan;
// the answerer finds it by the number that was dialled.
type Plan struct {
	ID      uint64        // stamped into every packet; unique in a run
	Number  string        // user part of the request-URI
	From    string        // user part of the caller's URI; "": the endpoint's
	Outcome Outcome       // but Failed and Stopped
	Status  int           // of the refusal, where Outcome is Refused
	Ring    time.Duration // 180 to the answer, or to the CANCEL
	Early   bool          // it rings with 183 and audio of the answerer
	Audio   time.Duration // how long each end sends packets
	EndedBy Party         // who sends BYE
	Script  []Step        // what the caller changes in between
	Wild    *Chaos        // of a call whose Outcome is Wild

	Pace     time.Duration // between two packets; 0: 20 ms
	Sequence uint16        // of each end's first packet; 0: at random
	Tone     bool          // the audio is a tone, and each end demands the other's
	Echo     bool          // there is no answerer of ours: the server gives the caller's audio back

	anySource bool // the SSRC of what is heard may change
}

// Result is what one end saw of one call.
type Result struct {
	Plan
	Party   Party
	Got     Outcome
	Local   netip.AddrPort // of this end's SIP
	Began   time.Time      // when INVITE was sent, or came
	Status  int            // of the final response
	Phrase  string         // of the final response
	Setup   time.Duration  // INVITE to the first 180; 0 when none came
	Connect time.Duration  // INVITE to 200; 0 when none came
	Media   Media
	Changes []Change  // of the plan's Script, as far as it came
	Over    time.Time // when the call ended at this end, by BYE or a final response, or was cut
	Err     error     // why Got is Failed or Stopped
}

// Watcher follows the calls of an endpoint while they go on. The goroutines of
// all calls call it, so it must not block.
type Watcher interface {
	Rang(p Plan, setup time.Duration)      // the caller saw the first 18x, or 200 without one
	Connected(p Plan, began time.Duration) // the caller saw 200, so long after INVITE
	Ended(r Result)
}

// OK tells whether the call went as planned.
func (r Result) OK() bool { return r.Err == nil && r.Got == r.Outcome }
