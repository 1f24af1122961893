// Package load runs a scenario against a server: it opens the endpoints, places
// the calls at their times, looks once a second, and gives the record.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"callseal/bench"
	"callseal/bench/pace"
	"callseal/bench/scenario"
	"callseal/bench/stream"
)

// Config is one run.
type Config struct {
	Scenario  scenario.Scenario
	Target    bench.Target
	Others    []bench.Target // more servers, which are called in turn with Target
	Caller    bench.Config   // what all callers have in common; port 0
	Answerers []bench.Config // they listen, and each takes any call
	Home      *bench.Config  // where the server finds the callers when their connection is gone; may be nil
	Called    *Called        // they register, and take the standing calls, or all where nobody listens; may be nil
	Number    string         // dialled numbers begin with it; without an answerer it is the number

	Account func(n int) bench.Account // of the n-th caller, to register with; may be nil

	Command   []string // for the record
	Wire      bool     // capture the ports on this machine's interfaces, and put what could be read into the record
	Sealed    [2]bool  // legs on which nothing may be readable, by bench.Party
	Cost      bench.CostSampler
	Gauges    Gauges             // of the server, by name; may be nil
	Drops     func() bench.Drops // what this machine's kernel has dropped so far; may be nil
	Observers []bench.Observer
	Each      func(bench.Result) // told of each end of each call when it is over, by any goroutine; may be nil
	Hooks     []Hooks
}

// alone tells that there is no answerer of ours: the server answers by itself,
// and gives the audio back.
func (c Config) alone() bool { return len(c.Answerers) == 0 && c.Called == nil }

// targets are all servers that are called.
func (c Config) targets() []bench.Target { return append([]bench.Target{c.Target}, c.Others...) }

// where names them.
func (c Config) where() string {
	var all []string
	for _, t := range c.targets() {
		all = append(all, t.String())
	}
	return strings.Join(all, ", ")
}

// A generator that is later than this with one of a hundred things is the
// bottleneck itself.
const (
	lateCall   = 100 * time.Millisecond
	latePacket = stream.PacketTime
)

// run is a scenario under way.
type run struct {
	cfg     Config
	s       scenario.Scenario
	began   time.Time
	ledger  *bench.Ledger
	engine  *stream.Engine
	gauges  [2]bench.Gauges // by Party; Clip differs
	studios [2]*bench.Studio
	crew    *crew
	answers []*bench.Answerer
	home    *bench.Answerer
	before  map[string]float64 // gauges
	desk    desk
	book    book
	cast    *cast
	tally   *tally

	calling sync.WaitGroup
	stop    context.CancelCauseFunc // ends the calls
	halt    context.CancelFunc      // ends the pacing only
}

// Run returns when the scenario is over, or soon after ctx has ended; calls that
// are up then get their BYE, and there is a record all the same. The error is
// why the scenario could not be run.
func Run(ctx context.Context, cfg Config) (*bench.Record, error) {
	var err error
	if cfg.Hooks, err = cfg.hooks(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, s: cfg.Scenario, ledger: bench.NewLedger(), engine: stream.New(0)}
	defer r.engine.Close()
	r.measure()
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	r.tally, r.began = newTally(r), time.Now()
	if r.before, err = r.look(ctx); err != nil {
		return nil, err
	}
	if err := r.open(ctx); err != nil {
		if ctx.Err() != nil {
			err = r.broken(ctx)
		}
		return nil, err
	}
	defer r.close()
	for _, h := range cfg.Hooks {
		if h.Begin == nil {
			continue
		}
		if err := h.Begin(ctx); err != nil {
			return nil, err
		}
	}
	r.began = time.Now()
	watching := r.watch()
	r.perform(ctx)
	record := watching()
	if err = r.broken(ctx); err != nil {
		record.BrokenOff = err.Error()
	}
	r.leftover(ctx, record)
	for _, h := range cfg.Hooks {
		if h.Done != nil {
			h.Done(record, err)
		}
	}
	for _, o := range cfg.Observers {
		o.Done(record)
	}
	return record, err
}

// broken is why the run ended before its time.
func (r *run) broken(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return fmt.Errorf("%w after %v", bench.ErrStopped, time.Since(r.began).Round(100*time.Millisecond))
}

// measure readies what both ends measure with.
func (r *run) measure() {
	var taps []func(netip.AddrPort, []byte)
	for _, h := range r.cfg.Hooks {
		if h.Tap != nil {
			taps = append(taps, h.Tap)
		}
		if h.Bound != nil {
			r.engine.OnBind(h.Bound)
		}
	}
	latency, lateness, jitter := bench.NewLatency(), bench.NewLatency(), bench.NewLatency()
	for party := range r.gauges {
		g := &r.gauges[party]
		*g = bench.Gauges{Latency: latency, Lateness: lateness, Jitter: jitter, Clip: bench.NewLatency()}
		if len(taps) > 0 {
			g.Tap = func(to netip.AddrPort, packet []byte) {
				for _, tap := range taps {
					tap(to, packet)
				}
			}
		}
		r.studios[party] = bench.NewStudio(r.engine, r.ledger, *g)
	}
}

