package show

import (
	"math"
	"math/rand/v2"
	"time"

	"callseal/bench"
)

const busyPlanned = time.Minute

var began = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// busy is a run as they are: a minute of dialling with a fault in the middle,
// and two seconds in which nothing was sampled.
func busy() *bench.Record {
	random := rand.New(rand.NewPCG(1, 2))
	r := &bench.Record{
		Scenario: "vicidial-s", Target: "sips:dialer:hunter2@sbc.example.net:5071", Began: began, Took: 63*time.Second + 412*time.Millisecond,
		Command: []string{"callseal-bench", "run", "vicidial-s", "--target", "sips:dialer:hunter2@sbc.example.net:5071", "--password=hunter2",
			"--duration", "60s", "--slo", "setup_p99<200ms,loss<0.01%,failures=0", "--report", "out.html"},
		Calls: map[string]int{"answered": 88, "busy": 10, "cancelled": 97, "refused": 33, "failed": 12},
		Codes: map[int]int{200: 88, 486: 10, 487: 97, 480: 11, 404: 12, 503: 19},
		Setup: percentiles(228, 4100*time.Microsecond), Connect: percentiles(88, 5400*time.Microsecond), Latency: percentiles(611_234, 210*time.Microsecond),
		Jitter: percentiles(176, 90*time.Microsecond), ClipCaller: percentiles(88, 19*time.Millisecond), ClipAnswerer: percentiles(88, 21*time.Millisecond),
		Lateness: percentiles(611_400, 60*time.Microsecond), CPUPerCall: 1834 * time.Microsecond, CPUPerPacket: 4210 * time.Nanosecond, RSSPerCall: 48_213,
		Tone: &struct{ Checked, Wrong int }{176, 0}, Wire: &struct{ Packets, Readable uint64 }{1_234_000, 0},
		Faults: []string{"12 of 240 calls failed: planned answered, got 503 Service Unavailable", "41 audio packets were lost (0.0067 %)"},
	}
	r.Packets.Sent, r.Packets.Received, r.Packets.Lost, r.Packets.Reordered, r.Packets.Clipped = 611_400, 611_234, 41, 3, 122
	var cost bench.Cost
	for i := 1; i <= 63; i++ {
		at := float64(i)
		up := 120*(1-math.Exp(-at/15)) + 6*random.Float64()
		s := bench.Sample{At: time.Duration(i) * time.Second, Up: int(up), Started: 3 + random.IntN(3), Answered: random.IntN(3), Ended: random.IntN(4)}
		trouble := 1.0
		if i >= 28 && i <= 33 {
			trouble = 14
			s.Failed = map[int]int{503: 1 + random.IntN(2)}
			if i == 30 {
				s.Failed[0] = 2
			}
			s.Lost = uint64(4 + random.IntN(5))
		}
		if i > 60 {
			s.Up, s.Started, s.Answered, up = int(up)*(63-i)/3, 0, 0, up*float64(63-i)/3
		}
		s.Sent = uint64(100 * up)
		s.Received = s.Sent - min(s.Sent, s.Lost)
		if i > 2 {
			s.LatencyP50 = jitter(random, 200*time.Microsecond)
			s.LatencyP99 = jitter(random, time.Duration(900*trouble)*time.Microsecond)
		}
		if s.Started > 0 {
			s.SetupP50 = jitter(random, 4*time.Millisecond)
			s.SetupP99 = jitter(random, time.Duration(11*trouble)*time.Millisecond)
		}
		s.LatenessP99 = jitter(random, 120*time.Microsecond)
		cost.User += time.Duration(2.1 * up * float64(time.Millisecond))
		cost.System += time.Duration(1.3 * (up + 9*random.Float64()) * float64(time.Millisecond))
		cost.RSS = 31_000_000 + uint64(up*48_000)
		cost.Threads, cost.Descriptors = 9, 12+2*int(up)
		if i == 38 || i == 39 {
			continue // the machine was too busy to look
		}
		sampled := cost
		s.Server = &sampled
		r.Samples = append(r.Samples, s)
	}
	return r
}

