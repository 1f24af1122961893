package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callseal/bench"
)

// --each writes both ends of every call.
func TestEach(t *testing.T) {
	own, answerer := writeFiles(t), freePort(t)
	c := runCmd{
		Scenario: writeScenario(t, "duration: 3s\ncalls: 4\npace: {rate: 20}\nmix:\n- {talk: 100ms}\n- {outcome: refused, status: 603, ring: 50ms}\n"),
		ends:     ends{Target: "sips:" + answerer, CA: own.ca, Certificate: own.certificate, Key: own.key, Number: "1555"},
		Answer:   []string{"tls://" + answerer},
	}
	c.Each = filepath.Join(t.TempDir(), "calls.jsonl")
	var out bytes.Buffer
	_ = c.run(t.Context(), &out) // nothing re-encrypts between the ends
	text, err := os.ReadFile(c.Each)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var e end
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		seen[e.Party+" "+e.Got]++
		refused := e.Planned == "refused" && e.Refusal == 603 && e.Code == 603 && e.Ring == 50
		answered := e.Planned == "answered" && e.Code == 200 && e.Received == 5
		if !refused && !answered || !strings.HasPrefix(e.Number, "1555") || !e.Over.After(e.Began) || time.Since(e.Began) > time.Minute || e.Fault != "" {
			t.Errorf("%+v", e)
		}
		if at := e.Local == answerer; at != (e.Party == "answerer") {
			t.Errorf("%s is at %s", e.Party, e.Local)
		}
	}
	for _, want := range []string{"caller answered", "answerer answered", "caller refused", "answerer refused"} {
		if seen[want] != 2 {
			t.Errorf("%v, want 2 of %s", seen, want)
		}
	}
	documented, err := os.ReadFile("../../docs/bench-json.md")
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	line, err := json.Marshal(end{Phrase: "OK", Fault: "none"})
	if err == nil {
		err = json.Unmarshal(line, &keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !strings.Contains(string(documented), "`"+key+"`") {
			t.Errorf("%s is not documented", key)
		}
	}
	c.Each = filepath.Join(t.TempDir(), "no", "calls.jsonl")
	if err := c.run(t.Context(), &out); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--each") {
		t.Errorf("a file that cannot be made: %v", err)
	}
}

// A house of several servers and carriers is put together from flags.
func TestConfigOfAHouse(t *testing.T) {
	c := runCmd{
		Scenario: "vicidial-s", ends: ends{Target: "sip:127.0.0.1:5060", PlainCaller: true},
		OtherTarget: []string{"sip:127.0.0.2:5060"}, Hears: map[int]int{603: 403},
		Answer:     []string{"udp://127.0.0.3:5060?media=plain&account=107", "tcp://127.0.0.4:5060?opens=1m", "tcp://127.0.0.5:5060?silent=90s"},
		AnswerUser: "101", Answerers: 3, Registrar: "sips:127.0.0.6:5061", AnswerPassword: "secret",
	}
	cfg, err := c.config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Others) != 1 || cfg.Others[0].Host != "127.0.0.2" || cfg.Caller.Hears[603] != 403 {
		t.Errorf("targets %v, hears %v", cfg.Others, cfg.Caller.Hears)
	}
	if len(cfg.Answerers) != 3 {
		t.Fatalf("%d answerers", len(cfg.Answerers))
	}
	first, second, third := cfg.Answerers[0], cfg.Answerers[1], cfg.Answerers[2]
	if len(first.Suites) != 0 || first.Admits != (bench.Account{User: "107", Password: "secret"}) {
		t.Errorf("the first has %d suites and admits %q", len(first.Suites), first.Admits.User)
	}
	if len(second.Suites) != 1 || second.Opens != time.Minute || third.Silent != 90*time.Second || third.Opens != 0 {
		t.Errorf("opens %v, silent %v", second.Opens, third.Silent)
	}
	if cfg.Called == nil || cfg.Called.Target.Host != "127.0.0.6" || cfg.Called.Config.Proto != bench.TLS || cfg.Called.Count != 3 || cfg.Sealed != [2]bool{} {
		t.Errorf("%+v, sealed %v", cfg.Called, cfg.Sealed)
	}
	for _, row := range []struct{ url, text string }{
		{"udp://127.0.0.3:5060?media=srtp", "media=plain is all"},
		{"udp://127.0.0.3:5060?opens=soon", "invalid duration"},
		{"udp://127.0.0.3:5060?close=1s", "there are media, opens, silent and account"},
		{"udp://127.0.0.3:5060?%", "invalid URL escape"},
	} {
		c.Answer = []string{row.url}
		if _, err := c.config(t.Context()); err == nil || !strings.Contains(err.Error(), row.text) || !strings.Contains(err.Error(), "--answer "+row.url) {
			t.Errorf("%s: %v, want %q", row.url, err, row.text)
		}
	}
}
