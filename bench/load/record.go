package load

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"callseal/bench"
	"callseal/bench/scenario"
	"callseal/bench/stream"
)

// watch looks once a second, until the function that it gives is called: that
// one makes the record.
func (r *run) watch() func() *bench.Record {
	w := &watcher{run: r, own: bench.OwnCPU()}
	w.first = w.cost()
	if r.cfg.Drops != nil {
		w.drops = r.cfg.Drops()
	}
	for _, l := range []*bench.Latency{r.gauges[0].Latency, r.gauges[0].Lateness, r.tally.setup, r.tally.late} {
		l.Lap() // begins the first second
	}
	ctx, cancel := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.look()
			case <-ctx.Done():
				return
			}
		}
	})
	return func() *bench.Record {
		cancel()
		looking.Wait()
		if w.behind() {
			w.look()
		}
		return w.record()
	}
}

// behind tells whether there is more to see than the last sample shows.
func (w *watcher) behind() bool {
	if len(w.samples) == 0 || time.Since(w.run.began)-w.samples[len(w.samples)-1].At > 100*time.Millisecond {
		return true
	}
	t := w.run.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.second.Started+t.second.Answered+t.second.Ended > 0
}

// watcher collects the samples. One goroutine at a time uses it.
type watcher struct {
	run     *run
	samples []bench.Sample
	media   stream.Counts // at the last look
	first   *bench.Cost
	own     time.Duration // the generator's CPU at the beginning
	drops   bench.Drops   // of this machine's kernel, at the beginning
	blind   error         // why the server's cost is not known any more
}

func (w *watcher) cost() *bench.Cost {
	if w.run.cfg.Cost == nil || w.blind != nil {
		return nil
	}
	c, err := w.run.cfg.Cost()
	if err != nil {
		w.blind = err
		return nil
	}
	return &c
}

// counts are of both ends.
func (r *run) counts() (sum stream.Counts) {
	for _, s := range r.studios {
		c, _ := s.Counts()
		sum = sum.Plus(c)
	}
	return sum
}

// look takes a sample.
func (w *watcher) look() {
	r, t := w.run, w.run.tally
	media, was := r.counts(), w.media
	w.media = media
	latency, packets := r.gauges[0].Latency.Lap(), r.gauges[0].Lateness.Lap()
	setup, calls := t.setup.Lap(), t.late.Lap()
	t.mu.Lock()
	s := t.second
	t.second = bench.Sample{Failed: map[int]int{}}
	s.Up = t.up
	if t.knee != nil && t.knee.passed() != nil {
		r.halt()
	}
	t.mu.Unlock()
	s.At = time.Since(r.began)
	s.Sent, s.Received = media.Sent-was.Sent, media.Received-was.Received
	s.Lost = media.Lost - min(media.Lost, was.Lost) // what comes late was not lost
	s.LatencyP50, s.LatencyP99 = latency.P50, latency.P99
	s.SetupP50, s.SetupP99 = setup.P50, setup.P99
	s.LatenessP99 = max(packets.P99, calls.P99)
	s.Server = w.cost()
	w.samples = append(w.samples, s)
	for _, o := range r.cfg.Observers {
		o.Sample(s)
	}
}

