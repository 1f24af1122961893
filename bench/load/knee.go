package load

import (
	"fmt"
	"time"

	"callseal/bench"
	"callseal/bench/pace"
	"callseal/bench/scenario"
)

// knee looks for the last rate that the server carries. The tally's mutex guards
// it.
type knee struct {
	pace   pace.Pace
	limit  time.Duration
	levels []*level
	of     map[uint64]*level // by call, while it is up
}

// level is one step of the rate.
type level struct {
	rate            float64
	calls, up, lost int
	setup           *bench.Latency
}

// enough set-ups make a p99 that means something.
const enough = 20

func newKnee(s scenario.Scenario) *knee {
	return &knee{pace: s.Pace, limit: s.Knee.SetupP99, of: map[uint64]*level{}}
}

func (k *knee) started(call uint64, at int) {
	if at < 0 {
		return
	}
	for len(k.levels) <= at {
		t := time.Duration(len(k.levels)) * k.pace.Step.Every
		k.levels = append(k.levels, &level{rate: k.pace.At(t), setup: bench.NewLatency()})
	}
	l := k.levels[at]
	l.calls++
	l.up++
	k.of[call] = l
}

func (k *knee) rang(call uint64, setup time.Duration) {
	if l := k.of[call]; l != nil {
		l.setup.Record(setup)
	}
}

func (k *knee) ended(call uint64, failed bool) {
	l := k.of[call]
	if l == nil {
		return
	}
	delete(k.of, call)
	l.up--
	if failed {
		l.lost++
	}
}

// good tells whether the server carried the rate.
func (l *level) good(limit time.Duration) bool {
	q := l.setup.Quantiles()
	return l.lost == 0 && (q.Count < enough || q.P99 <= limit)
}

// passed is the first level that was too much; nil: there was none.
func (k *knee) passed() *level {
	for _, l := range k.levels {
		if !l.good(k.limit) {
			return l
		}
	}
	return nil
}

// finding says in a sentence where the knee is. The pace was kept for driven;
// late tells that the generator was the bottleneck.
func (k *knee) finding(driven time.Duration, late bool) string {
	var best *level
	full := k.pace.Level(driven) // the one after was not driven to its end
	for i, l := range k.levels {
		if !l.good(k.limit) {
			break
		}
		if i < full {
			best = l
		}
	}
	text := "No knee was found: not even the first rate was carried."
	if best != nil {
		text = fmt.Sprintf("The knee: %s calls/s were carried without a failure, set up in %s ms (p99).",
			rate(best.rate), ms(best.setup.Quantiles().P99))
	}
	over := k.passed()
	switch {
	case late:
		return text + " The generator was the bottleneck: the server may carry more."
	case over == nil:
		return text + " That is where the scenario ended: the server may carry more."
	case over.lost > 0:
		return text + fmt.Sprintf(" At %s/s %d of %d calls failed.", rate(over.rate), over.lost, over.calls)
	}
	return text + fmt.Sprintf(" At %s/s the p99 was %s ms, above the limit of %v.",
		rate(over.rate), ms(over.setup.Quantiles().P99), k.limit)
}

func rate(r float64) string       { return fmt.Sprintf("%.3g", r) }
func ms(d time.Duration) string   { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
func percent(part float64) string { return fmt.Sprintf("%.3g %%", 100*part) }
