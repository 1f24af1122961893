package show

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"callseal/bench"
)

// normal is the run as it comes back: without secrets, and with empty maps
// where there were none.
func normal(r *bench.Record) *bench.Record {
	out := *r
	out.Target, out.Command = redactURI(r.Target), redact(r.Command)
	if len(out.Command) == 0 {
		out.Command = []string{}
	}
	if out.Calls == nil {
		out.Calls = map[string]int{}
	}
	if out.Codes == nil {
		out.Codes = map[int]int{}
	}
	for _, list := range []*[]string{&out.Faults, &out.Notes, &out.BoundBy} {
		if *list == nil {
			*list = []string{}
		}
	}
	out.Samples = nil
	for _, s := range r.Samples {
		if s.Failed == nil {
			s.Failed = map[int]int{}
		}
		out.Samples = append(out.Samples, s)
	}
	return &out
}

func TestJSONComesBackAsItWas(t *testing.T) {
	odd := tiny()
	odd.Took, odd.Samples[0].At = 2000*time.Hour+1, 999_999_999
	odd.Codes[0] = 3 // no answer
	odd.Notes = []string{"The knee is at 40 calls a second."}
	for name, r := range map[string]*bench.Record{
		"busy": judged(busy(), "setup_p99<200ms,failures=0"), "tiny": tiny(), "empty": {}, "odd": odd, "bound": bound(),
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			if err := WriteJSON(&text, r); err != nil {
				t.Fatal(err)
			}
			got, err := ReadJSON(&text)
			if err != nil {
				t.Fatal(err)
			}
			if want := normal(r); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// What could not be measured is null: NaN is no JSON.
func TestJSONOfWhatWasNotMeasured(t *testing.T) {
	r := judged(tiny(), "loss<1%")
	var text bytes.Buffer
	if err := WriteJSON(&text, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `"got": null`) {
		t.Errorf("no null:\n%s", text.String())
	}
	back, err := ReadJSON(&text)
	if err != nil || !math.IsNaN(back.SLO[0].Got) || back.SLO[0].OK {
		t.Errorf("got %+v, %v", back, err)
	}
}

// keys lists the paths of all keys, [] for lists, * where keys are data.
func keys(v any, path string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, below := range v {
			if path == ".calls" || path == ".codes" || path == ".times" || path == ".samples[].failed" {
				key = "*"
			}
			into[path+"."+key] = true
			keys(below, path+"."+key, into)
		}
	case []any:
		for _, below := range v {
			keys(below, path+"[]", into)
		}
	}
}

// allKeys are the paths of the keys of a full run.
func allKeys(t *testing.T) []string {
	t.Helper()
	var text bytes.Buffer
	if err := WriteJSON(&text, judged(busy(), "failures=0")); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	keys(v, "", all)
	return slices.Sorted(maps.Keys(all))
}

// Every key is documented, and what is documented is there.
func TestJSONIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/bench-json.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	there := map[string]bool{}
	for _, key := range allKeys(t) {
		there[key[1:]] = true
	}
	for key := range there {
		if !documented[key] {
			t.Errorf("%s is not documented", key)
		}
	}
	for key := range documented {
		if !there[key] {
			t.Errorf("%s is documented, but is not there", key)
		}
	}
	for _, d := range distributions {
		if !strings.Contains(string(text), "`"+d.key+"`") {
			t.Errorf("%s is not documented", d.key)
		}
	}
}

func TestReadJSONRefuses(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"nothing", "", "EOF"},
		{"another version", `{"version": 99}`, "version 99"},
		{"no version", `{}`, "version 0"},
		{"a time that is text", `{"version": 1, "took_ms": "soon"}`, "no time in ms"},
		{"a time beyond all", `{"version": 1, "took_ms": 1e300}`, "no time in ms"},
		{"a code that is none", `{"version": 1, "codes": {"busy": 1}}`, "busy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ReadJSON(strings.NewReader(row.text))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v; want %q in it", err, row.want)
			}
		})
	}
}
