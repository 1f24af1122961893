package stream

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCalls is what the bench itself costs: each call's two ends send to
// each other with nothing between them. The bar is 20 µs for a packet that is
// sent and received: 500 calls, 50,000 packets a second, one core.
func BenchmarkCalls(b *testing.B) {
	for _, calls := range []int{50, 200, 500} {
		b.Run(fmt.Sprint(calls), func(b *testing.B) {
			e := New(1)
			defer e.Close()
			latency, lateness := &list{}, &list{}
			a := e.Account(Sinks{Latency: latency, Lateness: lateness, Jitter: &list{}, Clip: &list{}})
			for b.Loop() {
				seconds := 3 * time.Second
				streams := make([]*Stream, 0, 2*calls)
				for i := range calls {
					pair := openPair(b, e, a, Config{Call: uint64(i), Packets: uint64(seconds / PacketTime)})
					streams = append(streams, pair[0], pair[1])
				}
				before := cpuTime(b)
				for i, s := range streams {
					s.Start()
					if i%20 == 19 {
						time.Sleep(time.Millisecond) // calls do not begin at one moment
					}
				}
				time.Sleep(seconds + 100*time.Millisecond) // packets have real times
				used := cpuTime(b) - before
				var sum Counts
				for _, s := range streams {
					sum = sum.Plus(s.Close())
				}
				if sum.Received != uint64(2*calls)*uint64(seconds/PacketTime) {
					b.Errorf("%+v", sum)
				}
				b.ReportMetric(float64(used.Microseconds())/float64(sum.Received), "µs/packet")
				b.ReportMetric(used.Seconds()/seconds.Seconds(), "cores")
				b.ReportMetric(float64(lateness.at(0.99).Microseconds()), "late-p99-µs")
				b.ReportMetric(float64(latency.at(0.5).Microseconds()), "p50-µs")
				b.ReportMetric(float64(latency.at(0.99).Microseconds()), "p99-µs")
			}
		})
	}
}
