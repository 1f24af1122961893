package load

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"callseal/bench"
)

func TestDesk(t *testing.T) {
	d := desk{called: &Called{Count: 2, Number: func(n int) string { return string(rune('a' + n)) }}}
	d.free(0)
	d.free(1)
	var got []int
	var plans [3]bench.Plan
	for i := range plans {
		seat, ok := d.take(&plans[i])
		if ok != (i < 2) {
			t.Errorf("the %d-th of two: %v", i, ok)
		}
		got = append(got, seat)
	}
	if got[0] != 0 || got[1] != 1 || got[2] != noSeat || plans[0].Number != "a" || plans[1].Number != "b" {
		t.Errorf("seats %v, plans %+v", got, plans)
	}
	d.free(noSeat) // nothing
	d.free(1)
	if seat, ok := d.take(&plans[2]); seat != 1 || !ok {
		t.Errorf("seat %d, %v", seat, ok)
	}
	if seat, ok := (&desk{}).take(&plans[2]); seat != noSeat || !ok {
		t.Errorf("where nobody registers: seat %d, %v", seat, ok)
	}
}

// Answerers that cannot register end the run before it begins.
func TestCalledThatCannotRegister(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, "pace: {rate: 1}\nmix: [{talk: 1s}]\n")
	phone := cfg.Answerers[0]
	phone.Local, cfg.Answerers = netip.AddrPort{}, nil
	cfg.Called = &Called{
		Target: cfg.Target, Config: phone, Count: 3, Number: func(int) string { return "101" },
		Account: func(int) bench.Account { return bench.Account{User: "101", Password: "secret"} },
	}
	if _, err := Run(t.Context(), cfg); !errors.Is(err, bench.ErrUnreachable) {
		t.Errorf("error %v; want %v", err, bench.ErrUnreachable)
	}
}

// Several servers are called in turn, and each of several answerers takes any
// call.
func TestSeveralServers(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, "duration: 4s\ncalls: 12\npace: {rate: 20}\nmix: [{outcome: refused, status: 603, ring: 10ms}]\n")
	other := cfg.Answerers[0]
	other.Local = freePort(t)
	cfg.Answerers = append(cfg.Answerers, other)
	cfg.Others = []bench.Target{{Proto: bench.TCP, Host: other.Local.Addr().String(), Port: other.Local.Port()}}
	var mu sync.Mutex
	taken := map[netip.AddrPort]int{}
	cfg.Each = func(r bench.Result) {
		mu.Lock()
		defer mu.Unlock()
		if r.Party == bench.Answering && r.Got == bench.Refused {
			taken[r.Local]++
		}
	}
	rec, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if rec.Calls["refused"] != 12 || len(rec.Faults) > 0 || taken[cfg.Answerers[0].Local] != 6 || taken[other.Local] != 6 {
		t.Errorf("calls %v, faults %q, taken %v", rec.Calls, rec.Faults, taken)
	}
	if want := cfg.Target.String() + ", " + cfg.Others[0].String(); rec.Target != want {
		t.Errorf("target %q, want %q", rec.Target, want)
	}
}

// Where an answerer wants to be registered with nothing begins before that.
func TestServerThatDoesNotRegister(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, "pace: {rate: 1}\nmix: [{talk: 1s}]\n")
	cfg.Answerers[0].Admits = bench.Account{User: "107", Password: "secret"}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	stopped, stop := context.WithCancel(t.Context())
	defer context.AfterFunc(ctx, stop)()
	if _, err := Run(stopped, cfg); !errors.Is(err, bench.ErrStopped) {
		t.Errorf("error %v; want %v", err, bench.ErrStopped)
	}
}
