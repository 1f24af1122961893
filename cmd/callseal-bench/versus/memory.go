package versus

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"callseal/bench"
	"callseal/bench/stream"
)

// MemoryCmd is `callseal-bench memory`.
type MemoryCmd struct {
	Callseal string        `default:"bin/callseal" placeholder:"FILE" help:"callseal's program; default: bin/callseal."`
	Calls    int           `default:"1000" help:"How many answered calls are up at once."`
	Rate     int           `default:"100" help:"Calls a second at which they come and go."`
	Hold     time.Duration `default:"10s" help:"How long they all are up."`
	After    time.Duration `default:"40s" help:"How long after the last call's end memory has to be given back."`
	Rounds   int           `default:"1" help:"How often it is measured, each time with a callseal just started."`
}

// The bar: what a call that is up and silent may cost all told, and how much of
// it may be left some time after the calls' end.
const (
	barPerCall = 40 << 10
	barLeft    = 8 << 10
)

// sparse is the time between two packets of a call that is nearly silent:
// callseal hangs up one that is all silent.
const sparse = 250 * time.Millisecond

// Run measures and writes one line for each round.
func (c MemoryCmd) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	at, err := openSite(oneSuite, true, &c.Callseal)
	if err != nil {
		return err
	}
	defer at.close()
	for range c.Rounds {
		m, err := c.measure(ctx, at.house)
		if err != nil {
			return err
		}
		if err := m.write(out); err != nil {
			return err
		}
	}
	return nil
}

// footprint is resident memory in bytes over the life of some calls.
type footprint struct {
	calls               int
	idle, held, settled uint64 // just started; with all calls up; some time after their end
	after               time.Duration
}

// perCall is what has grown by at, for each call.
func (f footprint) perCall(at uint64) float64 {
	return (float64(at) - float64(f.idle)) / float64(f.calls)
}

func (f footprint) write(out io.Writer) error {
	verdict := func(got, bar float64) string {
		if got <= bar {
			return "met"
		}
		return "not met"
	}
	held, left := f.perCall(f.held), f.perCall(f.settled)
	_, err := fmt.Fprintf(out, "%d calls: %.1f MiB idle, %.1f MiB with all up, %.1f MiB %v after the last; %.1f KiB a call (bar %d: %s), of which %.1f are left (bar %d: %s)\n",
		f.calls, mib(f.idle), mib(f.held), mib(f.settled), f.after, held/1024, barPerCall>>10, verdict(held, barPerCall),
		left/1024, barLeft>>10, verdict(left, barLeft))
	return err
}

func mib(b uint64) float64 { return float64(b) / (1 << 20) }

// measure sets the calls up, looks at callseal while they are, and when they
// are over.
func (c MemoryCmd) measure(ctx context.Context, h *house) (footprint, error) {
	f := footprint{calls: c.Calls, after: c.After}
	s, err := h.startCallseal(ctx, -1, c.Callseal)
	if err != nil {
		return f, err
	}
	defer s.stop()
	engine := stream.New(1)
	defer engine.Close()
	every := time.Second / time.Duration(c.Rate)
	up := time.Duration(c.Calls) * every
	plans := bench.Plans(c.Calls, bench.Share{}, 0, up+c.Hold+time.Second, "1555")
	for i := range plans {
		plans[i].Pace = sparse
	}
	caller, answerer, err := h.ends(ctx, bench.NewBook(plans).Find, engine, nil, nil)
	if err != nil {
		return f, err
	}
	defer answerer.Close()
	defer caller.Close()
	if f.idle, err = s.resident(); err != nil {
		return f, err
	}
	ended := make(chan bench.Report, 1) // so that its sender never waits
	run := bench.Run{Caller: caller, Answerer: answerer, Plans: plans, Every: every}
	go func() { ended <- run.Do(ctx) }() // waited for below
	interrupted := wait(ctx, up+c.Hold)
	talking := caller.Figures().Talking
	f.held, err = s.resident()
	report := <-ended
	switch {
	case interrupted != nil:
		return f, interrupted
	case err != nil:
		return f, err
	case talking < c.Calls:
		return f, fmt.Errorf("%w: %d of %d calls were up: %s", errMeasure, talking, c.Calls, strings.Join(report.Faults(bench.Demands{}), "; "))
	}
	if err := wait(ctx, c.After); err != nil {
		return f, err
	}
	f.settled, err = s.resident()
	return f, err
}

// resident is the process's resident memory in bytes.
func (s *server) resident() (uint64, error) {
	cost, err := s.sampler.Sample()
	return cost.RSS, err
}
