package media

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"
	"unsafe"

	pion "github.com/pion/srtp/v2"
	"golang.org/x/sys/unix"

	"callseal/media/srtp"
)

// crowd is many calls on one worker that the benchmark drives itself: all of them talk in turn, so that each packet
// finds the state of its call as cold as in a busy relay.
type crowd struct {
	w     *worker
	calls []*caller
}

// caller is the A side of a call: what it encrypts with, and where it sends. All B sides are one socket.
type caller struct {
	s      *Session
	seal   *srtp.Protect
	to     unix.RawSockaddrInet4
	packet [256]byte
	size   int
	seq    uint16
}

func newCrowd(b *testing.B, calls int, profile pion.ProtectionProfile) *crowd {
	b.Helper()
	os, err := newBackend(0)
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(Config{Ports: PortRange{Min: 20000, Max: 29999}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	w := newWorker(os, r.now, r.config.Log, r.ports.retire)
	b.Cleanup(w.end)
	c := &crowd{w: w}
	for i := range calls {
		s := handSession(b, r, w)
		a := &caller{s: s}
		at := netip.AddrPortFrom(loopback, uint16(1000+i)) // nobody receives there, and nobody complains: no socket is connected
		var receive [2]*srtp.Key
		for side := range receive {
			receive[side] = keyOrNil(b, profile)
			if err := w.configure(s.state, Side(side), Remote{RTP: at, Receive: receive[side], Send: keyOrNil(b, profile)}, [32]byte{3}); err != nil {
				b.Fatal(err)
			}
		}
		if profile != 0 {
			if a.seal, err = srtp.NewProtect(*receive[A], nil); err != nil {
				b.Fatal(err)
			}
		}
		a.to = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swapped(s.local[A].Port()), Addr: loopback.As4()}
		a.next(b)
		c.calls = append(c.calls, a)
	}
	return c
}

// next makes the caller's next packet, 172 bytes before it is sealed.
func (a *caller) next(b *testing.B) {
	a.seq++
	clear(a.packet[:172])
	a.packet[0] = 0x80
	binary.BigEndian.PutUint16(a.packet[2:], a.seq)
	binary.BigEndian.PutUint32(a.packet[4:], uint32(a.seq)*160)
	a.size = 172
	if a.seal != nil {
		var err error
		if a.size, err = a.seal.RTP(a.packet[:], a.size); err != nil {
			b.Fatal(err)
		}
	}
}

func (a *caller) send(b *testing.B, fd int) {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&a.packet)), uintptr(a.size),
		0, uintptr(unsafe.Pointer(&a.to)), unix.SizeofSockaddrInet4)
	if errno != 0 {
		b.Fatal(errno)
	}
}

// threadTime is the processor time of this thread.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// BenchmarkCrowd is the processor time of one relayed packet over real sockets, a wake-up for as many packets as come in
// a millisecond: cpu-ns/packet. (ns/op includes what the benchmark itself does.)
func BenchmarkCrowd(b *testing.B) {
	for _, profile := range []pion.ProtectionProfile{0, profiles[0], profiles[4]} {
		for _, calls := range []int{200, 400, 1000} {
			b.Run(fmt.Sprintf("%s/%d", suiteName(profile), calls), func(b *testing.B) {
				runtime.LockOSThread() // its time is measured
				defer runtime.UnlockOSThread()
				c := newCrowd(b, calls, profile)
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = unix.Close(fd) }()
				if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.As4()}); err != nil {
					b.Fatal(err)
				}
				batch, used, packets := calls/10, time.Duration(0), 0
				for at := 0; b.Loop(); at = (at + batch) % calls {
					for i := range batch {
						c.calls[(at+i)%calls].send(b, fd)
					}
					began := threadTime(b)
					turn(b, c.w)
					used += threadTime(b) - began
					packets += batch
					for i := range batch {
						c.calls[(at+i)%calls].next(b)
					}
				}
				if got := c.w.tally.packets[sent][rtp]; got != uint64(packets) {
					b.Fatalf("%d of %d packets sent: %v", got, packets, c.w.tally.drops)
				}
				b.ReportMetric(float64(used)/float64(packets), "cpu-ns/packet")
			})
		}
	}
}

// BenchmarkForwardCrowd is the same without sockets.
func BenchmarkForwardCrowd(b *testing.B) {
	for _, profile := range []pion.ProtectionProfile{0, profiles[0], profiles[4]} {
		for _, calls := range []int{1, 400, 1000} {
			b.Run(fmt.Sprintf("%s/%d", suiteName(profile), calls), func(b *testing.B) {
				c, used, packets := newCrowd(b, calls, profile), time.Duration(0), 0
				for b.Loop() {
					began := time.Now()
					for _, a := range c.calls {
						f := forwarder{from: &a.s.state.legs[A], to: &a.s.state.legs[B], space: c.w.space}
						if v := f.packet(a.packet[:], a.size, rtp, f.from.latch[rtp].target(), time.Second); v.drop != DropNone {
							b.Fatal(v.drop)
						}
					}
					used += time.Since(began)
					packets += calls
					for _, a := range c.calls {
						a.next(b)
					}
				}
				b.ReportMetric(float64(used)/float64(packets), "ns/packet")
			})
		}
	}
}
