package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Book tells the answerer which plan a dialled number stands for.
type Book map[string]Plan

// NewBook files the plans under their numbers.
func NewBook(plans []Plan) Book {
	b := make(Book, len(plans))
	for _, p := range plans {
		b[p.Number] = p
	}
	return b
}

// Find is the plan of a number, as NewAnswerer wants it.
func (b Book) Find(number string) (Plan, bool) {
	p, ok := b[number]
	return p, ok
}

// Share says how many of n calls shall be busy and cancelled; the others are
// answered.
type Share struct{ Busy, Cancelled int }

// Plans makes n plans. Busy and cancelled calls are spread over the run, and
// the two ends hang up in turn. Numbers begin with prefix.
func Plans(n int, share Share, ring, talk time.Duration, prefix string) []Plan {
	base := rand.Uint64() &^ 0xfffff
	plans := make([]Plan, n)
	busy, cancelled := spread(share.Busy, n, 1), spread(share.Cancelled, n, 2)
	for i := range plans {
		p := Plan{
			ID: base + uint64(i), Number: fmt.Sprintf("%s%05d", prefix, i+1),
			Outcome: Answered, Ring: ring, Audio: talk, EndedBy: Party(i % 2),
		}
		switch {
		case busy[i]:
			p.Outcome = Busy
		case cancelled[i]:
			p.Outcome = Cancelled
		}
		plans[i] = p
	}
	return plans
}

// spread picks k of n places at even distances, from an offset.
func spread(k, n, offset int) map[int]bool {
	at := make(map[int]bool, k)
	for i := range min(k, n) {
		at[(i*n/k+offset)%n] = true
	}
	return at
}

// Run is one list of plans over a caller and an answerer. The answerer is nil
// when the server under test answers by itself.
type Run struct {
	Caller   *Caller
	Answerer *Answerer
	Ledger   *Ledger
	Plans    []Plan
	Every    time.Duration // between two calls
	Names    [2]string     // of the parties in reports; default "caller" and "answerer"

	mu      sync.Mutex
	began   time.Time
	placed  int
	results []Result
}

// Do places the calls and returns when all are over, or soon after ctx has
// ended.
func (r *Run) Do(ctx context.Context) Report {
	r.mu.Lock()
	r.began = time.Now()
	r.mu.Unlock()
	var calls sync.WaitGroup
	next := time.NewTimer(0)
	defer next.Stop()
	for i, p := range r.Plans {
		// The pace is that of the plan, however slow the server is.
		next.Reset(time.Until(r.began.Add(time.Duration(i) * r.Every)))
		select {
		case <-next.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		r.mu.Lock()
		r.placed++
		r.mu.Unlock()
		calls.Go(func() { // ends with the call
			result := r.Caller.Place(ctx, p)
			r.mu.Lock()
			r.results = append(r.results, result)
			r.mu.Unlock()
		})
	}
	calls.Wait()
	r.settle()
	return r.report()
}

// settle lets the answerer finish what the caller has finished.
func (r *Run) settle() {
	if r.Answerer == nil {
		return
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		if r.Answerer.Figures().Calls == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Snapshot is what a run shows while it goes on.
type Snapshot struct {
	Elapsed                           time.Duration
	Names                             [2]string // by Party
	Planned, Placed, Up               int       // Up: ringing or talking
	Answered, Busy, Cancelled, Failed int
	Legs                              [2]Figures // by Party
	Keys, KeysReused                  int
}

// Snapshot may be called at any time.
func (r *Run) Snapshot() Snapshot {
	s := Snapshot{Planned: len(r.Plans), Names: r.Names}
	for i, name := range s.Names {
		if name == "" {
			s.Names[i] = Party(i).String()
		}
	}
	s.Legs[Calling] = r.Caller.Figures()
	if r.Answerer != nil {
		s.Legs[Answering] = r.Answerer.Figures()
	}
	s.Keys, s.KeysReused = r.Ledger.Keys()
	s.Up = s.Legs[Calling].Calls
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Placed = r.placed
	if !r.began.IsZero() {
		s.Elapsed = time.Since(r.began)
	}
	for _, result := range r.results {
		switch {
		case !result.OK():
			s.Failed++
		case result.Got == Answered:
			s.Answered++
		case result.Got == Busy:
			s.Busy++
		case result.Got == Cancelled:
			s.Cancelled++
		}
	}
	return s
}

func (r *Run) report() Report {
	rep := Report{Snapshot: r.Snapshot()}
	r.mu.Lock()
	rep.Ends[Calling] = append([]Result(nil), r.results...)
	r.mu.Unlock()
	if r.Answerer != nil {
		rep.Ends[Answering] = r.Answerer.Results()
	}
	return rep
}
