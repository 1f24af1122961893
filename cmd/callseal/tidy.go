package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How garbage is collected. While calls are set up quickly a collection, which
// takes time that callers wait for, comes when the heap is three times what is
// in use instead of twice. It costs memory, which tidier gives back as soon as
// there is time for it.
const (
	gcPercent = 200
	tidyEvery = 5 * time.Second
	// What is allocated in a second where it is quiet: some 40 calls' set-up.
	quiet = 4 << 20
	// Less garbage than that, or than a quarter of what is in use, is not worth a
	// collection; nor are fewer calls and transactions that are no more.
	litter = 8 << 20
	fewer  = 100
)

// relaxCollector sets that, unless the environment sets another way (GOGC). It
// tells whether it did.
func relaxCollector() bool {
	if os.Getenv("GOGC") != "" {
		return false
	}
	debug.SetGCPercent(gcPercent)
	return true
}

// tidier looks at the heap now and then, and where it is quiet collects what is
// garbage and gives the memory back to the system. Its fields are owned by run.
type tidier struct {
	remembered func() int // calls and transactions
	collect    func()
	log        *slog.Logger

	allocated uint64 // in bytes since the start, at the last look
	most      int    // that were remembered since the last collection
}

func newTidier(remembered func() int, log *slog.Logger) *tidier {
	return &tidier{remembered: remembered, collect: debug.FreeOSMemory, log: log}
}

// heap is what the runtime says of it, in bytes.
type heap struct {
	allocated uint64 // since the start
	live      uint64 // that the last collection found in use
	objects   uint64 // in use, or garbage
	free      uint64 // of the system, and not in use
}

func readHeap() heap {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heap{allocated: value(0), live: value(1), objects: value(2), free: value(3)}
}

// run looks until ctx ends.
func (t *tidier) run(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.look(readHeap())
		}
	}
}

// look collects where it is worth that.
func (t *tidier) look(h heap) {
	n := t.remembered()
	t.most = max(t.most, n)
	grown := h.allocated - t.allocated
	t.allocated = h.allocated
	if grown > quiet*uint64(tidyEvery/time.Second) {
		return
	}
	worth := max(litter, h.live/4)
	gone := t.most - n
	if h.objects < h.live+worth && h.free < worth && (gone < fewer || gone < t.most/4) {
		return
	}
	began := time.Now()
	t.collect()
	t.most = n
	t.log.Debug("memory collected", "garbage", h.objects-min(h.objects, h.live), "free", h.free, "took", time.Since(began).Truncate(time.Microsecond).String())
}
