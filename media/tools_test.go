package media

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// report makes a sender report of p with SDES.
func report(p, _ *party) []byte {
	b := make([]byte, 28)
	b[0], b[1], b[3] = 0x80, 200, 6
	binary.BigEndian.PutUint32(b[4:], p.ssrc)
	binary.BigEndian.PutUint32(b[8:], 0x11223344)
	binary.BigEndian.PutUint32(b[16:], p.ts)
	binary.BigEndian.PutUint32(b[20:], 1000)
	binary.BigEndian.PutUint32(b[24:], 160000)
	b = append(b, 0x81, 202, 0, 4)
	b = binary.BigEndian.AppendUint32(b, p.ssrc)
	return append(b, "\x01\x08user@pbx\x00\x00"...)
}

// fakeClock is a clock that tests move.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func netListen(t *testing.T, port uint16) (func(), error) {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
	if err != nil {
		return nil, err
	}
	return func() { _ = c.Close() }, nil
}

// cpuTime returns what the process has used so far, user and system.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limitDescriptors leaves the process spare descriptors more than it has open, until restore.
func limitDescriptors(t *testing.T, spare uint64) (restore func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	// A new descriptor is the lowest free number, and none may reach the limit. A hole above it only makes the limit
	// stricter.
	probe, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(probe.Fd())
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: next + spare, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
}
