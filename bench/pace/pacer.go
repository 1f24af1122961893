package pace

import (
	"context"
	"iter"
	"time"
)

// Pacer begins work at its times. It is one run's.
type Pacer struct {
	// Late is told how late each piece of work was begun. May be nil.
	Late func(time.Duration)
	// Until ends the run: arrivals at that time or later are left out. 0: no end.
	Until time.Duration
	// Most ends the run after so many arrivals. 0: no end.
	Most int
}

// Run calls begin for each arrival at its time, with its number from 0 on, and
// returns when there are no more or ctx has ended. begin must not block. When
// the machine was busy, Run is late and calls begin for all that has become
// due, one after the other.
func (p Pacer) Run(ctx context.Context, arrivals iter.Seq[time.Duration], begin func(n int, due time.Duration)) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	n := 0
	for due := range arrivals {
		if p.Until > 0 && due >= p.Until || p.Most > 0 && n >= p.Most {
			return
		}
		if !wait(ctx, timer, began.Add(due)) {
			return
		}
		if p.Late != nil {
			p.Late(max(0, time.Since(began)-due))
		}
		begin(n, due)
		n++
	}
}

// wait returns at the time, or false when ctx ends before.
func wait(ctx context.Context, timer *time.Timer, at time.Time) bool {
	left := time.Until(at)
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer.Reset(left)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
