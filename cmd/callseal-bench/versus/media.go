package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"callseal/bench"
	"callseal/bench/compare"
)

// MediaCmd is `callseal-bench versus-media`.
type MediaCmd struct {
	Callseal  string        `default:"bin/callseal" placeholder:"FILE" help:"callseal's program; default: bin/callseal."`
	Rtpengine string        `default:"/usr/bin/rtpengine" placeholder:"FILE" help:"rtpengine's program; default: /usr/bin/rtpengine."`
	Relays    []string      `default:"callseal,callseal@0s,rtpengine,floor" help:"What to measure: callseal, callseal@0s for a media.coalesce of 0s or another, rtpengine, floor."`
	Calls     []int         `default:"50,200,400" help:"How many calls at once."`
	Rounds    int           `default:"5" help:"How often everything is measured, in turns."`
	Duration  time.Duration `default:"5s" help:"How long each measurement lasts."`
	Threads   int           `default:"1" help:"Threads of rtpengine; 0: its own default. On one core one is best."`
	Unpinned  bool          `help:"Let the relay run on any core."`
	JSON      string        `name:"json" placeholder:"FILE" help:"Write every round to a file."`
}

// placeEvery is the time between two calls.
const placeEvery = 5 * time.Millisecond

// Run measures and writes the table to out.
func (c MediaCmd) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &mediaBench{MediaCmd: c}
	var err error
	if b.site, err = openSite(twoSuites, c.Unpinned, &b.Callseal, &b.MediaCmd.Rtpengine); err != nil {
		return err
	}
	defer b.close()
	doc := compare.Media{Command: strings.Join(os.Args, " "), Began: time.Now(), Machine: machine(b.core >= 0)}
	var broken error
	doc.Rounds, broken = b.rounds(ctx, out)
	doc.Machine.Load[1] = load()
	doc.Summarise()
	return errors.Join(broken, conclude(out, c.JSON, &doc, len(doc.Rounds), doc.Machine))
}

// conclude writes what was measured, also when not all of it was.
func conclude(out io.Writer, json string, doc compare.Document, rounds int, at compare.Machine) error {
	if rounds == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(out, "\n%v\n\n", at); err != nil {
		return err
	}
	if err := doc.WriteTable(out); err != nil {
		return err
	}
	return writeFile(json, doc.WriteJSON)
}

// writeFile does nothing without a path.
func writeFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

type mediaBench struct {
	MediaCmd
	site
}

// rounds measures everything in turns, so that a slow minute of the machine
// strikes all alike.
func (b *mediaBench) rounds(ctx context.Context, out io.Writer) ([]compare.MediaRound, error) {
	var all []compare.MediaRound
	for round := 1; round <= b.Rounds; round++ {
		for _, calls := range b.Calls {
			for i := range b.Relays {
				name := b.Relays[(i+round)%len(b.Relays)]
				tried, err := b.undisturbed(ctx, name, calls, round, out)
				all = append(all, tried...)
				if err != nil {
					return all, fmt.Errorf("%s, %d calls: %w", name, calls, err)
				}
			}
		}
	}
	return all, nil
}

// attempts is how often a measurement is tried in which the bench itself is
// disturbed, by whatever else this machine does.
const attempts = 3

// undisturbed measures until the bench sends on time. It gives every attempt:
// one that was disturbed may have been so by the relay.
func (b *mediaBench) undisturbed(ctx context.Context, name string, calls, round int, out io.Writer) (all []compare.MediaRound, err error) {
	for range attempts {
		r, err := b.measure(ctx, name, calls)
		if err != nil {
			return all, err
		}
		r.Round = round
		all = append(all, r)
		verdict := ""
		if r.Disturbed() {
			verdict = ": disturbed"
		}
		if _, err := fmt.Fprintf(out, "round %d: %-12s %4d calls  %5.1f µs/packet  p50 %4.0f p99 %5.0f p99.9 %5.0f µs  lost %d of %d  bench %.2f of a core, late p99 %.0f µs%s\n",
			round, name, calls, r.PerPacket(), r.P50, r.P99, r.P999, r.Lost+r.Unauthentic, r.Sent, r.BenchCore, r.LatenessP99, verdict); err != nil {
			return all, err
		}
		if !r.Disturbed() {
			break
		}
	}
	return all, nil
}

