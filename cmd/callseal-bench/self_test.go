package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programs builds callseal and its bench.
func programs(t *testing.T) (callseal, bench string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "callseal/cmd/callseal", "callseal/cmd/callseal-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "callseal"), filepath.Join(dir, "callseal-bench")
}

// A small VICIdial house through a real callseal: every outcome comes as
// planned, nothing is lost, and the cost is known.
func TestScenarioThroughCallseal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	callseal, program := programs(t)
	file := filepath.Join(t.TempDir(), "out.json")
	out, err := exec.CommandContext(t.Context(), program, "self", "--callseal", callseal,
		"run", "vicidial-s", "--speed=25", "--duration=8s", "--rate=10", "--tone", "--json", file).CombinedOutput()
	// A machine that is busy with other tests makes the generator late: status 3, and a call so short may then be over before it was heard.
	code := exitCode(err)
	if code != 0 && code != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"answered": `, `"refused": `, `"cancelled": `, `"rss_bytes": `} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in:\n%s", want, out)
		}
	}
	var record struct {
		Packets struct{ Sent, Lost float64 }
		Faults  []string
	}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	if record.Packets.Sent == 0 || code == 0 && record.Packets.Lost > 0 || record.Packets.Lost > record.Packets.Sent/100 {
		t.Errorf("%v of %v packets lost", record.Packets.Lost, record.Packets.Sent)
	}
	for _, fault := range record.Faults {
		if code == 0 || !strings.Contains(fault, "never came") {
			t.Errorf("fault: %s\n%s", fault, out)
		}
	}
}

// Random calls through a real callseal, one leg over TLS whose connections are
// cut, the other over UDP that loses datagrams: every call ends clean at both
// ends, and callseal is left with nothing.
func TestChaosThroughCallseal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	callseal, program := programs(t)
	for _, legs := range [][2]string{{"tls", "udp"}, {"udp", "tls"}} {
		t.Run(legs[0]+" to "+legs[1], func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "out.json")
			out, err := exec.CommandContext(t.Context(), program, "self", "--callseal", callseal, "--caller", legs[0], "--answerer", legs[1],
				"run", "chaos", "--speed=4", "--calls=120", "--rate=40", "--duration=12s", "--json", file).CombinedOutput()
			if code := exitCode(err); code != 0 && code != 3 { // 3: a machine that is busy with other tests
				t.Fatalf("%v\n%s", err, out)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var record struct {
				Faults, Notes []string
				Calls         map[string]int
			}
			if err := json.Unmarshal(text, &record); err != nil {
				t.Fatal(err)
			}
			if len(record.Faults) > 0 || record.Calls["answered"] < 20 || record.Calls["failed"] > 0 {
				t.Errorf("%v, %q\n%s", record.Calls, record.Faults, out)
			}
			if notes := strings.Join(record.Notes, "\n"); !strings.Contains(notes, "go_goroutines was ") || !strings.Contains(notes, "SIP datagrams were dropped") {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

// The first SIGINT hangs up, and the report is written all the same.
func TestInterruptedProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the programs")
	}
	_, program := programs(t)
	answerer := freePort(t)
	file := filepath.Join(t.TempDir(), "out.json")
	cmd := exec.CommandContext(t.Context(), program, "run", writeScenario(t, "pace: {rate: 5}\nmix: [{talk: 1h}]\n"),
		"--target=sip:"+answerer+";transport=tcp", "--answer=tcp://"+answerer, "--json", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buf := make([]byte, 4096)
	interrupted := time.Time{}
	for {
		n, err := out.Read(buf)
		said.Write(buf[:n])
		if interrupted.IsZero() && strings.Contains(said.String(), "0:01") {
			interrupted = time.Now()
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
		if err != nil {
			break
		}
	}
	if code := exitCode(cmd.Wait()); code != 1 || interrupted.IsZero() || time.Since(interrupted) > 5*time.Second {
		t.Errorf("status %d:\n%s", code, said.String())
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"stopped": `) {
		t.Errorf("%v, %s", err, text)
	}
}

func exitCode(err error) int {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
