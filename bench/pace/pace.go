// Package pace says when a load generator begins each piece of its work, and
// holds it to that: what is due is begun at its time, however slow the server
// under test is. Nothing waits for an answer, so no delay of the server hides
// behind work that was not begun (coordinated omission).
package pace

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// ErrPace is a pace that cannot be kept.
var ErrPace = errors.New("pace not usable")

// Fastest is the highest rate, per second, that a Pace may reach.
const Fastest = 100_000

// Pace is a curve of arrivals, which begins at time 0. Rates are per second. The
// zero Pace has no arrivals.
type Pace struct {
	Rate  float64 // constant, or at the beginning
	Ramp  Ramp
	Step  Step
	Burst Burst
}

// Ramp leads the rate to To in a straight line, where it then stays.
type Ramp struct {
	To   float64
	Over time.Duration // 0: no ramp
}

// Step raises the rate by By at each Every.
type Step struct {
	By    float64
	Every time.Duration // 0: no steps
}

// Burst adds Calls arrivals at one moment, at the beginning and at each Every.
type Burst struct {
	Calls int           // 0: no bursts
	Every time.Duration // 0: only one, at the beginning
}

// Check finds what cannot be kept.
func (p Pace) Check() error {
	for _, rate := range []float64{p.Rate, p.Ramp.To} {
		if rate < 0 || rate > Fastest || math.IsNaN(rate) {
			return fmt.Errorf("%w: a rate is 0 to %d per second", ErrPace, Fastest)
		}
	}
	switch {
	case p.Ramp.Over < 0 || p.Step.Every < 0 || p.Burst.Every < 0 || p.Burst.Calls < 0:
		return fmt.Errorf("%w: less than nothing", ErrPace)
	case p.Ramp.Over > 0 && p.Step.Every > 0:
		return fmt.Errorf("%w: either a ramp or steps", ErrPace)
	case p.Step.Every > 0 && (p.Step.By <= 0 || p.Step.By > Fastest):
		return fmt.Errorf("%w: a step raises the rate", ErrPace)
	case p.Step.Every > 0 && p.Step.Every < time.Second:
		return fmt.Errorf("%w: a step takes at least 1s", ErrPace)
	case p.Burst.Every > 0 && p.Burst.Every < time.Millisecond:
		return fmt.Errorf("%w: bursts are at least 1ms apart", ErrPace)
	case p.Rate == 0 && p.Ramp.Over == 0 && p.Step.Every == 0 && p.Burst.Calls == 0:
		return fmt.Errorf("%w: neither a rate nor bursts", ErrPace)
	}
	return nil
}

// At is the rate at a time, bursts left out.
func (p Pace) At(t time.Duration) float64 {
	switch {
	case p.Step.Every > 0:
		return p.Rate + p.Step.By*float64(p.Level(t))
	case p.Ramp.Over > 0:
		part := min(1, t.Seconds()/p.Ramp.Over.Seconds())
		return p.Rate + (p.Ramp.To-p.Rate)*part
	}
	return p.Rate
}

// Level is how many steps the rate has been raised at a time.
func (p Pace) Level(t time.Duration) int {
	if p.Step.Every <= 0 {
		return 0
	}
	return int(t / p.Step.Every)
}

// Arrivals are all times at which work begins, in their order. Where the rate
// never ends they never end either.
func (p Pace) Arrivals() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		steady, bursts := p.steady(), p.bursts()
		a, more := steady()
		b, again := bursts()
		for more || again {
			if again && (!more || b <= a) {
				for range p.Burst.Calls {
					if !yield(b) {
						return
					}
				}
				b, again = bursts()
				continue
			}
			if !yield(a) {
				return
			}
			a, more = steady()
		}
	}
}

// arrivals gives the next arrival; false: there is none.
type arrivals func() (time.Duration, bool)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// longest bounds what fits a Duration by far.
const longest = 365 * 24 * 3600 // s

// steady places the n-th arrival where the area under the rate is n.
func (p Pace) steady() arrivals {
	n := -1.0
	return func() (time.Duration, bool) {
		n++
		at := p.when(n)
		return seconds(at), at < longest
	}
}

// when is the time, in seconds, at which n arrivals have come; +Inf: never.
func (p Pace) when(n float64) float64 {
	switch {
	case p.Step.Every > 0:
		return p.stepped(n)
	case p.Ramp.Over > 0:
		over := p.Ramp.Over.Seconds()
		slope := (p.Ramp.To - p.Rate) / over
		if slope == 0 || n == 0 {
			break
		}
		area := (p.Rate + p.Ramp.To) / 2 * over
		if n > area {
			return over + (n-area)/p.Ramp.To
		}
		// n = rate t + slope t²/2, in the form that is exact for small slopes.
		return 2 * n / (p.Rate + math.Sqrt(max(0, p.Rate*p.Rate+2*slope*n)))
	}
	if n == 0 && (p.Rate > 0 || p.Ramp.Over > 0) {
		return 0
	}
	return n / p.Rate // +Inf or NaN without a rate
}

func (p Pace) stepped(n float64) float64 {
	every := p.Step.Every.Seconds()
	// The areas of k steps sum up to every (rate k + by k (k-1) / 2).
	a, b := p.Step.By/2, p.Rate-p.Step.By/2
	k := math.Floor((-b + math.Sqrt(b*b+4*a*n/every)) / (2 * a))
	k = max(0, k)
	before := every * (p.Rate*k + p.Step.By*k*(k-1)/2)
	rate := p.Rate + p.Step.By*k
	if rate == 0 {
		return every // the first step has no arrivals
	}
	return k*every + max(0, n-before)/rate
}

func (p Pace) bursts() arrivals {
	k := time.Duration(-1)
	return func() (time.Duration, bool) {
		k++
		return k * p.Burst.Every, p.Burst.Calls > 0 && (k == 0 || p.Burst.Every > 0)
	}
}
