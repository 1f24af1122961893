package stream

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/srtp/v2"
)

// misdeed is what a bad relay makes of the packets of one direction: what it
// passes on for the n-th of them. It may keep state.
type misdeed func(n int, packet []byte) [][]byte

// badRelay passes packets between two ends, as the misdeeds want it.
type badRelay struct {
	conns  [2]*net.UDPConn
	passed atomic.Int64 // packets that came
	done   sync.WaitGroup
}

func newBadRelay(t *testing.T, ends [2]netip.AddrPort, delay time.Duration, deeds [2]misdeed) *badRelay {
	t.Helper()
	r := &badRelay{}
	for i := range r.conns {
		var err error
		if r.conns[i], err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range r.conns {
		r.done.Go(func() { r.pass(r.conns[i], r.conns[1-i], ends[1-i], delay, deeds[i]) }) // ends with close
	}
	return r
}

func (r *badRelay) addr(i int) netip.AddrPort {
	return r.conns[i].LocalAddr().(*net.UDPAddr).AddrPort()
}

func (r *badRelay) close() {
	_ = r.conns[0].Close()
	_ = r.conns[1].Close()
	r.done.Wait()
}

func (r *badRelay) pass(from, to *net.UDPConn, dest netip.AddrPort, delay time.Duration, deed misdeed) {
	type late struct {
		due     time.Time
		packets [][]byte
	}
	queue := make(chan late, 10_000)
	r.done.Go(func() {
		for l := range queue {
			time.Sleep(time.Until(l.due)) // the delay that the judge shall find
			for _, p := range l.packets {
				_, _ = to.WriteToUDPAddrPort(p, dest)
			}
			r.passed.Add(1)
		}
	})
	defer close(queue)
	buf := make([]byte, maxPacket)
	for i := 0; ; i++ {
		n, _, err := from.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		queue <- late{time.Now().Add(delay), deed(i, bytes.Clone(buf[:n]))}
	}
}

// honest passes every packet on.
func honest(_ int, p []byte) [][]byte { return [][]byte{p} }

func pass(*testing.T, uint8) misdeed { return honest }

// every n-th packet gets the special treatment.
func every(n int, deed func(p []byte) [][]byte) func(*testing.T, uint8) misdeed {
	return func(*testing.T, uint8) misdeed {
		return func(i int, p []byte) [][]byte {
			if i%n == n-1 {
				return deed(p)
			}
			return honest(i, p)
		}
	}
}

func drop([]byte) [][]byte     { return nil }
func double(p []byte) [][]byte { return [][]byte{p, p} }

func alter(p []byte) [][]byte {
	p[100] ^= 1
	return [][]byte{p}
}

// swap lets one packet of ten overtake the one before.
func swap(*testing.T, uint8) misdeed {
	var held []byte
	return func(i int, p []byte) [][]byte {
		switch i % 10 {
		case 3:
			held = p
			return nil
		case 4:
			return [][]byte{p, held}
		}
		return honest(i, p)
	}
}

// leak passes one packet of 25 on in the clear.
func leak(t *testing.T, party uint8) misdeed {
	key := sealing(t, party)
	return func(i int, p []byte) [][]byte {
		plain, err := key.DecryptRTP(nil, p, nil)
		if err != nil || i%25 != 24 {
			return honest(i, p)
		}
		return [][]byte{plain}
	}
}

// reseal is what the relay should do.
func reseal(t *testing.T, party uint8) misdeed {
	from, to := sealing(t, party), sealing(t, resealed)
	return func(_ int, p []byte) [][]byte {
		plain, err := from.DecryptRTP(nil, p, nil)
		if err != nil {
			return nil
		}
		sealed, err := to.EncryptRTP(nil, plain, nil)
		if err != nil {
			return nil
		}
		return [][]byte{sealed}
	}
}

// resealed names the key of reseal, which neither end sends with.
const resealed = 77

// The judge judges: what a relay does wrong is found, with the right figure,
// at both ends.
func TestBadRelay(t *testing.T) {
	const n = 1000
	for _, row := range []struct {
		name     string
		deed     func(t *testing.T, party uint8) misdeed
		delay    time.Duration
		resealed bool
		want     Counts // of one end
	}{
		{name: "passes the bytes on", deed: pass, want: Counts{Received: n, Same: n}},
		{name: "seals anew", deed: reseal, resealed: true, want: Counts{Received: n, Changed: n}},
		{name: "drops 1 %", deed: every(100, drop), want: Counts{Received: 990, Lost: 10, Same: 990}},
		{name: "duplicates 2 %", deed: every(50, double), want: Counts{Received: n, Duplicated: 20, Same: n}},
		{name: "swaps 10 %", deed: swap, want: Counts{Received: n, Reordered: 100, Same: n}},
		{name: "leaks 4 % in the clear", deed: leak, want: Counts{Received: 960, Lost: 40, Unauthentic: 40, Readable: 40, Same: 960}},
		{name: "alters one byte of 5 %", deed: every(20, alter), want: Counts{Received: 950, Lost: 50, Unauthentic: 50, Same: 950}},
		{name: "delays 30 ms", deed: pass, delay: 30 * time.Millisecond, want: Counts{Received: n, Same: n}},
	} {
		t.Run(row.name, func(t *testing.T) {
			unprotect := [2]*srtp.Context{sealing(t, 1), sealing(t, 0)}
			if row.resealed {
				unprotect = [2]*srtp.Context{sealing(t, resealed), sealing(t, resealed)}
			}
			got, p50 := throughBadRelay(t, n, row.delay, [2]misdeed{row.deed(t, 0), row.deed(t, 1)}, unprotect)
			row.want.Sent = n
			for i := range got {
				got[i].FirstPacket = 0
				if got[i] != row.want {
					t.Errorf("end %d: got  %+v\nwant %+v", i, got[i], row.want)
				}
			}
			if p50 < row.delay || p50 > row.delay+20*time.Millisecond {
				t.Errorf("median latency %v; the relay's delay is %v", p50, row.delay)
			}
		})
	}
}

// throughBadRelay sends n packets each way and gives what both ends saw, and
// the median latency.
func throughBadRelay(t *testing.T, n uint64, delay time.Duration, deeds [2]misdeed, unprotect [2]*srtp.Context) (got [2]Counts, p50 time.Duration) {
	t.Helper()
	e := New(1)
	defer e.Close()
	latency := &list{}
	a := e.Account(Sinks{Latency: latency, Lateness: &list{}, Jitter: &list{}, Clip: &list{}})
	var ports [2]*Port
	var ends [2]netip.AddrPort
	for i := range ports {
		var err error
		if ports[i], err = e.Bind(loopback); err != nil {
			t.Fatal(err)
		}
		ends[i] = ports[i].Local()
	}
	relay := newBadRelay(t, ends, delay, deeds)
	defer relay.close()
	var trails [2]Trail
	var streams [2]*Stream
	for i := range streams {
		var err error
		if streams[i], err = ports[i].Open(Config{
			Call: 7, Party: uint8(i), Remote: relay.addr(i), Packets: n, Every: time.Millisecond,
			Protect: sealing(t, uint8(i)), Unprotect: unprotect[i],
			Own: &trails[i], Other: &trails[1-i], Account: a,
		}); err != nil {
			t.Fatal(err)
		}
	}
	streams[0].Start()
	streams[1].Start()
	await(t, func() bool { return relay.passed.Load() == int64(2*n) })
	for i, s := range streams {
		got[i] = s.Close()
	}
	return got, latency.at(0.5)
}
