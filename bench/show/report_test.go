package show

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"callseal/bench"
)

func pageOf(t *testing.T, r *bench.Record) string {
	t.Helper()
	var text bytes.Buffer
	if err := WriteHTML(&text, r); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// The page stands alone, says its verdict and the command, and no secret.
func TestReport(t *testing.T) {
	hostile := tiny()
	hostile.Scenario, hostile.Faults = `</style><script>alert(1)</script>`, []string{`<img src=x onerror="alert(1)">`}
	hostile.Command = []string{"callseal-bench", "</pre><script>"}
	for _, row := range []struct {
		name   string
		record *bench.Record
		want   []string
		plots  int // and the bars
	}{
		{"busy", judged(busy(), "setup_p99<200ms,failures=0"), []string{"1 of 2 objectives missed", "setup_p99&lt;200ms", "503 Service Unavailable",
			"--slo &#39;setup_p99&lt;200ms,loss&lt;0.01%,failures=0&#39;", "--password=REDACTED", "took 1 min 3 s"}, 9},
		{"met", judged(tiny(), "failures=0"), []string{"All objectives met"}, 3},
		{"tiny", tiny(), []string{"All as planned", "The server was not sampled", "No audio arrived", "Every call got a 200"}, 3},
		{"empty", &bench.Record{}, []string{"No call was placed", "No call was up at any time.", "No audio was sent"}, 0},
		{"bound", bound(), []string{"Not valid: the generator was the bottleneck"}, 9},
		{"long", long(), []string{"Each point stands for 48 seconds", "took 8 h 0 min 0 s"}, 7},
		{"storm", storm(), []string{"Connection rate", "Connections without success, by final code", "ms until connected", ">connected<", "<td>2</td><td>2</td>"}, 4},
		{"hostile", hostile, []string{"&lt;script&gt;"}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := pageOf(t, row.record)
			for _, want := range row.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q", want)
				}
			}
			for _, never := range []string{"hunter2", "<script", "<img", "<link", "http://", "https://", "url(", "@import", "NaN", "Inf", "ZgotmplZ", "%!"} {
				if strings.Contains(text, never) {
					t.Errorf("there is %q", never)
				}
			}
			if plots := strings.Count(text, `<svg class="plot"`) + strings.Count(text, `<svg class="bars"`); plots != row.plots {
				t.Errorf("%d plots; want %d", plots, row.plots)
			}
			if len(text) > 400_000 {
				t.Errorf("%d bytes", len(text))
			}
			for _, picture := range regexp.MustCompile(`(?s)<svg class="(?:plot|bars)".*?</svg>(?:</svg>)?`).FindAllString(text, -1) {
				checkPicture(t, picture)
			}
		})
	}
}

// checkPicture holds a plot to be well-formed, described and not empty.
func checkPicture(t *testing.T, picture string) {
	t.Helper()
	seen := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, picture)
		}
		if start, ok := token.(xml.StartElement); ok {
			seen[start.Name.Local]++
		}
	}
	if seen["title"] != 1 || seen["desc"] != 1 || seen["text"] < 2 || seen["path"]+seen["rect"] == 0 {
		t.Errorf("a picture has %v: %.200s", seen, picture)
	}
}

// A second without a sample is a gap in the line, not a line across it.
func TestGapsAreDrawn(t *testing.T) {
	var samples []bench.Sample
	for _, second := range []int{1, 2, 3, 6, 8, 9} {
		samples = append(samples, bench.Sample{At: time.Duration(second) * time.Second, Up: second})
	}
	all, _ := steps(samples, plotPoints)
	var lengths []int
	for _, piece := range plots[0].lines[0].pieces(all) {
		lengths = append(lengths, len(piece))
	}
	if len(lengths) != 3 || lengths[0] != 3 || lengths[1] != 1 || lengths[2] != 2 {
		t.Errorf("pieces of %v; want [3 1 2]", lengths)
	}
	text := string(plots[0].svg(all))
	if moves := strings.Count(text, "M"); moves != 3+3+1 { // the line, the area, the point alone
		t.Errorf("%d pieces are drawn: %s", moves, text)
	}
	if !strings.Contains(text, `class="line dot line0"`) {
		t.Errorf("the point alone is not drawn: %s", text)
	}
}

