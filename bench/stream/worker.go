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
	step  = 500 * time.Microsecond
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
	slot    int      // that is next
	due     int64    // Clock of that slot
	batches []*batch // one for each account

	header rtp.Header // scratch of send and judge
	plain  [12 + PayloadSize]byte
	sealed [12 + PayloadSize + 64]byte
	opened [maxPacket]byte
}

// state is what a worker does between two rounds.
type state uint8

const (
	busy    state = iota // nothing: the next one is due
	resting              // sleeps until it is
	idle                 // sleeps until there are streams
	over                 // is closed
)

// batch is what a worker has measured for an account in one round.
type batch struct {
	account           *Account
	latency, lateness []time.Duration
}

func newWorker() (*worker, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &worker{
		poll: poll, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		live: make(map[*Stream]struct{}),
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
	for {
		due, state := w.round()
		switch state {
		case busy:
		case resting:
			sleepUntil(due)
		case idle:
			<-w.wake
		case over:
			return
		}
	}
}

// round does what is due by now, one slot at most, and says what to do next
// and when the next slot is due.
func (w *worker) round() (due int64, next state) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return 0, over
	case len(w.live) == 0:
		return 0, idle
	}
	if Clock() >= w.due {
		w.send()
	}
	more := w.poll.receive(w)
	w.flush()
	if more || Clock() >= w.due {
		return w.due, busy
	}
	return w.due, resting
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
	for _, b := range w.batches {
		if len(b.latency) > 0 {
			b.account.sinks.Latency.RecordAll(b.latency)
			b.latency = b.latency[:0]
		}
		if len(b.lateness) > 0 {
			b.account.sinks.Lateness.RecordAll(b.lateness)
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
	s.batch = w.batch(s.account)
	if len(w.live) == 0 {
		w.due = Clock() // the grid stood still
		w.rouse()
	}
	w.live[s] = struct{}{}
	return nil
}

func (w *worker) batch(a *Account) *batch {
	for _, b := range w.batches {
		if b.account == a {
			return b
		}
	}
	b := &batch{account: a}
	w.batches = append(w.batches, b)
	return b
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
