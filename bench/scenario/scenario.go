// Package scenario reads the files that say what the bench does: which
// endpoints there are, how fast they call, and how calls go and end. The usual
// scenarios are embedded.
package scenario

import (
	"errors"
	"fmt"
	"time"

	"callseal/bench"
	"callseal/bench/pace"
)

// ErrScenario is a scenario that cannot be run.
var ErrScenario = errors.New("scenario not usable")

// Kind is what a scenario does again and again.
type Kind uint8

// The kinds.
const (
	Calls         Kind = iota
	Registrations      // an endpoint connects and registers
	Connections        // an endpoint connects, with the TLS handshake
)

// String is the kind's name in a file.
func (k Kind) String() string {
	switch k {
	case Calls:
		return "calls"
	case Registrations:
		return "registrations"
	case Connections:
		return "connections"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Sharing is how endpoints share connections to the server.
type Sharing uint8

// The ways to share.
const (
	Shared  Sharing = iota // all endpoints use a few trunks
	Each                   // every endpoint has one of its own
	PerCall                // every call has one of its own
)

// String is the name in a file.
func (s Sharing) String() string {
	switch s {
	case Shared:
		return "shared"
	case Each:
		return "each"
	case PerCall:
		return "call"
	}
	return fmt.Sprintf("Sharing(%d)", uint8(s))
}

// Scenario is a load that is checked and can be run.
type Scenario struct {
	Name     string
	About    string // one sentence
	Kind     Kind
	Duration time.Duration // of the whole run
	Calls    int           // at most; 0: no limit
	Pace     pace.Pace
	Callers  Callers
	Standing Standing
	Mix      []Part
	Media    Media
	MaxLoss  float64       // share of the packets that may be lost, 0 to 1
	Knee     Knee          // of a run that looks for its limit
	ByeIn    time.Duration // a cut connection's calls shall end at the other end in this time
	Chaos    Chaos
	Leftover Leftover
}

// Chaos is what befalls calls whose outcome is wild.
type Chaos struct {
	Seed         uint64        // of what is drawn at random; 0: another one each time
	CutCallers   time.Duration // between two cuts of a caller's connection; 0: none is cut
	CutAnswerers time.Duration // likewise of an answerer's
	Loss         float64       // share of SIP datagrams that are lost, where SIP is carried by UDP, 0 to 1
}

// Leftover is what the server may hold on to when all calls are over.
type Leftover struct {
	Within time.Duration      // after which it is looked at for the last time
	Gauges map[string]float64 // by how much each of the server's metrics may be higher than before
}

// EndsOnly tells whether only the ends of calls are judged: times and audio say
// nothing where every call is wild.
func (s Scenario) EndsOnly() bool {
	for _, p := range s.Mix {
		if p.Outcome != bench.Wild {
			return false
		}
	}
	return len(s.Mix) > 0 && s.Standing.Calls == 0
}

// Callers are the endpoints that call.
type Callers struct {
	Count      int     // each with its own identity, keys and ports
	Connection Sharing // to the server
	Trunks     int     // connections, where they are shared
	Register   bool    // before they call
}

// Standing are calls beside the mix that stay up until the end, such as the
// agents' legs.
type Standing struct {
	Calls int
	Rate  float64 // per second, at the beginning
}

// Part is one kind of call in the mix.
type Part struct {
	Name    string
	Share   float64 // of all calls, against the other parts' shares
	Outcome bench.Outcome
	Status  int  // of a refusal
	Ring    Span // to the answer, the refusal or the CANCEL
	Early   bool // audio while it rings
	Talk    Span
	EndedBy Enders
	Script  []bench.Step
}

// Enders says who hangs up.
type Enders uint8

// The ways to hang up.
const (
	Either Enders = iota // in turns
	ByCaller
	ByAnswerer
)

// String is the name in a file.
func (e Enders) String() string {
	switch e {
	case Either:
		return "either"
	case ByCaller:
		return "caller"
	case ByAnswerer:
		return "answerer"
	}
	return fmt.Sprintf("Enders(%d)", uint8(e))
}

// Media is the audio of all calls.
type Media struct {
	Pace     time.Duration // between two packets; 0: 20 ms
	Sequence uint16        // of the first packet; 0: at random
	Tone     bool
	Attacks  []string // by name, on calls that are up; the runner's extensions know them
}

// Knee is what a rate must keep to count as carried.
type Knee struct {
	SetupP99 time.Duration // 0: no knee is looked for
}

// Span is a range of durations; one that is a point has both ends equal.
type Span struct {
	From, To time.Duration
	Rest     bool // until the run ends
}

// Pick is the duration at a place in the span, 0 to 1.
func (s Span) Pick(at float64) time.Duration {
	return s.From + time.Duration(at*float64(s.To-s.From))
}

// Options are what a command line changes. Zero values change nothing.
type Options struct {
	Calls    int
	Rate     float64
	Duration time.Duration
	Speed    float64 // calls are so many times shorter
	Tone     bool
	Seed     uint64
}

// With is the scenario with the options, checked again.
func (s Scenario) With(o Options) (Scenario, error) {
	if o.Calls < 0 || o.Rate < 0 || o.Duration < 0 || o.Speed < 0 {
		return s, fmt.Errorf("%w: less than nothing was asked for", ErrScenario)
	}
	if o.Calls > 0 {
		s.Calls = o.Calls
		if s.Pace.Burst.Calls > 0 && s.Pace.Rate == 0 { // all at once
			s.Pace.Burst.Calls, s.Callers.Count = o.Calls, o.Calls
		}
	}
	if o.Rate > 0 {
		s.Pace.Rate = o.Rate
	}
	if o.Duration > 0 {
		if s.Pace.Ramp.Over == s.Duration {
			s.Pace.Ramp.Over = o.Duration
		}
		s.Duration = o.Duration
	}
	if o.Speed > 0 {
		s = s.faster(o.Speed)
	}
	if o.Seed > 0 {
		s.Chaos.Seed = o.Seed
	}
	s.Media.Tone = s.Media.Tone || o.Tone
	return s, s.check()
}

// faster makes the calls shorter; the rate stays.
func (s Scenario) faster(speed float64) Scenario {
	scale := func(d time.Duration) time.Duration { return time.Duration(float64(d) / speed) }
	mix := make([]Part, len(s.Mix))
	for i, p := range s.Mix {
		p.Ring.From, p.Ring.To = scale(p.Ring.From), scale(p.Ring.To)
		p.Talk.From, p.Talk.To = scale(p.Talk.From), scale(p.Talk.To)
		script := make([]bench.Step, len(p.Script))
		for k, step := range p.Script {
			script[k] = bench.Step{After: scale(step.After), Move: step.Move}
		}
		p.Script = script
		mix[i] = p
	}
	s.Mix = mix
	return s
}

// fault is what is wrong with a key.
type fault struct {
	key  string // as a path, like "mix[2].status"
	text string
}

func (f fault) Error() string { return f.key + " " + f.text }
func (f fault) Unwrap() error { return ErrScenario }

// The bounds of a scenario.
const (
	longest = 7 * 24 * time.Hour
	most    = 100_000 // endpoints
)

func (s Scenario) check() error {
	if err := s.Pace.Check(); err != nil {
		return fault{"pace", err.Error()}
	}
	for _, row := range []struct {
		bad  bool
		key  string
		text string
	}{
		{s.Duration < time.Second || s.Duration > longest, "duration", "is 1s to 168h"},
		{s.Calls < 0, "calls", "is 0 (no limit) or more"},
		{s.Callers.Count < 1 || s.Callers.Count > most, "callers.count", fmt.Sprintf("is 1 to %d", most)},
		{s.Callers.Trunks < 0 || s.Callers.Trunks > s.Callers.Count, "callers.trunks", "is 1 to callers.count"},
		{s.Standing.Calls < 0, "standing.calls", "is 0 or more"},
		{s.Standing.Calls > 0 && (s.Standing.Rate <= 0 || s.Standing.Rate > pace.Fastest), "standing.rate", "is more than 0 per second"},
		{s.Kind == Calls && len(s.Mix) == 0 && s.Standing.Calls == 0, "mix", "is empty"},
		{s.MaxLoss < 0 || s.MaxLoss > 1, "max_loss", "is 0 to 1"},
		{s.Knee.SetupP99 < 0, "knee.setup_p99", "is more than 0"},
		{s.Knee.SetupP99 > 0 && s.Pace.Step.Every == 0, "knee", "needs pace.step: each step is one rate"},
		{s.Chaos.Loss < 0 || s.Chaos.Loss >= 1, "chaos.loss", "is 0 to less than 1"},
		{s.Chaos.CutCallers < 0 || s.Chaos.CutAnswerers < 0, "chaos", "cuts are more than 0 apart"},
		{len(s.Leftover.Gauges) > 0 && s.Leftover.Within <= 0, "leftover.within", "is more than 0"},
		{s.Media.Pace < 0 || s.Media.Pace > time.Second, "media.pace", "is at most 1s"},
	} {
		if row.bad {
			return fault{row.key, row.text}
		}
	}
	for i, p := range s.Mix {
		if err := p.check(fmt.Sprintf("mix[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

func (p Part) check(at string) error {
	if p.Share <= 0 {
		return fault{at + "share", "is more than 0"}
	}
	switch p.Outcome {
	case bench.Refused:
		if p.Status < 400 || p.Status > 699 {
			return fault{at + "status", "is 400 to 699"}
		}
	case bench.Answered, bench.Busy, bench.Cancelled, bench.Dropped, bench.Wild:
		if p.Status != 0 {
			return fault{at + "status", "is only for outcome: refused"}
		}
	case bench.Failed, bench.Stopped:
		return fault{at + "outcome", "is nothing that can be planned"}
	}
	if len(p.Script) > 0 && p.Outcome != bench.Answered {
		return fault{at + "script", "is only for outcome: answered"}
	}
	return nil
}