// The server's CPU is what it used between two samples, in % of a core.
func TestStepsOfCost(t *testing.T) {
	cost := func(user, system int) *bench.Cost {
		return &bench.Cost{User: time.Duration(user) * time.Millisecond, System: time.Duration(system) * time.Millisecond, RSS: 2_000_000}
	}
	all, _ := steps([]bench.Sample{
		{At: 1 * time.Second, Server: cost(100, 50)},
		{At: 2 * time.Second, Server: cost(500, 150)},
		{At: 3 * time.Second}, // not sampled
		{At: 4 * time.Second, Server: cost(900, 150)},
		{At: 5 * time.Second, Server: cost(1900, 1150)},
		{At: 6 * time.Second, Server: cost(10, 10)}, // another process
	}, plotPoints)
	nan := math.NaN()
	for i, want := range []struct{ cpu, system float64 }{{15, 5}, {50, 10}, {nan, nan}, {nan, nan}, {200, 100}, {nan, nan}} {
		if !same(all[i].cpu, want.cpu) || !same(all[i].system, want.system) {
			t.Errorf("second %d: %v, %v; want %+v", i+1, all[i].cpu, all[i].system, want)
		}
	}
	if all[0].rss != 2 || !math.IsNaN(all[2].rss) {
		t.Errorf("rss %v, %v", all[0].rss, all[2].rss)
	}
}

func same(a, b float64) bool { return math.Abs(a-b) < 1e-9 || math.IsNaN(a) && math.IsNaN(b) }

// Several seconds in one point: rates are averaged, the highest p99 counts.
func TestStepsAreMerged(t *testing.T) {
	var samples []bench.Sample
	for i := 1; i <= 10; i++ {
		samples = append(samples, bench.Sample{At: time.Duration(i) * time.Second, Up: i, Started: i, SetupP99: time.Duration(i) * time.Millisecond})
	}
	samples[7].SetupP99 = 0 // nothing measured in that second
	all, seconds := steps(samples, 4)
	if seconds != 3 || len(all) != 4 {
		t.Fatalf("%d steps of %d s; want 4 of 3", len(all), seconds)
	}
	for i, want := range []step{{at: 3, up: 2, started: 2, setup99: 3}, {at: 6, up: 5, started: 5, setup99: 6}, {at: 9, up: 8, started: 8, setup99: 9}, {at: 10, up: 10, started: 10, setup99: 10}} {
		if s := all[i]; s.at != want.at || s.up != want.up || s.started != want.started || s.setup99 != want.setup99 || !math.IsNaN(s.setup50) {
			t.Errorf("step %d: %+v; want %+v", i, s, want)
		}
	}
}

func TestScales(t *testing.T) {
	for _, row := range []struct {
		name      string
		low, high float64
		times     bool
		want      string // ticks
	}{
		{"nothing but zero", 0, 0, false, "0 0.5 1"},
		{"one", 1, 1, false, "0 0.5 1"},
		{"few", 0, 3, false, "0 1 2 3"},
		{"percents", 0, 0.073, false, "0 0.02 0.04 0.06 0.08"},
		{"thousands", 2400, 2600, false, "0 1,000 2,000 3,000"},
		{"more", 0, 50_000, false, "0 20k 40k 60k"},
		{"millions", 0, 4e6, false, "0 1M 2M 3M 4M"},
		{"times alike", 3, 100, true, "0 50 100"},
		{"times that differ", 3, 900, true, "1 10 100 1,000"},
		{"a thousand to one, no times", 1, 1000, false, "0 500 1,000"},
		{"times from 0", 0, 900, true, "0 500 1,000"},
		{"many decades", 0.001, 1e6, true, "0.001 0.1 10 1,000 100k"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScale(row.low, row.high, row.times)
			var texts []string
			for _, tick := range s.Ticks {
				texts = append(texts, tickText(tick))
			}
			if got := strings.Join(texts, " "); got != row.want {
				t.Errorf("%s; want %s", got, row.want)
			}
			for _, v := range []float64{row.low, row.high} {
				if at := s.at(v); !(at >= 0 && at <= 1+1e-9) {
					t.Errorf("%v is at %v", v, at)
				}
			}
		})
	}
}

func TestTimeTicks(t *testing.T) {
	for last, want := range map[float64]string{
		0: "0 0.2 0.4 0.6 0.8 1", 1: "0 0.2 0.4 0.6 0.8 1", 10: "0 2 4 6 8 10", 63: "0 15 30 45 60", 119: "0 30 60 90",
		300: "0:00 1:00 2:00 3:00 4:00 5:00", 3600: "0:00 10:00 20:00 30:00 40:00 50:00 60:00", 28800: "0:00 2:00 4:00 6:00 8:00",
	} {
		var texts []string
		for _, tick := range timeScale(last).Ticks {
			texts = append(texts, timeText(tick, last))
		}
		if got := strings.Join(texts, " "); got != want {
			t.Errorf("%v s: %s; want %s", last, got, want)
		}
	}
}
