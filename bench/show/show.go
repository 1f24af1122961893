// Package show renders a run of the bench for people and for machines: a live
// screen, a closing summary, JSON, an HTML report with plots, and the verdict
// on the service levels that were asked for.
//
// It opens no files and reads no environment: writers and the like are
// arguments.
package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"callseal/bench"
)

// The exit statuses of a run.
const (
	StatusOK        = 0 // it ran, and met its objectives if it had any
	StatusFailed    = 1 // it could not run, or what had to hold did not
	StatusMissed    = 2 // an objective was missed
	StatusGenerator = 3 // the generator was the bottleneck: the figures are not the server's
)

// Status is the exit status of a run that gave r, nil if nothing, and err. A
// run whose generator was the bottleneck says nothing about the server, so
// that goes before its objectives.
func Status(r *bench.Record, err error) int {
	switch {
	case err != nil || r == nil:
		return StatusFailed
	case r.GeneratorBound:
		return StatusGenerator
	case missed(r) > 0:
		return StatusMissed
	}
	return StatusOK
}

// tone is how good a verdict is; its String is a CSS class of the report.
type tone uint8

const (
	neutral tone = iota
	good
	warning
	bad
)

func (t tone) String() string {
	switch t {
	case neutral:
		return "neutral"
	case good:
		return "good"
	case warning:
		return "warning"
	case bad:
		return "bad"
	}
	return fmt.Sprintf("tone(%d)", uint8(t))
}

func (t tone) style() Style {
	switch t {
	case good:
		return Green
	case warning:
		return Yellow
	case bad:
		return Red
	}
	return Bold
}

// judgement is the whole run in a line, and a sentence more.
type judgement struct {
	Tone     tone
	Headline string
	Why      string
}

func judge(r *bench.Record) judgement {
	lost := missed(r)
	switch {
	case r.BrokenOff != "":
		return judgement{bad, "Broken off", capital(r.BrokenOff) + "."}
	case r.GeneratorBound:
		why := "It could not keep to its own plan"
		if len(r.BoundBy) > 0 {
			why = "The generator could not keep to its own plan: " + strings.Join(r.BoundBy, "; ")
		}
		return judgement{warning, "Not valid: the generator was the bottleneck",
			why + ". These figures are not the server's: run it on a faster or idler machine, or with less load."}
	case total(r) == 0 && len(r.Faults) > 0:
		return judgement{bad, "No call was placed", faulty(r)}
	case total(r) == 0:
		return judgement{neutral, "No call was placed", "There is nothing to judge."}
	case lost > 0:
		return judgement{bad, fmt.Sprintf("%d of %s missed", lost, counted(len(r.SLO), "objective")), faulty(r)}
	case len(r.SLO) > 0 && len(r.Faults) > 0:
		return judgement{warning, "Objectives met, with faults", faulty(r)}
	case len(r.SLO) > 0:
		return judgement{good, "All objectives met", fmt.Sprintf("%s, no fault.", counted(total(r), tradeOf(r).noun))}
	case len(r.Faults) > 0:
		return judgement{bad, "Not as planned", faulty(r)}
	}
	return judgement{good, "All as planned", fmt.Sprintf("%s, no fault. No objectives were set (--slo).", counted(total(r), tradeOf(r).noun))}
}

func faulty(r *bench.Record) string {
	if len(r.Faults) == 0 {
		return "No other fault was seen."
	}
	return fmt.Sprintf("%s, the most frequent: %s.", counted(len(r.Faults), "kind")+" of fault", r.Faults[0])
}

func missed(r *bench.Record) (n int) {
	for _, v := range r.SLO {
		if !v.OK {
			n++
		}
	}
	return n
}

// trade is what a run does again and again, and how that is when it went well.
type trade struct{ noun, done, until string }

// trades are told by the outcome of what went well.
var trades = []trade{
	{"call", "answered", "From INVITE to ringing or an answer"},
	{"registration", "registered", "From connecting to registered"},
	{"connection", "connected", "From connecting to connected"},
}

func tradeOf(r *bench.Record) trade {
	for _, t := range trades[1:] {
		if r.Calls[t.done] > 0 {
			return t
		}
	}
	return trades[0]
}

// words puts a text about calls into words of the trade.
func (t trade) words(text string) string {
	if t.noun == trades[0].noun {
		return text
	}
	return strings.NewReplacer("from INVITE to ringing or answer", "until "+t.done, "INVITE to the first 18x or 2xx", "until "+t.done,
		"call", t.noun, "Call", capital(t.noun), "answered", t.done, "Answered", capital(t.done), "a 200", "success").Replace(text)
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// total is how many calls were placed.
func total(r *bench.Record) (n int) {
	for _, count := range r.Calls {
		n += count
	}
	return n
}

// outcomes are the outcomes of a run's calls, those that matter most first.
func outcomes(r *bench.Record) []string {
	rank := func(name string) int {
		if i := slices.Index([]string{"answered", "busy", "cancelled"}, name); i >= 0 {
			return i
		}
		if name == failedCalls {
			return 9 // closes the list
		}
		return 5
	}
	names := slices.Sorted(maps.Keys(r.Calls))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return names
}

// failedCalls is the outcome of calls that did not go as planned.
const failedCalls = "failed"

// lossPercent is the share of packets that never came; false when none could.
func lossPercent(lost, received uint64) (float64, bool) {
	if lost+received == 0 {
		return 0, false
	}
	return 100 * float64(lost) / float64(lost+received), true
}

// peaks are the highest of the seconds.
func peaks(r *bench.Record) (up, started int, rss uint64) {
	for _, s := range r.Samples {
		up, started = max(up, s.Up), max(started, s.Started)
		if s.Server != nil {
			rss = max(rss, s.Server.RSS)
		}
	}
	return up, started, rss
}

// rate is how many calls were started per second, over the time in which any
// were; 0 when there were none.
func rate(r *bench.Record) float64 {
	started, from, to := 0, 0.0, 0.0
	for i, s := range r.Samples {
		if s.Started == 0 {
			continue
		}
		if started == 0 && i > 0 {
			from = r.Samples[i-1].At.Seconds()
		}
		started += s.Started
		to = s.At.Seconds()
	}
	if to <= from {
		return 0
	}
	return float64(started) / (to - from)
}

// distribution is a Percentiles of a Record with its names.
type distribution struct {
	key   string // of objectives
	title string
	about string
	of    func(*bench.Record) bench.Percentiles
}

var distributions = []distribution{
	{"setup", "Set-up", "INVITE to the first 18x or 2xx", func(r *bench.Record) bench.Percentiles { return r.Setup }},
	{"connect", "Connect", "INVITE to 200, less the ringing", func(r *bench.Record) bench.Percentiles { return r.Connect }},
	{"latency", "Latency", "one way, per packet", func(r *bench.Record) bench.Percentiles { return r.Latency }},
	{"jitter", "Jitter", "RFC 3550, per stream", func(r *bench.Record) bench.Percentiles { return r.Jitter }},
	{"clip_caller", "Clip, caller", "200 to the first packet heard", func(r *bench.Record) bench.Percentiles { return r.ClipCaller }},
	{"clip_answerer", "Clip, answerer", "200 to the first packet heard", func(r *bench.Record) bench.Percentiles { return r.ClipAnswerer }},
	{"lateness", "Lateness", "the generator against its own plan", func(r *bench.Record) bench.Percentiles { return r.Lateness }},
}
