package main

import (
	"log/slog"
	"testing"
)

func TestTidier(t *testing.T) {
	const mib = 1 << 20
	for _, row := range []struct {
		name       string
		h          heap
		was, is    int // calls and transactions
		collection bool
	}{
		{"nothing to do", heap{allocated: mib, live: 10 * mib, objects: 11 * mib}, 0, 0, false},
		{"garbage", heap{allocated: 10 * mib, live: 10 * mib, objects: 18 * mib}, 0, 0, true},
		{"garbage, but little for what is in use", heap{allocated: 10 * mib, live: 100 * mib, objects: 110 * mib}, 0, 0, false},
		{"memory that is not in use", heap{allocated: mib, live: 10 * mib, objects: 10 * mib, free: 9 * mib}, 0, 0, true},
		{"calls are set up quickly", heap{allocated: 100 * mib, live: 10 * mib, objects: 100 * mib, free: 100 * mib}, 1000, 0, false},
		{"calls have ended", heap{allocated: mib, live: 50 * mib, objects: 50 * mib}, 1000, 700, true},
		{"few calls have ended", heap{allocated: mib, live: 50 * mib, objects: 50 * mib}, 1000, 800, false},
		{"there were few", heap{allocated: mib, live: 10 * mib, objects: 10 * mib}, 90, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			collected, n := 0, row.was
			d := newTidier(func() int { return n }, slog.New(slog.DiscardHandler))
			d.collect = func() { collected++ }
			d.look(heap{})
			n = row.is
			d.look(row.h)
			if want := map[bool]int{true: 1}[row.collection]; collected != want {
				t.Errorf("collected %d times, want %d", collected, want)
			}
			d.look(heap{allocated: row.h.allocated, live: row.h.live, objects: row.h.live})
			if want := map[bool]int{true: 1}[row.collection]; row.name != "calls are set up quickly" && collected != want {
				t.Errorf("collected %d times, want %d: nothing has changed", collected, want)
			}
		})
	}
}
