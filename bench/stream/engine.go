// Package stream sends and judges the audio of thousands of calls: paced
// packets of G.711 under SRTP, each with a stamp that says where it belongs.
//
// A few workers carry all streams. A worker wakes on a grid of 500 µs, sends
// what is due and reads what has come; on Linux the kernel tells when that
// arrived, so that reading late distorts nothing. It never slows because
// something else does: when late, it sends all that is due and records how late
// each packet was.
package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// Errors of an engine.
var (
	ErrClosed = errors.New("media engine closed")
	ErrPort   = errors.New("RTP socket")
)

// Recorder collects durations. Many goroutines call it.
type Recorder interface{ RecordAll([]time.Duration) }

// Sinks are where an account's durations go; all but Tap must be set.
type Sinks struct {
	Latency  Recorder // of each received packet, from one end to the other
	Lateness Recorder // of each sent packet, against the plan
	Jitter   Recorder // of each stream at its end (RFC 3550, section 6.4.1)
	Clip     Recorder // of each stream, from Open to its first packet

	// Tap sees each packet when it is sent. It must not keep or change it, nor
	// block.
	Tap func(to netip.AddrPort, packet []byte)
}

// Engine paces and judges streams. Close ends its goroutines.
type Engine struct {
	mu      sync.Mutex
	limit   int
	workers []*worker // started when needed
	next    int
	closed  bool
	bound   func(netip.AddrPort) // may be nil
}

// OnBind has f told of every port before it is used. Call it before Bind.
func (e *Engine) OnBind(f func(netip.AddrPort)) {
	e.mu.Lock()
	e.bound = f
	e.mu.Unlock()
}

// New makes an engine of at most so many workers; 0 is half of the
// processors: the other half is the server's.
func New(workers int) *Engine {
	if workers <= 0 {
		workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return &Engine{limit: workers}
}

// Close ends the workers, and with them what streams are left.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	workers := e.workers
	e.workers = nil
	e.mu.Unlock()
	for _, w := range workers {
		w.close()
	}
}

// pick is the next worker in turn, and whom to tell of its port.
func (e *Engine) pick() (*worker, func(netip.AddrPort), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, ErrClosed
	}
	at := e.next % e.limit
	e.next++
	if at == len(e.workers) {
		w, err := newWorker()
		if err != nil {
			return nil, nil, err
		}
		e.workers = append(e.workers, w)
	}
	return e.workers[at], e.bound, nil
}

// Account sums up streams of one kind, such as those of all callers.
type Account struct {
	engine *Engine
	sinks  Sinks

	mu     sync.Mutex
	closed Counts // of streams that have ended
}

// Account opens a new one.
func (e *Engine) Account(sinks Sinks) *Account { return &Account{engine: e, sinks: sinks} }

// Counts are those of all streams so far, and how many are open.
func (a *Account) Counts() (sum Counts, open int) {
	a.engine.mu.Lock()
	workers := a.engine.workers
	a.engine.mu.Unlock()
	for _, w := range workers {
		counts, n := w.counts(a)
		sum, open = sum.Plus(counts), open+n
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return sum.Plus(a.closed), open
}

func (a *Account) add(c Counts) {
	a.mu.Lock()
	a.closed = a.closed.Plus(c)
	a.mu.Unlock()
}

// Port is a bound socket that has no stream yet.
type Port struct {
	worker *worker
	socket socket
	local  netip.AddrPort
}

// evenTries bounds the search for an even port: the kernel draws them at
// random, and of a million calls not one shall fail for want of luck.
const evenTries = 64

// Bind takes an even port of the address (RFC 3550, section 11). Close it, or
// open a stream on it and close that.
func (e *Engine) Bind(addr netip.Addr) (*Port, error) {
	w, tell, err := e.pick()
	if err != nil {
		return nil, err
	}
	var odd []socket
	defer func() {
		for _, s := range odd {
			s.close()
		}
	}()
	for range evenTries {
		s, local, err := listen(addr)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPort, err)
		}
		if local.Port()%2 == 0 {
			if tell != nil {
				tell(local)
			}
			return &Port{worker: w, socket: s, local: local}, nil
		}
		odd = append(odd, s)
	}
	return nil, fmt.Errorf("%w: no even port", ErrPort)
}

// Local is the bound address.
func (p *Port) Local() netip.AddrPort { return p.local }

// Close gives up a port on which no stream was opened.
func (p *Port) Close() { p.socket.close() }
