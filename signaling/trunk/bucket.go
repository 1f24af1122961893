package trunk

import (
	"slices"
	"time"
)

// longestQueue is how long a call waits for its turn at most; who would wait
// longer is told so at once.
const longestQueue = time.Second

// bucket lets calls through at a rate, in their order of arrival: a token bucket
// that is told the time, with those who wait for its tokens. The zero value lets
// everybody through.
//
// With a burst of 1 there are never more than the rate in any half-open second.
// Who is late, because a timer was, may catch up by one interval.
type bucket[K comparable] struct {
	interval time.Duration // between two calls, rounded up; 0: no limit
	slack    time.Duration // how much earlier than that a call may come: (burst-1) intervals
	full     time.Time     // when the next call would be on time had all come at the rate
	queue    []K
}

// set changes rate (0: no limit) and burst (at least 1). It is asked for anew
// when a call comes: most often nothing changes.
func (b *bucket[K]) set(perSecond, burst int) {
	if perSecond == 0 {
		b.interval, b.slack, b.full = 0, 0, time.Time{}
		return
	}
	n := time.Duration(perSecond)
	b.interval = (time.Second + n - 1) / n
	b.slack = b.interval * time.Duration(max(burst, 1)-1)
}

// next is when the first in the queue, or the next call, may go.
func (b *bucket[K]) next() time.Time { return b.full.Add(-b.slack) }

// ask takes a call. It goes now where wait is 0, and waits in the queue for
// about that long otherwise; not ok is one too many.
func (b *bucket[K]) ask(now time.Time, key K) (wait time.Duration, ok bool) {
	turn := b.next().Add(b.interval * time.Duration(len(b.queue)))
	switch wait = turn.Sub(now); {
	case len(b.queue) == 0 && wait <= 0:
		b.full = latest(b.full, now).Add(b.interval)
		return 0, true
	case wait > longestQueue:
		return 0, false
	}
	b.queue = append(b.queue, key)
	return max(wait, 1), true
}

// due takes those out of the queue whose turn has come.
func (b *bucket[K]) due(now time.Time) []K {
	n := 0
	for n < len(b.queue) && !b.next().After(now) {
		b.full = latest(b.full, now.Add(-b.interval)).Add(b.interval)
		n++
	}
	gone := slices.Clone(b.queue[:n])
	b.queue = slices.Delete(b.queue, 0, n)
	return gone
}

// withdraw takes one out of the queue; those behind it come earlier.
func (b *bucket[K]) withdraw(key K) {
	b.queue = slices.DeleteFunc(b.queue, func(k K) bool { return k == key })
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
