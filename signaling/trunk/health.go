package trunk

import "time"

// Health is how a trunk is watched. An Interval of 0 is not at all.
type Health struct {
	Interval  time.Duration // between two questions (OPTIONS)
	DownAfter int           // this many failures in a row take it out
	UpAfter   int           // this many answers in a row take it back in
}

// pulse is what is known of a trunk's health: up until shown otherwise.
//
//	      DownAfter failures in a row
//	up ------------------------------> down
//	   <------------------------------
//	        UpAfter answers in a row
type pulse struct {
	down   bool
	streak int       // of what speaks against the present state
	since  time.Time // of the present state; zero: the start
}

// note takes an answer, or its absence, and tells whether the state changed.
func (p *pulse) note(h Health, ok bool, now time.Time) (changed bool) {
	if ok != p.down { // what is known already
		p.streak = 0
		return false
	}
	p.streak++
	enough := h.DownAfter
	if p.down {
		enough = h.UpAfter
	}
	if p.streak < enough {
		return false
	}
	*p = pulse{down: !p.down, since: now}
	return true
}
