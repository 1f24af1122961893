package signaling

import (
	"runtime/metrics"
	"sync"
	"time"

	"callseal/signaling/transport"
)

// Overload: new calls are turned away before anything is spent on them, so
// that those that are up, and what is not a call, go on as ever.

var _ transport.Screener = (*Server)(nil)

// busyFor is what who is turned away is asked to wait.
const busyFor = 10 * time.Second

// Screen tells whether there is room for one more call.
func (s *Server) Screen(f *transport.Flow, callID string) *transport.Busy {
	now := time.Now()
	st := s.state()
	if _, known := s.identify(f, ""); !known && !st.inbound.roamed.at(f.Remote().Addr(), now) {
		if s.strangers.take(now) {
			return nil // to be told what is wrong with its message first, like everybody
		}
		s.metrics.refuse(f.Role(), strange.cause)
		if st.cfg.Table.Roams(f.Role()) { // it may be one of ours yet
			return &transport.Busy{Status: 503, Phrase: "SBC call rate limit reached", RetryAfter: busyFor}
		}
		return &transport.Busy{Status: strange.code, Phrase: strange.phrase}
	}
	cause, phrase := s.full(senderOf(f, callID), now)
	if cause == "" {
		return nil
	}
	s.metrics.refuse(f.Role(), cause)
	s.notes.warn(s.log, now, "INVITE refused: "+phrase, "listener", f.Listener(), "remote", f.Remote().String(), "cause", cause)
	return &transport.Busy{Status: 503, Phrase: phrase, RetryAfter: busyFor}
}

// strangersPerSecond is how many calls of unknown addresses are looked at;
// what comes beyond that is refused unread.
const strangersPerSecond = 50

// strange is the answer to a request from an address that belongs to nobody.
var strange = refusal{403, "SBC does not know this address", "source", nil}

// full names what there is no room for, as the counter's label and as a
// phrase.
func (s *Server) full(who sender, now time.Time) (cause, phrase string) {
	limits := &s.state().limits
	switch {
	case s.draining.Load():
		return "draining", "SBC takes no new calls"
	case s.Calls() >= limits.Calls:
		return "limit", "SBC call limit reached"
	case s.memory.above(limits.Memory, now):
		return "memory", "SBC memory limit reached"
	case !s.resent.take(who, now) && !s.setups.take(now):
		return "setups", "SBC call rate limit reached"
	}
	return "", ""
}

// rate lets so many things through per second, after a pause as many at once.
// The zero value lets all through.
type rate struct {
	mu        sync.Mutex // guards what follows
	perSecond float64
	left      float64
	at        time.Time // when left was true
}

// set changes the rate.
func (r *rate) set(perSecond float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.perSecond = perSecond
}

func (r *rate) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.perSecond == 0 {
		return true
	}
	if r.at.IsZero() {
		r.left = r.perSecond
	} else {
		r.left = min(r.perSecond, r.left+r.perSecond*max(0, now.Sub(r.at).Seconds()))
	}
	r.at = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}

// meter knows how much memory is in use, as of a second ago at most.
type meter struct {
	mu   sync.Mutex // guards what follows
	used uint64
	at   time.Time
	read func() uint64 // nil: the Go runtime's figures
}

// above tells whether more than limit octets are in use; a limit of 0 is none.
func (m *meter) above(limit uint64, now time.Time) bool {
	if limit == 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at.IsZero() || now.Sub(m.at) >= time.Second {
		m.at = now
		if m.read != nil {
			m.used = m.read()
		} else {
			m.used = inUse()
		}
	}
	return m.used > limit
}

// inUse is what the process cannot give back: the heap that was live at the
// last collection, stacks, and the runtime's own. Garbage is not counted, or a
// call would be refused for what the next collection frees.
func inUse() uint64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/os-stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
		{Name: "/memory/classes/other:bytes"},
		{Name: "/memory/classes/profiling/buckets:bytes"},
	}
	metrics.Read(samples)
	sum := uint64(0)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
