package media

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// defaultRest is how long a closed port rests.
const defaultRest = 30 * time.Second

// DefaultSilence is what Config.Silence should be where nobody says otherwise.
const DefaultSilence = 30 * time.Second

// DefaultDSCP is expedited forwarding (RFC 3246), which RFC 4594 section 4.1 recommends for telephony.
const DefaultDSCP = 46

// maxBinds is how many pairs are tried for one side when other processes hold ports of the range.
const maxBinds = 128

// Config is what a Relay is made from.
type Config struct {
	Ports   PortRange        // RTP takes the even ports, RTCP the odd ones above them
	Workers int              // OS threads that relay; 0 means one for every two processors
	Grid    time.Duration    // a worker that is not behind wakes up at most once in this time; 0: for every packet
	Rest    time.Duration    // a closed port rests before a new call gets it; 0 means 30 s
	DSCP    int              // 0..63, of what is sent (RFC 2474); DefaultDSCP is what audio should have
	Silence time.Duration    // EventSilent comes when a remote was silent for so long; 0: never
	Log     *slog.Logger     // required
	Metrics *Metrics         // nil: none
	Clock   func() time.Time // nil: time.Now
	Random  io.Reader        // for SSRCs and first sequence numbers; nil: crypto/rand

	backend func(dscp int) (backend, error) // for tests; nil: newBackend
}

// Relay owns the workers and the ports. Its methods may be called from any goroutine.
type Relay struct {
	// Never changed.
	config Config
	ports  *ports
	start  time.Time
	ready  chan struct{} // closed by Run

	silence atomic.Int64 // nanoseconds that a remote may be silent before it is told; 0: for ever

	mu      sync.Mutex // guards workers
	workers []*worker  // empty before and after Run
	ended   tally      // figures of workers that have ended
}

