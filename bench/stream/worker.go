package stream

import (
	"runtime"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// The grid: a stream sends in one slot of each round of 20 ms, so that a
// thousand streams do not send at one moment.
const (
	step  = 250 * time.Microsecond
	slots = int(PacketTime / step)
	// soon is how many slots a new stream may have to wait for its first
	// packet, which would look like a clipped answer if it were all of them.
	soon = slots / 4
)

// maxPacket is the longest packet that is read whole.
const maxPacket = 2048

// worker carries streams by one goroutine.
type worker struct {
	poll  poller
	wake  chan struct{} // there are streams now, or the end
	ended chan struct{} // closed by run

	mu      sync.Mutex // held in each round, but not while it sleeps
	closed  bool
	live    map[*Stream]struct{}
	ring    [slots][]*Stream
	slot    int   // that is next
	due     int64 // Clock of that slot
	batches map[*Account]*batch

	header rtp.Header // scratch of send and judge
	plain  [12 + PayloadSize]byte
	sealed [12 + PayloadSize + 64]byte
	opened [maxPacket]byte
}

// batch is what a worker has measured for an account in one round.
type batch struct{ latency, lateness []time.Duration }

func newWorker() (*worker, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &worker{
		poll: poll, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		live: make(map[*Stream]struct{}), batches: make(map[*Account]*batch),
	}
	go w.run() // ends with close
	return w, nil
}

// close ends the worker and the streams that are left.
func (w *worker) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.rouse()
	<-w.ended
	for s := range w.live {
		s.socket.close()
	}
	w.poll.close()
}

func (w *worker) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) run() {
	defer close(w.ended)
	runtime.LockOSThread() // for precise
	precise()
	for rest := true; ; {
		if rest {
			sleepUntil(w.due)
		}
		var idle, closed bool
		if rest, idle, closed = w.round(); closed {
			return
		}
		if idle {
			<-w.wake
			w.mu.Lock()
			w.due = Clock()
			w.mu.Unlock()
		}
	}
}

// round does what is due by now, one slot at most, and says whether there is
// time to rest until the next one.
func (w *worker) round() (rest, idle, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.live) == 0 {
		return false, len(w.live) == 0, w.closed
	}
	if Clock() >= w.due {
		w.send()
	}
	more := w.poll.receive(w)
	w.flush()
	return !more && Clock() < w.due, false, false
}

// send lets each stream of the slot that is due send one packet, and drops
// those that are done.
func (w *worker) send() {
	streams := w.ring[w.slot]
	left := streams[:0]
	for _, s := range streams {
		switch {
		case !s.send(w.due):
		case s.every == slots:
			left = append(left, s)
		default:
			at := (w.slot + s.every) % slots
			w.ring[at] = append(w.ring[at], s)
		}
	}
	clear(streams[len(left):])
	w.ring[w.slot] = left
	w.slot = (w.slot + 1) % slots
	w.due += int64(step)
}

// flush hands over what the round has measured.
func (w *worker) flush() {
	for a, b := range w.batches {
		if len(b.latency) > 0 {
			a.sinks.Latency.RecordAll(b.latency)
			b.latency = b.latency[:0]
		}
		if len(b.lateness) > 0 {
			a.sinks.Lateness.RecordAll(b.lateness)
			b.lateness = b.lateness[:0]
		}
	}
}

// enter takes a stream in: it receives from now on.
func (w *worker) enter(s *Stream) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if err := w.poll.watch(w, s); err != nil {
		return err
	}
	b := w.batches[s.account]
	if b == nil {
		b = &batch{}
		w.batches[s.account] = b
	}
	s.batch = b
	w.live[s] = struct{}{}
	w.rouse()
	return nil
}

// start puts the stream into the emptiest of the next slots.
func (w *worker) start(s *Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	best := w.slot
	for i := range soon {
		if at := (w.slot + i) % slots; len(w.ring[at]) < len(w.ring[best]) {
			best = at
		}
	}
	w.ring[best] = append(w.ring[best], s)
}

// leave takes a stream out, after a last look at its socket.
func (w *worker) leave(s *Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.halted = true
	if _, live := w.live[s]; !live || w.closed {
		return
	}
	w.poll.forget(w, s)
	w.flush()
	delete(w.live, s)
}

// counts sums up the live streams of an account.
func (w *worker) counts(a *Account) (sum Counts, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.live {
		if s.account == a {
			sum, open = sum.Plus(s.now()), open+1
		}
	}
	return sum, open
}
