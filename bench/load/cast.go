package load

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"callseal/bench"
	"callseal/bench/scenario"
)

// cast makes the plans of a scenario's calls.
type cast struct {
	s      scenario.Scenario
	number string
	echo   bool // the server answers by itself

	mu     sync.Mutex
	random *rand.Rand
	base   uint64
	next   uint64
	given  []float64 // calls by part of the mix
}

func newCast(s scenario.Scenario, number string, echo bool) *cast {
	seed := s.Chaos.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &cast{
		s: s, number: number, echo: echo, random: rand.New(rand.NewPCG(seed, 0)),
		base: rand.Uint64() &^ 0xffff_ffff, given: make([]float64, len(s.Mix)),
	}
}

// plan is the next call of the mix, which ends in the time that is left.
func (c *cast) plan(left time.Duration) bench.Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.part()
	p := c.s.Mix[at]
	plan := c.blank()
	plan.Outcome, plan.Status, plan.Early, plan.Script = p.Outcome, p.Status, p.Early, p.Script
	switch p.EndedBy {
	case scenario.Either:
		plan.EndedBy = bench.Party(int(c.given[at]) % 2)
	case scenario.ByCaller:
		plan.EndedBy = bench.Calling
	case scenario.ByAnswerer:
		plan.EndedBy = bench.Answering
	}
	left = max(0, left)
	plan.Ring = min(p.Ring.Pick(c.random.Float64()), left)
	plan.Audio = min(p.Talk.Pick(c.random.Float64()), left-plan.Ring)
	if p.Talk.Rest {
		plan.Audio = left - plan.Ring
	}
	if p.Outcome == bench.Wild {
		plan.Wild = chaos(c.random, plan.Ring, plan.Audio)
	}
	return c.alone(plan)
}

// standing is a call that stays up for the time that is left.
func (c *cast) standing(left time.Duration) bench.Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	plan := c.blank()
	plan.Outcome, plan.EndedBy = bench.Answered, bench.Calling
	plan.Ring = min(time.Second, max(0, left))
	plan.Audio = max(0, left) - plan.Ring
	return c.alone(plan)
}

func (c *cast) blank() bench.Plan {
	c.next++
	m := c.s.Media
	return bench.Plan{
		ID: c.base + c.next, Number: fmt.Sprintf("%s%07d", c.number, c.next),
		From: fmt.Sprintf("bench%05d", int(c.next-1)%c.s.Callers.Count),
		Pace: m.Pace, Sequence: m.Sequence, Tone: m.Tone,
	}
}

// alone makes of a plan what one end can do by itself.
func (c *cast) alone(p bench.Plan) bench.Plan {
	if !c.echo {
		return p
	}
	p.Number, p.From, p.Echo, p.EndedBy, p.Early = c.number, "", true, bench.Calling, false
	if p.Outcome == bench.Refused || p.Outcome == bench.Busy {
		p.Outcome, p.Status = bench.Answered, 0
	}
	return p
}

// part is that part of the mix which lacks most of its share, so that also a
// short run has the right mix.
func (c *cast) part() int {
	total, placed := 0.0, 1.0
	for i, p := range c.s.Mix {
		total += p.Share
		placed += c.given[i]
	}
	best, lack := 0, 0.0
	for i, p := range c.s.Mix {
		if l := p.Share/total*placed - c.given[i]; i == 0 || l > lack {
			best, lack = i, l
		}
	}
	c.given[best]++
	return best
}
