package scenario

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"callseal/bench"
	"callseal/bench/pace"
)

//go:embed *.yml
var embedded embed.FS

// Names are those of the embedded scenarios.
func Names() []string {
	entries, _ := embedded.ReadDir(".") // it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yml"))
	}
	return names
}

// Load reads an embedded scenario.
func Load(name string) (Scenario, error) {
	text, err := embedded.ReadFile(name + ".yml")
	if err != nil {
		return Scenario{}, fmt.Errorf("%w: there is no scenario %q; there are %s", ErrScenario, name, strings.Join(Names(), ", "))
	}
	return Parse(name, text)
}

// file is a scenario as it is written. What is text here has its own parser.
type file struct {
	About    string `yaml:"about"`
	Kind     string `yaml:"kind"`
	Duration length `yaml:"duration"`
	Calls    int    `yaml:"calls"`
	Pace     struct {
		Rate float64 `yaml:"rate"`
		Ramp struct {
			To   float64 `yaml:"to"`
			Over length  `yaml:"over"`
		} `yaml:"ramp"`
		Step struct {
			By    float64 `yaml:"by"`
			Every length  `yaml:"every"`
		} `yaml:"step"`
		Burst struct {
			Calls int    `yaml:"calls"`
			Every length `yaml:"every"`
		} `yaml:"burst"`
	} `yaml:"pace"`
	Callers struct {
		Count      int    `yaml:"count"`
		Connection string `yaml:"connection"`
		Trunks     int    `yaml:"trunks"`
		Register   bool   `yaml:"register"`
	} `yaml:"callers"`
	Standing struct {
		Calls int     `yaml:"calls"`
		Rate  float64 `yaml:"rate"`
	} `yaml:"standing"`
	Mix   []filePart `yaml:"mix"`
	Media struct {
		Pace     length   `yaml:"pace"`
		Sequence uint16   `yaml:"sequence"`
		Tone     bool     `yaml:"tone"`
		Attacks  []string `yaml:"attacks"`
	} `yaml:"media"`
	MaxLoss float64 `yaml:"max_loss"`
	Knee    struct {
		SetupP99 length `yaml:"setup_p99"`
	} `yaml:"knee"`
	ByeIn length `yaml:"bye_in"`
	Chaos struct {
		Seed         uint64  `yaml:"seed"`
		CutCallers   length  `yaml:"cut_callers"`
		CutAnswerers length  `yaml:"cut_answerers"`
		Loss         float64 `yaml:"loss"`
	} `yaml:"chaos"`
	Leftover struct {
		Within length             `yaml:"within"`
		Gauges map[string]float64 `yaml:"gauges"`
	} `yaml:"leftover"`
}

type filePart struct {
	Name    string  `yaml:"name"`
	Share   float64 `yaml:"share"`
	Outcome string  `yaml:"outcome"`
	Status  int     `yaml:"status"`
	Ring    string  `yaml:"ring"`
	Early   bool    `yaml:"early"`
	Talk    string  `yaml:"talk"`
	EndedBy string  `yaml:"ended_by"`
	Script  []struct {
		After length `yaml:"after"`
		Move  string `yaml:"move"`
	} `yaml:"script"`
}

// length is a duration that knows where it stands when it is none.
type length time.Duration

// UnmarshalYAML reads what time.ParseDuration reads.
func (l *length) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	d, err := time.ParseDuration(text)
	if err != nil {
		return misplaced{node.GetToken().Position.Line, fmt.Sprintf("%q is no time: write 500ms, 30s or 5m", text)}
	}
	*l = length(d)
	return nil
}

// misplaced is what is wrong on a line.
type misplaced struct {
	line int
	text string
}

func (m misplaced) Error() string { return m.text }

// Parse reads a scenario. An error is one line with the line and the key.
func Parse(name string, text []byte) (Scenario, error) {
	var f file
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f)
	if err != nil && !errors.Is(err, io.EOF) {
		return Scenario{}, syntax(name, err)
	}
	s, err := f.scenario(name)
	if err == nil {
		err = s.check()
	}
	var wrong fault
	if errors.As(err, &wrong) {
		return Scenario{}, fmt.Errorf("%w: %s, line %d: %w", ErrScenario, name, line(text, wrong.key), wrong)
	}
	return s, err
}

