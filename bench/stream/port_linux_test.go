package stream

import (
	"fmt"
	"net"
	"net/netip"
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

// What the kernel drops because nobody reads is known, and is the generator's
// fault.
func TestOverflow(t *testing.T) {
	s, at, err := listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	from, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	if n := s.overflowed(); n != 0 {
		t.Errorf("%d dropped of none", n)
	}
	for sent := 0; sent < 4*receiveRoom; sent += 1000 { // the kernel gives at most twice of what it is asked for
		if _, err := from.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if s.overflowed() == 0 {
		t.Error("nothing dropped, and nobody reads")
	}
}

// A packet that is read late did not come late: the kernel says when it came.
func TestReadLate(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			addr := netip.MustParseAddr(host)
			from, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
			if err != nil {
				t.Skip(err) // no IPv6 here
			}
			defer func() { _ = from.Close() }()
			e := New(1)
			defer e.Close()
			latency := &list{}
			port, err := e.Bind(addr)
			if err != nil {
				t.Fatal(err)
			}
			s, err := port.Open(Config{
				Call: 1, Remote: from.LocalAddr().(*net.UDPAddr).AddrPort(),
				Account: e.Account(Sinks{Latency: latency, Lateness: &list{}, Jitter: &list{}, Clip: &list{}}),
			})
			if err != nil {
				t.Fatal(err)
			}
			const late = 200 * time.Millisecond
			s.worker.mu.Lock()
			broken := packet(stamp{}, 1, &patternFill)[:100]
			for _, p := range [][]byte{packet(stamp{call: 1, from: 1, sent: Clock()}, 1, &patternFill), broken} {
				if _, err := from.WriteToUDPAddrPort(p, port.Local()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(late) // the worker is kept from reading for so long
			s.worker.mu.Unlock()
			await(t, func() bool { return s.Counts().Unauthentic == 1 })
			if got := s.Close(); got.Received != 1 || got.Unauthentic != 1 {
				t.Errorf("%+v", got)
			}
			if got := latency.at(1); got <= 0 || got > late/2 {
				t.Errorf("latency %v of a packet that was read %v late", got, late)
			}
		})
	}
}

// What the bench adds to pion's SRTP allocates nothing.
func TestNoAllocation(t *testing.T) {
	e := New(1)
	defer e.Close()
	var trails [2]Trail
	pair := openPair(t, e, e.Account(silent), Config{Call: 1, Packets: 1 << 40, Own: &trails[0], Other: &trails[0], Tone: true})
	w := pair[0].worker
	w.mu.Lock()
	defer w.mu.Unlock()
	pair[0].cfg.Protect, pair[1].cfg.Unprotect = nil, nil
	batch := pair[0].batch
	n := testing.AllocsPerRun(1000, func() {
		pair[0].send(Clock())
		pair[1].worker.poll.receive(w)
		batch.latency, batch.lateness = batch.latency[:0], batch.lateness[:0]
	})
	if n != 0 {
		t.Errorf("%v allocations for a packet that is sent and received", n)
	}
	if got := pair[1].now(); got.Received < 1000 || got.Same != got.Received || got.WrongTones > 0 {
		t.Errorf("%+v", got)
	}
}
