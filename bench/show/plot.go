package show

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// plot is one picture of a run over time.
type plot struct {
	ID    string
	Title string
	Unit  string
	empty string // said when nothing was measured
	lines []line
}

// line is one figure of a plot. The first is drawn with the area below it,
// the second as a line, the third dashed: they differ without colours too.
type line struct {
	name string
	of   func(step) float64
}

// plots are the pictures of the report, in their order.
var plots = []plot{
	{"up", "Calls up", "calls", "No call was up at any time.", []line{
		{"calls up", func(s step) float64 { return s.up }},
	}},
	{"rate", "Call rate", "calls per second", "No call was started.", []line{
		{"started", func(s step) float64 { return s.started }},
		{"answered", func(s step) float64 { return s.answered }},
		{"failed", func(s step) float64 { return s.failed }},
	}},
	{"setup", "Set-up", "ms from INVITE to ringing or answer", "No call got as far as ringing or an answer.", []line{
		{"p50", func(s step) float64 { return s.setup50 }},
		{"p99", func(s step) float64 { return s.setup99 }},
	}},
	{"latency", "Audio latency", "ms, one way", "No audio arrived, so there is no latency.", []line{
		{"p50", func(s step) float64 { return s.lat50 }},
		{"p99", func(s step) float64 { return s.lat99 }},
	}},
	{"loss", "Audio packets lost", "%", "No audio was due, so none could be lost.", []line{
		{"lost", func(s step) float64 { return s.loss }},
	}},
	{"lateness", "Generator's lateness", "ms behind its own plan", "The generator's lateness was not measured.", []line{
		{"p99", func(s step) float64 { return s.late }},
	}},
	{"cpu", "Server CPU", "% of one core", "The server was not sampled (--pid or --container).", []line{
		{"user and system", func(s step) float64 { return s.cpu }},
		{"system alone", func(s step) float64 { return s.system }},
	}},
	{"rss", "Server memory", "MB of RSS", "The server was not sampled (--pid or --container).", []line{
		{"RSS", func(s step) float64 { return s.rss }},
	}},
}

// in is the plot in the words of a trade.
func (p plot) in(t trade) plot {
	p.Title, p.Unit, p.empty = t.words(p.Title), t.words(p.Unit), t.words(p.empty)
	lines := slices.Clone(p.lines)
	for i := range lines {
		lines[i].name = t.words(lines[i].name)
	}
	p.lines = lines
	return p
}

// times tells whether the plot is of times, which may differ a lot.
func (p plot) times() bool { return strings.HasPrefix(p.Unit, "ms") }

// extent is the least and the highest of a line's values; false for none.
func (l line) extent(all []step) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range all {
		if v := l.of(s); !math.IsNaN(v) {
			low, high, ok = min(low, v), max(high, v), true
		}
	}
	return low, high, ok
}

func (p plot) extent(all []step) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range p.lines {
		if a, b, some := l.extent(all); some {
			low, high, ok = min(low, a), max(high, b), true
		}
	}
	return low, high, ok
}

// scale maps a value to 0 (bottom) ... 1 (top).
type scale struct {
	low, high float64
	log       bool
	Ticks     []float64
}

func (s scale) at(v float64) float64 {
	if s.log {
		return math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return (v - s.low) / (s.high - s.low)
}

// logFrom is how many times the least value the highest must be for a
// logarithmic scale.
const logFrom = 50

// newScale fits what is between low and high: from 0 to a round number, or
// logarithmic when times differ so much that the small ones would lie on the
// ground.
func newScale(low, high float64, times bool) scale {
	if times && low > 0 && high/low >= logFrom {
		return logScale(low, high)
	}
	if high <= 0 {
		high = 1
	}
	tick := round(high / 4)
	s := scale{high: tick * math.Ceil(high/tick-1e-9)}
	for i := 0; float64(i)*tick <= s.high*(1+1e-9); i++ {
		s.Ticks = append(s.Ticks, float64(i)*tick)
	}
	return s
}

func logScale(low, high float64) scale {
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high)-1e-9)
	s := scale{low: math.Pow(10, from), high: math.Pow(10, to), log: true}
	stride := math.Ceil((to - from) / 5)
	for e := from; e <= to; e += stride {
		s.Ticks = append(s.Ticks, math.Pow(10, e))
	}
	return s
}

// round is the 1, 2 or 5 times a power of ten that is not below v.
func round(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// tickText is a tick's number, short.
func tickText(v float64) string {
	for _, big := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) >= big.size {
			if big.name == "k" {
				big.size = 1e3
			}
			return trim(v/big.size) + big.name
		}
	}
	if v >= 1000 {
		return grouped(int(v))
	}
	return trim(v)
}

func trim(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.4g", v), ".0") }

// timeSteps are the spaces between ticks of time, in seconds.
var timeSteps = []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400}

// timeScale fits the run; at most 6 ticks.
func timeScale(last float64) scale {
	if last <= 0 {
		last = 1
	}
	s := scale{high: last}
	stride := timeSteps[len(timeSteps)-1]
	for _, candidate := range timeSteps {
		if last/candidate <= 6 {
			stride = candidate
			break
		}
	}
	for t := 0.0; t <= last*(1+1e-9); t += stride {
		s.Ticks = append(s.Ticks, t)
	}
	return s
}

// timeText is a tick of time: seconds for short runs, else minutes or hours.
func timeText(t, last float64) string {
	switch {
	case last < 120:
		return trim(t)
	case last < 2*3600:
		return fmt.Sprintf("%d:%02d", int(t)/60, int(t)%60)
	}
	return fmt.Sprintf("%d:%02d", int(t)/3600, int(t)/60%60)
}

// timeUnit names what timeText writes.
func timeUnit(last float64) string {
	switch {
	case last < 120:
		return "seconds since the start"
	case last < 2*3600:
		return "minutes since the start"
	}
	return "hours since the start"
}
