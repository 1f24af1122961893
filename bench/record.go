package bench

import "time"

// Sample is one second of a run, as plots show it. Figures without a remark
// are of this second alone.
type Sample struct {
	At       time.Duration // the end of the second, since the start
	Up       int           // calls up at that moment, ringing or talking
	Started  int           // calls placed
	Answered int           // calls answered with 200
	Ended    int           // calls over, whatever their outcome
	Failed   map[int]int   // calls that did not go as planned, by final code; 0: no answer

	Sent, Received, Lost   uint64        // audio packets, both ends together
	LatencyP50, LatencyP99 time.Duration // one-way, of audio packets
	SetupP50, SetupP99     time.Duration // INVITE to the first 18x or 2xx
	LatenessP99            time.Duration // of the generator against its own plan
	Server                 *Cost         // of the server, at that moment; nil when not sampled
}

// Percentiles of one distribution.
type Percentiles struct {
	Count                    uint64
	P50, P90, P99, P999, Max time.Duration
}

// Percentiles is the same summary as a Record holds it.
func (q Quantiles) Percentiles() Percentiles {
	return Percentiles{Count: uint64(max(q.Count, 0)), P50: q.P50, P90: q.P90, P99: q.P99, P999: q.P999, Max: q.Max}
}

// Record is a whole run: what JSON holds and the HTML report draws.
type Record struct {
	Scenario, Target string
	Command          []string // as it was typed
	Began            time.Time
	Took             time.Duration
	Samples          []Sample

	Calls map[string]int // by how they ended: "answered", "busy", "cancelled", "refused", "failed", ...
	Codes map[int]int    // final codes that callers saw; 0: none came

	Setup        Percentiles // INVITE to the first 18x or 2xx
	Connect      Percentiles // INVITE to 200, less the time that the answerer let it ring
	Latency      Percentiles // one-way, of audio packets
	Jitter       Percentiles // RFC 3550 interarrival jitter, one value per stream
	ClipCaller   Percentiles // 200 to the first audio at the caller
	ClipAnswerer Percentiles // 200 to the first audio at the answerer
	Lateness     Percentiles // of the generator against its own plan

	Packets struct { // audio, both ends together
		Sent, Received, Lost, Duplicated, Reordered, Foreign, Unauthentic, Clipped uint64
		Overflowed                                                                 uint64 // the generator's own sockets had no room
	}
	Tone *struct{ Checked, Wrong int }       // streams; nil without --tone
	Wire *struct{ Packets, Readable uint64 } // nil without --wire

	CPUPerCall, CPUPerPacket time.Duration // 0 when the server was not sampled
	RSSPerCall               uint64        // bytes; 0 when the server was not sampled

	GeneratorCPU   time.Duration // what the generator itself used; 0: not known
	GeneratorBound bool          // the generator was the bottleneck, so the figures are not the server's: exit 3
	BoundBy        []string      // why, a sentence each
	BrokenOff      string        // why the run ended before its time; "": it did not

	Faults []string // one sentence each, most frequent first
	Notes  []string // what the scenario found beside faults, one sentence each, like the knee of cps
	SLO    []Verdict
}

// Verdict is one service level objective and how the run met it.
type Verdict struct {
	Text      string // as it was typed, like "setup_p99<200ms"
	Metric    string
	Want, Got float64 // in the metric's unit
	OK        bool
}

// Observer follows a run: the live screen, the files. Its methods are called
// from one goroutine, in order, and must not block for long.
type Observer interface {
	Sample(Sample) // once a second
	Done(*Record)  // once, at the end, also of a run that was interrupted; it may still add verdicts
}

// Bound notes that the generator was the bottleneck, and why, in a sentence.
func (r *Record) Bound(why string) {
	r.GeneratorBound = true
	r.BoundBy = append(r.BoundBy, why)
}

// CostSampler says what the server under test has used so far.
// (*Sampler).Sample is one.
type CostSampler func() (Cost, error)
