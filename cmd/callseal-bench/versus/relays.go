package versus

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"callseal/bench"
	"callseal/bench/relay"
	"callseal/bench/stream"
)

// Names of the relays under measurement.
const (
	callsealName  = "callseal"
	rtpengineName = "rtpengine"
	floorName     = "floor"
)

// patience is how long the end of calls waits for audio that is late.
const patience = 2 * time.Second

// twoSuites are those of the two legs: rtpengine hands the bytes through where
// they are the same.
var twoSuites = [2]string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}

// traffic is the calls through one relay.
type traffic interface {
	// place opens the calls and returns when the last one talks.
	place(ctx context.Context, plans []bench.Plan, every time.Duration) error
	figures() [2]bench.Figures
	// end waits for the natural end of all calls, gives the final account and
	// frees everything.
	end(ctx context.Context) ([2]bench.Figures, error)
}

// viaSIP is calls through callseal.
type viaSIP struct {
	run    bench.Run
	engine *stream.Engine
	done   chan bench.Report
}

func newViaSIP(ctx context.Context, h *house, plans []bench.Plan, latency *bench.Latency) (*viaSIP, error) {
	v := &viaSIP{run: bench.Run{Plans: plans, Ledger: bench.NewLedger()}, engine: stream.New(1), done: make(chan bench.Report, 1)}
	var err error
	v.run.Caller, v.run.Answerer, err = h.ends(ctx, bench.NewBook(plans).Find, v.engine, v.run.Ledger, latency)
	if err != nil {
		v.engine.Close()
	}
	return v, err
}

func (v *viaSIP) place(ctx context.Context, plans []bench.Plan, every time.Duration) error {
	v.run.Every = every
	go func() { v.done <- v.run.Do(ctx) }() // waited for by end
	for limit := time.Now().Add(time.Duration(len(plans))*every + 3*time.Second); time.Now().Before(limit); {
		f := v.figures()
		if f[bench.Calling].Talking == len(plans) && f[bench.Answering].Talking == len(plans) {
			return nil
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: only %d of %d calls are up", errMeasure, v.figures()[bench.Calling].Talking, len(plans))
}

func (v *viaSIP) figures() [2]bench.Figures {
	return [2]bench.Figures{v.run.Caller.Figures(), v.run.Answerer.Figures()}
}

func (v *viaSIP) end(context.Context) ([2]bench.Figures, error) {
	report := <-v.done // how the calls end is no matter here: all of them were up
	v.run.Caller.Close()
	v.run.Answerer.Close()
	v.engine.Close()
	return report.Legs, nil
}

// viaRelay is calls through a relay without SIP.
type viaRelay struct {
	direct *bench.Direct
	relay  relay.Relay
	over   time.Time // when the last call has sent its last packet
}

func newViaRelay(h *house, r relay.Relay, latency *bench.Latency) *viaRelay {
	addr := [2]netip.Addr{dialerAddr, carrierAddr}
	suites := [2]bench.Suite{h.suites(bench.Calling)[0], h.suites(bench.Answering)[0]}
	return &viaRelay{relay: r, direct: bench.NewDirect(r, addr, suites, bench.NewLedger(), latency)}
}

func (v *viaRelay) place(ctx context.Context, plans []bench.Plan, every time.Duration) error {
	began := time.Now()
	for i, p := range plans {
		if err := wait(ctx, time.Until(began.Add(time.Duration(i)*every))); err != nil {
			return err
		}
		if err := v.direct.Place(ctx, p); err != nil {
			return fmt.Errorf("%w: call %d: %w", errMeasure, i+1, err)
		}
		v.over = time.Now().Add(p.Audio + settleTime)
	}
	return nil
}

func (v *viaRelay) figures() [2]bench.Figures { return v.direct.Figures() }

func (v *viaRelay) end(ctx context.Context) ([2]bench.Figures, error) {
	err := wait(ctx, time.Until(v.over))
	for late := v.over.Add(patience); err == nil && time.Now().Before(late) && !v.direct.Settled(); {
		err = wait(ctx, 20*time.Millisecond)
	}
	if hungUp := v.direct.Hangup(context.WithoutCancel(ctx)); err == nil {
		err = hungUp
	}
	f := v.direct.Figures()
	v.direct.Close()
	if closed := v.relay.Close(); err == nil {
		err = closed
	}
	return f, err
}

// startRtpengine runs rtpengine in userspace, without its kernel module.
func startRtpengine(ctx context.Context, dir string, core int, program string, threads int) (*server, relay.Relay, error) {
	port, err := freePort(serverAddr)
	if err != nil {
		return nil, nil, err
	}
	at := netip.AddrPortFrom(serverAddr, port).String()
	args := []string{
		"--config-file=none", "--table=-1", "--interface=" + serverAddr.String(), "--listen-ng=" + at,
		"--foreground", "--log-stderr", "--port-min=12000", "--port-max=30999",
	}
	if threads > 0 {
		args = append(args, "--num-threads="+strconv.Itoa(threads))
	}
	s, err := start(dir, core, rtpengineName, program, args...)
	if err != nil {
		return nil, nil, err
	}
	if err := s.ready(ctx, ""); err != nil {
		s.stop()
		return nil, nil, err
	}
	ng, err := relay.NewNG(ctx, at)
	if err != nil {
		s.stop()
		return nil, nil, fmt.Errorf("%w: %s", err, s.complaint())
	}
	return s, ng, nil
}

// startFloor runs this same program as the relay that does nothing else.
func startFloor(ctx context.Context, dir string, core int) (*server, relay.Relay, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	s, err := command(dir, floorName, self, "relay-floor")
	if err != nil {
		return nil, nil, err
	}
	s.cmd.Env = append(os.Environ(), relay.FloorEnvironment)
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := s.run(core); err != nil {
		return nil, nil, err
	}
	if err := s.ready(ctx, ""); err != nil {
		s.stop()
		return nil, nil, err
	}
	return s, relay.NewFloor(in, out, func() error { return nil }), nil
}
