package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"callseal/bench"
	"callseal/bench/compare"
	"callseal/bench/relay"
	"callseal/bench/show"
)

// TargetCmd is `callseal-bench media`: calls through a relay without SIP.
type TargetCmd struct {
	Target    string        `required:"" placeholder:"RELAY" help:"ng:HOST:PORT for rtpengine, or relay-floor for the bench's own bare UDP relay."`
	Calls     int           `default:"50" help:"How many calls at once."`
	Duration  time.Duration `default:"10s" help:"How long they are measured."`
	PID       int           `name:"pid" placeholder:"PID" help:"The relay's process on this machine, to tell what it costs."`
	Container string        `placeholder:"NAME" help:"The relay's Docker container, to tell what it costs."`
	MaxLoss   float64       `default:"0" help:"Share of the packets that may be lost, 0 to 1."`
	JSON      string        `name:"json" placeholder:"FILE" help:"Write the figures to a file."`
	Report    string        `placeholder:"FILE" help:"Write a report with plots to a file, as one HTML page."`
	SLO       show.SLO      `name:"slo" placeholder:"LIST" help:"Objectives, like latency_p99<2ms,loss<0.01%; exit status 2 when one is missed."`
}

// dockerTimeout is how long docker may take to tell of a container.
const dockerTimeout = 4 * time.Second

var errFaults = errors.New("the relay failed")

// Run measures one relay and prints what was seen.
func (c TargetCmd) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "callseal-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h := &house{Suites: twoSuites}
	driver, sampler, free, err := c.open(ctx, dir)
	if err != nil {
		return err
	}
	defer free()
	latency := bench.NewLatency()
	load := newViaRelay(h, driver, latency)
	r := compare.MediaRound{Relay: c.Target, Calls: c.Calls, Round: 1}
	idle, err := sample(sampler)
	r.Idle = idle.RSS
	up := time.Duration(c.Calls) * placeEvery
	if err == nil {
		err = load.place(ctx, bench.Plans(c.Calls, bench.Share{}, 0, up+c.Duration+2*time.Second, "1555"), placeEvery)
	}
	if err == nil {
		err = wait(ctx, time.Second)
	}
	rec := newRecorder(c, load, latency, idle)
	if err == nil {
		err = observe(ctx, sampler, load, latency, c.Duration, &r, rec)
	}
	ends, ended := load.end(ctx)
	if err = errors.Join(err, ended); err != nil {
		return err
	}
	total(&r, ends)
	for _, line := range describe(r, sampler != nil) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return errors.Join(writeFile(c.JSON, func(w io.Writer) error {
		one := compare.Media{Command: strings.Join(os.Args, " "), Began: time.Now(), Machine: machine(false), Rounds: []compare.MediaRound{r}}
		one.Summarise()
		return one.WriteJSON(w)
	}), c.conclude(rec.done(ends)), c.judge(r))
}

// open connects to the relay, or starts the floor.
func (c TargetCmd) open(ctx context.Context, dir string) (relay.Relay, *bench.Sampler, func(), error) {
	kind, address, _ := strings.Cut(c.Target, ":")
	switch {
	case kind == "relay-floor" && address == "":
		s, driver, err := startFloor(ctx, dir, -1)
		if err != nil {
			return nil, nil, nil, err
		}
		return driver, s.sampler, s.stop, nil
	case kind == "ng" && address != "":
		sampler, err := OpenSampler(ctx, c.PID, c.Container)
		if err != nil {
			return nil, nil, nil, err
		}
		driver, err := relay.NewNG(ctx, address)
		return driver, sampler, func() {}, err
	}
	return nil, nil, nil, fmt.Errorf("--target %s: %w: write ng:HOST:PORT or relay-floor", c.Target, relay.ErrTarget)
}

// OpenSampler samples a process of this machine, or that of a Docker container;
// nil where neither is given. The error names the flag.
func OpenSampler(ctx context.Context, pid int, container string) (*bench.Sampler, error) {
	flag := "--pid"
	switch {
	case container != "" && pid != 0:
		return nil, fmt.Errorf("--pid and --container: %w: give one of them", errMeasure)
	case container != "":
		var err error
		if pid, err = containerProcess(ctx, container); err != nil {
			return nil, err
		}
		flag = "--container"
	case pid == 0:
		return nil, nil
	}
	s, err := bench.NewSampler(os.DirFS("/proc"), pid)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return s, nil
}

// containerProcess is a container's first process, as this machine numbers it.
func containerProcess(ctx context.Context, container string) (pid int, err error) {
	ctx, cancel := context.WithTimeout(ctx, dockerTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, "docker", "inspect", "--type", "container", "--format", "{{.State.Pid}}", container).Output()
	var refused *exec.ExitError
	switch {
	case errors.As(err, &refused) && ctx.Err() == nil:
		said, _, _ := strings.Cut(strings.TrimSpace(string(refused.Stderr)), "\n")
		return 0, fmt.Errorf("--container %s: %w: docker says: %s", container, errMeasure, said)
	case err != nil:
		return 0, fmt.Errorf("--container %s: %w: %w", container, errMeasure, err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || pid == 0 {
		return 0, fmt.Errorf("--container %s: %w: it does not run", container, errMeasure)
	}
	return pid, nil
}

// describe says in plain words what was seen.
func describe(r compare.MediaRound, sampled bool) []string {
	lines := []string{
		fmt.Sprintf("%d calls through %s for %v, SRTP %s on one leg and %s on the other.", r.Calls, r.Relay, r.Took.Round(time.Millisecond), twoSuites[0], twoSuites[1]),
		fmt.Sprintf("Audio: %d packets sent, %d lost, %d not authentic.", r.Sent, r.Lost, r.Unauthentic),
		fmt.Sprintf("One way: p50 %.2f ms, p99 %.2f ms, longest %.2f ms.", r.P50/1000, r.P99/1000, r.Max/1000),
		fmt.Sprintf("Between the legs: of %d packets compared, %d had the same bytes on both.", r.Changed+r.Same, r.Same),
		fmt.Sprintf("The bench sent late by %.2f ms at p99 and used %.2f of a core.", r.LatenessP99/1000, r.BenchCore),
	}
	if sampled {
		lines = append(lines, fmt.Sprintf("The relay: %.2f µs of CPU per packet (%.2f of a core), %.1f KiB of memory per call.", r.PerPacket(), r.Core(), r.PerCall()))
	}
	return lines
}

// judge finds what a relay may not do.
func (c TargetCmd) judge(r compare.MediaRound) error {
	switch {
	case float64(r.Lost) > c.MaxLoss*float64(r.Sent):
		return fmt.Errorf("%w: %d of %d packets were lost", errFaults, r.Lost, r.Sent)
	case r.Unauthentic > 0:
		return fmt.Errorf("%w: %d packets were altered", errFaults, r.Unauthentic)
	case r.Same > 0 && strings.HasPrefix(c.Target, "ng:"):
		return fmt.Errorf("%w: %d of %d packets were not encrypted anew", errFaults, r.Same, r.Same+r.Changed)
	}
	return nil
}
