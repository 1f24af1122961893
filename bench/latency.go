package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency collects durations from 1 µs to 60 s with three digits. It may be
// used by many goroutines.
type Latency struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// NewLatency makes an empty one.
func NewLatency() *Latency {
	return &Latency{h: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
}

// Record adds one duration; those out of range count as the bound.
func (l *Latency) Record(d time.Duration) { l.RecordAll([]time.Duration{d}) }

// RecordAll adds many.
func (l *Latency) RecordAll(ds []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range ds {
		us := min(max(int64(d/time.Microsecond), 1), int64(time.Minute/time.Microsecond))
		_ = l.h.RecordValue(us) // clamped: cannot fail
	}
}

// Quantiles is a summary of durations.
type Quantiles struct {
	Count                    int64
	P50, P90, P99, P999, Max time.Duration
}

// Quantiles summarises what was recorded so far.
func (l *Latency) Quantiles() Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := func(q float64) time.Duration {
		return time.Duration(l.h.ValueAtQuantile(q)) * time.Microsecond
	}
	return Quantiles{
		Count: l.h.TotalCount(),
		P50:   at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: time.Duration(l.h.Max()) * time.Microsecond,
	}
}

// Reset forgets what was recorded so far.
func (l *Latency) Reset() {
	l.mu.Lock()
	l.h.Reset()
	l.mu.Unlock()
}
