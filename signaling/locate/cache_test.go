package locate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The cache agrees with a plain record of what was last said of each question.
func TestPropertyCache(t *testing.T) {
	type said struct {
		n             int
		err           error
		until, usable time.Time
		retry         time.Time
	}
	none, dead := missing(question{}, "none"), errors.New("dead")
	rapid.Check(t, func(t *rapid.T) {
		longer := time.Duration(rapid.SampledFrom([]int{0, 1000}).Draw(t, "stale")) * time.Second
		c := newCache(longer)
		model := map[question]said{}
		now := time.Unix(1e9, 0)
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 10, 31, 400, 2000}).Draw(t, "seconds")) * time.Second)
			q := ask(fmt.Sprintf("host%d.example", rapid.IntRange(0, 3).Draw(t, "host")), rapid.SampledFrom(Kinds()).Draw(t, "kind"))
			ttl := time.Duration(rapid.SampledFrom([]int{0, 5, 300, 1 << 30}).Draw(t, "ttl")) * time.Second
			m := model[q]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c.keep(q, answer{srvs: []srv{{port: uint16(n)}}}, nil, ttl, now)
				m = said{n: n, until: now.Add(min(ttl, maxTTL))}
				m.usable = m.until.Add(longer)
			case 1:
				c.keep(q, answer{}, none, ttl, now)
				m = said{err: none, until: now.Add(min(ttl, maxNegative))}
				m.usable = m.until.Add(longer)
			case 2:
				c.fail(q, dead, now)
				if now.Before(m.usable) {
					m.retry = now.Add(retryStale)
				} else {
					m = said{err: dead, until: now.Add(retryFailed), usable: now.Add(retryFailed)}
				}
			}
			model[q] = m
			want := absent
			switch {
			case now.Before(m.until):
				want = fresh
			case now.Before(m.usable) && now.Before(m.retry):
				want = held
			case now.Before(m.usable):
				want = stale
			}
			a, state, err := c.look(q, now)
			if state != want {
				t.Fatalf("%v is %d, want %d", q, state, want)
			}
			if want != absent && (!errors.Is(err, m.err) || err == nil && int(a.srvs[0].port) != m.n) {
				t.Fatalf("%v: %v, %v, want %d, %v", q, a, err, m.n, m.err)
			}
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(time.Hour)
	now := time.Unix(1e9, 0)
	name := func(i int) question { return ask(fmt.Sprintf("h%d.example", i), A) }
	for i := range maxEntries + 10 {
		c.keep(name(i), answer{}, nil, time.Hour, now)
		_, _, _ = c.look(name(0), now) // needed all the time
	}
	if len(c.entries) != maxEntries || c.recent.Len() != maxEntries {
		t.Errorf("%d entries, %d in the order", len(c.entries), c.recent.Len())
	}
	if _, state, _ := c.look(name(0), now); state != fresh {
		t.Error("what is needed is forgotten")
	}
	if _, state, _ := c.look(name(1), now); state != absent {
		t.Error("what nobody needs is not")
	}
}
