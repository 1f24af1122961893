package load

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/bench"
	"callseal/bench/pace"
	"callseal/bench/scenario"
)

// server answers what answer gives on every connection, until the test ends;
// "" is silence.
func server(t *testing.T, config *tls.Config, answer func(method string, req *sip.Request) string) bench.Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := bench.Target{Proto: bench.TCP, Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).AddrPort().Port()}
	if config != nil {
		l, target.Proto = tls.NewListener(l, config), bench.TLS
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(conn, answer) }) // ends when the bench closes the connection
		}
	})
	return target
}

func serve(conn net.Conn, answer func(string, *sip.Request) string) {
	defer func() { _ = conn.Close() }()
	parser, buf, pending := sip.NewParser(), make([]byte, 65536), ""
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		pending += string(buf[:n])
		for {
			head, rest, whole := strings.Cut(pending, "\r\n\r\n")
			if !whole {
				break
			}
			length := 0
			if _, text, ok := strings.Cut(head, "Content-Length: "); ok {
				_, _ = fmt.Sscan(text, &length)
			}
			if len(rest) < length {
				break
			}
			pending = rest[length:]
			m, err := parser.ParseSIP([]byte(head + "\r\n\r\n" + rest[:length]))
			if err != nil {
				return
			}
			if req, ok := m.(*sip.Request); ok {
				_, _ = fmt.Fprint(conn, answer(req.Method.String(), req))
			}
		}
	}
}

func TestStorms(t *testing.T) {
	ca, err := bench.NewAuthority("storm test CA")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("storm.test", netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	busy := 0
	var mu sync.Mutex
	target := server(t, &tls.Config{Certificates: []tls.Certificate{*cert}}, func(method string, req *sip.Request) string {
		mu.Lock()
		defer mu.Unlock()
		if busy++; busy%10 == 0 {
			return sip.NewResponseFromRequest(req, 503, "Overload", nil).String()
		}
		return sip.NewResponseFromRequest(req, 200, "OK", nil).String()
	})
	for _, row := range []struct {
		name     string
		calls    int
		outcome  string
		ok, lost int
	}{
		{"tls-storm", 30, "connected", 30, 0},
		{"register-storm", 30, "registered", 27, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := scenario.Load(row.name)
			if err != nil {
				t.Fatal(err)
			}
			if s, err = s.With(scenario.Options{Calls: row.calls, Rate: 30, Duration: 6 * time.Second}); err != nil {
				t.Fatal(err)
			}
			w := &seen{}
			rec, err := Run(t.Context(), Config{
				Scenario: s, Target: target, Observers: []bench.Observer{w},
				Caller: bench.Config{Proto: bench.TLS, Roots: ca.Pool()},
			})
			if err != nil {
				t.Fatal(err)
			}
			if rec.Calls[row.outcome] != row.ok || rec.Calls["failed"] != row.lost || rec.Setup.Count != uint64(row.ok) {
				t.Errorf("%v, set-up %+v; want %d %s, %d failed", rec.Calls, rec.Setup, row.ok, row.outcome, row.lost)
			}
			if up := rec.Samples[len(rec.Samples)-1].Up; up != row.ok {
				t.Errorf("%d stayed; want %d", up, row.ok)
			}
			if row.lost > 0 && (len(rec.Faults) != 1 || !strings.Contains(rec.Faults[0], "503 Overload")) || row.lost == 0 && len(rec.Faults) > 0 {
				t.Errorf("faults %q", rec.Faults)
			}
		})
	}
}

