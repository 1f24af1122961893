package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callseal/bench"
	"callseal/bench/compare"
	"callseal/bench/stream"
)

// SIPCmd is `callseal-bench versus-sip`.
type SIPCmd struct {
	Callseal string        `default:"bin/callseal" placeholder:"FILE" help:"callseal's program; default: bin/callseal."`
	Kamailio string        `default:"/usr/sbin/kamailio" placeholder:"FILE" help:"Kamailio's program; default: /usr/sbin/kamailio."`
	Servers  []string      `default:"callseal,kamailio" help:"What to measure: callseal, kamailio."`
	Rate     int           `default:"500" help:"Calls a second at which CPU and set-up time are measured."`
	Rounds   int           `default:"5" help:"How often everything is measured, in turns."`
	Duration time.Duration `default:"6s" help:"How long each of the two measurements of a round lasts."`
	Parallel int           `default:"1000" help:"Calls that are kept going to find the highest rate; 0: do not look for it."`
	Unpinned bool          `help:"Let the server run on any core."`
	JSON     string        `name:"json" placeholder:"FILE" help:"Write every round to a file."`
}

// oneSuite is that of both ends: a proxy cannot change it.
var oneSuite = [2]string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"}

// warmUp is how many calls a server passes before it is measured.
const warmUp = 100

// Run measures and writes the table to out.
func (c SIPCmd) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &sipBench{SIPCmd: c}
	var err error
	if b.site, err = openSite(oneSuite, c.Unpinned, &b.Callseal, &b.SIPCmd.Kamailio); err != nil {
		return err
	}
	defer b.close()
	doc := compare.SIP{Command: strings.Join(os.Args, " "), Began: time.Now(), Machine: machine(b.core >= 0)}
	broken := b.rounds(ctx, out, &doc)
	doc.Machine.Load[1] = load()
	doc.Summarise()
	return errors.Join(broken, conclude(out, c.JSON, &doc, len(doc.Rounds), doc.Machine))
}

// rounds measures the servers in turns.
func (b *sipBench) rounds(ctx context.Context, out io.Writer, doc *compare.SIP) error {
	for round := 1; round <= b.Rounds; round++ {
		for i := range b.Servers {
			name := b.Servers[(i+round)%len(b.Servers)]
			r, err := b.measure(ctx, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			r.Round = round
			doc.Rounds = append(doc.Rounds, r)
			if _, err := fmt.Fprintf(out, "round %d: %-8s %.2f ms CPU/call  p50 %.1f p99 %.1f ms  %d failed  at most %.0f calls/s (server %.2f, bench %.2f of a core)\n",
				round, name, r.PerCall()/1000, r.P50/1000, r.P99/1000, r.Failed, r.Capacity, r.ServerCore, r.BenchCore); err != nil {
				return err
			}
		}
	}
	return nil
}

type sipBench struct {
	SIPCmd
	site
}

// measure runs calls without audio through one server: some to warm it up, some
// at the stated rate, then as many as it takes.
func (b *sipBench) measure(ctx context.Context, name string) (compare.SIPRound, error) {
	r := compare.SIPRound{Server: name, Rate: float64(b.Rate)}
	var s *server
	var err error
	switch name {
	case callsealName:
		s, err = b.house.startCallseal(ctx, b.core, b.Callseal)
	case compare.Kamailio:
		s, err = b.house.startKamailio(ctx, b.core, b.SIPCmd.Kamailio)
	default:
		err = fmt.Errorf("%w: no such server", errMeasure)
	}
	if err != nil {
		return r, err
	}
	defer s.stop()
	if err := b.through(ctx, s, &r); err != nil {
		return r, fmt.Errorf("%w; it says: %.300s", err, s.complaint())
	}
	return r, nil
}

// parties are both user agents, which keep their connections through all of a
// server's measurements.
type parties struct {
	caller   *bench.Caller
	answerer *bench.Answerer
}

func (b *sipBench) through(ctx context.Context, s *server, r *compare.SIPRound) error {
	idle, err := s.sampler.Sample()
	if err != nil {
		return err
	}
	r.Idle = idle.RSS
	engine := stream.New(1)
	defer engine.Close()
	var p parties
	if p.caller, p.answerer, err = b.house.ends(ctx, everyNumber, engine, nil, nil); err != nil {
		return err
	}
	defer p.answerer.Close()
	defer p.caller.Close()
	if _, err := b.atRate(ctx, p, warmUp); err != nil {
		return err
	}
	if err := b.steady(ctx, s, p, r); err != nil {
		return err
	}
	if b.Parallel > 0 {
		return b.flatOut(ctx, s, p, r)
	}
	return nil
}

// everyNumber answers at once; the caller hangs up.
func everyNumber(number string) (bench.Plan, bool) {
	return bench.Plan{Number: number, Outcome: bench.Answered, EndedBy: bench.Calling}, true
}

// atRate places n calls in an open loop.
func (b *sipBench) atRate(ctx context.Context, p parties, n int) (bench.Report, error) {
	plans := make([]bench.Plan, n)
	for i := range plans {
		plans[i], _ = everyNumber("1555")
		plans[i].ID = uint64(i)
	}
	run := bench.Run{Caller: p.caller, Answerer: p.answerer, Plans: plans, Every: time.Second / time.Duration(b.Rate)}
	report := run.Do(ctx)
	if report.Answered == 0 {
		return report, fmt.Errorf("%w: no call was answered: %s", errMeasure, strings.Join(report.Faults(bench.Demands{}), "; "))
	}
	return report, ctx.Err()
}

// steady measures CPU and set-up time at the stated rate.
func (b *sipBench) steady(ctx context.Context, s *server, p parties, r *compare.SIPRound) error {
	before, err := s.sampler.Sample()
	if err != nil {
		return err
	}
	report, err := b.atRate(ctx, p, int(b.Duration.Seconds()*float64(b.Rate)))
	if err != nil {
		return err
	}
	after, err := s.sampler.Sample()
	if err != nil {
		return err
	}
	setup := bench.NewLatency()
	for _, result := range report.Ends[bench.Calling] {
		if result.Setup > 0 {
			setup.Record(result.Setup)
		}
	}
	q := setup.Quantiles()
	r.Calls, r.Failed = report.Answered, report.Failed
	r.User, r.System = compare.InMicros(after.User-before.User), compare.InMicros(after.System-before.System)
	r.P50, r.P99, r.Max = compare.InMicros(q.P50), compare.InMicros(q.P99), compare.InMicros(q.Max)
	r.RSS = after.RSS
	return nil
}

// flatOut keeps Parallel calls going and counts those that come to an end.
func (b *sipBench) flatOut(ctx context.Context, s *server, p parties, r *compare.SIPRound) error {
	running, halt := context.WithCancel(ctx)
	defer halt()
	var done atomic.Int64
	var workers sync.WaitGroup
	plan, _ := everyNumber("1555")
	for range b.Parallel {
		workers.Go(func() { // ends with running
			for running.Err() == nil {
				if p.caller.Place(running, plan).OK() {
					done.Add(1)
				}
			}
		})
	}
	defer workers.Wait()
	defer halt()
	if err := wait(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := s.sampler.Sample()
	if err != nil {
		return err
	}
	began, own, count := time.Now(), ownCPU(), done.Load()
	if err := wait(ctx, b.Duration); err != nil {
		return err
	}
	after, err := s.sampler.Sample()
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	r.Capacity = float64(done.Load()-count) / took
	r.ServerCore = (after.CPU() - before.CPU()).Seconds() / took
	r.BenchCore = (ownCPU() - own).Seconds() / took
	return nil
}
