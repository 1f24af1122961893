package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency collects durations from 1 µs to 60 s with three digits. It may be
// used by many goroutines.
type Latency struct {
	mu  sync.Mutex
	h   *hdrhistogram.Histogram
	lap *hdrhistogram.Histogram // since the last Lap; nil until the first one
}

// NewLatency makes an empty one.
func NewLatency() *Latency {
	return &Latency{h: newHistogram()}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
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
		if l.lap != nil {
			_ = l.lap.RecordValue(us)
		}
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
	return quantiles(l.h)
}

// Lap summarises what was recorded since the last Lap. The first Lap knows
// nothing and begins the first one.
func (l *Latency) Lap() Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lap == nil {
		l.lap = newHistogram()
		return Quantiles{}
	}
	q := quantiles(l.lap)
	l.lap.Reset()
	return q
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	if h.TotalCount() == 0 {
		return Quantiles{}
	}
	at := func(q float64) time.Duration {
		return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond
	}
	return Quantiles{
		Count: h.TotalCount(),
		P50:   at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: time.Duration(h.Max()) * time.Microsecond,
	}
}

// Reset forgets what was recorded so far.
func (l *Latency) Reset() {
	l.mu.Lock()
	l.h.Reset()
	l.mu.Unlock()
}