// A server that takes so many calls at a time and no more has its knee where
// the rate needs more.
func TestKnee(t *testing.T) {
	const capacity = 30 // calls in a second
	var mu sync.Mutex
	var taken []time.Time
	target := server(t, nil, func(method string, req *sip.Request) string {
		if method != "INVITE" {
			return ""
		}
		mu.Lock()
		defer mu.Unlock()
		for len(taken) > 0 && time.Since(taken[0]) > time.Second {
			taken = taken[1:]
		}
		if len(taken) >= capacity {
			return sip.NewResponseFromRequest(req, 503, "Overload", nil).String()
		}
		taken = append(taken, time.Now())
		return sip.NewResponseFromRequest(req, 486, "Busy Here", nil).String()
	})
	rec, err := Run(t.Context(), Config{
		Scenario: parse(t, `
duration: 30s
pace: {rate: 10, step: {by: 10, every: 2s}}
mix: [{outcome: busy}]
knee: {setup_p99: 1s}
`),
		Target: target, Caller: bench.Config{Proto: bench.TCP},
		Answerers: []bench.Config{{Proto: bench.TCP, Local: freePort(t)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Notes) != 1 || !strings.Contains(rec.Notes[0], "30 calls/s were carried") && !strings.Contains(rec.Notes[0], "20 calls/s were carried") {
		t.Errorf("notes %q", rec.Notes)
	}
	if !strings.Contains(rec.Notes[0], "calls failed") || len(rec.Faults) > 0 {
		t.Errorf("notes %q, faults %q", rec.Notes, rec.Faults)
	}
	if rec.Took > 15*time.Second {
		t.Errorf("it went on for %v after it failed", rec.Took)
	}
}

func TestKneeFindings(t *testing.T) {
	const limit = 100 * time.Millisecond
	at := func(rate float64, calls, lost int, setup time.Duration) *level {
		l := &level{rate: rate, calls: calls, lost: lost, setup: bench.NewLatency()}
		for range calls {
			l.setup.Record(setup)
		}
		return l
	}
	steps := pace.Pace{Step: pace.Step{By: 10, Every: 2 * time.Second}}
	good, fail, slow := at(10, 50, 0, time.Millisecond), at(20, 100, 3, time.Millisecond), at(20, 100, 0, time.Second)
	for _, row := range []struct {
		name   string
		levels []*level
		driven time.Duration
		late   bool
		want   []string
	}{
		{"failures", []*level{good, fail}, 3 * time.Second, false, []string{"10 calls/s were carried", "1.0 ms", "At 20/s 3 of 100 calls failed"}},
		{"too slow", []*level{good, slow}, 3 * time.Second, false, []string{"10 calls/s were carried", "above the limit of 100ms"}},
		{"nothing carried", []*level{fail}, time.Second, false, []string{"not even the first rate"}},
		{"the end of the scenario", []*level{good, at(20, 90, 0, 0)}, 4 * time.Second, false, []string{"20 calls/s", "may carry more"}},
		{"stopped in a step", []*level{good, at(20, 90, 0, 0)}, 3 * time.Second, false, []string{"10 calls/s", "may carry more"}},
		{"the generator", []*level{good, fail}, 3 * time.Second, true, []string{"10 calls/s", "generator was the bottleneck"}},
		{"good again after a failure", []*level{good, fail, at(30, 90, 0, 0)}, 6 * time.Second, false, []string{"10 calls/s"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := (&knee{limit: limit, levels: row.levels, pace: steps}).finding(row.driven, row.late)
			for _, want := range row.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in: %s", want, got)
				}
			}
		})
	}
}

// A server that closes all connections: calls fail, and the next ones have a
// connection again.
func TestLostConnections(t *testing.T) {
	var mu sync.Mutex
	n := 0
	target := server(t, nil, func(method string, req *sip.Request) string {
		mu.Lock()
		defer mu.Unlock()
		if method == "INVITE" {
			if n++; n == 3 {
				return "no SIP at all\r\n\r\n" // the bench takes the connection for broken
			}
		}
		return sip.NewResponseFromRequest(req, 486, "Busy Here", nil).String()
	})
	rec, err := Run(t.Context(), Config{
		Scenario: parse(t, "duration: 2s\ncalls: 8\npace: {rate: 10}\nmix: [{outcome: busy}]\n"),
		Target:   target, Caller: bench.Config{Proto: bench.TCP},
		Answerers: []bench.Config{{Proto: bench.TCP, Local: freePort(t)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if rec.Calls["failed"] != 1 || rec.Calls["busy"] != 7 {
		t.Errorf("%v, faults %q", rec.Calls, rec.Faults)
	}
	if len(rec.Faults) != 1 || !strings.Contains(rec.Faults[0], bench.ErrLink.Error()) {
		t.Errorf("faults %q", rec.Faults)
	}
}

// The answerer hears of the caller's end by its own lost connection, which is
// no BYE: the run must not praise that.
func TestDroppedConnections(t *testing.T) {
	cfg, _ := direct(t, bench.TLS, `
duration: 4s
calls: 3
pace: {rate: 10}
callers: {connection: call}
mix: [{outcome: dropped, talk: 400ms}]
bye_in: 1s
`)
	rec, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Calls["dropped"] != 3 || len(rec.Faults) != 1 || !strings.Contains(rec.Faults[0], "3 calls failed at the answerer: connection lost") {
		t.Errorf("%v, faults %q", rec.Calls, rec.Faults)
	}
}

// Holding and new keys work end to end in a run, and lose nothing.
func TestRehearsedCalls(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, `
duration: 5s
calls: 4
pace: {rate: 10}
mix:
  - talk: 1500ms
    script: [{after: 200ms, move: rekey}, {after: 200ms, move: hold}, {after: 200ms, move: resume}, {after: 200ms, move: refresh}]
`)
	rec, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Calls["answered"] != 4 || len(rec.Faults) > 0 || rec.Packets.Lost > 0 {
		t.Errorf("%v, %+v, faults %q", rec.Calls, rec.Packets, rec.Faults)
	}
}
