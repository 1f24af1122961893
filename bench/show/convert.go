package show

import (
	"math"
	"time"

	"callseal/bench"
)

// toJSON is the document of a run.
func toJSON(r *bench.Record) document {
	d := document{
		Version: version, Scenario: r.Scenario, Target: redactURI(r.Target), Command: redact(r.Command),
		Began: r.Began, Took: jsonMS(r.Took), GeneratorBound: r.GeneratorBound, BoundBy: r.BoundBy,
		GeneratorCPU: jsonMS(r.GeneratorCPU), BrokenOff: r.BrokenOff, Objectives: []jsonVerdict{}, Faults: r.Faults, Notes: r.Notes, Calls: r.Calls, Codes: toCodes(r.Codes),
		Times:   map[string]jsonPercentiles{},
		Packets: jsonPackets(r.Packets), Tone: (*jsonTone)(r.Tone), Wire: (*jsonWire)(r.Wire),
		CPUPerCall: jsonMS(r.CPUPerCall), CPUPerPacket: jsonMS(r.CPUPerPacket), RSSPerCall: r.RSSPerCall,
		Samples: []jsonSample{},
	}
	for _, list := range []*[]string{&d.Faults, &d.Notes, &d.BoundBy} {
		if *list == nil {
			*list = []string{}
		}
	}
	if d.Calls == nil {
		d.Calls = map[string]int{}
	}
	for _, of := range distributions {
		p := of.of(r)
		d.Times[of.key] = jsonPercentiles{p.Count, jsonMS(p.P50), jsonMS(p.P90), jsonMS(p.P99), jsonMS(p.P999), jsonMS(p.Max)}
	}
	for _, v := range r.SLO {
		j := jsonVerdict{v.Text, v.Metric, unitOf(v).String(), v.Want, &v.Got, v.OK}
		if math.IsNaN(v.Got) {
			j.Got = nil
		}
		d.Objectives = append(d.Objectives, j)
	}
	for _, s := range r.Samples {
		d.Samples = append(d.Samples, jsonSample{
			jsonMS(s.At), s.Up, s.Started, s.Answered, s.Ended, toCodes(s.Failed), s.Sent, s.Received, s.Lost,
			jsonMS(s.SetupP50), jsonMS(s.SetupP99), jsonMS(s.LatencyP50), jsonMS(s.LatencyP99), jsonMS(s.LatenessP99), toCost(s.Server),
		})
	}
	return d
}

func toCodes(codes map[int]int) jsonCodes {
	out := jsonCodes{}
	for code, n := range codes {
		out[jsonCode(code)] = n
	}
	return out
}

func toCost(c *bench.Cost) *jsonCost {
	if c == nil {
		return nil
	}
	return &jsonCost{jsonMS(c.User), jsonMS(c.System), c.RSS, c.Threads, c.Descriptors}
}

// record is the run of a document.
func (d document) record() *bench.Record {
	r := &bench.Record{
		Scenario: d.Scenario, Target: d.Target, Command: d.Command, Began: d.Began, Took: time.Duration(d.Took),
		Calls: d.Calls, Codes: d.Codes.codes(), Faults: d.Faults, Notes: d.Notes, GeneratorBound: d.GeneratorBound,
		BoundBy: d.BoundBy, GeneratorCPU: time.Duration(d.GeneratorCPU), BrokenOff: d.BrokenOff,
		CPUPerCall: time.Duration(d.CPUPerCall), CPUPerPacket: time.Duration(d.CPUPerPacket), RSSPerCall: d.RSSPerCall,
	}
	for key, to := range map[string]*bench.Percentiles{
		"setup": &r.Setup, "connect": &r.Connect, "latency": &r.Latency, "jitter": &r.Jitter,
		"clip_caller": &r.ClipCaller, "clip_answerer": &r.ClipAnswerer, "lateness": &r.Lateness,
	} {
		p := d.Times[key]
		*to = bench.Percentiles{
			Count: p.Count, P50: time.Duration(p.P50), P90: time.Duration(p.P90),
			P99: time.Duration(p.P99), P999: time.Duration(p.P999), Max: time.Duration(p.Max),
		}
	}
	r.Packets.Sent, r.Packets.Received, r.Packets.Lost = d.Packets.Sent, d.Packets.Received, d.Packets.Lost
	r.Packets.Duplicated, r.Packets.Reordered, r.Packets.Foreign = d.Packets.Duplicated, d.Packets.Reordered, d.Packets.Foreign
	r.Packets.Unauthentic, r.Packets.Clipped, r.Packets.Overflowed = d.Packets.Unauthentic, d.Packets.Clipped, d.Packets.Overflowed
	if d.Tone != nil {
		r.Tone = &struct{ Checked, Wrong int }{d.Tone.Checked, d.Tone.Wrong}
	}
	if d.Wire != nil {
		r.Wire = &struct{ Packets, Readable uint64 }{d.Wire.Packets, d.Wire.Readable}
	}
	for _, v := range d.Objectives {
		got := math.NaN()
		if v.Got != nil {
			got = *v.Got
		}
		r.SLO = append(r.SLO, bench.Verdict{Text: v.Text, Metric: v.Metric, Want: v.Want, Got: got, OK: v.OK})
	}
	for _, s := range d.Samples {
		r.Samples = append(r.Samples, s.sample())
	}
	return r
}

func (codes jsonCodes) codes() map[int]int {
	out := map[int]int{}
	for code, n := range codes {
		out[int(code)] = n
	}
	return out
}

func (s jsonSample) sample() bench.Sample {
	out := bench.Sample{
		At: time.Duration(s.At), Up: s.Up, Started: s.Started, Answered: s.Answered, Ended: s.Ended,
		Failed: s.Failed.codes(), Sent: s.Sent, Received: s.Received, Lost: s.Lost,
		SetupP50: time.Duration(s.SetupP50), SetupP99: time.Duration(s.SetupP99),
		LatencyP50: time.Duration(s.LatencyP50), LatencyP99: time.Duration(s.LatencyP99), LatenessP99: time.Duration(s.Lateness),
	}
	if c := s.Server; c != nil {
		out.Server = &bench.Cost{
			User: time.Duration(c.User), System: time.Duration(c.System), RSS: c.RSS, Threads: c.Threads, Descriptors: c.Descriptors,
		}
	}
	return out
}
