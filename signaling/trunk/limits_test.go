package trunk

import (
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"callseal/signaling/transport"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		what, number string
		limits       Limits
		want         Limit
	}{
		{"no limits", "1", Limits{}, 0},
		{"denied", "+1900555", Limits{Deny: []string{"1900"}}, LimitNumber},
		{"denied, with separators", "1-(9)0.0555", Limits{Allow: []string{"1"}, Deny: []string{"1-900"}}, LimitNumber},
		{"denied, with escaped separators", "1%289%2900%20555", Limits{Deny: []string{"1900"}}, LimitNumber},
		{"denied, with many +", "++1900555", Limits{Deny: []string{"+1900"}}, LimitNumber},
		{"not denied", "1800555", Limits{Deny: []string{"1900"}}, 0},
		{"not allowed", "44", Limits{Allow: []string{"1"}}, LimitNumber},
		{"allowed", "1212", Limits{Allow: []string{"+1"}}, 0},
		{"denied in what is allowed", "1900", Limits{Allow: []string{"1"}, Deny: []string{"1900"}}, LimitNumber},
		{"allowed in what is denied", "19005", Limits{Allow: []string{"19005"}, Deny: []string{"1900"}}, 0},
		{"both", "1900", Limits{Allow: []string{"1900"}, Deny: []string{"1900"}}, LimitNumber},
		{"as long as may be", "+12345", Limits{Longest: 5}, 0},
		{"too long", "123456", Limits{Longest: 5}, LimitLength},
	} {
		if got := c.limits.refuses(c.number); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

func TestPhrases(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range AllLimits() {
		phrase := (&Limited{"telco", l}).Phrase()
		if len(phrase) > 50 || seen[phrase] || phrase == "telco" {
			t.Errorf("%v: %q", l, phrase)
		}
		seen[phrase] = true
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// 1,000 calls at twice the rate, from many goroutines: exactly what the rate
// allows gets through, in five seconds and the second that the last may wait;
// no place is left taken.
func TestExactUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, calls = 100, 1000
		d := NewDesk(quiet(), nil)
		tr := named("telco", transport.Carrier)
		tr.Limits = Limits{PerSecond: rate, Calls: 350}
		var through, cps, full atomic.Int32
		var all sync.WaitGroup
		start := time.Now()
		var last atomic.Int64
		for i := range calls {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / (2 * rate))
				turn := make(chan struct{})
				p, waits, err := d.Ask(tr, "1", func() { close(turn) })
				var limited *Limited
				switch {
				case errors.As(err, &limited) && limited.Limit == LimitPerSecond:
					cps.Add(1)
					return
				case err != nil:
					full.Add(1)
					return
				}
				if waits {
					<-turn
				}
				through.Add(1)
				last.Store(int64(time.Since(start)))
				time.Sleep(2 * time.Second)
				p.Release()
				p.Release()
			})
		}
		all.Wait()
		// The first at 0, then one each 10 ms: those that ask at 4.995 s may wait
		// until 5.99 s.
		if through.Load() != 600 || cps.Load() != 400 || full.Load() != 0 || time.Duration(last.Load()) != 5990*time.Millisecond {
			t.Errorf("%d went, the last at %v; %d too fast, %d too many", through.Load(), time.Duration(last.Load()), cps.Load(), full.Load())
		}
		if s := d.Status([]*Trunk{tr})[0]; s.Calls != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Calls at once are exact, whoever asks and releases at once.
func TestCallsAtOnce(t *testing.T) {
	d := NewDesk(quiet(), nil)
	tr := named("telco", transport.Carrier)
	tr.Limits.Calls = 7
	var now, most, refused atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for i := range 200 {
				var p *Permit
				var err error
				if i%2 == 0 {
					p, err = d.Arrive(tr)
				} else {
					p, _, err = d.Ask(tr, "1", func() {})
				}
				if err != nil {
					refused.Add(1)
					continue
				}
				for n := now.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				now.Add(-1)
				p.Release()
			}
		})
	}
	all.Wait()
	if most.Load() > 7 || d.Status([]*Trunk{tr})[0].Calls != 0 {
		t.Errorf("%d at once, %d left, %d refused", most.Load(), d.Status([]*Trunk{tr})[0].Calls, refused.Load())
	}
	var held []*Permit
	for range 7 {
		p, err := d.Arrive(tr)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, p)
	}
	var limited *Limited
	if _, _, err := d.Ask(tr, "1", func() {}); !errors.As(err, &limited) || limited.Limit != LimitCalls {
		t.Error(err)
	}
	held[3].Release()
	if _, _, err := d.Ask(tr, "1", func() {}); err != nil {
		t.Error(err)
	}
}
