package show

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"callseal/bench"
)

func TestSLO(t *testing.T) {
	for _, row := range []struct {
		text      string
		want, got float64
		ok        bool
	}{
		{"setup_p99<200ms", 200, 16.81, true},
		{"setup_p99 < 16.8ms", 16.8, 16.81, false},
		{"setup_p99<16.81ms", 16.81, 16.81, false},
		{"setup_p99<=16.81ms", 16.81, 16.81, true},
		{"setup_max<1s", 1000, 57.4, true},
		{"latency_p999<2000us", 2, 1.89, true},
		{"clip_answerer_p50>=20ms", 20, 21, true},
		{"loss<0.01%", 0.01, 100 * 41.0 / 611_275, true},
		{"loss<0.0001", 0.01, 100 * 41.0 / 611_275, true},
		{"loss < 0.001 %", 0.001, 100 * 41.0 / 611_275, false},
		{"failures=0", 0, 12, false},
		{"failures!=0", 0, 12, true},
		{"failure_rate<=5%", 5, 5, true},
		{"answer_rate>35%", 35, 100 * 88.0 / 240, true},
		{"answered>=88", 88, 88, true},
		{"calls=240", 240, 240, true},
		{"code_503<20", 20, 19, true},
		{"code_404=0", 0, 12, false},
		{"up_max>100", 100, 121, true},
		{"unauthentic=0", 0, 0, true},
		{"tone_wrong=0", 0, 0, true},
		{"wire_readable=0", 0, 0, true},
		{"cpu_per_packet<5us", 0.005, 0.00421, true},
		{"rss_per_call<40kB", 40_000, 48_213, false},
		{"rss_per_call<1MiB", 1 << 20, 48_213, true},
		{"lateness_p99<1ms", 1, 0.246, true},
	} {
		t.Run(row.text, func(t *testing.T) {
			r := judged(busy(), row.text)
			v := r.SLO[0]
			if v.Text != row.text || math.Abs(v.Want-row.want) > 1e-9 || math.Abs(v.Got-row.got) > 1e-9 || v.OK != row.ok {
				t.Errorf("got %+v; want %v, %v, %v", v, row.want, row.got, row.ok)
			}
		})
	}
}

// What was not measured misses its objective, whatever it demands.
func TestSLOOfNothing(t *testing.T) {
	for _, text := range []string{"setup_p99<1h", "latency_max>0ms", "loss<=100%", "failure_rate<100%", "tone_wrong=0", "wire_readable!=5", "cpu_per_call<1h", "rss_max<1GB"} {
		if v := judged(&bench.Record{}, text).SLO[0]; v.OK || !math.IsNaN(v.Got) || got(v) != "not measured" {
			t.Errorf("%s: %+v, %s", text, v, got(v))
		}
	}
}

func TestSLORefuses(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", "write for example setup_p99<200ms"},
		{" , ", "write for example"},
		{"setup_p99", "no comparison"},
		{"setup_p99!200ms", "use one of <"},
		{"setup_p98<200ms", `unknown metric "setup_p98"; known are setup, connect, latency`},
		{"<5", `unknown metric ""`},
		{"code_999=0", "code_NNN"},
		{"code_50x=0", "code_NNN"},
		{"setup_p99=200ms", "never exactly a value"},
		{"setup_p99<200", `"200" is not a time with its unit, like 200ms`},
		{"setup_p99<-1ms", "not a time"},
		{"setup_p99<", `"" is not a time`},
		{"loss<101%", "not a share"},
		{"loss<NaN", "not a share"},
		{"failures=some", "not a whole number"},
		{"failures<-1", "not a whole number"},
		{"failures==0", "not a whole number"},
		{"rss_max<60XB", "not a size"},
		{"rss_max<Inf", "not a size"},
		{"cps>fast", "not a number per second"},
		{"failures=0,loss<", "loss<: "},
	} {
		t.Run(row.text, func(t *testing.T) {
			s, err := ParseSLO(row.text)
			if !errors.Is(err, ErrSLO) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v; want %q in it", err, row.want)
			}
			if len(s.objectives) > 0 {
				t.Errorf("objectives in spite of the error: %+v", s)
			}
		})
	}
}

// Every metric that the error lists is one, of one unit, and measured in busy.
func TestMetricsAreAllKnown(t *testing.T) {
	r := busy()
	for _, m := range metrics {
		if found, err := findMetric(m.name); err != nil || found.unit != m.unit {
			t.Errorf("%s: %v", m.name, err)
		}
		if v := m.get(r); math.IsNaN(v) {
			t.Errorf("%s is not measured", m.name)
		}
	}
	if len(metrics) != 7*5+20 {
		t.Errorf("%d metrics; the table of distributions or of others changed", len(metrics))
	}
}

func TestStatus(t *testing.T) {
	missed := judged(busy(), "failures=0")
	both := judged(bound(), "failures=0")
	for _, row := range []struct {
		name   string
		record *bench.Record
		err    error
		want   int
	}{
		{"met", judged(busy(), "loss<1%"), nil, 0},
		{"no objectives, faults", busy(), nil, 0},
		{"missed", missed, nil, 2},
		{"generator", bound(), nil, 3},
		{"generator and missed", both, nil, 3},
		{"failed and missed", missed, errors.New("no server"), 1},
		{"nothing", nil, nil, 1},
	} {
		if got := Status(row.record, row.err); got != row.want {
			t.Errorf("%s: %d; want %d", row.name, got, row.want)
		}
	}
}

func FuzzParseSLO(f *testing.F) {
	f.Add("setup_p99<200ms,loss<0.01%,failures=0")
	f.Add("code_503!=1, rss_max>=1.5GiB,cps>3/s,<,=%")
	r := busy()
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSLO(text)
		if (err == nil) != (len(s.objectives) > 0) {
			t.Fatalf("%d objectives and %v", len(s.objectives), err)
		}
		s.Judge(r)
		for _, v := range r.SLO {
			if math.IsNaN(v.Want) || math.IsInf(v.Want, 0) || v.Want < 0 {
				t.Errorf("%s demands %v", v.Text, v.Want)
			}
		}
	})
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 12: "0.012 µs", 4210: "4.21 µs", 99_999: "100 µs", 210_000: "0.21 ms", 9_990_000: "9.99 ms", 9_999_000: "10.0 ms",
		123_400_000: "123 ms", 9_999 * time.Millisecond: "9999 ms", 75 * time.Second: "75.0 s", time.Hour: "3600 s",
	} {
		if got := elapsed(d); got != want {
			t.Errorf("%d ns: %q; want %q", d, got, want)
		}
	}
}
