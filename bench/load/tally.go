package load

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"callseal/bench"
	"callseal/bench/stream"
)

// tally counts what happens. It is the callers' Watcher.
type tally struct {
	run   *run
	setup *bench.Latency
	conn  *bench.Latency
	late  *bench.Latency // of begun calls
	bye   *bench.Latency // from a cut connection to the BYE at the other end

	mu     sync.Mutex
	up     int
	second bench.Sample // since the last look
	calls  map[string]int
	codes  map[int]int
	faults map[fault]int
	heard  bool // the server has answered anything at all
	short  int  // things that the generator's machine had no room for
	cut    map[uint64]time.Time
	cuts   [2]int               // connections that were cut on purpose, by Party
	change map[int]int          // re-INVITEs of wild calls, by final code
	ended  map[uint64]time.Time // at the answerer, of calls that were cut
	knee   *knee
	driven time.Duration // how long the pace was kept
}

func newTally(r *run) *tally {
	t := &tally{
		run: r, setup: bench.NewLatency(), conn: bench.NewLatency(), late: bench.NewLatency(), bye: bench.NewLatency(),
		calls: map[string]int{}, codes: map[int]int{}, faults: map[fault]int{},
		change: map[int]int{}, cut: map[uint64]time.Time{}, ended: map[uint64]time.Time{},
	}
	t.second.Failed = map[int]int{}
	if r.s.Knee.SetupP99 > 0 {
		t.knee = newKnee(r.s)
	}
	return t
}

// started counts a call that is placed; level is its step of the pace, -1: none.
func (t *tally) started(p bench.Plan, level int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.second.Started++
	t.up++
	if t.knee != nil {
		t.knee.started(p.ID, level)
	}
}

// Rang implements bench.Watcher.
func (t *tally) Rang(p bench.Plan, setup time.Duration) {
	t.setup.Record(setup)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = true
	if t.knee != nil {
		t.knee.rang(p.ID, setup)
	}
}

// Connected implements bench.Watcher.
func (t *tally) Connected(p bench.Plan, connect time.Duration) {
	if p.Echo {
		p.Ring = 0 // it is not ours
	}
	t.conn.Record(max(0, connect-p.Ring))
	t.mu.Lock()
	t.second.Answered++
	t.mu.Unlock()
}

// Ended implements bench.Watcher.
func (t *tally) Ended(r bench.Result) {
	if each := t.run.cfg.Each; each != nil {
		each(r)
	}
	outcome, why := judge(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up--
	t.second.Ended++
	t.calls[named(outcome, r)]++
	t.count(r)
	t.codes[r.Status]++
	if outcome == bench.Dropped {
		t.cut[r.ID] = r.Over
	}
	t.heard = t.heard || r.Status != 0
	if outcome == bench.Failed {
		t.second.Failed[failing(r)]++
		t.faults[fault{"call", "failed at the caller: " + why}]++
		t.room(r.Err)
		t.hopeless(r)
	}
	if t.knee != nil {
		t.knee.ended(r.ID, outcome == bench.Failed)
	}
}

// failing is the final code that a failed call is filed under: of the re-INVITE,
// where that is what failed.
func failing(r bench.Result) int {
	for _, c := range r.Changes {
		if c.Status >= 300 {
			return c.Status
		}
	}
	return r.Status
}

// judge says how a call ended, and why it failed if it did.
func judge(r bench.Result) (bench.Outcome, string) {
	switch {
	case errors.Is(r.Err, bench.ErrStopped):
		return bench.Stopped, ""
	case errors.Is(r.Err, bench.ErrHungUp):
		return bench.Failed, bench.ErrHungUp.Error() // the times differ
	case errors.Is(r.Err, bench.ErrLink):
		return bench.Failed, bench.ErrLink.Error()
	case r.Err != nil:
		return bench.Failed, r.Err.Error()
	case !r.OK():
		return bench.Failed, fmt.Sprintf("planned %v, got %v", r.Outcome, r.Got)
	case r.Got == bench.Answered && r.Audio >= 5*stream.PacketTime && r.Media.Received == 0:
		return bench.Failed, "no audio arrived"
	}
	return r.Got, ""
}

// fault is a sentence without its number: what was wrong with such a thing.
type fault struct{ noun, text string }

func (f fault) sentence(n int) string {
	if n == 1 {
		return "1 " + f.noun + " " + f.text
	}
	return fmt.Sprintf("%d %ss %s", n, f.noun, f.text)
}

// room notes errors that are this machine's.
func (t *tally) room(err error) {
	for _, e := range []error{errSeats, stream.ErrPort, syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS} {
		if errors.Is(err, e) {
			t.short++
			return
		}
	}
}

// hopeless ends a run that can only go on as it began.
func (t *tally) hopeless(r bench.Result) {
	switch {
	case t.calls["answered"] > 0:
	case errors.Is(r.Err, bench.ErrPlain):
		t.run.breakOff(fmt.Errorf("%s: %w", t.run.cfg.Target.Address(), bench.ErrPlain))
	case !t.heard && errors.Is(r.Err, bench.ErrTimeout):
		t.run.breakOff(fmt.Errorf("%s: %w: INVITE got no response", t.run.cfg.Target.Address(), bench.ErrUnreachable))
	}
}

// breakOff ends the run at once.
func (r *run) breakOff(why error) {
	r.stop(why)
	r.calling.Go(r.crew.close) // called from within a call, or before there is one
}

// arrived counts the beginning of an endpoint of a storm.
func (t *tally) arrived() {
	t.mu.Lock()
	t.second.Started++
	t.mu.Unlock()
}

// joined counts its end.
func (t *tally) joined(name string, status int, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.second.Ended++
	t.codes[status]++
	switch {
	case errors.Is(err, bench.ErrStopped):
		t.calls[bench.Stopped.String()]++
		return
	case err != nil:
		t.calls[bench.Failed.String()]++
		t.second.Failed[status]++
		t.faults[fault{"endpoint", "failed: " + err.Error()}]++
		t.room(err)
		return
	}
	t.calls[name]++
	t.second.Answered++
	t.up++ // it stays
	t.setup.Record(took)
}

// paced notes how long the pace was kept.
func (t *tally) paced(driven time.Duration) {
	t.mu.Lock()
	t.driven = driven
	t.mu.Unlock()
}

// answering is the tally as the answerer's Watcher.
type answering tally

// Rang implements bench.Watcher.
func (*answering) Rang(bench.Plan, time.Duration) {}

// Connected implements bench.Watcher.
func (*answering) Connected(bench.Plan, time.Duration) {}

// Ended implements bench.Watcher.
func (a *answering) Ended(r bench.Result) {
	t := (*tally)(a)
	if each := t.run.cfg.Each; each != nil {
		each(r)
	}
	outcome, why := judge(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(r)
	if outcome == bench.Dropped {
		t.ended[r.ID] = r.Over
	}
	if outcome == bench.Failed {
		t.faults[fault{"call", "failed at the answerer: " + why}]++
		t.room(r.Err)
	}
}
