package load

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"callseal/bench"
)

// refusals are those of wild calls.
var refusals = []int{404, 480, 486, 486, 503, 603}

// moves are what the ends of wild calls change.
var moves = []bench.Move{bench.Refresh, bench.Hold, bench.Mute, bench.Resume, bench.Rekey}

// chaos draws what befalls a call: one of six is refused; each end hangs up at any
// moment, also before the answer, and one of six calls right in the answer; two of
// five callers and three of ten answerers change something in between.
func chaos(random *rand.Rand, ring, talk time.Duration) *bench.Chaos {
	c := &bench.Chaos{}
	if random.IntN(6) == 0 {
		c.Refuse = refusals[random.IntN(len(refusals))]
	}
	whole := float64(ring + talk)
	for party := range c.Quit {
		c.Quit[party] = time.Duration(1.5 * random.Float64() * whole)
	}
	switch soon := time.Duration(random.IntN(10)) * time.Millisecond; random.IntN(12) {
	case 0:
		c.Quit[bench.Calling] = max(0, ring+soon-3*time.Millisecond)
	case 1:
		c.Quit[bench.Answering] = ring + soon
	}
	for party, share := range [2]float64{0.4, 0.3} {
		if random.Float64() >= share {
			continue
		}
		for range 1 + random.IntN(3) {
			after := 20*time.Millisecond + time.Duration(random.Float64()*float64(talk)/3)
			c.Scripts[party] = append(c.Scripts[party], bench.Step{After: after, Move: moves[random.IntN(len(moves))]})
		}
	}
	return c
}

// named is under which name a call is counted: a wild one under what became of it
// at the caller.
func named(outcome bench.Outcome, r bench.Result) string {
	switch {
	case outcome != bench.Wild:
		return outcome.String()
	case r.Status == 0:
		return "cut" // while it was being set up
	case r.Status < 300:
		return bench.Answered.String()
	case r.Status == 487:
		return bench.Cancelled.String()
	case r.Status == 486:
		return bench.Busy.String()
	}
	return bench.Refused.String()
}

// count notes what an end of a wild call changed. The mutex is held.
func (t *tally) count(r bench.Result) {
	if r.Wild == nil {
		return
	}
	for _, c := range r.Changes {
		t.change[c.Status]++
	}
}

// openHome listens for what the server has to say to callers whose connection is
// gone.
func (r *run) openHome(board *bench.Board) (err error) {
	cfg := *r.cfg.Home
	cfg.Board, cfg.Studio = board, r.studios[bench.Calling]
	r.home, err = bench.NewAnswerer(cfg, func(string) (bench.Plan, bool) { return bench.Plan{}, false })
	return err
}

// cutting cuts connections until ctx ends; the function that it gives waits for
// that.
func (r *run) cutting(ctx context.Context) (wait func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	begin := func(party bench.Party, every time.Duration, cut func(random *rand.Rand) bool) {
		if every == 0 {
			return
		}
		random := rand.New(rand.NewPCG(r.s.Chaos.Seed, 1+uint64(party)))
		all.Go(func() {
			for {
				select {
				case <-time.After(time.Duration((0.5 + random.Float64()) * float64(every))):
				case <-ctx.Done():
					return
				}
				if cut(random) {
					r.tally.mu.Lock()
					r.tally.cuts[party]++
					r.tally.mu.Unlock()
				}
			}
		})
	}
	begin(bench.Calling, r.s.Chaos.CutCallers, func(random *rand.Rand) bool {
		callers := r.crew.appendMembers(nil)
		return len(callers) > 0 && callers[random.IntN(len(callers))].Cut()
	})
	begin(bench.Answering, r.s.Chaos.CutAnswerers, func(random *rand.Rand) bool {
		return len(r.answers) > 0 && r.answers[random.IntN(len(r.answers))].Cut()
	})
	return func() { cancel(); all.Wait() }
}

// wildly tells what befell wild calls. The mutex is held.
func (t *tally) wildly(rec *bench.Record) {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(t.change)) {
		parts = append(parts, fmt.Sprintf("%d x %d", t.change[code], code))
	}
	if len(parts) > 0 {
		rec.Notes = append(rec.Notes, "Re-INVITEs of both ends by final code: "+strings.Join(parts, ", ")+".")
	}
	if t.cuts != [2]int{} {
		rec.Notes = append(rec.Notes, fmt.Sprintf("Connections were cut in the midst of calls, %d of callers and %d of answerers.", t.cuts[bench.Calling], t.cuts[bench.Answering]))
	}
	if share := t.run.s.Chaos.Loss; share > 0 {
		for party, proto := range [2]bench.Proto{t.run.cfg.Caller.Proto, t.run.answererProto()} {
			if proto == bench.UDP {
				rec.Notes = append(rec.Notes, fmt.Sprintf("%s of the %v's SIP datagrams were dropped on purpose, either way.", percent(share), bench.Party(party)))
			}
		}
	}
}

func (r *run) answererProto() bench.Proto {
	if len(r.cfg.Answerers) == 0 {
		return bench.TLS
	}
	return r.cfg.Answerers[0].Proto
}
