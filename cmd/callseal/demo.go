package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"callseal/bench"
)

// demoCmd is `callseal demo`: a real callseal with throw-away certificates,
// and a dialer and a carrier of the bench that call each other through it.
type demoCmd struct {
	Calls        int           `default:"20" help:"How many calls, at most 500."`
	Duration     time.Duration `default:"20s" help:"How long the demo lasts, at least 3s."`
	PlainCarrier bool          `help:"The carrier speaks UDP and plain RTP, as many still do."`
}

// The bounds of the demo's flags.
const (
	demoMostCalls = 500
	demoShortest  = 3 * time.Second
)

// demoMaxLoss is the share of the packets that a busy machine may lose before
// the demo counts as failed.
const demoMaxLoss = 0.01

var (
	errDemoFlags  = errors.New("demo")
	errDemoFailed = errors.New("the demo failed")
)

// Run runs the demo until it is over, or until Ctrl-C.
func (c demoCmd) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return c.run(ctx, newScreen(out))
}

func (c demoCmd) run(ctx context.Context, s *screen) error {
	if c.Calls < 1 || c.Calls > demoMostCalls {
		return fmt.Errorf("%w: --calls is 1 to %d", errDemoFlags, demoMostCalls)
	}
	if c.Duration < demoShortest {
		return fmt.Errorf("%w: --duration is at least %v", errDemoFlags, demoShortest)
	}
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	return c.perform(s, d)
}

// perform plays what is on stage, clears it, and gives the verdict.
func (c demoCmd) perform(s *screen, d *demo) error {
	defer d.close()
	s.begin(c, d)
	report := d.play(s)
	d.server.stop() // ends what is left, and tells whether it ran to the end
	faults := append(report.Faults(c.demands()), c.unproven(report)...)
	if err := d.server.err(); err != nil {
		faults = append(faults, "callseal itself stopped: "+err.Error())
	}
	if len(faults) > 0 {
		faults = append(faults, d.server.complaints.lines()...)
	}
	s.end(report, faults)
	if len(faults) > 0 {
		return fmt.Errorf("%w, see above", errDemoFailed)
	}
	return nil
}

// plans spreads the beginnings over the first quarter of the time; all calls
// that are answered then talk until shortly before its end.
func (c demoCmd) plans() (plans []bench.Plan, every time.Duration) {
	every = c.Duration / 4 / time.Duration(c.Calls)
	ring := min(time.Second, c.Duration/10)
	talk := c.Duration - c.Duration/4 - ring - 500*time.Millisecond
	tenth := (c.Calls + 5) / 10
	return bench.Plans(c.Calls, bench.Share{Busy: tenth, Cancelled: tenth}, ring, talk, "1555"), every
}

func (c demoCmd) demands() bench.Demands {
	return bench.Demands{Sealed: [2]bool{bench.Calling: true, bench.Answering: !c.PlainCarrier}, MaxLoss: demoMaxLoss}
}

// unproven names what the demo wants to show but did not measure.
func (c demoCmd) unproven(r bench.Report) []string {
	var faults []string
	keys := 4 * r.Answered // each end of each leg has its own
	if c.PlainCarrier {
		keys = 2 * r.Answered
	}
	if r.Keys != keys {
		faults = append(faults, fmt.Sprintf("%d SRTP keys were seen where %d answered calls have %d", r.Keys, r.Answered, keys))
	}
	if m := r.Media(); m.Changed < m.Received*9/10 {
		faults = append(faults, fmt.Sprintf("only %d of %d packets were seen to change between the legs", m.Changed, m.Received))
	}
	return faults
}

// demo is what is on stage.
type demo struct {
	ctx    context.Context // ends with Ctrl-C, or when the server stops
	server *demoServer
	run    bench.Run
	close  func() // in the opposite order of opening
}

// open stages a fresh cast.
func (c demoCmd) open(ctx context.Context) (*demo, error) {
	parts, err := newCast(c.PlainCarrier)
	if err != nil {
		return nil, err
	}
	return c.stage(ctx, parts)
}

// stage starts the carrier, callseal and the dialer, in this order.
func (c demoCmd) stage(ctx context.Context, parts *cast) (_ *demo, err error) {
	var opened []func()
	closeAll := func() {
		for i := range opened {
			opened[len(opened)-1-i]()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	plans, every := c.plans()
	carrier, err := bench.NewAnswerer(parts.carrier, bench.NewBook(plans).Find)
	if err != nil {
		return nil, err
	}
	opened = append(opened, carrier.Close)
	cfg := parts.config(carrier.Addr())
	ctx, server, err := startDemoServer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	opened = append(opened, server.stop)
	dialer, err := bench.NewCaller(ctx, parts.dialer, server.target())
	if err != nil {
		return nil, err
	}
	opened = append(opened, dialer.Close)
	return &demo{ctx: ctx, server: server, close: closeAll, run: bench.Run{
		Caller: dialer, Answerer: carrier, Ledger: parts.ledger, Plans: plans, Every: every,
		Names: [2]string{bench.Calling: "dialer", bench.Answering: "carrier"},
	}}, nil
}

// play runs the calls and shows them once a second.
func (d *demo) play(s *screen) bench.Report {
	over := make(chan bench.Report, 1)
	go func() { over <- d.run.Do(d.ctx) }() // waited for below
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case report := <-over:
			return report
		case <-tick.C:
			s.show(d.run.Snapshot())
		}
	}
}
