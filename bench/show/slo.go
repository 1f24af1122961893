package show

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"callseal/bench"
)

// ErrSLO is an objective that cannot be understood.
var ErrSLO = errors.New("not an objective")

// unit is what a metric is measured in.
type unit uint8

const (
	counts unit = iota
	times       // in ms
	shares      // in %
	sizes       // in bytes
	rates       // per second
)

// String is the unit's name in JSON.
func (u unit) String() string {
	switch u {
	case counts:
		return "count"
	case times:
		return "ms"
	case shares:
		return "percent"
	case sizes:
		return "bytes"
	case rates:
		return "per_second"
	}
	return fmt.Sprintf("unit(%d)", uint8(u))
}

// show is a value for people.
func (u unit) show(v float64) string {
	switch {
	case math.IsNaN(v):
		return "not measured"
	case u == times:
		return elapsed(time.Duration(math.Round(v * float64(time.Millisecond))))
	case u == shares:
		return percent(v)
	case u == sizes:
		return size(uint64(v))
	case u == rates:
		return decimal(v) + "/s"
	}
	return grouped(int(v))
}

// metric is a figure that an objective can be set for. get is NaN when it was
// not measured.
type metric struct {
	name string
	unit unit
	get  func(*bench.Record) float64
}

// metrics are all but code_NNN.
var metrics = slices.Concat(distributed(), []metric{
	{"loss", shares, func(r *bench.Record) float64 { return measured(lossPercent(r.Packets.Lost, r.Packets.Received)) }},
	{"failures", counts, func(r *bench.Record) float64 { return float64(r.Calls[failedCalls]) }},
	{"failure_rate", shares, func(r *bench.Record) float64 { return shareOf(r, failedCalls) }},
	{"answered", counts, func(r *bench.Record) float64 { return float64(r.Calls["answered"]) }},
	{"answer_rate", shares, func(r *bench.Record) float64 { return shareOf(r, "answered") }},
	{"calls", counts, func(r *bench.Record) float64 { return float64(total(r)) }},
	{"cps", rates, func(r *bench.Record) float64 { return rate(r) }},
	{"up_max", counts, func(r *bench.Record) float64 { up, _, _ := peaks(r); return float64(up) }},
	{"lost", counts, func(r *bench.Record) float64 { return float64(r.Packets.Lost) }},
	{"duplicated", counts, func(r *bench.Record) float64 { return float64(r.Packets.Duplicated) }},
	{"reordered", counts, func(r *bench.Record) float64 { return float64(r.Packets.Reordered) }},
	{"foreign", counts, func(r *bench.Record) float64 { return float64(r.Packets.Foreign) }},
	{"unauthentic", counts, func(r *bench.Record) float64 { return float64(r.Packets.Unauthentic) }},
	{"clipped", counts, func(r *bench.Record) float64 { return float64(r.Packets.Clipped) }},
	{"tone_wrong", counts, func(r *bench.Record) float64 {
		if r.Tone == nil || r.Tone.Checked == 0 {
			return math.NaN()
		}
		return float64(r.Tone.Wrong)
	}},
	{"wire_readable", counts, func(r *bench.Record) float64 {
		if r.Wire == nil || r.Wire.Packets == 0 {
			return math.NaN()
		}
		return float64(r.Wire.Readable)
	}},
	{"cpu_per_call", times, func(r *bench.Record) float64 { return measured(milliseconds(r.CPUPerCall), r.CPUPerCall > 0) }},
	{"cpu_per_packet", times, func(r *bench.Record) float64 { return measured(milliseconds(r.CPUPerPacket), r.CPUPerPacket > 0) }},
	{"rss_per_call", sizes, func(r *bench.Record) float64 { return measured(float64(r.RSSPerCall), r.RSSPerCall > 0) }},
	{"rss_max", sizes, func(r *bench.Record) float64 { _, _, rss := peaks(r); return measured(float64(rss), rss > 0) }},
})

// quantiles are the endings of the names of distributions.
var quantiles = []struct {
	name string
	of   func(bench.Percentiles) time.Duration
}{
	{"p50", func(p bench.Percentiles) time.Duration { return p.P50 }},
	{"p90", func(p bench.Percentiles) time.Duration { return p.P90 }},
	{"p99", func(p bench.Percentiles) time.Duration { return p.P99 }},
	{"p999", func(p bench.Percentiles) time.Duration { return p.P999 }},
	{"max", func(p bench.Percentiles) time.Duration { return p.Max }},
}

func distributed() (all []metric) {
	for _, d := range distributions {
		for _, q := range quantiles {
			all = append(all, metric{d.key + "_" + q.name, times, func(r *bench.Record) float64 {
				p := d.of(r)
				return measured(milliseconds(q.of(p)), p.Count > 0)
			}})
		}
	}
	return all
}

func measured(v float64, ok bool) float64 {
	if !ok {
		return math.NaN()
	}
	return v
}

func shareOf(r *bench.Record, outcome string) float64 {
	if total(r) == 0 {
		return math.NaN()
	}
	return 100 * float64(r.Calls[outcome]) / float64(total(r))
}

