package main

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"callseal/bench"
	"callseal/bench/capture"
	"callseal/bench/forge"
	"callseal/bench/stream"
)

// throughCallseal runs plans from a dialer to a carrier through a callseal of
// this process. tap sees the audio that both send, bound their RTP ports; both
// may be nil.
func throughCallseal(t *testing.T, plans []bench.Plan, tap func(netip.AddrPort, []byte), bound func(netip.AddrPort)) bench.Report {
	t.Helper()
	parts, err := newCast(false)
	if err != nil {
		t.Fatal(err)
	}
	engine := stream.New(0)
	defer engine.Close()
	if bound != nil {
		engine.OnBind(bound)
	}
	for _, cfg := range []*bench.Config{&parts.dialer, &parts.carrier} {
		cfg.Studio = bench.NewStudio(engine, parts.ledger, bench.Gauges{
			Latency: bench.NewLatency(), Lateness: bench.NewLatency(), Jitter: bench.NewLatency(), Clip: bench.NewLatency(), Tap: tap,
		})
	}
	carrier, err := bench.NewAnswerer(parts.carrier, bench.NewBook(plans).Find)
	if err != nil {
		t.Fatal(err)
	}
	defer carrier.Close()
	ctx, server, err := startDemoServer(t.Context(), parts.config(carrier.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	dialer, err := bench.NewCaller(ctx, parts.dialer, server.target())
	if err != nil {
		t.Fatal(err)
	}
	defer dialer.Close()
	if bound != nil {
		bound(dialer.Local())
		bound(carrier.Addr())
	}
	run := bench.Run{Caller: dialer, Answerer: carrier, Ledger: parts.ledger, Plans: plans, Every: 20 * time.Millisecond}
	report := run.Do(ctx)
	for _, fault := range report.Faults(bench.Demands{Sealed: [2]bool{true, true}}) {
		t.Error(fault)
	}
	return report
}

// short tells whether less arrived than even a busy machine can excuse, on which
// the last packets come too late for their call's end.
func short(m bench.Media) bool { return m.Received < m.Sent*9/10 }

// While calls run, others send packets to callseal's ports that only look as
// if they belonged to them. None of that arrives, no audio is lost, and none is
// sent to the attacker.
func TestForgedAudio(t *testing.T) {
	forger, err := forge.New(loopbackOr1(9))
	if err != nil {
		t.Fatal(err)
	}
	defer forger.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); forger.Run(ctx, 5000) }()
	report := throughCallseal(t, bench.Plans(4, bench.Share{}, 0, 3*time.Second, "1555"), forger.Saw, nil)
	cancel()
	<-ended
	m := report.Media()
	if m.Lost+m.Unauthentic+m.Foreign+m.Duplicated > 0 || m.Clipped > 4 || short(m) {
		t.Errorf("the calls suffered: %+v", m.Counts)
	}
	if c := forger.Counts(); c.Stolen > 0 || c.Total() < 4000 {
		t.Errorf("the attacker sent %d packets (%v) and got %d", c.Total(), c.Sent, c.Stolen)
	}
}

// The sequence wraps soon after the beginning. What the carrier sends before
// callseal has the dialer's side ready may be clipped, but at most 20 ms of it.
func TestRollover(t *testing.T) {
	const pace = 2 * time.Millisecond
	plans := bench.Plans(4, bench.Share{}, 0, time.Second, "1555")
	for i := range plans {
		plans[i].Sequence, plans[i].Pace = 65500, pace
	}
	m := throughCallseal(t, plans, nil, nil).Media()
	most := uint64(len(plans) * int(stream.PacketTime/pace))
	if m.Lost+m.Unauthentic > 0 || m.Clipped > most || m.Sent < 2000 || short(m) {
		t.Errorf("%+v", m.Counts)
	}
}

// A witness on the wire finds nothing, where the bench's own sockets found
// nothing. The tone is that of the other end.
func TestNothingReadableOnTheWire(t *testing.T) {
	wire := capture.New(stream.Magic)
	err := wire.Start()
	if errors.Is(err, capture.ErrRoot) || errors.Is(err, capture.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	plans := bench.Plans(3, bench.Share{}, 100*time.Millisecond, time.Second, "1555")
	for i := range plans {
		plans[i].Tone = true
	}
	report := throughCallseal(t, plans, nil, func(at netip.AddrPort) { wire.Own(at.Port()) })
	c := wire.Close()
	if m := report.Media(); m.Tones != uint64(2*len(plans)) || m.WrongTones > 0 || c.Packets < m.Packets() {
		t.Errorf("tones of %d streams, %d wrong; %d packets, %d on the wire", m.Tones, m.WrongTones, m.Packets(), c.Packets)
	}
	if c.Readable > 0 || c.Missed > 0 {
		t.Errorf("on the wire: %+v", c)
	}
}
