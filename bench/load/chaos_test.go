package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"callseal/bench"
)

const wild = `
duration: 5s
calls: 40
pace: {rate: 20}
callers: {count: 4, connection: shared, trunks: 4}
mix:
  - {share: 2, outcome: wild, ring: 0s-200ms, talk: 0s-1s}
  - {share: 1, outcome: wild, ring: 50ms-200ms, talk: 0s-1s, early: true}
max_loss: 1
chaos: {seed: 7, %}
`

// Wild calls with nothing between the ends end clean, also when connections are
// cut and datagrams lost: what a server is held to can be met.
func TestChaos(t *testing.T) {
	for _, row := range []struct {
		proto bench.Proto
		chaos string
		note  string
	}{
		{bench.TLS, "cut_callers: 200ms", "of callers and 0 of answerers"},
		{bench.UDP, "loss: 0.05", "5 % of the answerer's SIP datagrams"},
	} {
		t.Run(row.proto.String(), func(t *testing.T) {
			cfg, _ := direct(t, row.proto, strings.Replace(wild, "%", row.chaos, 1))
			home := cfg.Answerers[0]
			home.Local = freePort(t)
			if row.proto != bench.UDP {
				cfg.Home = &home
			}
			rec, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range rec.Faults {
				t.Error(fault)
			}
			sum := 0
			for _, n := range rec.Calls {
				sum += n
			}
			if sum != 40 || rec.Calls["answered"] < 5 || rec.Calls["cancelled"]+rec.Calls["refused"] < 5 || rec.Calls["failed"] > 0 {
				t.Errorf("calls %v", rec.Calls)
			}
			if notes := strings.Join(rec.Notes, "\n"); !strings.Contains(notes, row.note) || !strings.Contains(notes, "Re-INVITEs of both ends by final code: ") {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

// The same seed draws the same calls, and there is some of everything.
func TestChaosIsDrawn(t *testing.T) {
	draw := func(seed uint64) (all []*bench.Chaos) {
		random := rand.New(rand.NewPCG(seed, 0))
		for range 500 {
			all = append(all, chaos(random, time.Second, 4*time.Second))
		}
		return all
	}
	all := draw(1)
	if !reflect.DeepEqual(all, draw(1)) {
		t.Error("the same seed drew other calls")
	}
	if reflect.DeepEqual(all, draw(2)) {
		t.Error("another seed drew the same calls")
	}
	var refused, early, changed int
	for _, c := range all {
		if c.Refuse != 0 {
			refused++
		}
		if min(c.Quit[0], c.Quit[1]) < time.Second {
			early++
		}
		if len(c.Scripts[0])+len(c.Scripts[1]) > 0 {
			changed++
		}
	}
	if refused < 50 || refused > 120 || early < 100 || early > 300 || changed < 200 || changed > 400 {
		t.Errorf("of 500 calls %d refused, %d ended before the answer, %d changed", refused, early, changed)
	}
}

// What the server holds on to after the run is a fault.
func TestLeftover(t *testing.T) {
	const text = `
duration: 2s
calls: 2
pace: {rate: 20}
mix: [{talk: 100ms}]
leftover: {within: 100ms, gauges: {calls: 0, goroutines: 2}}
`
	errGone := errors.New("connection refused")
	for _, row := range []struct {
		name  string
		after map[string]float64
		err   error
		fault string // "": none
		note  string
	}{
		{"all is as before", map[string]float64{"calls": 0, "goroutines": 42, "other": 9}, nil, "", "goroutines was 40 before the run, and 42 0 s after it."},
		{"a call is left", map[string]float64{"calls": 1, "goroutines": 42}, nil, "calls was 0 before the run, and 1 ", "goroutines was 40"},
		{"too many goroutines", map[string]float64{"calls": 0, "goroutines": 43}, nil, "goroutines was 40 before the run, and 43 ", "calls was 0"},
		{"a metric that is not there", map[string]float64{"calls": 0}, nil, "no metric goroutines", ""},
		{"a server that is gone", nil, errGone, "connection refused", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, _ := direct(t, bench.TCP, text)
			looked := 0
			cfg.Gauges = func(context.Context) (map[string]float64, error) {
				if looked++; looked == 1 {
					return map[string]float64{"goroutines": 40}, nil // calls is not there before the first one
				}
				return row.after, row.err
			}
			rec, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if faults := strings.Join(rec.Faults, "; "); !strings.Contains(faults, row.fault) || (faults == "") != (row.fault == "") {
				t.Errorf("faults %q; want %q", faults, row.fault)
			}
			if notes := strings.Join(rec.Notes, "; "); !strings.Contains(notes, row.note) {
				t.Errorf("notes %q; want %q", notes, row.note)
			}
		})
	}
	cfg, _ := direct(t, bench.TCP, text)
	cfg.Gauges = func(context.Context) (map[string]float64, error) { return nil, errGone }
	if _, err := Run(t.Context(), cfg); !errors.Is(err, errGone) {
		t.Errorf("error %v; want %v", err, errGone)
	}
}
