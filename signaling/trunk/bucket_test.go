package trunk

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestBucket(t *testing.T) {
	var b bucket[int]
	b.set(3, 2)
	at := func(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }
	for i, c := range []struct {
		at   int
		wait time.Duration
		ok   bool
	}{
		{0, 0, true}, {0, 0, true}, // the burst
		{0, 333333334, true}, {0, 666666668, true}, {0, 0, false}, // would wait 1.000000002 s
		{1, 999000002, true}, {1, 0, false},
	} {
		if wait, ok := b.ask(at(c.at), i); wait != c.wait || ok != c.ok {
			t.Errorf("%d: %v %v, want %v %v", i, wait, ok, c.wait, c.ok)
		}
	}
	if got := b.due(at(333)); len(got) != 0 {
		t.Error(got)
	}
	if got := b.due(at(334)); len(got) != 1 || got[0] != 2 {
		t.Error(got)
	}
	b.withdraw(3)
	if got := b.due(at(667)); len(got) != 1 || got[0] != 5 {
		t.Error(got)
	}
	if wait, ok := b.ask(at(5000), 7); wait != 0 || !ok {
		t.Error(wait, ok)
	}
	b.set(0, 0)
	for i := range 100 {
		if wait, ok := b.ask(at(5000), i); wait != 0 || !ok {
			t.Fatal("a limit of none", wait, ok)
		}
	}
}

// Whoever comes and leaves whenever: no second has more than the rate and the
// burst allow, calls go in their order, nobody waits for more than a second, and
// nobody is turned away who would not have to.
func TestPropertyBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(1, 40).Draw(t, "rate"), rapid.IntRange(1, 5).Draw(t, "burst")
		var b bucket[int]
		b.set(rate, burst)
		now, asked, went := epoch, map[int]time.Time{}, []time.Time{}
		last := -1
		let := func(key int) {
			if key < last {
				t.Fatalf("%d goes after %d", key, last)
			}
			if waited := now.Sub(asked[key]); waited > longestQueue {
				t.Fatalf("%d waited for %v", key, waited)
			}
			last = key
			went = append(went, now)
		}
		run := func(until time.Time) { // a clock that is exact
			for len(b.queue) > 0 && !b.next().After(until) {
				now = latest(now, b.next())
				for _, key := range b.due(now) {
					let(key)
				}
			}
			now = until
		}
		for key := range rapid.IntRange(1, 120).Draw(t, "calls") {
			run(now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "ms")) * time.Millisecond))
			if n := len(b.queue); n > 0 && rapid.IntRange(0, 9).Draw(t, "leaves") == 0 {
				b.withdraw(b.queue[rapid.IntRange(0, n-1).Draw(t, "who")])
			}
			asked[key] = now
			turn := b.next().Add(b.interval * time.Duration(len(b.queue)))
			switch wait, ok := b.ask(now, key); {
			case ok && wait == 0:
				let(key)
			case !ok && turn.Sub(now) <= longestQueue:
				t.Fatalf("%d is turned away", key)
			}
		}
		run(now.Add(2 * longestQueue))
		if len(b.queue) > 0 {
			t.Fatalf("%d are left", len(b.queue))
		}
		most := rate + burst - 1
		for i := range went {
			if i >= most && went[i].Sub(went[i-most]) < time.Second {
				t.Fatalf("%d calls within %v at %d per second, burst %d", most+1, went[i].Sub(went[i-most]), rate, burst)
			}
		}
	})
}
