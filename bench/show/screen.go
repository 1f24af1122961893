package show

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"callseal/bench"
)

// Screen shows a run while it goes: redrawn at every sample, which is once a
// second, in a terminal, and a line a second elsewhere. It is a
// bench.Observer, to be called by one goroutine.
type Screen struct {
	terminal *Terminal
	title    string
	planned  time.Duration
	last     bench.Sample
	sum      sums
	history  map[string][]float64 // of the rows, for their sparklines
	codes    map[int]int          // failures so far
}

// sums are the figures since the start.
type sums struct {
	started, answered, failed, peak int
	received, lost                  uint64
}

// maxHistory bounds what a long run keeps; no terminal is wider.
const maxHistory = 1000

// NewScreen shows a run of a scenario that is to last as long as planned; 0 is
// that nobody knows. The target may be "".
func NewScreen(t *Terminal, scenario, target string, planned time.Duration) *Screen {
	return &Screen{terminal: t, title: title(scenario, target), planned: planned, history: map[string][]float64{}, codes: map[int]int{}}
}

// title is what runs, against whom.
func title(scenario, target string) string {
	text := cmp.Or(scenario, "A run")
	if target != "" {
		text += " against " + redactURI(target)
	}
	return text
}

// Begin says what runs.
func (s *Screen) Begin() { s.terminal.Print(s.terminal.Paint(Bold, s.title)) }

// Sample shows one more second.
func (s *Screen) Sample(now bench.Sample) {
	s.add(now)
	if s.terminal.Live() {
		s.terminal.Draw(s.frame())
		return
	}
	s.terminal.Print(s.plain())
}

// Done shows the summary.
func (s *Screen) Done(r *bench.Record) {
	j := judge(r)
	s.terminal.Print("", s.terminal.Paint(Bold, "Summary"))
	for _, line := range Summary(r) {
		s.terminal.Paragraph("  ", line)
	}
	if len(r.SLO) > 0 {
		s.terminal.Print("", s.terminal.Paint(Bold, "Objectives"))
	}
	for _, v := range r.SLO {
		mark := s.terminal.Paint(Green, "met   ")
		if !v.OK {
			mark = s.terminal.Paint(Red, "MISSED")
		}
		s.terminal.Paragraph("  "+mark+"  ", v.Text+": "+got(v))
	}
	if len(r.Faults) > 0 {
		s.terminal.Print("", s.terminal.Paint(Red, "Faults"))
	}
	for _, fault := range r.Faults {
		s.terminal.Paragraph("  - ", fault)
	}
	s.terminal.Print("")
	s.terminal.Paragraph("", s.terminal.Paint(j.Tone.style(), j.Headline+".")+" "+j.Why)
}

func (s *Screen) add(now bench.Sample) {
	s.sum.started += now.Started
	s.sum.answered += now.Answered
	s.sum.received += now.Received
	s.sum.lost += now.Lost
	s.sum.peak = max(s.sum.peak, now.Up)
	for code, n := range now.Failed {
		s.codes[code] += n
		s.sum.failed += n
	}
	loss, ok := lossPercent(now.Lost, now.Received)
	cpu, _, hasCPU := cpuShare(s.last, now)
	for name, v := range map[string]float64{
		"up": float64(now.Up), "started": float64(now.Started), "answered": float64(now.Answered), "failed": float64(failedIn(now)),
		"loss": measured(loss, ok), "latency": known(now.LatencyP99), "setup": known(now.SetupP99),
		"cpu": measured(cpu, hasCPU), "late": milliseconds(now.LatenessP99),
	} {
		h := append(s.history[name], v)
		s.history[name] = h[max(0, len(h)-maxHistory):]
	}
	s.last = now
}

// known is a time in ms; NaN when nothing was measured.
func known(d time.Duration) float64 { return measured(milliseconds(d), d > 0) }

func failedIn(s bench.Sample) (n int) {
	for _, count := range s.Failed {
		n += count
	}
	return n
}

// cpuShare is what the server used between two samples, in % of one core: in
// all, and of that in the kernel. The sample before the first one is zero.
func cpuShare(before, now bench.Sample) (all, system float64, ok bool) {
	if now.Server == nil || (before.Server == nil && before.At > 0) {
		return 0, 0, false
	}
	was := bench.Cost{}
	if before.Server != nil {
		was = *before.Server
	}
	span := (now.At - before.At).Seconds()
	user, system := (now.Server.User - was.User).Seconds(), (now.Server.System - was.System).Seconds()
	if span <= 0 || user < 0 || system < 0 { // another process now
		return 0, 0, false
	}
	return 100 * (user + system) / span, 100 * system / span, true
}

