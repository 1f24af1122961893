package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"callseal/bench"
)

// smokeCmd is `callseal-bench smoke`.
type smokeCmd struct {
	ends `embed:""`

	Answer   string        `default:"tls://127.0.0.1:6061" placeholder:"URL" help:"Where the server finds the answerer: tls://ADDR:PORT, tcp:// or udp://; default: tls://127.0.0.1:6061."`
	Calls    int           `default:"5" help:"How many calls."`
	Every    time.Duration `default:"200ms" help:"Time between two calls."`
	Ring     time.Duration `default:"500ms" help:"How long each call rings."`
	Duration time.Duration `default:"5s" help:"How long each call talks."`
	MaxLoss  float64       `default:"0" help:"Share of the packets that may be lost, 0 to 1."`
}

var errFaults = errors.New("the smoke test failed")

// Run places the calls and prints what was measured.
func (c smokeCmd) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return c.run(ctx, out)
}

func (c smokeCmd) run(ctx context.Context, out output) error {
	target, err := c.target()
	if err != nil {
		return err
	}
	callerConfig, err := c.caller(target)
	if err != nil {
		return err
	}
	answererConfig, err := c.answerer(c.Answer)
	if err != nil {
		return err
	}
	ledger := bench.NewLedger()
	callerConfig.User, callerConfig.Ledger, answererConfig.Ledger = "smoke", ledger, ledger
	plans := bench.Plans(c.Calls, bench.Share{}, c.Ring, c.Duration, c.Number)
	answerer, err := bench.NewAnswerer(answererConfig, bench.NewBook(plans).Find)
	if err != nil {
		return err
	}
	defer answerer.Close()
	caller, err := bench.NewCaller(ctx, callerConfig, target)
	if err != nil {
		return err
	}
	defer caller.Close()
	run := bench.Run{Caller: caller, Answerer: answerer, Ledger: ledger, Plans: plans, Every: c.Every}
	report := run.Do(ctx)
	for _, line := range report.Summary() {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	faults := report.Faults(bench.Demands{MaxLoss: c.MaxLoss, Sealed: [2]bool{
		target.Proto == bench.TLS && !c.PlainCaller,
		answererConfig.Proto == bench.TLS && !c.PlainAnswer,
	}})
	if len(faults) > 0 {
		return fmt.Errorf("%w: %s", errFaults, strings.Join(faults, "; "))
	}
	return nil
}