// syntax puts an error of the YAML reader into one line.
func syntax(name string, err error) error {
	var own misplaced
	if errors.As(err, &own) {
		return fmt.Errorf("%w: %s, line %d: %w", ErrScenario, name, own.line, own)
	}
	var placed yaml.Error
	if errors.As(err, &placed) && placed.GetToken() != nil {
		return fmt.Errorf("%w: %s, line %d: %s", ErrScenario, name, placed.GetToken().Position.Line, placed.GetMessage())
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%w: %s: %s", ErrScenario, name, first)
}

// line is where a key stands, or the nearest thing around it.
func line(text []byte, key string) int {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return 1
	}
	for key != "" {
		path, err := yaml.PathString("$." + key)
		if err == nil {
			if node, err := path.FilterFile(tree); err == nil && node != nil && node.GetToken() != nil {
				return node.GetToken().Position.Line
			}
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 1
}

func (f file) scenario(name string) (Scenario, error) {
	s := Scenario{
		Name: name, About: f.About, Duration: time.Duration(f.Duration), Calls: f.Calls,
		Pace: pace.Pace{
			Rate:  f.Pace.Rate,
			Ramp:  pace.Ramp{To: f.Pace.Ramp.To, Over: time.Duration(f.Pace.Ramp.Over)},
			Step:  pace.Step{By: f.Pace.Step.By, Every: time.Duration(f.Pace.Step.Every)},
			Burst: pace.Burst{Calls: f.Pace.Burst.Calls, Every: time.Duration(f.Pace.Burst.Every)},
		},
		Callers:  Callers{Count: f.Callers.Count, Trunks: f.Callers.Trunks, Register: f.Callers.Register},
		Standing: Standing(f.Standing),
		Media: Media{
			Pace: time.Duration(f.Media.Pace), Sequence: f.Media.Sequence, Tone: f.Media.Tone, Attacks: f.Media.Attacks,
		},
		MaxLoss: f.MaxLoss, Knee: Knee{SetupP99: time.Duration(f.Knee.SetupP99)}, ByeIn: time.Duration(f.ByeIn),
		Chaos: Chaos{
			Seed: f.Chaos.Seed, Loss: f.Chaos.Loss,
			CutCallers: time.Duration(f.Chaos.CutCallers), CutAnswerers: time.Duration(f.Chaos.CutAnswerers),
		},
		Leftover: Leftover{Within: time.Duration(f.Leftover.Within), Gauges: f.Leftover.Gauges},
	}
	var err error
	if s.Kind, err = one("kind", f.Kind, Calls, Registrations, Connections); err != nil {
		return s, err
	}
	if s.Callers.Connection, err = one("callers.connection", f.Callers.Connection, Shared, Each, PerCall); err != nil {
		return s, err
	}
	if s.Duration == 0 {
		s.Duration = time.Minute
	}
	if s.Callers.Count == 0 {
		s.Callers.Count = 1
	}
	if s.Callers.Trunks == 0 {
		s.Callers.Trunks = 1
	}
	for i, p := range f.Mix {
		part, err := p.part(fmt.Sprintf("mix[%d].", i))
		if err != nil {
			return s, err
		}
		s.Mix = append(s.Mix, part)
	}
	return s, nil
}

func (f filePart) part(at string) (Part, error) {
	p := Part{Name: f.Name, Share: f.Share, Status: f.Status, Early: f.Early}
	if p.Share == 0 {
		p.Share = 1
	}
	var err error
	if p.Outcome, err = one(at+"outcome", f.Outcome, bench.Answered, bench.Busy, bench.Cancelled, bench.Refused, bench.Dropped, bench.Wild); err != nil {
		return p, err
	}
	if p.EndedBy, err = one(at+"ended_by", f.EndedBy, Either, ByCaller, ByAnswerer); err != nil {
		return p, err
	}
	if p.Ring, err = span(at+"ring", f.Ring); err != nil {
		return p, err
	}
	if p.Talk, err = span(at+"talk", f.Talk); err != nil {
		return p, err
	}
	for i, row := range f.Script {
		key := at + "script[" + strconv.Itoa(i) + "]."
		move, err := one(key+"move", row.Move, bench.Refresh, bench.Hold, bench.Resume, bench.Rekey, bench.Mute)
		if err != nil {
			return p, err
		}
		after := time.Duration(row.After)
		if after <= 0 {
			return p, fault{key + "after", "is more than 0"}
		}
		p.Script = append(p.Script, bench.Step{After: after, Move: move})
	}
	return p, nil
}

// one finds a name among those that are allowed; nothing is the first one.
func one[T fmt.Stringer](key, text string, allowed ...T) (T, error) {
	if text == "" {
		return allowed[0], nil
	}
	var names []string
	for _, a := range allowed {
		if a.String() == text {
			return a, nil
		}
		names = append(names, a.String())
	}
	return allowed[0], fault{key, fmt.Sprintf("%q is unknown: write %s", text, strings.Join(names, ", "))}
}

// span reads "5s", "5s-10s" or "rest".
func span(key, text string) (Span, error) {
	if text == "" {
		return Span{}, nil
	}
	if text == "rest" {
		return Span{Rest: true}, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	var s Span
	var errs [2]error
	s.From, errs[0] = time.ParseDuration(strings.TrimSpace(from))
	s.To, errs[1] = time.ParseDuration(strings.TrimSpace(to))
	if slices.ContainsFunc(errs[:], func(e error) bool { return e != nil }) || s.From < 0 || s.To < s.From || s.To > longest {
		return s, fault{key, fmt.Sprintf("%q is no time: write 5s, 5s-10s or rest", text)}
	}
	return s, nil
}
