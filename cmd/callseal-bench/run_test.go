package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callseal/bench"
	"callseal/bench/scenario"
)

const shortScenario = `
about: short
duration: 2s
calls: 3
pace: {rate: 20}
mix: [{talk: 100ms}]
`

func writeScenario(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "short.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Runs call their own answerer directly, with nothing between them that could
// seal anything.
func TestRun(t *testing.T) {
	own, other := writeFiles(t), writeFiles(t)
	for _, row := range []struct {
		name   string
		change func(c *runCmd, answerer string)
		want   error
		text   string // in the output, or in the error
	}{
		{"tcp", func(c *runCmd, a string) { c.Target, c.Answer = "sip:"+a+";transport=tcp", []string{"tcp://" + a} }, nil, "3 answered"},
		{"udp", func(c *runCmd, a string) { c.Target, c.Answer = "sip:"+a+";transport=udp", []string{"udp://" + a} }, nil, "3 answered"},
		{"nothing re-encrypts", func(*runCmd, string) {}, errNotAsPlanned, "with the bytes of the other leg"},
		{"SRTP refused", func(c *runCmd, _ string) { c.PlainAnswer = true }, errNotAsPlanned, "488"},
		{"another suite", func(c *runCmd, _ string) {
			c.Suites, c.AnswerSuites = bench.SuiteNames(), []string{"AES_256_CM_HMAC_SHA1_80"}
		}, errNotAsPlanned, "with the bytes of the other leg"},
		{"no suite in common", func(c *runCmd, _ string) { c.Suites = []string{"AEAD_AES_128_GCM"} }, errNotAsPlanned, "488"},
		{"unknown suite", func(c *runCmd, _ string) { c.Suites = []string{"AES_CM"} }, errSuite, "known are AEAD_AES_256_GCM, "},
		{"unknown scenario", func(c *runCmd, _ string) { c.Scenario = "smok" }, scenario.ErrScenario, "there are chaos"},
		{"no scenario file", func(c *runCmd, _ string) { c.Scenario = "missing.yml" }, fs.ErrNotExist, "missing.yml"},
		{"unknown scenario key", func(c *runCmd, _ string) { c.Scenario = writeScenario(t, shortScenario+"cals: 5\n") },
			scenario.ErrScenario, `line 7: unknown field "cals"`},
		{"bad option", func(c *runCmd, _ string) { c.Duration = time.Millisecond }, scenario.ErrScenario, "duration"},
		{"unreachable", func(c *runCmd, _ string) { c.Target = "sips:" + freePort(t) }, bench.ErrUnreachable, "refused"},
		{"another CA", func(c *runCmd, _ string) { c.CA = other.ca }, bench.ErrCertificate, "not signed by the given CA"},
		{"no such process", func(c *runCmd, _ string) { c.PID = 1 << 30 }, fs.ErrNotExist, "--pid"},
		{"answerer without certificate", func(c *runCmd, _ string) { c.Key = "" }, bench.ErrIdentity, "give its certificate and key"},
		{"bad answer address", func(c *runCmd, _ string) { c.Answer = []string{"tls://0.0.0.0:5061"} }, bench.ErrTarget, "--answer"},
		{"bad target", func(c *runCmd, _ string) { c.Target = "127.0.0.1" }, bench.ErrTarget, "sips:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answerer := freePort(t)
			c := runCmd{
				Scenario: writeScenario(t, shortScenario),
				ends:     ends{Target: "sips:" + answerer, CA: own.ca, Certificate: own.certificate, Key: own.key, Number: "1555"},
				Answer:   []string{"tls://" + answerer},
			}
			row.change(&c, answerer)
			var out bytes.Buffer
			began := time.Now()
			err := c.run(t.Context(), &out)
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Fatalf("error %v; want %v", err, row.want)
			}
			if text := out.String() + fmt.Sprint(err); !strings.Contains(text, row.text) {
				t.Errorf("no %q in:\n%s", row.text, text)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || time.Since(began) > 5*time.Second) {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	}
}

// A server that answers an offer of SRTP without it is no server to test: the
// run ends at once and says so.
func TestRunAgainstPlainAnswers(t *testing.T) {
	own := writeFiles(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answerPlain(t, l)
	c := runCmd{
		Scenario: "smoke",
		ends:     ends{Target: "sip:" + l.Addr().String() + ";transport=tcp", CA: own.ca, Number: "1555"},
	}
	began := time.Now()
	var out bytes.Buffer
	if err := c.run(t.Context(), &out); !errors.Is(err, bench.ErrPlain) {
		t.Errorf("error %v; want %v", err, bench.ErrPlain)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// The first Ctrl-C hangs up, and the files are written all the same.
func TestInterruptedRunReports(t *testing.T) {
	own, answerer := writeFiles(t), freePort(t)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	interrupted, interrupt := context.WithCancel(t.Context())
	defer context.AfterFunc(ctx, interrupt)()
	c := runCmd{
		Scenario: writeScenario(t, "pace: {rate: 5}\nmix: [{talk: 1h}]\n"),
		ends:     ends{Target: "sips:" + answerer, CA: own.ca, Certificate: own.certificate, Key: own.key, Number: "1555"},
		Answer:   []string{"tls://" + answerer},
	}
	c.JSON = filepath.Join(t.TempDir(), "out.json")
	var out bytes.Buffer
	if err := c.run(interrupted, &out); !errors.Is(err, bench.ErrStopped) {
		t.Errorf("error %v; want %v", err, bench.ErrStopped)
	}
	text, err := os.ReadFile(c.JSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"stopped": `, `"scenario": "short"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}

func TestScenarios(t *testing.T) {
	var out bytes.Buffer
	if err := (scenariosCmd{}).Run(&out); err != nil {
		t.Fatal(err)
	}
	for _, name := range scenario.Names() {
		if !strings.Contains(out.String(), name+" ") {
			t.Errorf("no %s in:\n%s", name, out.String())
		}
	}
}

func TestCountUp(t *testing.T) {
	for _, row := range []struct {
		name string
		n    int
		want string
	}{
		{"1009", 2, "1011"}, {"agent07", 3, "agent10"}, {"agent99", 1, "agent100"}, {"alice", 0, "alice0"}, {"", 4, "4"},
		{"9" + strings.Repeat("9", 30), 1, "9" + strings.Repeat("9", 30) + "1"},
	} {
		if got := countUp(row.name, row.n); got != row.want {
			t.Errorf("countUp(%q, %d) = %q; want %q", row.name, row.n, got, row.want)
		}
	}
}