// measure starts a relay, fills it with calls, measures it while they talk, and
// ends it.
func (b *mediaBench) measure(ctx context.Context, name string, calls int) (compare.MediaRound, error) {
	up := time.Duration(calls) * placeEvery
	plans := bench.Plans(calls, bench.Share{}, 0, up+b.Duration+2500*time.Millisecond, "1555")
	latency := bench.NewLatency()
	s, load, err := b.start(ctx, name, plans, latency)
	if err != nil {
		return compare.MediaRound{}, err
	}
	defer s.stop()
	idle, err := s.sampler.Sample()
	if err != nil {
		return compare.MediaRound{}, err
	}
	r := compare.MediaRound{Relay: name, Calls: calls, Idle: idle.RSS}
	err = load.place(ctx, plans, placeEvery)
	if err == nil {
		err = wait(ctx, time.Second)
	}
	if err == nil {
		err = observe(ctx, s.sampler, load, latency, b.Duration, &r, nil)
	}
	end, ended := load.end(ctx)
	if err == nil {
		err = ended
	}
	if err != nil {
		return r, err
	}
	total(&r, end)
	if r.Sent < uint64(calls)*2*45*uint64(b.Duration/time.Second) {
		return r, fmt.Errorf("%w: the bench sent only %d packets", errMeasure, r.Sent)
	}
	return r, nil
}

func (b *mediaBench) start(ctx context.Context, name string, plans []bench.Plan, latency *bench.Latency) (*server, traffic, error) {
	name, b.house.Coalesce, _ = strings.Cut(name, "@")
	switch name {
	case callsealName:
		s, err := b.house.startCallseal(ctx, b.core, b.Callseal)
		if err != nil {
			return nil, nil, err
		}
		v, err := newViaSIP(ctx, b.house, plans, latency)
		if err != nil {
			s.stop()
			return nil, nil, err
		}
		return s, v, nil
	case rtpengineName:
		s, r, err := startRtpengine(ctx, b.dir, b.core, b.MediaCmd.Rtpengine, b.Threads)
		return s, newViaRelay(b.house, r, latency), err
	case floorName:
		s, r, err := startFloor(ctx, b.dir, b.core)
		return s, newViaRelay(b.house, r, latency), err
	}
	return nil, nil, fmt.Errorf("%w: no such relay", errMeasure)
}

// observe fills in what happens in the time d. Without a sampler it leaves the
// cost out. It shows each second to a recorder, if there is one.
func observe(ctx context.Context, sampler *bench.Sampler, load traffic, latency *bench.Latency, d time.Duration, r *compare.MediaRound, seconds *recorder) error {
	latency.Reset()
	cost, err := sample(sampler)
	if err != nil {
		return err
	}
	began, own, packets := time.Now(), ownCPU(), received(load)
	if err := pass(ctx, d, sampler, seconds); err != nil {
		return err
	}
	after, err := sample(sampler)
	if err != nil {
		return err
	}
	r.Took, r.Packets = time.Since(began), received(load)-packets
	r.User, r.System = compare.InMicros(after.User-cost.User), compare.InMicros(after.System-cost.System)
	r.RSS = after.RSS
	r.BenchCore = (ownCPU() - own).Seconds() / r.Took.Seconds()
	q := latency.Quantiles()
	r.P50, r.P99, r.P999, r.Max = compare.InMicros(q.P50), compare.InMicros(q.P99), compare.InMicros(q.P999), compare.InMicros(q.Max)
	r.LatenessP99 = compare.InMicros(load.figures()[0].Lateness.P99)
	if r.Packets == 0 {
		return fmt.Errorf("%w: nothing was relayed", errMeasure)
	}
	return nil
}

// pass waits for the time d, and shows each second of it to a recorder.
func pass(ctx context.Context, d time.Duration, sampler *bench.Sampler, seconds *recorder) error {
	if seconds == nil {
		return wait(ctx, d)
	}
	for end := time.Now().Add(d); time.Until(end) > 0; {
		if err := wait(ctx, min(time.Second, time.Until(end))); err != nil {
			return err
		}
		cost, err := sample(sampler)
		switch {
		case err != nil:
			return err
		case sampler == nil:
			seconds.second(nil)
		default:
			seconds.second(&cost)
		}
	}
	return nil
}

func sample(s *bench.Sampler) (bench.Cost, error) {
	if s == nil {
		return bench.Cost{}, nil
	}
	return s.Sample()
}

// total fills in what all calls saw, when they are over.
func total(r *compare.MediaRound, ends [2]bench.Figures) {
	for _, f := range ends {
		r.Sent += f.Media.Sent
		r.Lost += f.Media.Lost
		r.Unauthentic += f.Media.Unauthentic
		r.Changed += f.Media.Changed
		r.Same += f.Media.Same
	}
}

func received(load traffic) uint64 {
	f := load.figures()
	return f[0].Media.Received + f[1].Media.Received
}
