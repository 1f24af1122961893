package media

import (
	"log/slog"
	"runtime"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"

	"callseal/media/srtp"
)

// handWorker returns a worker on real sockets that the test drives itself, and a session of it.
func handWorker(t testing.TB) (*worker, *Session) {
	t.Helper()
	os, err := newBackend(0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{Ports: freeRange(t, 8), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(os, r.now, r.config.Log, r.ports.retire)
	t.Cleanup(w.end)
	return w, handSession(t, r, w)
}

func handSession(t testing.TB, r *Relay, w *worker) *Session {
	t.Helper()
	s := &state{}
	s.legs[A].out, s.legs[B].out = newSender([32]byte{1}), newSender([32]byte{2})
	for side := range s.ports {
		if err := r.bindPair(w, s, Side(side), loopback); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.adopt(s); err != nil {
		t.Fatal(err)
	}
	return &Session{relay: r, worker: w, state: s, local: s.local}
}

// turn does what worker.run does once.
func turn(t testing.TB, w *worker) {
	var err error
	if w.tokens, err = w.os.wait(w.tokens[:0], false); err != nil {
		t.Fatal(err)
	}
	w.round()
}

// TestNoAllocation: a relayed packet allocates nothing between the socket it came from and the one it leaves by, RTP
// and RTCP, from and to every suite and plain RTP; and neither does one that is dropped.
func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const runs = 100
	for _, profile := range append([]pion.ProtectionProfile{0}, profiles...) {
		t.Run(suiteName(profile), func(t *testing.T) {
			w, s := handWorker(t)
			a, b := newParty(t, s, A, keyOrNil(t, profile), keyOrNil(t, profile)), newParty(t, s, B, keyOrNil(t, profile), keyOrNil(t, profile))
			for side, p := range []*party{a, b} {
				if err := w.configure(s.state, Side(side), p.remote(), [32]byte{3}); err != nil {
					t.Fatal(err)
				}
			}
			var packets, reports [][]byte
			for range runs + 1 {
				packets = append(packets, a.sealed(string(make([]byte, 160))))
				reports = append(reports, a.sealedRTCP(report(a, b)))
			}
			i := 0
			zero := func(name string, drops uint64, f func()) {
				t.Helper()
				i = 0
				before := w.tally.drops.Total()
				if got := testing.AllocsPerRun(runs, func() { f(); turn(t, w); i++ }); got != 0 {
					t.Errorf("%s: %v allocations", name, got)
				}
				if got := w.tally.drops.Total() - before; got != drops {
					t.Errorf("%s: %d dropped, want %d: %v", name, got, drops, w.tally.drops)
				}
			}
			zero("RTP", 0, func() { a.write(packets[i]) })
			zero("RTCP", 0, func() { writeTo(t, a.rtcp, reports[i], a.toRTCP) })
			zero("reports of our own", runs+1, func() {
				a.write(packets[0][:1])
				w.report(s.state, A, time.Second)
				w.report(s.state, B, time.Second)
			})
			if profile != 0 {
				zero("replay", runs+1, func() { a.write(packets[i]) })
				zero("replayed RTCP", runs+1, func() { writeTo(t, a.rtcp, reports[i], a.toRTCP) })
				packets[0][20] ^= 1
				zero("bad tag", runs+1, func() { a.write(packets[0]) })
			}
			zero("junk", runs+1, func() { a.write(reports[0][:1]) })
		})
	}
}

func keyOrNil(t testing.TB, p pion.ProtectionProfile) *srtp.Key {
	if p == 0 {
		return nil
	}
	return newKey(t, p)
}

func suiteName(p pion.ProtectionProfile) string {
	name, _ := suiteLabel(p)
	return name
}

// TestMemory: what a call with SRTP on both legs keeps on the heap, sockets aside.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const calls, bound = 500, 6 << 10 // bytes per call: two legs, four contexts of two packet kinds each
	key := func() *srtp.Key { return newKey(t, profiles[0]) }
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	states, shared := make([]*state, calls), &srtp.Scratch{}
	before := heap()
	for i := range states {
		s := &state{}
		for side := range s.legs {
			s.legs[side].work = shared
			if err := s.legs[side].apply(Remote{Receive: key(), Send: key()}, &s.legs[1-side], [32]byte{}, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		states[i] = s
	}
	per := (heap() - before) / calls
	t.Logf("%d bytes per call", per)
	if per > bound {
		t.Errorf("%d bytes per call, want at most %d", per, bound)
	}
	runtime.KeepAlive(states)
}

// BenchmarkRelay is one packet through a worker on real sockets, 172 bytes, sealed on both sides. It includes the
// sending by the test's own socket.
func BenchmarkRelay(b *testing.B) {
	for _, profile := range append([]pion.ProtectionProfile{0}, profiles...) {
		b.Run(suiteName(profile), func(b *testing.B) {
			w, s := handWorker(b)
			from, to := newParty(b, s, A, keyOrNil(b, profile), keyOrNil(b, profile)), newParty(b, s, B, keyOrNil(b, profile), keyOrNil(b, profile))
			for side, p := range []*party{from, to} {
				if err := w.configure(s.state, Side(side), p.remote(), [32]byte{3}); err != nil {
					b.Fatal(err)
				}
			}
			payload := string(make([]byte, 160))
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				packet := from.sealed(payload)
				b.StartTimer()
				from.write(packet)
				turn(b, w)
			}
			if w.tally.drops.Total() != 0 {
				b.Fatal(w.tally.drops)
			}
		})
	}
}

// BenchmarkForward is the same without sockets: what we add to the system's share.
func BenchmarkForward(b *testing.B) {
	for _, profile := range append([]pion.ProtectionProfile{0}, profiles...) {
		b.Run(suiteName(profile), func(b *testing.B) {
			w, s := handWorker(b)
			from := newParty(b, s, A, keyOrNil(b, profile), keyOrNil(b, profile))
			to := newParty(b, s, B, keyOrNil(b, profile), keyOrNil(b, profile))
			for side, p := range []*party{from, to} {
				if err := w.configure(s.state, Side(side), p.remote(), [32]byte{3}); err != nil {
					b.Fatal(err)
				}
			}
			payload, source := string(make([]byte, 160)), address(from.rtp)
			const batch = 512
			packets := make([][]byte, batch)
			f := forwarder{from: &s.state.legs[A], to: &s.state.legs[B], space: w.space}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					b.StopTimer()
					for j := range packets {
						sealed := from.sealed(payload)
						packets[j] = append(make([]byte, 0, 256), sealed...)
					}
					b.StartTimer()
				}
				packet := packets[i%batch]
				if v := f.packet(packet, len(packet), rtp, source, time.Second); v.drop != DropNone {
					b.Fatal(v.drop)
				}
			}
		})
	}
}
