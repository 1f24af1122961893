package scenario

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"callseal/bench"
	"callseal/bench/pace"
)

// The shares of vicidial scenarios are per cent, and the names of all embedded
// scenarios are those that people were told.
func TestEmbedded(t *testing.T) {
	want := []string{"cps", "drop-connection", "hold-rekey", "register-storm", "smoke", "tls-storm",
		"vicidial-l", "vicidial-m", "vicidial-s", "vicidial-xl"}
	for _, name := range want {
		if !slices.Contains(Names(), name) {
			t.Errorf("no %s", name)
		}
	}
	for _, name := range Names() {
		s, err := Load(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.About == "" || s.Name != name || strings.Contains(s.About, "\n") {
			t.Errorf("%s: about %q", s.Name, s.About)
		}
		if !strings.HasPrefix(name, "vicidial") {
			continue
		}
		sum := 0.0
		for _, p := range s.Mix {
			sum += p.Share
		}
		if math.Abs(sum-100) > 1e-9 {
			t.Errorf("%s: the shares are %v %%", name, sum)
		}
	}
}

func TestParse(t *testing.T) {
	const text = `
about: all keys
kind: registrations
duration: 90s
calls: 7
pace: {rate: 2.5, ramp: {to: 10, over: 30s}, burst: {calls: 3, every: 10s}}
callers: {count: 6, connection: each, trunks: 2, register: true}
standing: {calls: 4, rate: 2}
mix:
  - name: n
    share: 3
    outcome: refused
    status: 480
    ring: 1s-2s
    early: true
    talk: rest
    ended_by: caller
  - {talk: 5s, script: [{after: 1s, move: rekey}]}
media: {pace: 1ms, sequence: 65500, tone: true, attacks: [a]}
max_loss: 0.5
bye_in: 2s
`
	got, err := Parse("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	const s = time.Second
	want := Scenario{
		Name: "x", About: "all keys", Kind: Registrations, Duration: 90 * s, Calls: 7,
		Pace:     pace.Pace{Rate: 2.5, Ramp: pace.Ramp{To: 10, Over: 30 * s}, Burst: pace.Burst{Calls: 3, Every: 10 * s}},
		Callers:  Callers{6, Each, 2, true},
		Standing: Standing{4, 2},
		Mix: []Part{
			{"n", 3, bench.Refused, 480, Span{From: s, To: 2 * s}, true, Span{Rest: true}, ByCaller, nil},
			{"", 1, bench.Answered, 0, Span{}, false, Span{From: 5 * s, To: 5 * s}, Either, []bench.Step{{After: s, Move: bench.Rekey}}},
		},
		Media:   Media{time.Millisecond, 65500, true, []string{"a"}},
		MaxLoss: 0.5, ByeIn: 2 * s,
	}
	if !equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestWrongFiles(t *testing.T) {
	const good = "pace: {rate: 1}\nmix: [{talk: 1s}]\n"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", good + "cals: 5\n", []string{"line 3", "cals"}},
		{"unknown key in a part", "pace: {rate: 1}\nmix:\n  - talk: 1s\n    tlak: 2s\n", []string{"line 4", "tlak"}},
		{"twice", good + "calls: 1\ncalls: 2\n", []string{"line 4", "calls"}},
		{"not YAML", good + "a: [\n", []string{"line 3"}},
		{"not a number", good + "calls: many\n", []string{"line 3"}},
		{"not a duration", good + "duration: soon\n", []string{"line 3", "soon"}},
		{"too short", good + "duration: 1ms\n", []string{"line 3", "duration is 1s to 168h"}},
		{"no calls", "pace: {rate: 1}\n", []string{"line 1", "mix is empty"}},
		{"no pace", "mix: [{talk: 1s}]\n", []string{"pace", "neither a rate nor bursts"}},
		{"unknown outcome", "pace: {rate: 1}\nmix:\n  - outcome: lost\n", []string{"line 3", "mix[0].outcome", `"lost" is unknown`, "cancelled"}},
		{"planned failure", "pace: {rate: 1}\nmix:\n  - outcome: failed\n", []string{"line 3", "failed"}},
		{"refused without status", "pace: {rate: 1}\nmix:\n  - talk: 1s\n  - outcome: refused\n", []string{"line 4", "mix[1].status is 400 to 699"}},
		{"answered with status", "pace: {rate: 1}\nmix:\n  - status: 404\n", []string{"line 3", "mix[0].status"}},
		{"negative share", "pace: {rate: 1}\nmix:\n  - share: -1\n", []string{"line 3", "mix[0].share"}},
		{"bad span", "pace: {rate: 1}\nmix:\n  - talk: 5s-1s\n", []string{"line 3", "mix[0].talk", "5s-10s"}},
		{"bad ring", "pace: {rate: 1}\nmix:\n  - ring: x\n", []string{"line 3", "mix[0].ring"}},
		{"bad move", "pace: {rate: 1}\nmix:\n  - script:\n      - {after: 1s, move: dance}\n", []string{"line 4", "script[0].move"}},
		{"step without time", "pace: {rate: 1}\nmix:\n  - script:\n      - {move: hold}\n", []string{"line 4", "script[0].after"}},
		{"bad connection", good + "callers: {connection: some}\n", []string{"line 3", "callers.connection", "shared, each, call"}},
		{"more trunks than callers", good + "callers:\n  trunks: 3\n", []string{"line 4", "callers.trunks"}},
		{"knee without steps", good + "knee: {setup_p99: 1s}\n", []string{"line 3", "pace.step"}},
		{"empty", "", []string{"pace"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse("file.yml", []byte(row.text))
			if !errors.Is(err, ErrScenario) {
				t.Fatalf("error %v; want %v", err, ErrScenario)
			}
			for _, want := range append(row.want, "file.yml") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
		})
	}
	if _, err := Load("nothing"); !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), "smoke") {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	storm, err := Load("tls-storm")
	if err != nil {
		t.Fatal(err)
	}
	if storm, err = storm.With(Options{Calls: 30}); err != nil || storm.Pace.Burst.Calls != 30 || storm.Callers.Count != 30 {
		t.Errorf("%+v, %v", storm, err)
	}
	s, err := Load("vicidial-s")
	if err != nil {
		t.Fatal(err)
	}
	human := s.Mix[2]
	fast, err := s.With(Options{Calls: 9, Rate: 11, Duration: 10 * time.Second, Speed: 10, Tone: true})
	if err != nil {
		t.Fatal(err)
	}
	if fast.Calls != 9 || fast.Pace.Rate != 11 || fast.Duration != 10*time.Second || !fast.Media.Tone {
		t.Errorf("%+v", fast)
	}
	if got := fast.Mix[2]; got.Talk.To != human.Talk.To/10 || got.Ring.From != human.Ring.From/10 {
		t.Errorf("%+v", got)
	}
	if s.Mix[2].Talk != human.Talk {
		t.Error("the original was changed")
	}
	for _, wrong := range []Options{{Calls: -1}, {Rate: -1}, {Rate: 1e9}, {Duration: time.Millisecond}, {Speed: -1}} {
		if _, err := s.With(wrong); !errors.Is(err, ErrScenario) {
			t.Errorf("%+v: error %v", wrong, err)
		}
	}
}

func equal(a, b Scenario) bool {
	if !slices.EqualFunc(a.Mix, b.Mix, func(p, q Part) bool {
		same := slices.Equal(p.Script, q.Script)
		p.Script, q.Script = nil, nil
		return same && p.Name == q.Name && p.Share == q.Share && p.Outcome == q.Outcome && p.Status == q.Status &&
			p.Ring == q.Ring && p.Early == q.Early && p.Talk == q.Talk && p.EndedBy == q.EndedBy
	}) || !slices.Equal(a.Media.Attacks, b.Media.Attacks) {
		return false
	}
	return a.Name == b.Name && a.About == b.About && a.Kind == b.Kind && a.Duration == b.Duration && a.Calls == b.Calls &&
		a.Pace == b.Pace && a.Callers == b.Callers && a.Standing == b.Standing && a.MaxLoss == b.MaxLoss && a.ByeIn == b.ByeIn &&
		a.Media.Pace == b.Media.Pace && a.Media.Sequence == b.Media.Sequence && a.Media.Tone == b.Media.Tone
}

// A file can be anything; what is read without error can be run.
func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		text, _ := embedded.ReadFile(name + ".yml")
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz", text)
		if err != nil {
			return
		}
		if err := s.check(); err != nil {
			t.Error(err)
		}
	})
}
