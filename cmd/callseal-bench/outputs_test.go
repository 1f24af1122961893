package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"callseal/bench"
	"callseal/bench/show"
)

func someRun() *bench.Record {
	return &bench.Record{
		Scenario: "smoke", Target: "sips:127.0.0.1:5061", Calls: map[string]int{"answered": 2}, Codes: map[int]int{200: 2}, Took: time.Second,
		Command: []string{"callseal-bench", "run", "smoke"},
		Samples: []bench.Sample{{At: time.Second, Up: 2, Started: 2, Answered: 2}},
	}
}

func TestOutputs(t *testing.T) {
	failed := errors.New("server unreachable")
	for _, row := range []struct {
		name   string
		args   []string
		change func(*bench.Record)
		err    error
		status int
		text   string // on the screen, or in the error
	}{
		{"met", []string{"--slo", "failures=0,answered>=2"}, nil, nil, 0, "All objectives met"},
		{"none", nil, nil, nil, 0, "All as planned"},
		{"missed", []string{"--slo=loss<1%"}, nil, nil, 2, "MISSED  loss<1%: not measured"},
		{"generator", []string{"--slo=failures=0"}, func(r *bench.Record) { r.GeneratorBound = true }, nil, 3, "generator was the bottleneck"},
		{"failed", nil, nil, failed, 1, "server unreachable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			var c outputs
			parser, err := kong.New(&c)
			if err != nil {
				t.Fatal(err)
			}
			json, report := filepath.Join(dir, "out.json"), filepath.Join(dir, "out.html")
			if _, err := parser.Parse(append(row.args, "--json", json, "--report", report)); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			results, err := c.open(&out, "smoke", "sips:127.0.0.1:5061", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			record := someRun()
			if row.change != nil {
				row.change(record)
			}
			results.Sample(record.Samples[0])
			results.Done(record)
			err = results.close(row.err)
			status := 0
			var coder kong.ExitCoder
			if errors.As(err, &coder) {
				status = coder.ExitCode()
			} else if err != nil {
				status = 1
			}
			if status != row.status || row.err != nil && !errors.Is(err, row.err) {
				t.Errorf("status %d, error %v; want %d", status, err, row.status)
			}
			if err != nil {
				out.WriteString(err.Error())
			}
			if !strings.Contains(out.String(), row.text) || !strings.Contains(out.String(), "smoke against sips:127.0.0.1:5061\n 0:01  up 2") {
				t.Errorf("no %q in:\n%s", row.text, out.String())
			}
			f, err := os.Open(json)
			if err != nil {
				t.Fatal(err)
			}
			back, err := show.ReadJSON(f)
			if err := errors.Join(err, f.Close()); err != nil || back.Calls["answered"] != 2 {
				t.Errorf("%s: %v, %v", json, back, err)
			}
			if text, err := os.ReadFile(report); err != nil || !strings.HasSuffix(string(text), "</html>\n") {
				t.Errorf("%s: %v: %s", report, err, text)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
				t.Errorf("files left: %v, %v", left, err)
			}
		})
	}
}

// A run that did not come to its end leaves what stood there.
func TestOutputsOfNoRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	if err := os.WriteFile(path, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	results, err := outputs{JSON: path}.open(&bytes.Buffer{}, "smoke", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var coder kong.ExitCoder
	if err := results.close(nil); !errors.As(err, &coder) || coder.ExitCode() != 1 {
		t.Errorf("error %v; want status 1", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "yesterday" {
		t.Errorf("%s, %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestOutputsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name string
		o    outputs
		want string
	}{
		{"no folder", outputs{Report: filepath.Join(dir, "missing", "out.html")}, "--report: "},
		{"a folder", outputs{JSON: dir}, "it is a directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := row.o.open(&bytes.Buffer{}, "smoke", "", 0); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v; want %q in it", err, row.want)
			}
		})
	}
	var c outputs
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--slo", "setup<200ms"}); !errors.Is(err, show.ErrSLO) || !strings.Contains(err.Error(), "known are setup") {
		t.Errorf("error %v", err)
	}
}