// open listens and connects.
func (r *run) open(ctx context.Context) error {
	if err := r.openAnswerers(ctx); err != nil {
		return err
	}
	cfg := r.cfg.Caller
	if r.cfg.Home != nil {
		cfg.Board = bench.NewBoard()
		if err := r.openHome(cfg.Board); err != nil {
			r.dismiss()
			return err
		}
	}
	if cfg.Proto == bench.UDP {
		cfg.Loss = r.s.Chaos.Loss
	}
	cfg.Studio, cfg.Ledger, cfg.Watch = r.studios[bench.Calling], r.ledger, r.tally
	cfg.Tries = len(r.cfg.Answerers)
	r.crew = &crew{scenario: r.s, config: cfg, targets: r.cfg.targets(), account: r.cfg.Account}
	r.cast = newCast(r.s, r.cfg.Number, r.cfg.alone())
	if err := r.crew.open(ctx); err != nil {
		r.close()
		return err
	}
	return nil
}

func (r *run) close() {
	r.crew.close()
	r.dismiss()
}

// Work is begun until a little before the end, so that the last calls are calls
// too.
func (r *run) lastCall() time.Duration { return r.s.Duration - min(5*time.Second, r.s.Duration/6) }

// perform begins all work at its time and waits for its end.
func (r *run) perform(ctx context.Context) {
	pacing, halt := context.WithCancel(ctx)
	defer halt()
	defer r.cutting(pacing)()
	r.halt = halt
	var pacers sync.WaitGroup
	if n := r.s.Standing.Calls; n > 0 {
		pacers.Go(func() {
			p := pace.Pacer{Most: n, Until: r.lastCall(), Late: r.tally.late.Record}
			p.Run(pacing, pace.Pace{Rate: r.s.Standing.Rate}.Arrivals(), func(int, time.Duration) {
				r.place(ctx, r.cast.standing(r.left()), -1, r.desk.called != nil)
			})
		})
	}
	if r.s.Kind != scenario.Calls || len(r.s.Mix) > 0 {
		pacers.Go(func() {
			p := pace.Pacer{Most: r.s.Calls, Until: r.lastCall(), Late: r.tally.late.Record}
			p.Run(pacing, r.s.Pace.Arrivals(), func(n int, due time.Duration) { r.begin(ctx, n, due) })
		})
	}
	pacers.Wait()
	driven := r.lastCall()
	if pacing.Err() != nil || r.s.Calls > 0 {
		driven = min(driven, time.Since(r.began))
	}
	r.tally.paced(driven)
	r.calling.Wait()
	r.settle(ctx)
}

// left is how much of the run there is.
func (r *run) left() time.Duration { return r.s.Duration - time.Since(r.began) }

// begin begins one piece of the scenario's work.
func (r *run) begin(ctx context.Context, n int, due time.Duration) {
	switch r.s.Kind {
	case scenario.Calls:
		r.place(ctx, r.cast.plan(r.left()), r.s.Pace.Level(due), len(r.cfg.Answerers) == 0)
	case scenario.Registrations:
		r.storm(ctx, n, "registered", true)
	case scenario.Connections:
		r.storm(ctx, n, "connected", false)
	}
}

// place places a call, to an answerer that has registered if asked and if there
// are such.
func (r *run) place(ctx context.Context, plan bench.Plan, level int, registered bool) {
	seat, seated := noSeat, true
	if registered {
		seat, seated = r.desk.take(&plan)
	}
	r.book.add(plan)
	r.tally.started(plan, level)
	r.calling.Go(func() { // ends with the call
		defer r.desk.free(seat)
		defer r.book.remove(plan)
		if !seated {
			r.tally.Ended(bench.Result{Plan: plan, Over: time.Now(), Err: errSeats})
			return
		}
		if err := r.crew.place(ctx, plan); err != nil {
			r.tally.Ended(bench.Result{Plan: plan, Over: time.Now(), Err: err})
		}
	})
}

// storm connects an endpoint, and registers it if asked. It stays until the end.
func (r *run) storm(ctx context.Context, n int, name string, register bool) {
	r.tally.arrived()
	r.calling.Go(func() { // ends with the answer
		status, took, err := r.crew.join(ctx, n, register)
		r.tally.joined(name, status, took, err)
	})
}

// settle lets the answerer finish what the callers have finished.
func (r *run) settle(ctx context.Context) {
	if len(r.answers) == 0 {
		return
	}
	patience := 2 * time.Second
	if r.s.ByeIn > 0 {
		patience += 10 * time.Second // the end of calls at the answerer is what counts
	}
	if ctx.Err() != nil {
		patience = time.Second
	}
	for end := time.Now().Add(patience); time.Now().Before(end) && r.taken() > 0; {
		time.Sleep(20 * time.Millisecond)
	}
}

// book tells the answerer what is planned for a number.
type book struct {
	mu    sync.Mutex
	plans map[string]bench.Plan
}

func (b *book) add(p bench.Plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.plans == nil {
		b.plans = map[string]bench.Plan{}
	}
	b.plans[p.Number] = p
}

func (b *book) remove(p bench.Plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.plans, p.Number)
}

func (b *book) find(number string) (bench.Plan, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.plans[number]
	return p, ok
}
