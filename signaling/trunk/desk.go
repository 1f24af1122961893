package trunk

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"callseal/signaling/transport"
)

// longestRest bounds what a Retry-After is heeded.
const longestRest = time.Minute

// Desk keeps what changes of trunks while they are used: calls, those who wait
// for their turn, and health. All of it goes by the trunk's name, so that it
// outlives a change of the configuration. Its methods may be called by anybody.
type Desk struct {
	log     *slog.Logger
	metrics *Metrics
	// Back, where it is not nil, is told the name of a trunk that was down and is
	// up again. It must not block, and is set before anything happens.
	Back func(name string)

	mu    sync.Mutex // guards all that follows, and what permits have
	posts map[string]*post
}

// post is what the desk knows of one trunk.
type post struct {
	name      string
	role      transport.Role
	calls     int
	bucket    bucket[*Permit]
	timer     *time.Timer // runs while somebody waits
	pulse     pulse
	rest      time.Time     // until when it wants to be left alone (Retry-After)
	trip      time.Duration // of the last OPTIONS; 0: none was answered yet
	lastFault string
	gone      bool // from the configuration; calls of it may be up
}

// NewDesk makes one. A nil metrics counts nothing.
func NewDesk(log *slog.Logger, metrics *Metrics) *Desk {
	return &Desk{log: log, metrics: metrics, posts: map[string]*post{}}
}

// post finds or makes that of a trunk; the caller holds mu.
func (d *Desk) post(t *Trunk) *post {
	p := d.posts[t.Name()]
	if p == nil {
		p = &post{name: t.Name()}
		d.posts[t.Name()] = p
	}
	p.role, p.gone = t.Role(), false
	return p
}

// Permit is a call's place at a trunk. A nil one is none.
type Permit struct {
	desk     *Desk
	post     *post
	ready    func() // of one that waits; nil once its turn has come
	released bool
}

// Ask takes a call to a number on a trunk. Where it has to wait for its turn
// ready is called, once, when that has come, by another goroutine; it must not
// block, and is not called after Release. The error is a *Limited.
func (d *Desk) Ask(t *Trunk, number string, ready func()) (p *Permit, waits bool, err error) {
	l := &t.Limits
	if limit := l.refuses(number); limit != 0 {
		return nil, false, d.limited(t, limit)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.post(t)
	if l.Calls > 0 && at.calls >= l.Calls {
		return nil, false, d.limited(t, LimitCalls)
	}
	p = &Permit{desk: d, post: at}
	at.bucket.set(l.PerSecond, l.Burst)
	wait, ok := at.bucket.ask(time.Now(), p)
	if !ok {
		return nil, false, d.limited(t, LimitPerSecond)
	}
	if wait > 0 {
		p.ready = ready
		d.arm(at)
	}
	d.count(at, 1)
	d.metrics.waited(at, wait)
	return p, wait > 0, nil
}

// Again is Ask for a call that was taken before and asked for a password then: it
// has waited for its turn.
func (d *Desk) Again(t *Trunk, number string) (*Permit, error) {
	l := &t.Limits
	if limit := l.refuses(number); limit != 0 {
		return nil, d.limited(t, limit)
	}
	return d.Arrive(t)
}

// Arrive takes a call that came from a trunk: of its limits only Calls holds.
// The error is a *Limited.
func (d *Desk) Arrive(t *Trunk) (*Permit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.post(t)
	if l := t.Limits.Calls; l > 0 && at.calls >= l {
		return nil, d.limited(t, LimitCalls)
	}
	d.count(at, 1)
	return &Permit{desk: d, post: at}, nil
}

func (d *Desk) limited(t *Trunk, limit Limit) error {
	d.metrics.limited(t, limit)
	return &Limited{t.Name(), limit}
}

func (d *Desk) count(p *post, by int) {
	p.calls += by
	if !p.gone {
		d.metrics.calls(p)
	}
}

// Release gives the place back; once more does nothing.
func (p *Permit) Release() {
	if p == nil {
		return
	}
	d := p.desk
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.released {
		return
	}
	p.released = true
	if p.ready != nil {
		p.ready = nil
		p.post.bucket.withdraw(p)
		d.arm(p.post)
	}
	d.count(p.post, -1)
}

// arm lets the timer run out when the first in the queue is due; the caller
// holds mu.
func (d *Desk) arm(p *post) {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if len(p.bucket.queue) > 0 {
		p.timer = time.AfterFunc(time.Until(p.bucket.next()), func() { d.serve(p) })
	}
}

// serve lets those go whose turn has come.
func (d *Desk) serve(p *post) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, permit := range p.bucket.due(time.Now()) {
		permit.ready()
		permit.ready = nil
	}
	d.arm(p)
}

