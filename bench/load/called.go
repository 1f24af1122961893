package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"callseal/bench"
)

// Called are answerers that register at the server like phones and are called
// there, each with one call at a time: a registered phone is called by its
// number, so two calls to it could not be told apart. Where others listen, these
// are the agents' phones: they take the calls that stay.
type Called struct {
	Target  bench.Target // where they register
	Config  bench.Config // what they have in common; port 0
	Count   int
	Account func(n int) bench.Account // of the n-th one
	Number  func(n int) string        // that the callers dial to reach it
}

// errSeats is that more calls are due than there are registered answerers.
var errSeats = errors.New("no registered answerer was free: there must be more of them")

// desk knows which registered answerers are free. The zero desk has none to
// give away, and needs none.
type desk struct {
	called *Called

	mu   sync.Mutex
	idle []int // the one that has been so for longest first
}

// noSeat is where calls need no registered answerer.
const noSeat = -1

// take gives the plan an answerer; false when all are busy.
func (d *desk) take(p *bench.Plan) (seat int, ok bool) {
	if d.called == nil {
		return noSeat, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) == 0 {
		return noSeat, false
	}
	seat, d.idle = d.idle[0], d.idle[1:]
	p.Number = d.called.Number(seat)
	return seat, true
}

func (d *desk) free(seat int) {
	if seat == noSeat {
		return
	}
	d.mu.Lock()
	d.idle = append(d.idle, seat)
	d.mu.Unlock()
}

// openAnswerers lets answerers listen, and register.
func (r *run) openAnswerers(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		func(context.Context) error { return r.listen(false) }, r.registerAnswerers, r.awaitServer,
		func(context.Context) error { return r.listen(true) }, // last, as their time runs from now on
	} {
		if err := step(ctx); err != nil {
			r.dismiss()
			return err
		}
	}
	return nil
}

// listen begins the answerers that are not there from the beginning, or the
// others.
func (r *run) listen(late bool) error {
	for _, cfg := range r.cfg.Answerers {
		if late != (max(cfg.Opens, cfg.Silent) > 0) {
			continue
		}
		a, err := bench.NewAnswerer(r.answering(cfg), r.book.find)
		if err != nil {
			return err
		}
		r.answers = append(r.answers, a)
	}
	return nil
}

func (r *run) registerAnswerers(ctx context.Context) error {
	if r.cfg.Called == nil {
		return nil
	}
	r.desk.called = r.cfg.Called
	cfg, phones := r.answering(r.cfg.Called.Config), make([]*bench.Answerer, r.cfg.Called.Count)
	err := inParallel(ctx, len(phones), func(ctx context.Context, n int) (err error) {
		number := r.desk.called.Number(n)
		phones[n], err = bench.NewRegistered(ctx, cfg, r.desk.called.Target, r.desk.called.Account(n),
			func(string) (bench.Plan, bool) { return r.book.find(number) })
		return err
	})
	r.answers = append(r.answers, phones...)
	if err != nil {
		return err
	}
	for n := range phones {
		r.desk.free(n)
	}
	return nil
}

// admission is how long a server may take until it registers: most repeat a
// registration that failed after half a minute at the latest.
const admission = 40 * time.Second

// awaitServer waits until the server has registered where it has to.
func (r *run) awaitServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, admission)
	defer cancel()
	for _, a := range r.answers { // those that registered want nothing
		if a.Admitted() == nil {
			continue
		}
		select {
		case <-a.Admitted():
		case <-ctx.Done():
			return fmt.Errorf("%w: no server has registered at %v within %v", bench.ErrTimeout, a.Addr(), admission)
		}
	}
	return nil
}

// answering adds to an answerer's config what belongs to the run.
func (r *run) answering(cfg bench.Config) bench.Config {
	cfg.Studio, cfg.Ledger, cfg.Watch = r.studios[bench.Answering], r.ledger, (*answering)(r.tally)
	if cfg.Proto == bench.UDP {
		cfg.Loss = r.s.Chaos.Loss
	}
	return cfg
}

// dismiss closes the answerers that there are.
func (r *run) dismiss() {
	for _, a := range r.answers {
		if a != nil {
			a.Close()
		}
	}
	if r.home != nil {
		r.home.Close()
	}
}

// taken is how many calls are up at the answerers.
func (r *run) taken() (calls int) {
	for _, a := range r.answers {
		calls += a.Figures().Calls
	}
	return calls
}

// inParallel does something n times, the first time alone: what is wrong with
// the server is wrong with all. The error is the first one.
func inParallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	if n == 0 {
		return nil
	}
	if err := do(ctx, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := make(chan struct{}, together)
	var all sync.WaitGroup
	for i := 1; i < n; i++ {
		places <- struct{}{}
		all.Go(func() { // ends with the attempt
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			if err := do(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
