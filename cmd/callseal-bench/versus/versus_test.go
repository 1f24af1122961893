package versus

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callseal/bench/compare"
	"callseal/bench/relay"
	"callseal/bench/show"
)

// TestMain is also the floor: the bench starts its own program for that.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "relay-floor" {
		if err := (FloorCmd{}).Run(os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// built is callseal's program.
func built(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the comparisons run on Linux only")
	}
	path := filepath.Join(t.TempDir(), "callseal")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "callseal/cmd/callseal").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return path
}

// installed is a peer's program, and skips where it is missing.
func installed(t *testing.T, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CALLSEAL_REQUIRE_PEERS") != "" {
			t.Fatalf("%s is missing: bench/peers/install.sh installs it", path)
		}
		t.Skipf("%s is missing: bench/peers/install.sh installs it", path)
	}
	return path
}

func TestMedia(t *testing.T) {
	callseal := built(t)
	json := filepath.Join(t.TempDir(), "out.json")
	var out bytes.Buffer
	c := MediaCmd{
		Callseal: callseal, Rtpengine: callseal, Relays: []string{callsealName, floorName}, Calls: []int{4}, Rounds: 1,
		Duration: 300 * time.Millisecond, Unpinned: true, JSON: json,
	}
	if err := c.Run(&out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	doc := read[compare.Media](t, json)
	if len(doc.Rounds) < 2 || len(doc.Summary) != 2 { // a busy machine adds attempts
		t.Fatalf("%d attempts, %d rows", len(doc.Rounds), len(doc.Summary))
	}
	for _, s := range doc.Summary {
		if s.Reencrypted != (s.Relay == callsealName) {
			t.Errorf("%s re-encrypted: %v", s.Relay, s.Reencrypted)
		}
		if s.PerPacket.Median <= 0 || s.LossShare != 0 || s.ToFloor <= 0 || s.P50 <= 0 {
			t.Errorf("%+v", s)
		}
	}
	for _, r := range doc.Rounds { // 4 calls, both ways, 50/s
		if r.Packets < 100 || r.Packets > 140 || r.Idle == 0 || r.Unauthentic != 0 {
			t.Errorf("%+v", r)
		}
	}
	if !strings.Contains(out.String(), "| callseal ") {
		t.Errorf("no table in\n%s", out.String())
	}
}

func TestMediaAgainstRtpengine(t *testing.T) {
	program := installed(t, "/usr/bin/rtpengine")
	json := filepath.Join(t.TempDir(), "out.json")
	var out bytes.Buffer
	c := MediaCmd{
		Callseal: program, Rtpengine: program, Relays: []string{rtpengineName}, Calls: []int{4}, Rounds: 1,
		Duration: 300 * time.Millisecond, Unpinned: true, JSON: json,
	}
	if err := c.Run(&out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if s := read[compare.Media](t, json).Summary[0]; !s.Reencrypted || s.LossShare != 0 || s.PerPacket.Median <= 0 || s.ToRtpengine != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSIP(t *testing.T) {
	for _, row := range []struct{ server, kamailio string }{{callsealName, ""}, {compare.Kamailio, "/usr/sbin/kamailio"}} {
		t.Run(row.server, func(t *testing.T) {
			callseal := built(t)
			kamailio := callseal
			if row.kamailio != "" {
				kamailio = installed(t, row.kamailio)
			}
			json := filepath.Join(t.TempDir(), "out.json")
			var out bytes.Buffer
			c := SIPCmd{
				Callseal: callseal, Kamailio: kamailio, Servers: []string{row.server}, Rate: 100, Rounds: 1,
				Duration: 400 * time.Millisecond, Parallel: 10, Unpinned: true, JSON: json,
			}
			if err := c.Run(&out); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			r := read[compare.SIP](t, json).Rounds[0]
			if r.Calls != 40 || r.Failed != 0 || r.PerCall() <= 0 || r.P50 <= 0 || r.Capacity <= 0 || r.RSS == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func read[T any](t *testing.T, path string) (doc T) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTarget(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the floor runs on Linux only")
	}
	path, page := filepath.Join(t.TempDir(), "out.json"), filepath.Join(t.TempDir(), "out.html")
	var out bytes.Buffer
	c := TargetCmd{Target: "relay-floor", Calls: 2, Duration: 1200 * time.Millisecond, JSON: path, Report: page}
	if err := c.SLO.UnmarshalText([]byte("latency_p99<10s,loss<1%,latency_p50<1us")); err != nil { // the last no relay meets
		t.Fatal(err)
	}
	err := c.Run(&out)
	var status interface{ ExitCode() int }
	if !errors.As(err, &status) || status.ExitCode() != show.StatusMissed || !strings.HasSuffix(err.Error(), ": latency_p50<1us") {
		t.Errorf("an objective is missed: %v", err)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"relay-floor", "<svg", "latency_p50"} {
		if !bytes.Contains(html, []byte(want)) {
			t.Errorf("no %q in the report", want)
		}
	}
	r := read[compare.Media](t, path).Rounds[0]
	if r.Lost != 0 || r.Changed != 0 || r.Same == 0 || r.PerPacket() <= 0 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(out.String(), "0 lost, 0 not authentic") || !strings.Contains(out.String(), "µs of CPU per packet") {
		t.Errorf("output is\n%s", out.String())
	}
}

func TestTargetRefuses(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	at := "ng:" + silent.LocalAddr().String()
	for _, row := range []struct {
		name string
		cmd  TargetCmd
		want error
		text string
	}{
		{"no scheme", TargetCmd{Target: "127.0.0.1:2223"}, relay.ErrTarget, "ng:HOST:PORT"},
		{"no port", TargetCmd{Target: "ng:127.0.0.1"}, relay.ErrTarget, "ng:HOST:PORT"},
		{"nobody answers", TargetCmd{Target: at}, relay.ErrTimeout, "does not answer"},
		{"no such process", TargetCmd{Target: at, PID: 1 << 29}, os.ErrNotExist, "no process " + strconv.Itoa(1<<29)},
		{"no such container", TargetCmd{Target: at, Container: "callseal-bench-no-such"}, errMeasure, "--container"},
	} {
		t.Run(row.name, func(t *testing.T) {
			began := time.Now()
			err := row.cmd.Run(&bytes.Buffer{})
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v; want %v with %q", err, row.want, row.text)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		name   string
		target string
		round  compare.MediaRound
		ok     bool
	}{
		{"clean", "ng:x:1", compare.MediaRound{Sent: 10, Changed: 10}, true},
		{"loss", "ng:x:1", compare.MediaRound{Sent: 10, Lost: 1}, false},
		{"altered", "ng:x:1", compare.MediaRound{Sent: 10, Unauthentic: 1}, false},
		{"handed through", "ng:x:1", compare.MediaRound{Sent: 10, Same: 1}, false},
		{"the floor may", "relay-floor", compare.MediaRound{Sent: 10, Same: 10}, true},
	} {
		if err := (TargetCmd{Target: row.target}).judge(row.round); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// A server that cannot start says why.
func TestServerThatEnds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the comparisons run on Linux only")
	}
	s, err := start(t.TempDir(), -1, "false", "/bin/sh", "-c", "echo fine; echo some error here >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	if err := s.ready(t.Context(), "127.0.0.1:1"); !errors.Is(err, errStart) || !strings.Contains(err.Error(), "some error here") {
		t.Errorf("error is %v", err)
	}
	if _, err := start(t.TempDir(), -1, "none", "/no/such/program"); !errors.Is(err, errStart) {
		t.Errorf("error is %v; want errStart", err)
	}
}
