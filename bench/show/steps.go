package show

import (
	"math"
	"slices"
	"time"

	"callseal/bench"
)

// step is one point of the plots, and one row of their tables: a second of
// the run, or a few. What was not measured is NaN.
type step struct {
	at                             float64 // seconds since the start
	up                             float64 // mean
	started, answered, failed      float64 // per second
	loss                           float64 // %
	setup50, setup99, lat50, lat99 float64 // ms
	late                           float64 // ms
	cpu, system                    float64 // % of one core
	rss                            float64 // MB
}

// gap is a step in which nothing is known.
func gap(at float64) step {
	n := math.NaN()
	return step{at, n, n, n, n, n, n, n, n, n, n, n, n, n}
}

// steps are at most about so many points for the samples; several seconds in
// one are averaged, but of the p99s the highest counts. Seconds without a
// sample are gaps.
func steps(samples []bench.Sample, most int) (out []step, seconds int) {
	seconds = max(1, (len(samples)+most-1)/most)
	usual := interval(samples)
	before, chunk := bench.Sample{}, []step(nil)
	flush := func() {
		if len(chunk) > 0 {
			out = append(out, merge(chunk))
		}
		chunk = nil
	}
	for i, s := range samples {
		if missing := s.At - before.At; i > 0 && missing > usual+usual/2 {
			flush()
			out = append(out, gap((before.At + usual).Seconds()))
		}
		if chunk = append(chunk, single(before, s, usual)); len(chunk) == seconds {
			flush()
		}
		before = s
	}
	flush()
	return out, seconds
}

// interval is the usual time between two samples.
func interval(samples []bench.Sample) time.Duration {
	var between []time.Duration
	for i := 1; i < len(samples); i++ {
		between = append(between, samples[i].At-samples[i-1].At)
	}
	if len(between) == 0 {
		return time.Second
	}
	slices.Sort(between)
	return max(between[len(between)/2], time.Millisecond)
}

// single is one sample as a step.
func single(before, s bench.Sample, usual time.Duration) step {
	span := usual.Seconds() // counts are of the sample's own second, also after a gap
	cpu, system, ok := cpuShare(before, s)
	rss := math.NaN()
	if s.Server != nil {
		rss = float64(s.Server.RSS) / 1e6
	}
	share, audible := lossPercent(s.Lost, s.Received)
	return step{
		at: s.At.Seconds(), up: float64(s.Up),
		started: float64(s.Started) / span, answered: float64(s.Answered) / span, failed: float64(failedIn(s)) / span,
		loss: measured(share, audible), setup50: known(s.SetupP50), setup99: known(s.SetupP99),
		lat50: known(s.LatencyP50), lat99: known(s.LatencyP99), late: known(s.LatenessP99),
		cpu: measured(cpu, ok), system: measured(system, ok), rss: rss,
	}
}

// merge is several steps in one, at the last's time.
func merge(chunk []step) step {
	mean := func(of func(step) float64) float64 {
		sum, n := 0.0, 0.0
		for _, s := range chunk {
			if v := of(s); !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		return sum / n // NaN for none
	}
	highest := func(of func(step) float64) float64 {
		top := math.NaN()
		for _, s := range chunk {
			if v := of(s); !(v <= top) && !math.IsNaN(v) {
				top = v
			}
		}
		return top
	}
	return step{
		at: chunk[len(chunk)-1].at,
		up: mean(func(s step) float64 { return s.up }), started: mean(func(s step) float64 { return s.started }),
		answered: mean(func(s step) float64 { return s.answered }), failed: mean(func(s step) float64 { return s.failed }),
		loss:    mean(func(s step) float64 { return s.loss }),
		setup50: mean(func(s step) float64 { return s.setup50 }), setup99: highest(func(s step) float64 { return s.setup99 }),
		lat50: mean(func(s step) float64 { return s.lat50 }), lat99: highest(func(s step) float64 { return s.lat99 }),
		late: highest(func(s step) float64 { return s.late }),
		cpu:  mean(func(s step) float64 { return s.cpu }), system: mean(func(s step) float64 { return s.system }),
		rss: highest(func(s step) float64 { return s.rss }),
	}
}