// New checks the configuration. Nothing is opened before Run. Its error is ErrRange.
func New(c Config) (*Relay, error) {
	if c.Ports.Pairs() == 0 {
		return nil, fmt.Errorf("%w: %v", ErrRange, c.Ports)
	}
	if c.Workers <= 0 {
		c.Workers = (runtime.GOMAXPROCS(0) + 1) / 2
	}
	if c.Rest <= 0 {
		c.Rest = defaultRest
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Random == nil {
		c.Random = crand.Reader
	}
	if c.backend == nil {
		c.backend = newBackend
	}
	r := &Relay{config: c, ports: newPorts(c.Ports, c.Rest, c.Clock), start: c.Clock(), ready: make(chan struct{})}
	r.SetSilence(c.Silence)
	if c.Metrics != nil {
		c.Metrics.watch(r)
	}
	return r, nil
}

// Ready is closed as soon as sessions can be opened.
func (r *Relay) Ready() <-chan struct{} { return r.ready }

// Run relays until the context ends or a worker fails, then closes what sessions are left. It is called once.
func (r *Relay) Run(ctx context.Context) error {
	workers, err := r.makeWorkers()
	if err != nil {
		return err
	}
	addProcessors(+len(workers))
	defer addProcessors(-len(workers))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make(chan error, len(workers))
	var running sync.WaitGroup
	for _, w := range workers {
		running.Go(func() { // waited for below
			if err := w.run(); err != nil {
				failures <- err
				cancel()
			}
		})
	}
	running.Go(func() { r.watch(ctx, workers) }) // waited for below
	r.mu.Lock()
	r.workers = workers
	r.mu.Unlock()
	close(r.ready)
	<-ctx.Done()
	for _, w := range workers {
		w.stop()
	}
	running.Wait()
	r.mu.Lock()
	r.workers = nil
	for _, w := range workers {
		r.ended.sum(&w.tally)
	}
	r.mu.Unlock()
	close(failures)
	return <-failures // nil once it is empty
}

var processors sync.Mutex // guards the order of reading and setting GOMAXPROCS

// addProcessors gives Go's scheduler so many more processors: a worker keeps one while it relays, even as it sleeps, and
// the other goroutines shall have as many as before.
func addProcessors(n int) {
	processors.Lock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	processors.Unlock()
}

func (r *Relay) makeWorkers() ([]*worker, error) {
	var workers []*worker
	for range r.config.Workers {
		os, err := r.config.backend(r.config.DSCP)
		if err != nil {
			for _, w := range workers {
				w.os.close()
			}
			return nil, err
		}
		w := newWorker(os, r.now, r.config.Log, r.ports.retire)
		w.start, w.silence, w.grid = r.start, &r.silence, r.config.Grid
		workers = append(workers, w)
	}
	return workers, nil
}

// SetSilence puts another Config.Silence into effect, also for the sessions that are open.
func (r *Relay) SetSilence(d time.Duration) { r.silence.Store(int64(d)) }

// now returns the time since the relay's start.
func (r *Relay) now() time.Duration { return r.config.Clock().Sub(r.start) }

// Open binds an even port for RTP and the odd one above it for RTCP on the local address of each side. Errors:
// ErrNotRunning, ErrNoPorts, ErrNoDescriptors, or the system's, such as for an address that is not this machine's.
// The caller must Close the session.
func (r *Relay) Open(a, b netip.Addr) (*Session, error) {
	w := r.pick()
	if w == nil {
		return nil, ErrNotRunning
	}
	s := &state{}
	var random [64]byte
	if _, err := io.ReadFull(r.config.Random, random[:]); err != nil {
		w.load.Add(-1)
		return nil, fmt.Errorf("media: no randomness: %w", err)
	}
	s.legs[A].out, s.legs[B].out = newSender([32]byte(random[:32])), newSender([32]byte(random[32:]))
	for side, address := range [2]netip.Addr{a.Unmap(), b.Unmap()} {
		if err := r.bindPair(w, s, Side(side), address); err != nil {
			r.abandon(w, s)
			return nil, err
		}
	}
	err := ErrNotRunning
	w.do(func() { err = w.adopt(s) })
	if err != nil {
		r.abandon(w, s)
		return nil, err
	}
	return &Session{relay: r, worker: w, state: s, local: s.local}, nil
}

// pick returns the worker with the fewest sessions, with one more already counted.
func (r *Relay) pick() (least *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.workers {
		if least == nil || w.load.Load() < least.load.Load() {
			least = w
		}
	}
	if least != nil {
		least.load.Add(1)
	}
	return least
}

// bindPair gives one side its two ports.
func (r *Relay) bindPair(w *worker, s *state, side Side, address netip.Addr) error {
	for range maxBinds {
		even, ok := r.ports.take(address)
		if !ok {
			return ErrNoPorts
		}
		first, err := w.os.bind(netip.AddrPortFrom(address, even))
		if err == nil {
			var second socket
			if second, err = w.os.bind(netip.AddrPortFrom(address, even+1)); err == nil {
				s.local[side] = netip.AddrPortFrom(address, even)
				s.ports[side][rtp] = port{socket: first, owner: s, side: side, kind: rtp}
				s.ports[side][rtcp] = port{socket: second, owner: s, side: side, kind: rtcp}
				return nil
			}
			w.os.release(first)
		}
		r.ports.giveBack(address, even)
		if !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return ErrNoPorts
}

// abandon undoes a failed Open. No packet was ever expected on its ports, so they need no rest.
func (r *Relay) abandon(w *worker, s *state) {
	for side := range s.ports {
		if s.ports[side][rtp].owner == nil {
			continue
		}
		for _, p := range s.ports[side] {
			w.os.release(p.socket)
		}
		r.ports.giveBack(s.local[side].Addr(), s.local[side].Port())
	}
	w.load.Add(-1)
}

// figures returns the sum over all workers, and the number of sessions.
func (r *Relay) figures() (sum tally, sessions int64) {
	r.mu.Lock()
	workers := r.workers
	sum = r.ended
	r.mu.Unlock()
	for _, w := range workers {
		t := w.figures()
		sum.sum(&t)
		sessions += w.load.Load()
	}
	return sum, sessions
}