// record sums the run up.
func (w *watcher) record() *bench.Record {
	r, t := w.run, w.run.tally
	rec := &bench.Record{
		Scenario: r.s.Name, Target: r.cfg.where(), Command: r.cfg.Command, Began: r.began, Took: time.Since(r.began),
		Samples: w.samples,
		Setup:   t.setup.Quantiles().Percentiles(), Connect: t.conn.Quantiles().Percentiles(),
		Latency: r.gauges[0].Latency.Quantiles().Percentiles(), Jitter: r.gauges[0].Jitter.Quantiles().Percentiles(),
		ClipCaller:   r.gauges[bench.Calling].Clip.Quantiles().Percentiles(),
		ClipAnswerer: r.gauges[bench.Answering].Clip.Quantiles().Percentiles(),
	}
	packets, calls := r.gauges[0].Lateness.Quantiles(), t.late.Quantiles()
	rec.Lateness = packets.Percentiles()
	if calls.P99 > packets.P99 {
		rec.Lateness = calls.Percentiles()
	}
	media := r.counts()
	p := &rec.Packets
	p.Sent, p.Received, p.Lost, p.Duplicated = media.Sent, media.Received, media.Lost, media.Duplicated
	p.Reordered, p.Foreign, p.Unauthentic, p.Clipped = media.Reordered, media.Foreign, media.Unauthentic, media.Clipped
	p.Overflowed = media.Overflowed
	if r.s.Media.Tone {
		rec.Tone = &struct{ Checked, Wrong int }{int(media.Tones), int(media.WrongTones)}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rec.Calls, rec.Codes = maps.Clone(t.calls), maps.Clone(t.codes)
	if w.own > 0 {
		rec.GeneratorCPU = bench.OwnCPU() - w.own
	}
	t.bound(rec, calls, packets, media)
	w.price(rec)
	w.conclude(rec, media)
	return rec
}

// wire sums up what was seen of SIP on a leg's wire.
func (r *run) wire(party bench.Party) (sum bench.Wire) {
	if party == bench.Calling {
		return r.crew.wire()
	}
	for _, a := range r.answers {
		sum = sum.Plus(a.Wire())
	}
	return sum
}

// price divides the server's cost by what it did for it.
func (w *watcher) price(rec *bench.Record) {
	var last *bench.Cost
	most, up := uint64(0), 0
	calls := 0
	for _, s := range rec.Samples {
		calls += s.Started
		if s.Server == nil {
			continue
		}
		last = s.Server
		if s.Up > up {
			most, up = s.Server.RSS, s.Up
		}
	}
	if w.first == nil || last == nil {
		return
	}
	used := last.CPU() - w.first.CPU()
	if calls > 0 {
		rec.CPUPerCall = used / time.Duration(calls)
	}
	if n := rec.Packets.Received; n > 0 {
		rec.CPUPerPacket = used / time.Duration(n)
	}
	if up > 0 && most > w.first.RSS {
		rec.RSSPerCall = (most - w.first.RSS) / uint64(up)
	}
}

// conclude puts into sentences what was not as it should be, and what was found.
// The tally's mutex is held.
func (w *watcher) conclude(rec *bench.Record, media stream.Counts) {
	r, t := w.run, w.run.tally
	stopped := t.calls[bench.Stopped.String()] > 0
	if w.blind != nil {
		rec.Notes = append(rec.Notes, fmt.Sprintf("The server's cost is not known to the end: %v.", w.blind))
	}
	if t.knee != nil {
		rec.Notes = append(rec.Notes, t.knee.finding(t.driven, rec.GeneratorBound))
		if t.knee.passed() != nil {
			return // it was driven until it failed: that is no fault
		}
	}
	t.wildly(rec)
	if note := w.whereLost(media); note != "" {
		rec.Notes = append(rec.Notes, note)
	}
	if r.s.Callers.Register && r.s.Kind == scenario.Calls {
		rec.Notes = append(rec.Notes, fmt.Sprintf("%d callers were registered before the calls.", len(r.crew.members)))
	}
	counted := t.faults
	if stopped { // from outside: the ends do not agree on plans any more
		counted = map[fault]int{}
		rec.Notes = append(rec.Notes, "The run ended before its time; calls that were up were hung up.")
	}
	for text, n := range t.byes(rec, stopped) {
		counted[text] += n
	}
	for text, n := range w.wrong(media, stopped) {
		counted[text] += n
	}
	kinds := slices.SortedFunc(maps.Keys(counted), func(a, b fault) int {
		return cmp.Or(cmp.Compare(counted[b], counted[a]), cmp.Compare(a.text, b.text))
	})
	for _, kind := range kinds {
		rec.Faults = append(rec.Faults, kind.sentence(counted[kind]))
	}
	if t.short > 0 {
		rec.Faults = append(rec.Faults, fmt.Sprintf("%d times this machine had no port or descriptor left for the generator", t.short))
	}
}

// bound finds out whether the generator was the bottleneck, and why. The tally's
// mutex is held.
func (t *tally) bound(rec *bench.Record, calls, packets bench.Quantiles, media stream.Counts) {
	for _, row := range []struct {
		on   bool
		text string
	}{
		{packets.P99 > latePacket && !t.run.s.EndsOnly(), fmt.Sprintf("it sent one of a hundred packets %s ms late or more (bearable: %s)", ms(packets.P99), ms(latePacket))},
		{calls.P99 > lateCall && !t.run.s.EndsOnly(), fmt.Sprintf("it began one of a hundred calls %s ms late or more (bearable: %s)", ms(calls.P99), ms(lateCall))},
		{media.Overflowed > 0, fmt.Sprintf("it read its own sockets too late for %d packets, which the kernel dropped", media.Overflowed)},
		{media.Unsent > 0, fmt.Sprintf("this machine's kernel did not take %d of its packets", media.Unsent)},
		{t.short > 0, fmt.Sprintf("%d times this machine had no port or descriptor left for it", t.short)},
	} {
		if row.on {
			rec.Bound(row.text)
		}
	}
}

// whereLost says what this machine's kernel knows of the packets that never
// came; "" where there are none, nobody minds, or it was not asked.
func (w *watcher) whereLost(m stream.Counts) string {
	if m.Lost == 0 || w.run.cfg.Drops == nil || w.run.s.EndsOnly() {
		return ""
	}
	now := w.run.cfg.Drops()
	sockets, backlog := now.Sockets-min(now.Sockets, w.drops.Sockets), now.Backlog-min(now.Backlog, w.drops.Backlog)
	if sockets+backlog == 0 {
		return fmt.Sprintf("Of the %d audio packets that never came this machine's kernel dropped none: they were lost in the server, or on the way to another machine.", m.Lost)
	}
	return fmt.Sprintf("%d audio packets never came. Meanwhile this machine's kernel dropped %d UDP packets for want of room in sockets, %d of them the generator's own, and %d before any socket.",
		m.Lost, sockets, m.Overflowed, backlog)
}

// byes compares when connections were cut with when the other end had its BYE.
func (t *tally) byes(rec *bench.Record, stopped bool) map[fault]int {
	wrong := map[fault]int{}
	if len(t.cut) == 0 || len(t.run.answers) == 0 {
		return wrong
	}
	limit := t.run.s.ByeIn
	for call, cut := range t.cut {
		at, ended := t.ended[call]
		if !ended {
			continue // the answerer's own fault says so
		}
		took := max(0, at.Sub(cut))
		t.bye.Record(took)
		if limit > 0 && took > limit && !stopped {
			wrong[fault{"call", fmt.Sprintf("got BYE at the answerer later than %v after the caller's connection was cut", limit)}]++
		}
	}
	if q := t.bye.Quantiles(); q.Count > 0 {
		rec.Notes = append(rec.Notes, fmt.Sprintf("Of %d calls whose connection was cut, %d were hung up at the other end: p50 %s ms, longest %s ms after the cut.",
			len(t.cut), q.Count, ms(q.P50), ms(q.Max)))
	}
	return wrong
}

// wrong says what of the audio was not as it must be.
func (w *watcher) wrong(m stream.Counts, stopped bool) map[fault]int {
	r := w.run
	wrong := map[fault]int{}
	add := func(n uint64, noun, text string) {
		if n > 0 {
			wrong[fault{noun, text}] = int(n)
		}
	}
	const packet = "audio packet"
	add(m.Duplicated, packet, "arrived twice")
	add(m.Unauthentic, packet, "failed authentication or came altered")
	add(m.Foreign, packet, "belonged to another call")
	add(m.WrongTones, "audio stream", "had not the other end's tone all the time")
	if share := float64(m.Lost) / float64(max(1, m.Lost+m.Received)); share > r.s.MaxLoss && !stopped {
		add(m.Lost, packet, "never came ("+percent(share)+" of all)")
	}
	_, reused := r.ledger.Keys()
	for party, sealed := range r.cfg.Sealed {
		if !sealed {
			continue
		}
		c, _ := r.studios[party].Counts()
		add(r.wire(bench.Party(party)).Readable, "byte", fmt.Sprintf("of SIP could be read on the %v's wire", bench.Party(party)))
		add(c.Readable, packet, fmt.Sprintf("could be read on the %v's wire", bench.Party(party)))
		add(c.Same, packet, fmt.Sprintf("came to the %v with the bytes of the other leg", bench.Party(party)))
		add(uint64(reused), "SRTP key", "was used twice")
	}
	return wrong
}