// Order puts trunks that are up before those that want to be left alone, and
// those before the ones that are down, which are the last resort; else they stay
// in their order.
func (d *Desk) Order(trunks []*Trunk) []*Trunk {
	if len(trunks) < 2 {
		return trunks
	}
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	class := func(t *Trunk) int {
		p := d.posts[t.Name()]
		switch {
		case p == nil:
		case p.pulse.down && t.Health.Interval > 0:
			return 2
		case now.Before(p.rest):
			return 1
		}
		return 0
	}
	trunks = slices.Clone(trunks)
	slices.SortStableFunc(trunks, func(a, b *Trunk) int { return cmp.Compare(class(a), class(b)) })
	return trunks
}

// Rest notes a trunk's wish to be left alone for a while (Retry-After).
func (d *Desk) Rest(t *Trunk, wish time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.post(t).rest = time.Now().Add(min(wish, longestRest))
}

// Alive notes that a trunk answered, whatever it said; trip is how long an
// OPTIONS took, 0 where it was none.
func (d *Desk) Alive(t *Trunk, trip time.Duration) {
	d.heard(t, true, "", trip)
}

// Dead notes that a trunk did not answer, and why.
func (d *Desk) Dead(t *Trunk, fault string) {
	d.heard(t, false, fault, 0)
}

func (d *Desk) heard(t *Trunk, ok bool, fault string, trip time.Duration) {
	if t.Health.Interval == 0 {
		return
	}
	if d.noted(t, ok, fault, trip) && ok && d.Back != nil {
		d.Back(t.Name())
	}
}

// noted tells whether the trunk's state changed.
func (d *Desk) noted(t *Trunk, ok bool, fault string, trip time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.post(t)
	if trip > 0 {
		p.trip = trip
	}
	if !ok {
		p.lastFault = fault
	}
	if !p.pulse.note(t.Health, ok, time.Now()) {
		return false
	}
	d.metrics.up(p)
	if p.pulse.down {
		d.log.Warn("trunk is down: others are asked first", "trunk", p.name, "fault", fault, "failures", t.Health.DownAfter)
	} else {
		d.log.Info("trunk is up again", "trunk", p.name)
	}
	return true
}

// Watch begins to publish the health of the trunks of a configuration, and ends
// it for the others.
func (d *Desk) Watch(trunks []*Trunk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range trunks {
		p := d.post(t)
		switch {
		case t.Health.Interval > 0:
			d.metrics.up(p)
		default:
			p.pulse = pulse{}
			d.metrics.unwatched(p)
		}
		d.metrics.calls(p)
	}
	for name, p := range d.posts {
		if slices.ContainsFunc(trunks, func(t *Trunk) bool { return t.Name() == name }) {
			continue
		}
		p.gone = true
		d.metrics.gone(p)
		if p.calls == 0 {
			delete(d.posts, name)
		}
	}
}

// Busy tells whether a trunk has calls, one that is configured no more too.
func (d *Desk) Busy(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.posts[name]
	return p != nil && p.calls > 0
}

// Status is what is known of a trunk now.
type Status struct {
	Name    string
	Role    transport.Role
	Watched bool      // by OPTIONS
	Up      bool      // true where it is not watched
	Since   time.Time // of Up; zero: since the start
	// Resting is until when it wants to be asked after others (Retry-After);
	// zero: it does not.
	Resting   time.Time
	Calls     int // now, in both directions
	Waiting   int // calls that wait for their turn
	Limits    Limits
	RoundTrip time.Duration // of the last OPTIONS that was answered; 0: none was
	Fault     string        // why it did not answer last; "": it always did
}

// Status lists the trunks of a configuration.
func (d *Desk) Status(trunks []*Trunk) []Status {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Status, 0, len(trunks))
	for _, t := range trunks {
		p := d.post(t)
		s := Status{
			Name: t.Name(), Role: t.Role(), Watched: t.Health.Interval > 0, Up: !p.pulse.down, Since: p.pulse.since,
			Calls: p.calls, Waiting: len(p.bucket.queue), Limits: t.Limits, RoundTrip: p.trip, Fault: p.lastFault,
		}
		if now.Before(p.rest) {
			s.Resting = p.rest
		}
		all = append(all, s)
	}
	return all
}
