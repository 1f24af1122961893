package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"callseal/bench"
	"callseal/bench/show"
)

// screen shows the demo: redrawn once a second in a terminal, plain lines
// elsewhere.
type screen struct {
	*show.Terminal
	duration time.Duration
}

func newScreen(out io.Writer) *screen { return &screen{Terminal: show.Open(out, os.Getenv)} }

// begin says who talks to whom.
func (s *screen) begin(c demoCmd, d *demo) {
	carrier := "TLS and SRTP"
	if c.PlainCarrier {
		carrier = "UDP and plain RTP"
	}
	s.duration = c.Duration
	s.Print(
		s.Paint(show.Bold, fmt.Sprintf("callseal demo: %d calls from a dialer through callseal to a carrier", c.Calls)),
		fmt.Sprintf("  dialer %s = TLS and SRTP => callseal %s = %s => carrier %s",
			d.run.Caller.Local().Addr(), d.server.target().Address(), carrier, d.run.Answerer.Addr()),
		"  certificates made for this run; all three parties are in this process",
		fmt.Sprintf("  watch callseal while it runs: curl http://%s/metrics", d.server.admin.Addr()),
		"")
}

// show draws the figures, over the last ones in a terminal.
func (s *screen) show(now bench.Snapshot) {
	if !s.Live() {
		s.Print(plainLine(now))
		return
	}
	s.Draw(s.frame(now))
}

// plainLine is one second's figures where there is no terminal.
func plainLine(now bench.Snapshot) string {
	m := now.Media()
	a, b := now.Legs[bench.Calling], now.Legs[bench.Answering]
	return fmt.Sprintf("%3.0f s  up %d  answered %d  busy %d  cancelled %d  failed %d  relayed %d  lost %d  p50 %s  p99 %s",
		now.Elapsed.Seconds(), now.Up, answered(now), now.Busy, now.Cancelled, now.Failed, m.Received, m.Lost,
		milliseconds(max(a.Latency.P50, b.Latency.P50)), milliseconds(max(a.Latency.P99, b.Latency.P99)))
}

// frame is the picture of one second.
func (s *screen) frame(now bench.Snapshot) []string {
	m := now.Media()
	bad := func(n uint64, text string) string {
		if n == 0 {
			return s.Paint(show.Green, "no "+text)
		}
		return s.Paint(show.Red, fmt.Sprintf("%d %s", n, text))
	}
	failed := fmt.Sprintf("failed %d", now.Failed)
	if now.Failed > 0 {
		failed = s.Paint(show.Red, failed)
	}
	lines := []string{
		fmt.Sprintf("  %s  %2.0f of %2.0f s", s.bar(now.Elapsed), min(now.Elapsed, s.duration).Seconds(), s.duration.Seconds()),
		"",
		fmt.Sprintf("  calls up %s   answered %d   busy %d   cancelled %d   %s",
			s.Paint(show.Bold, fmt.Sprintf("%d", now.Up)), answered(now), now.Busy, now.Cancelled, failed),
		"",
	}
	for _, party := range []bench.Party{bench.Calling, bench.Answering} {
		leg := now.Legs[party]
		lines = append(lines, fmt.Sprintf("  %-8s leg   %-16s %s", now.Names[party], leg.Transport(), leg.Audio()))
	}
	lines = append(lines, "")
	for _, party := range []bench.Party{bench.Calling, bench.Answering} {
		leg := now.Legs[party]
		lines = append(lines, fmt.Sprintf("  %-7s > %-7s %8d packets  %s  p50 %s  p99 %s",
			now.Names[party.Other()], now.Names[party], leg.Media.Received, bad(leg.Media.Lost, "lost"),
			milliseconds(leg.Latency.P50), milliseconds(leg.Latency.P99)))
	}
	return append(lines, "",
		fmt.Sprintf("  SRTP   %d packets authenticated, %s", m.Received, bad(m.Unauthentic, "refused")),
		fmt.Sprintf("         %d compared between the legs, %s", m.Changed+m.Same, bad(m.Same, "with the same bytes")),
		fmt.Sprintf("         %d keys, %s", now.Keys, bad(uint64(now.KeysReused), "used twice")))
}

const barWidth = 40

func (s *screen) bar(elapsed time.Duration) string {
	full := 0
	if s.duration > 0 {
		full = min(barWidth, int(barWidth*elapsed/s.duration))
	}
	return "[" + s.Paint(show.Green, strings.Repeat("=", full)) + strings.Repeat(" ", barWidth-full) + "]"
}

// answered counts the calls that were answered, over or not.
func answered(now bench.Snapshot) int { return now.Answered + now.Legs[bench.Calling].Talking }

func milliseconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// end draws the last figures, and says what was measured and whether all went
// well.
func (s *screen) end(r bench.Report, faults []string) {
	s.show(r.Snapshot)
	s.Print("", s.Paint(show.Bold, "Summary"))
	for _, line := range r.Summary() {
		s.Print("  " + line)
	}
	if len(faults) == 0 {
		s.Print("  " + s.Paint(show.Green, fmt.Sprintf("All %d calls went as planned.", r.Planned)))
		return
	}
	s.Print("", s.Paint(show.Red, "Not as planned"))
	for _, fault := range faults {
		s.Print("  - " + fault)
	}
}