// Metrics says in one line what objectives can be set for.
func Metrics() string {
	var spreads, others []string
	for _, d := range distributions {
		spreads = append(spreads, d.key)
	}
	for _, m := range metrics[len(distributions)*len(quantiles):] {
		others = append(others, m.name)
	}
	return strings.Join(spreads, ", ") + ", each with _p50, _p90, _p99, _p999 or _max; " +
		strings.Join(others, ", ") + "; code_NNN (calls with that final code)"
}

// Objective is one demand on a run, like "setup_p99<200ms".
type Objective struct {
	metric metric
	op     string
	want   float64 // in the metric's unit
	text   string  // as it was typed
}

// SLO is all demands on a run. The zero value demands nothing.
type SLO struct{ objectives []Objective }

// ParseSLO reads a list of objectives, like
// "setup_p99<200ms,loss<0.01%,failures=0". The errors wrap ErrSLO and say what
// could be written instead.
func ParseSLO(text string) (SLO, error) {
	var s SLO
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue // a comma at the end
		}
		o, err := parseObjective(part)
		if err != nil {
			return SLO{}, fmt.Errorf("%w: %s: %w", ErrSLO, part, err)
		}
		s.objectives = append(s.objectives, o)
	}
	if len(s.objectives) == 0 {
		return SLO{}, fmt.Errorf("%w: nothing given; write for example setup_p99<200ms,loss<0.01%%,failures=0", ErrSLO)
	}
	return s, nil
}

// UnmarshalText is ParseSLO, for flags.
func (s *SLO) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSLO(string(text))
	return err
}

// operators, the longer ones first.
var operators = []string{"<=", ">=", "!=", "<", ">", "="}

func parseObjective(text string) (o Objective, err error) {
	at := strings.IndexAny(text, "<>=!")
	if at < 0 {
		return o, errors.New("no comparison; write METRIC<VALUE with one of < <= > >= = !=")
	}
	i := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(text[at:], op) })
	if i < 0 {
		return o, errors.New("not a comparison; use one of < <= > >= = !=")
	}
	o.op = operators[i]
	name, value := strings.TrimSpace(text[:at]), strings.TrimSpace(text[at+len(o.op):])
	if o.metric, err = findMetric(name); err != nil {
		return o, err
	}
	if o.metric.unit != counts && (o.op == "=" || o.op == "!=") {
		return o, fmt.Errorf("%s is never exactly a value; use one of < <= > >=", name)
	}
	o.text = text
	o.want, err = o.metric.unit.parse(value)
	return o, err
}

func findMetric(name string) (metric, error) {
	if i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name }); i >= 0 {
		return metrics[i], nil
	}
	if digits, found := strings.CutPrefix(name, "code_"); found {
		if code, err := strconv.Atoi(digits); err == nil && code >= 200 && code <= 699 {
			return metric{name, counts, func(r *bench.Record) float64 { return float64(r.Codes[code]) }}, nil
		}
	}
	return metric{}, fmt.Errorf("unknown metric %q; known are %s", name, Metrics())
}

// parse reads a value as people write it into the unit.
func (u unit) parse(text string) (float64, error) {
	var v float64
	var err error
	hint := ""
	switch u {
	case times:
		var d time.Duration
		d, err = time.ParseDuration(text)
		v, hint = milliseconds(d), "a time with its unit, like 200ms, 1.5s or 30us"
	case shares:
		number, isPercent := strings.CutSuffix(text, "%")
		v, err = strconv.ParseFloat(strings.TrimSpace(number), 64)
		if !isPercent {
			v *= 100
		}
		if v > 100 {
			err = strconv.ErrRange
		}
		hint = "a share, like 0.01% or 0.0001"
	case sizes:
		v, err = parseSize(text)
		hint = "a size, like 60MB or 40kB"
	case rates:
		v, err = strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		hint = "a number per second, like 20"
	case counts:
		var n uint64
		n, err = strconv.ParseUint(text, 10, 53)
		v, hint = float64(n), "a whole number, like 0"
	}
	if err != nil || !(v >= 0) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not %s", text, hint)
	}
	return v, nil
}

func parseSize(text string) (float64, error) {
	for _, suffix := range []struct {
		name  string
		times float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}} {
		if number, found := strings.CutSuffix(text, suffix.name); found {
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			return v * suffix.times, err
		}
	}
	return strconv.ParseFloat(text, 64)
}

// Judge holds the run to the objectives and fills r.SLO. What was not measured
// misses its objective: a run without a call proves nothing.
func (s SLO) Judge(r *bench.Record) {
	r.SLO = nil
	for _, o := range s.objectives {
		got := o.metric.get(r)
		r.SLO = append(r.SLO, bench.Verdict{
			Text: o.text, Metric: o.metric.name, Want: o.want, Got: got, OK: o.holds(got),
		})
	}
}

// holds is false for NaN, whatever the operator.
func (o Objective) holds(got float64) bool {
	switch o.op {
	case "<":
		return got < o.want
	case "<=":
		return got <= o.want
	case ">":
		return got > o.want
	case ">=":
		return got >= o.want
	case "=":
		return got == o.want
	case "!=":
		return !math.IsNaN(got) && got != o.want
	}
	return false
}

// unitOf is the unit of a verdict's figures.
func unitOf(v bench.Verdict) unit {
	m, err := findMetric(v.Metric)
	if err != nil {
		return counts
	}
	return m.unit
}

// got is what a verdict's metric came to, in words.
func got(v bench.Verdict) string { return unitOf(v).show(v.Got) }
