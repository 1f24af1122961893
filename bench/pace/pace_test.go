package pace

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// until are the arrivals before a time.
func (p Pace) until(end time.Duration) (at []time.Duration) {
	for due := range p.Arrivals() {
		if due >= end || len(at) > 1e6 {
			break
		}
		at = append(at, due)
	}
	return at
}

func TestArrivals(t *testing.T) {
	const s = time.Second
	for _, row := range []struct {
		name string
		pace Pace
		end  time.Duration
		want []float64 // seconds
	}{
		{"constant", Pace{Rate: 2}, 2 * s, []float64{0, 0.5, 1, 1.5}},
		{"none", Pace{}, s, nil},
		{"one burst", Pace{Burst: Burst{Calls: 3}}, s, []float64{0, 0, 0}},
		{"bursts upon a rate", Pace{Rate: 1, Burst: Burst{Calls: 2, Every: 1500 * time.Millisecond}}, 3 * s,
			[]float64{0, 0, 0, 1, 1.5, 1.5, 2}},
		{"ramp from nothing", Pace{Ramp: Ramp{To: 4, Over: 2 * s}}, 2500 * time.Millisecond, []float64{0, 1, math.Sqrt2, math.Sqrt(3), 2, 2.25}},
		{"ramp down to nothing", Pace{Rate: 4, Ramp: Ramp{To: 0, Over: 2 * s}}, 10 * s, []float64{0, 2 - math.Sqrt(3), 2 - math.Sqrt2, 1, 2}},
		{"flat ramp", Pace{Rate: 2, Ramp: Ramp{To: 2, Over: s}}, 2 * s, []float64{0, 0.5, 1, 1.5}},
		{"steps", Pace{Rate: 1, Step: Step{By: 1, Every: s}}, 3 * s, []float64{0, 1, 1.5, 2, 2 + 1./3, 2 + 2./3}},
		{"steps from nothing", Pace{Step: Step{By: 1, Every: s}}, 3 * s, []float64{1, 2, 2.5}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := row.pace.until(row.end)
			if len(got) != len(row.want) {
				t.Fatalf("%v; want %v", got, row.want)
			}
			for i, want := range row.want {
				if math.Abs(got[i].Seconds()-want) > 1e-6 {
					t.Errorf("arrival %d at %v; want %v s", i, got[i], want)
				}
			}
		})
	}
}

// Whatever the curve is, arrivals are in order and as many as the area under
// the rate.
func TestArrivalsFollowTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pace{Rate: rapid.Float64Range(0, 200).Draw(t, "rate")}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 1:
			p.Ramp = Ramp{To: rapid.Float64Range(0, 200).Draw(t, "to"), Over: time.Duration(rapid.Int64Range(1e9, 2e10).Draw(t, "over"))}
		case 2:
			p.Step = Step{By: rapid.Float64Range(0.5, 50).Draw(t, "by"), Every: time.Duration(rapid.Int64Range(1e9, 5e9).Draw(t, "every"))}
		}
		const end = 10 * time.Second
		at := p.until(end)
		if !slices.IsSorted(at) {
			t.Fatal("not in order")
		}
		area := 0.0
		const parts = 10_000
		for i := range parts {
			area += p.At(end*time.Duration(2*i+1)/(2*parts)) * end.Seconds() / parts
		}
		if math.Abs(float64(len(at))-area) > 2 {
			t.Fatalf("%d arrivals; the area is %.2f", len(at), area)
		}
	})
}

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		name string
		pace Pace
		ok   bool
	}{
		{"constant", Pace{Rate: 1}, true},
		{"burst", Pace{Burst: Burst{Calls: 1}}, true},
		{"steps from 0", Pace{Step: Step{By: 1, Every: time.Second}}, true},
		{"nothing", Pace{}, false},
		{"negative", Pace{Rate: -1}, false},
		{"no number", Pace{Rate: math.NaN()}, false},
		{"too fast", Pace{Rate: 2 * Fastest}, false},
		{"ramp too fast", Pace{Rate: 1, Ramp: Ramp{To: 2 * Fastest, Over: time.Second}}, false},
		{"ramp and steps", Pace{Rate: 1, Ramp: Ramp{2, 1}, Step: Step{1, time.Second}}, false},
		{"steps down", Pace{Rate: 1, Step: Step{-1, time.Second}}, false},
		{"short steps", Pace{Rate: 1, Step: Step{1, time.Millisecond}}, false},
		{"bursts without end", Pace{Burst: Burst{Calls: 1, Every: 1}}, false},
		{"negative burst", Pace{Rate: 1, Burst: Burst{Calls: -1}}, false},
	} {
		if err := row.pace.Check(); (err == nil) != row.ok || err != nil && !errors.Is(err, ErrPace) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// The Pacer keeps its times to the nanosecond on a fake clock.
func TestPacerKeepsItsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := Pace{Rate: 3, Burst: Burst{Calls: 2, Every: time.Second}}, time.Now()
		var got []time.Duration
		Pacer{Until: 5 * time.Second, Late: func(d time.Duration) {
			if d != 0 {
				t.Errorf("late by %v", d)
			}
		}}.Run(t.Context(), p.Arrivals(), func(n int, due time.Duration) {
			if n != len(got) {
				t.Errorf("number %d; want %d", n, len(got))
			}
			got = append(got, time.Since(began))
			_ = due
		})
		if want := p.until(5 * time.Second); !slices.Equal(got, want) {
			t.Errorf("%v; want %v", got, want)
		}
	})
}

// After a stall all that is due begins at once, none is left out, and the
// lateness tells of the stall.
func TestPacerAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at, late []time.Duration
		Pacer{Most: 6, Late: func(d time.Duration) { late = append(late, d/time.Millisecond) }}.
			Run(t.Context(), Pace{Rate: 10}.Arrivals(), func(n int, _ time.Duration) {
				at = append(at, time.Since(began)/time.Millisecond)
				if n == 1 {
					time.Sleep(250 * time.Millisecond)
				}
			})
		if want := []time.Duration{0, 100, 350, 350, 400, 500}; !slices.Equal(at, want) {
			t.Errorf("begun at %v; want %v", at, want)
		}
		if want := []time.Duration{0, 0, 150, 50, 0, 0}; !slices.Equal(late, want) {
			t.Errorf("late by %v; want %v", late, want)
		}
	})
}

func TestPacerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		began, n := time.Now(), 0
		Pacer{}.Run(ctx, Pace{Rate: 1}.Arrivals(), func(int, time.Duration) { n++ })
		if n != 3 || time.Since(began) != 2500*time.Millisecond {
			t.Errorf("%d arrivals in %v", n, time.Since(began))
		}
		Pacer{}.Run(ctx, Pace{Burst: Burst{Calls: 5}}.Arrivals(), func(int, time.Duration) { t.Error("after the end") })
	})
}
