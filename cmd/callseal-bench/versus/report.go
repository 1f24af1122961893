package versus

import (
	"io"
	"os"
	"time"

	"callseal/bench"
	"callseal/bench/show"
)

// recorder makes of a relay's measurement the record that every other run has,
// for the same report and the same objectives. One goroutine uses it.
type recorder struct {
	load    traffic
	latency *bench.Latency
	record  bench.Record
	was     bench.Media // at the last second
	idle    bench.Cost  // of the relay before the calls
	first   *bench.Cost // of the relay in the first second
	own     time.Duration
	calls   int
}

func newRecorder(c TargetCmd, load traffic, latency *bench.Latency, idle bench.Cost) *recorder {
	latency.Lap() // begins the first second
	return &recorder{
		load: load, latency: latency, idle: idle, calls: c.Calls, own: ownCPU(),
		record: bench.Record{Scenario: "media", Target: c.Target, Command: os.Args, Began: time.Now()},
	}
}

// second takes a sample. cost is the relay's, nil where it is not measured.
func (r *recorder) second(cost *bench.Cost) {
	f, media, laps := r.load.figures(), bench.Media{}, r.latency.Lap()
	for _, end := range f {
		media.Counts = media.Plus(end.Media.Counts)
	}
	s := bench.Sample{
		At: time.Since(r.record.Began), Up: f[0].Talking, Sent: media.Sent - r.was.Sent, Received: media.Received - r.was.Received,
		Lost: media.Lost - min(media.Lost, r.was.Lost), LatencyP50: laps.P50, LatencyP99: laps.P99, LatenessP99: f[0].Lateness.P99, Server: cost,
	}
	r.was = media
	if r.first == nil {
		r.first = cost
	}
	r.record.Samples = append(r.record.Samples, s)
}

// done sums the run up, when its calls are over.
func (r *recorder) done(ends [2]bench.Figures) *bench.Record {
	rec := &r.record
	rec.Took, rec.GeneratorCPU = time.Since(rec.Began), ownCPU()-r.own
	rec.Calls = map[string]int{"relayed": r.calls}
	rec.Latency, rec.Lateness, rec.Jitter = r.latency.Quantiles().Percentiles(), ends[0].Lateness.Percentiles(), ends[0].Jitter.Percentiles()
	p := &rec.Packets
	for _, end := range ends {
		m := end.Media
		p.Sent, p.Received, p.Lost, p.Duplicated = p.Sent+m.Sent, p.Received+m.Received, p.Lost+m.Lost, p.Duplicated+m.Duplicated
		p.Reordered, p.Foreign, p.Unauthentic, p.Clipped = p.Reordered+m.Reordered, p.Foreign+m.Foreign, p.Unauthentic+m.Unauthentic, p.Clipped+m.Clipped
	}
	if n := len(rec.Samples); n > 1 && r.first != nil {
		var relayed uint64
		for _, s := range rec.Samples[1:] {
			relayed += s.Received
		}
		last := rec.Samples[n-1].Server
		if relayed > 0 && last != nil {
			rec.CPUPerPacket = (last.CPU() - r.first.CPU()) / time.Duration(relayed)
			rec.RSSPerCall = (last.RSS - min(last.RSS, r.idle.RSS)) / uint64(r.calls)
		}
	}
	return rec
}

// conclude judges the run and writes its page.
func (c TargetCmd) conclude(rec *bench.Record) error {
	c.SLO.Judge(rec)
	if err := writeFile(c.Report, func(w io.Writer) error { return show.WriteHTML(w, rec) }); err != nil {
		return err
	}
	if show.Status(rec, nil) == show.StatusMissed {
		return missed(rec)
	}
	return nil
}

// missed names the objectives that were not met, and ends the program with
// their status.
func missed(rec *bench.Record) error {
	e := missedError{}
	for _, v := range rec.SLO {
		if !v.OK {
			e.text += " " + v.Text
		}
	}
	return e
}

type missedError struct{ text string }

func (e missedError) Error() string { return "not all objectives were met:" + e.text }

// ExitCode is the status, for kong.
func (e missedError) ExitCode() int { return show.StatusMissed }
