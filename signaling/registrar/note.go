package registrar

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"callseal/signaling/transport"
)

// A phone that does not get registered gets one line in the log that says why,
// and what to change: who carries phones over one by one looks there first.

// Of those lines.
const (
	noteEvery = 10 * time.Minute // for one phone and one reason
	noteBurst = 20               // in a second, of all: scanners try every name
	noteMax   = 5000             // phones that are remembered
)

// notes remembers what was written.
type notes struct {
	mu      sync.Mutex // guards what follows
	last    map[string]time.Time
	second  time.Time
	written int // in it
}

// due tells whether a line about a phone may be written.
func (n *notes) due(key string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.last[key]; ok && now.Sub(at) < noteEvery {
		return false
	}
	if now.Sub(n.second) >= time.Second {
		n.second, n.written = now, 0
	}
	if n.written++; n.written > noteBurst {
		return false
	}
	if n.last == nil || len(n.last) >= noteMax {
		n.last = map[string]time.Time{}
	}
	n.last[key] = now
	return true
}

// Turned writes that a REGISTER was answered with a code, by whom, and what to
// change.
func (r *Registrar) Turned(f *transport.Flow, user string, code int, phrase, by, advice string) {
	user = user[:min(len(user), 64)]
	if !r.notes.due(user+" "+strconv.Itoa(code)+by, time.Now()) {
		return
	}
	r.log.Warn("phone not registered", slog.String("phone", user), slog.Int("code", code), slog.String("phrase", phrase), slog.String("by", by),
		slog.String("remote", f.Remote().String()), slog.String("transport", f.Proto().String()), slog.String("advice", advice))
}

// refusedBy is Turned for what a dialer has said.
func (r *Registrar) refusedBy(f *transport.Flow, user, dialer string, code int, phrase string) {
	advice := "look into the log of " + dialer
	switch code {
	case 401, 407:
		advice = "compare the password in the phone with that of its entry at " + dialer
	case 403:
		advice = "its entry at " + dialer + " forbids it: a wrong password, a permit line without callseal's address (phones.source), or another transport"
	case 404:
		advice = dialer + " has no such phone: add it there, or name its dialer in phones.map"
	}
	r.Turned(f, user, code, phrase, dialer, advice)
}