func jitter(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.5*random.Float64()))
}

func percentiles(count uint64, median time.Duration) bench.Percentiles {
	return bench.Percentiles{Count: count, P50: median, P90: median * 17 / 10, P99: median * 41 / 10, P999: median * 9, Max: median * 14}
}

// tiny is a run of one call and one second, without audio, against a server
// that is not sampled.
func tiny() *bench.Record {
	return &bench.Record{
		Scenario: "smoke", Target: "sip:127.0.0.1:5060;transport=tcp", Command: []string{"callseal-bench", "run", "smoke"}, Began: began, Took: 1200 * time.Millisecond,
		Calls: map[string]int{"answered": 1}, Codes: map[int]int{200: 1},
		Setup:   bench.Percentiles{Count: 1, P50: time.Millisecond, P90: time.Millisecond, P99: time.Millisecond, P999: time.Millisecond, Max: time.Millisecond},
		Samples: []bench.Sample{{At: time.Second, Up: 1, Started: 1, Answered: 1, SetupP50: time.Millisecond, SetupP99: time.Millisecond}},
	}
}

// storm is a run that makes connections, which have no final code.
func storm() *bench.Record {
	return &bench.Record{
		Scenario: "tls-storm", Began: began, Took: 2 * time.Second, Calls: map[string]int{"connected": 498, "failed": 2}, Codes: map[int]int{0: 500},
		Setup: percentiles(498, 40*time.Millisecond), Faults: []string{"2 of 500: connection lost"},
		Samples: []bench.Sample{
			{At: time.Second, Up: 498, Started: 500, Answered: 498, Ended: 500, Failed: map[int]int{0: 2}, SetupP50: time.Second / 20, SetupP99: time.Second / 5},
			{At: 2 * time.Second, Up: 498},
		},
	}
}

// long is a shift of eight hours.
func long() *bench.Record {
	r := busy()
	r.Scenario, r.Took, r.Faults, r.Samples = "vicidial-xl", 8*time.Hour, nil, nil
	r.Calls = map[string]int{"answered": 836_640, "busy": 95_616, "cancelled": 956_160, "refused": 501_984}
	r.Codes = map[int]int{200: 836_640, 486: 95_616, 487: 956_160, 480: 119_520, 404: 119_520, 503: 95_616, 603: 95_616, 403: 23_904, 0: 23_904, 500: 23_904}
	random := rand.New(rand.NewPCG(3, 4))
	for i := 1; i <= 8*3600; i++ {
		s := bench.Sample{At: time.Duration(i) * time.Second, Up: 2400 + random.IntN(200), Started: 75 + random.IntN(16), Answered: 24 + random.IntN(10)}
		s.Sent, s.Received = 250_000, 250_000
		s.LatencyP50, s.LatencyP99 = jitter(random, 400*time.Microsecond), jitter(random, 3*time.Millisecond)
		s.SetupP50, s.SetupP99, s.LatenessP99 = jitter(random, 5*time.Millisecond), jitter(random, 31*time.Millisecond), jitter(random, 400*time.Microsecond)
		r.Samples = append(r.Samples, s)
	}
	return r
}

// bound is busy with a generator that was too slow.
func bound() *bench.Record {
	r := busy()
	r.Bound("it sent one of a hundred packets 164.0 ms late or more (bearable: 20.0 ms)")
	r.GeneratorCPU = 71 * time.Second
	r.Lateness = percentiles(611_400, 40*time.Millisecond)
	return r
}

func mustSLO(text string) SLO {
	s, err := ParseSLO(text)
	if err != nil {
		panic(err)
	}
	return s
}

// judged is the run with verdicts.
func judged(r *bench.Record, slo string) *bench.Record {
	mustSLO(slo).Judge(r)
	return r
}
