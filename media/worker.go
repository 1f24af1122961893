package media

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"callseal/media/srtp"
)

// worker relays the packets of its sessions on one OS thread. It owns their sockets and all their state from Open to
// Close. There is no lock on the way of a packet: the worker has its lock for a whole round, and others, who want to
// ask or change something, have it between two rounds. They do so on their own threads, so that nobody waits for the
// worker to wake up.
type worker struct {
	// Never changed.
	os      backend
	start   time.Time            // of the relay, by the clock of the day
	clock   func() time.Duration // time since the relay's start
	silence *atomic.Int64        // the relay's
	grid    time.Duration        // of wake-ups while packets come; 0: a wake-up for each
	log     *slog.Logger
	release func(address netip.Addr, port uint16) // gives a session's ports back

	load    atomic.Int64 // sessions, also those about to be adopted
	waiting atomic.Int32 // goroutines that want mu

	// Owned by the goroutine of run.
	tokens []uint64

	mu       sync.Mutex // guards what follows, and the state of all sessions
	ended    bool       // the worker runs no more, and its backend is closed
	stopping bool
	resting  bool    // nothing has happened for so long that the worker sleeps in another way
	ports    []*port // by token
	unused   []uint64
	sessions map[*state]struct{}
	batch    []packet // of this round
	space    []byte
	work     srtp.Scratch
	tally    tally
	rounds   uint64        // so far
	behind   bool          // this round has left packets where it found more than it may take
	busyAt   time.Duration // when the last session was closed
	current  *state        // that is being worked on
	early    early         // packets for sides that are not set yet
}

// port is one of the four sockets of a session.
type port struct {
	socket socket
	side   Side
	kind   kind
	owner  *state
	token  uint64
	round  uint64 // the last one in which it had packets
}

// state is a session as its worker sees it. What every packet needs stands first (see warm.go).
type state struct {
	closed bool
	ports  [2][kinds]port
	legs   [2]leg
	local  [2]netip.AddrPort // the address and even port of each side
	watch  watch
}

func newWorker(os backend, clock func() time.Duration, log *slog.Logger, release func(netip.Addr, uint16)) *worker {
	return &worker{
		os: os, clock: clock, silence: new(atomic.Int64), log: log, release: release, sessions: map[*state]struct{}{},
		tokens: make([]uint64, 0, maxTokens), batch: newBatch(), space: make([]byte, bufSize),
	}
}

// restAfter is for how long a worker without sessions goes on as if it had some.
const restAfter = time.Second

// run relays until stop. It returns only after its last session is closed; nothing it owns is used afterwards.
func (w *worker) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer w.end()
	for resting := false; ; {
		var err error
		if w.tokens, err = w.os.wait(w.tokens[:0], resting); err != nil {
			return err
		}
		var stopping, behind bool
		resting, stopping, behind = w.serve()
		switch {
		case stopping:
			return nil
		case w.waiting.Load() > 0: // whoever waited stands in the queue of this processor, which is about to sleep: let it go first
			runtime.Gosched()
		case !behind:
			w.nap()
		}
	}
}

// serve does a round under the lock and says how to go on. The lock is given back also by a panic that nobody survives:
// end wants it, and would keep the process from ending.
func (w *worker) serve() (resting, stopping, behind bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.round()
	if len(w.tokens) == 0 {
		w.resting = len(w.sessions) == 0 && w.clock()-w.busyAt >= restAfter
	}
	return w.resting, w.stopping, w.behind
}

// survive ends the session that made the code panic, and no other.
func (w *worker) survive() {
	cause := recover()
	if cause == nil {
		return
	}
	w.tally.panics++
	w.log.Error("media session ended by a panic", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if s := w.current; s != nil {
		w.current = nil
		w.drop(s)
	}
}

// do runs f between two rounds of the worker, in whose place it may touch everything. It returns false, without running
// f, when the worker has ended. Safe from any goroutine but the worker's. An f that panics ends itself and
// the session that it was working on, if it said which.
func (w *worker) do(f func()) bool {
	w.waiting.Add(1)
	w.mu.Lock()
	w.waiting.Add(-1)
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	defer w.survive()
	f()
	return true
}

// stop makes run return. Safe from any goroutine, also after the end.
func (w *worker) stop() {
	w.do(func() {
		w.stopping = true
		w.os.wake()
	})
}

// end closes every session. What others want from now on comes too late.
func (w *worker) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.sessions {
		w.drop(s)
	}
	w.ended = true
	w.os.close()
}

// A token is a slot of w.ports and, above it, a count that tells its users apart: an event of a closed port must not
// reach the next one in its slot.
const (
	tokenSlot = 1<<32 - 1
	tokenUser = 1 << 32
)

// adopt takes a session's four sockets. On error none of them is left with the worker, and they are still open.
func (w *worker) adopt(s *state) error {
	for side := range s.ports {
		for k := range s.ports[side] {
			p := &s.ports[side][k]
			p.token = w.slot()
			w.ports[p.token&tokenSlot] = p
			if err := w.os.attach(p.socket, p.token); err != nil {
				w.disown(s)
				return err
			}
		}
	}
	for side := range s.legs {
		s.legs[side].work = &w.work
	}
	w.sessions[s] = struct{}{}
	if w.resting {
		w.os.wake()
	}
	return nil
}

// slot returns a token that was never used.
func (w *worker) slot() uint64 {
	if n := len(w.unused); n > 0 {
		token := w.unused[n-1]
		w.unused = w.unused[:n-1]
		return token
	}
	w.ports = append(w.ports, nil)
	return uint64(len(w.ports) - 1)
}

// disown forgets a session's ports.
func (w *worker) disown(s *state) {
	for side := range s.ports {
		for k := range s.ports[side] {
			p := &s.ports[side][k]
			if slot := p.token & tokenSlot; slot < uint64(len(w.ports)) && w.ports[slot] == p {
				w.ports[slot] = nil
				w.unused = append(w.unused, p.token+tokenUser)
			}
		}
	}
}

// drop closes a session: its sockets first, then its ports begin to rest.
func (w *worker) drop(s *state) {
	if s.closed {
		return
	}
	s.closed = true
	w.disown(s)
	w.forget(s)
	delete(w.sessions, s)
	w.busyAt = w.clock()
	for side := range s.ports {
		for _, p := range s.ports[side] {
			w.os.release(p.socket)
		}
		w.release(s.local[side].Addr(), s.local[side].Port())
		w.tally.leg(&s.legs[side], -1)
	}
	w.load.Add(-1)
}

// configure applies what signaling says about one side, and relays what came for it too early. Its error is that of apply, or
// ErrClosed.
func (w *worker) configure(s *state, side Side, r Remote, random [32]byte) error {
	w.current = s
	leg := &s.legs[side]
	w.tally.leg(leg, -1)
	now := w.clock()
	err := leg.apply(r, &s.legs[1-side], random, now)
	w.tally.leg(leg, +1)
	s.look(now, w.patience()) // a hold begins or ends
	w.current = nil
	if err == nil && leg.early > 0 {
		if w.relayEarly(s, side, now); s.closed { // by a panic
			return ErrClosed
		}
	}
	return err
}

// figures returns a copy of the tally. Safe from any goroutine but the worker's.
func (w *worker) figures() (t tally) {
	if !w.do(func() { t = w.tally }) {
		t = w.tally // the worker has ended and touches it no more
	}
	return t
}
