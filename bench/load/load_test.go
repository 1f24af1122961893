package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"callseal/bench"
	"callseal/bench/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen is an observer that keeps what it is told.
type seen struct {
	mu      sync.Mutex
	samples []bench.Sample
	done    []*bench.Record
}

func (s *seen) Sample(x bench.Sample) { s.mu.Lock(); s.samples = append(s.samples, x); s.mu.Unlock() }
func (s *seen) Done(r *bench.Record)  { s.mu.Lock(); s.done = append(s.done, r); s.mu.Unlock() }

func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func parse(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// direct is a run without a server: the callers call the answerer.
func direct(t *testing.T, proto bench.Proto, text string) (Config, *seen) {
	t.Helper()
	ca, err := bench.NewAuthority("load test CA")
	if err != nil {
		t.Fatal(err)
	}
	at := freePort(t)
	cert, err := ca.Issue("load.test", at.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w := &seen{}
	suites := []bench.Suite{bench.DefaultSuite}
	return Config{
		Scenario:  parse(t, text),
		Target:    bench.Target{Proto: proto, Host: at.Addr().String(), Port: at.Port()},
		Caller:    bench.Config{Proto: proto, Suites: suites, Roots: ca.Pool(), Timeout: 2 * time.Second},
		Answerers: []bench.Config{{Proto: proto, Local: at, Suites: suites, Certificate: cert}},
		Number:    "1555",
		Observers: []bench.Observer{w},
	}, w
}

const mixed = `
duration: 4s
calls: 20
pace: {rate: 20}
callers: {count: 6, connection: %, trunks: 2}
standing: {calls: 2, rate: 10}
mix:
  - {share: 5, talk: 100ms-300ms, ring: 10ms-50ms}
  - {share: 2, outcome: cancelled, ring: 50ms}
  - {share: 1, outcome: busy}
  - {share: 1, outcome: refused, status: 603, ring: 10ms}
  - {share: 1, talk: 200ms, ring: 100ms, early: true}
`

func TestRunMix(t *testing.T) {
	for _, row := range []struct {
		name  string
		proto bench.Proto
		share string
	}{
		{"tls, shared", bench.TLS, "shared"},
		{"tcp, one connection each", bench.TCP, "each"},
		{"tls, one connection per call", bench.TLS, "call"},
		{"udp, one socket each", bench.UDP, "each"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, w := direct(t, row.proto, strings.Replace(mixed, "%", row.share, 1))
			rec, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range rec.Faults {
				t.Error(fault)
			}
			// The mix is exact: 20 calls by their shares, and the two that stay.
			for name, want := range map[string]int{"answered": 12 + 2, "cancelled": 4, "busy": 2, "refused": 2} {
				if rec.Calls[name] != want {
					t.Errorf("%s: %d; want %d", name, rec.Calls[name], want)
				}
			}
			if rec.Codes[200] != 14 || rec.Codes[487] != 4 || rec.Codes[486] != 2 || rec.Codes[603] != 2 {
				t.Errorf("codes %v", rec.Codes)
			}
			if rec.Setup.Count != 22 || rec.Connect.Count != 14 || rec.Latency.Count != rec.Packets.Received || rec.ClipCaller.Count == 0 {
				t.Errorf("setup %+v, connect %+v, latency %+v", rec.Setup, rec.Connect, rec.Latency)
			}
			if rec.Packets.Received == 0 || rec.Packets.Lost > 0 {
				t.Errorf("packets %+v", rec.Packets)
			}
			sum, most := bench.Sample{}, 0
			for _, s := range w.samples {
				sum.Started, sum.Answered, sum.Ended = sum.Started+s.Started, sum.Answered+s.Answered, sum.Ended+s.Ended
				sum.Sent, sum.Received = sum.Sent+s.Sent, sum.Received+s.Received
				most = max(most, s.Up)
			}
			if sum.Started != 22 || sum.Answered != 14 || sum.Ended != 22 || most < 2 {
				t.Errorf("samples: started %d, answered %d, ended %d, at most %d up", sum.Started, sum.Answered, sum.Ended, most)
			}
			if sum.Sent != rec.Packets.Sent || sum.Received != rec.Packets.Received {
				t.Errorf("samples: %d sent, %d received; the record has %+v", sum.Sent, sum.Received, rec.Packets)
			}
			if len(w.done) != 1 || w.done[0] != rec || len(rec.Samples) != len(w.samples) || rec.Took > 6*time.Second {
				t.Errorf("done %d times, %d and %d samples in %v", len(w.done), len(rec.Samples), len(w.samples), rec.Took)
			}
		})
	}
}

// Calls end with the run, even where their own time is longer.
func TestRunEndsOnTime(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, `
duration: 3s
calls: 3
pace: {rate: 50}
mix: [{talk: 1h}]
`)
	rec, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Faults) > 0 || rec.Calls["answered"] != 3 || rec.Took > 5*time.Second {
		t.Errorf("%v, %v in %v", rec.Calls, rec.Faults, rec.Took)
	}
}

// Ctrl-C: calls get their BYE, and there is a record all the same.
func TestInterruptedRun(t *testing.T) {
	cfg, w := direct(t, bench.TLS, `
pace: {rate: 20}
mix: [{talk: 1h}, {outcome: cancelled, ring: 1h}]
`)
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	ctx2, cancel2 := context.WithCancel(t.Context())
	defer cancel2()
	context.AfterFunc(ctx, cancel2)
	rec, err := Run(ctx2, cfg)
	if !errors.Is(err, bench.ErrStopped) {
		t.Errorf("error %v; want %v", err, bench.ErrStopped)
	}
	if rec == nil || len(w.done) != 1 {
		t.Fatal("no record")
	}
	if rec.Calls["stopped"] < 15 || rec.Calls["failed"] != 0 || len(rec.Faults) > 0 {
		t.Errorf("%v, %v", rec.Calls, rec.Faults)
	}
	if up := w.samples[len(w.samples)-1].Up; up != 0 {
		t.Errorf("%d calls are still up", up)
	}
}

// Where nothing can come of a run, it says so in a sentence, within 5 s.
func TestHopelessRuns(t *testing.T) {
	const text = "pace: {rate: 5}\nmix: [{talk: 1s}]\n"
	silent, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for _, row := range []struct {
		name   string
		change func(c *Config)
		want   error
	}{
		{"nobody listens", func(c *Config) { c.Target.Port = freePort(t).Port() }, bench.ErrUnreachable},
		{"another CA", func(c *Config) {
			ca, err := bench.NewAuthority("other")
			if err != nil {
				t.Fatal(err)
			}
			c.Caller.Roots = ca.Pool()
		}, bench.ErrCertificate},
		{"silence over UDP", func(c *Config) {
			c.Target.Proto, c.Caller.Proto = bench.UDP, bench.UDP
			c.Target.Port = silent.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		}, bench.ErrUnreachable},
		{"port in use", func(c *Config) {
			at := silent.LocalAddr().(*net.UDPAddr).AddrPort()
			c.Answerers[0].Proto, c.Answerers[0].Local = bench.UDP, at
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, _ := direct(t, bench.TLS, text)
			row.change(&cfg)
			began := time.Now()
			_, err := Run(t.Context(), cfg)
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("error %v; want %v", err, row.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
