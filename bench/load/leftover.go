package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"callseal/bench"
	"callseal/bench/scenario"
)

// Gauges reads the server's metrics, each summed up over its labels.
type Gauges func(context.Context) (map[string]float64, error)

// look reads those that the scenario holds the server to; nil where nobody asks
// or nobody can tell. Before the first call some may not be there yet, and count
// as 0; afterwards that is an error.
func (r *run) look(ctx context.Context) (map[string]float64, error) {
	if r.cfg.Gauges == nil || len(r.s.Leftover.Gauges) == 0 {
		return nil, nil
	}
	all, err := r.cfg.Gauges(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]float64{}
	for name := range r.s.Leftover.Gauges {
		value, known := all[name]
		if !known && r.before != nil {
			return nil, fmt.Errorf("%w: leftover.gauges: the server has no metric %s", scenario.ErrScenario, name)
		}
		wanted[name] = value
	}
	return wanted, nil
}

// leftoverPoll is how often the server is looked at.
const leftoverPoll = 500 * time.Millisecond

// leftover ends all connections once the server has ended all calls, and puts
// into the record what it holds on to.
func (r *run) leftover(ctx context.Context, rec *bench.Record) {
	limit := r.s.Leftover.Within
	if r.before == nil || ctx.Err() != nil {
		r.lateByes(rec)
		return
	}
	over := time.Now()
	// What may not grow does not depend on connections.
	_, _ = r.back(ctx, limit, func(growth float64) bool { return growth == 0 })
	r.lateByes(rec)
	r.close()
	now, err := r.back(ctx, limit-time.Since(over)+leftoverPoll, func(float64) bool { return true })
	if err != nil {
		rec.Faults = append(rec.Faults, fmt.Sprintf("the server's metrics could not be read any more: %v", err))
		return
	}
	took := time.Since(over).Round(time.Second)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		text := fmt.Sprintf("%s was %g before the run, and %g %.0f s after it", name, r.before[name], now[name], took.Seconds())
		if r.holds(name, now) {
			rec.Notes = append(rec.Notes, text+".")
		} else {
			rec.Faults = append(rec.Faults, text)
		}
	}
}

// holds tells whether a gauge is back where it was.
func (r *run) holds(name string, now map[string]float64) bool {
	return now[name] <= r.before[name]+r.s.Leftover.Gauges[name]
}

// back waits until those gauges are back whose allowed growth of is interested
// in, and gives the last look.
func (r *run) back(ctx context.Context, limit time.Duration, of func(growth float64) bool) (now map[string]float64, err error) {
	for end := time.Now().Add(limit); ; {
		if now, err = r.look(ctx); err == nil {
			good := true
			for name, growth := range r.s.Leftover.Gauges {
				good = good && (!of(growth) || r.holds(name, now))
			}
			if good {
				return now, nil
			}
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return now, err
		}
		time.Sleep(leftoverPoll)
	}
}

// lateByes counts BYEs that came to calls which had ended at both ends.
func (r *run) lateByes(rec *bench.Record) {
	var late [2]uint64
	for _, c := range r.crew.appendMembers(nil) {
		late[bench.Calling] += c.LateByes()
	}
	for _, a := range r.answers {
		late[bench.Answering] += a.LateByes()
	}
	for party, n := range late {
		if n > 0 {
			rec.Faults = append(rec.Faults, fmt.Sprintf("%d BYEs came to the %v for calls that had ended", n, bench.Party(party)))
		}
	}
}