// plain is one second in one line. Its words are for grep and stay.
func (s *Screen) plain() string {
	now := s.last
	line := fmt.Sprintf("%5s  up %d  started %d  answered %d  failed %d", clock(now.At), now.Up, now.Started, now.Answered, failedIn(now))
	for _, c := range refusals(nil, now.Failed) {
		line += fmt.Sprintf(" (%s: %d)", c.Name(), c.Count)
	}
	line += fmt.Sprintf("  set-up p50 %s p99 %s  latency p50 %s p99 %s  %s",
		ms(now.SetupP50), ms(now.SetupP99), ms(now.LatencyP50), ms(now.LatencyP99), lossText(now.Lost, now.Received))
	if cpu := s.history["cpu"]; now.Server != nil {
		line += fmt.Sprintf("  server cpu %s rss %s", shares.show(cpu[len(cpu)-1]), size(now.Server.RSS))
	}
	return line + "  late p99 " + ms(now.LatenessP99)
}

func lossText(lost, received uint64) string {
	share, ok := lossPercent(lost, received)
	switch {
	case !ok:
		return "lost -"
	case lost == 0:
		return "lost 0"
	}
	return fmt.Sprintf("lost %s (%s)", grouped(lost), percent(share))
}

// The columns of a frame: a label, figures, and a sparkline in what is left.
const (
	labelWidth  = 12
	figureWidth = 36
	sparkMin    = 8
	sparkMax    = 120
)

// frame is the picture of one second.
func (s *Screen) frame() []string {
	now := s.last
	width, _ := s.terminal.size()
	lines := []string{s.progress(width), ""}
	row := func(label, history string, tone Style, format string, args ...any) {
		figures := fmt.Sprintf(format, args...)
		pad := strings.Repeat(" ", max(1, figureWidth-len([]rune(figures))))
		line := fmt.Sprintf("  %-*s%s", labelWidth, label, s.terminal.Paint(tone, figures))
		if room := width - 3 - labelWidth - figureWidth; room >= sparkMin && history != "" {
			line += pad + s.terminal.Paint(Faint, sparkline(s.history[history], min(room, sparkMax)))
		}
		lines = append(lines, line)
	}
	row("calls up", "up", Bold, "%s   most %s", grouped(now.Up), grouped(s.sum.peak))
	row("calls/s", "started", "", "%d   %s so far", now.Started, grouped(s.sum.started))
	row("answers/s", "answered", "", "%d   %s so far", now.Answered, grouped(s.sum.answered))
	row("failures/s", "failed", alarm(s.sum.failed > 0), "%d   %s so far", failedIn(now), grouped(s.sum.failed))
	row("loss", "loss", alarm(s.sum.lost > 0), "%s", s.lossSoFar())
	row("latency", "latency", "", "p50 %s   p99 %s", ms(now.LatencyP50), ms(now.LatencyP99))
	row("set-up", "setup", "", "p50 %s   p99 %s", ms(now.SetupP50), ms(now.SetupP99))
	if cpu := s.history["cpu"]; now.Server != nil {
		row("server", "cpu", "", "CPU %s   RSS %s", shares.show(cpu[len(cpu)-1]), size(now.Server.RSS))
	}
	row("generator", "late", "", "late by p99 %s", ms(now.LatenessP99))
	return append(lines, s.byCode()...)
}

func alarm(on bool) Style {
	if on {
		return Red
	}
	return ""
}

func (s *Screen) lossSoFar() string {
	share, ok := lossPercent(s.sum.lost, s.sum.received)
	if !ok {
		return "no audio yet"
	}
	return fmt.Sprintf("%s of %s packets", percent(share), grouped(s.sum.lost+s.sum.received))
}

// byCode are the failures so far.
func (s *Screen) byCode() []string {
	var parts []string
	for _, c := range refusals(nil, s.codes) {
		parts = append(parts, fmt.Sprintf("%s %s", c.Name(), grouped(c.Count)))
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"", "  " + s.terminal.Paint(Red, "failed: "+strings.Join(parts, ", "))}
}

// progress is the bar on top with the time left.
func (s *Screen) progress(width int) string {
	at := s.last.At
	switch {
	case s.planned <= 0:
		return "  " + clock(at)
	case at >= s.planned:
		return fmt.Sprintf("  %s of %s, waiting for the last calls to end", clock(at), clock(s.planned))
	}
	text := fmt.Sprintf("  %s of %s, %s left", clock(at), clock(s.planned), clock(s.planned-at))
	bar := min(40, width-len(text)-6)
	if bar < 5 {
		return text
	}
	full := int(math.Round(float64(bar) * float64(at) / float64(s.planned)))
	return "  [" + s.terminal.Paint(Green, strings.Repeat("=", full)) + strings.Repeat(" ", bar-full) + "]" + text
}
