package transport

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Trust is what becomes of messages from those who are not ours. The zero value answers everybody and bans nobody.
type Trust struct {
	Drop     bool     // requests of unknown remotes get no answer
	Scanners []string // whose User-Agent holds one of these words, in lower case, gets no answer
	Ban      BanRule
}

// Gatekeeper is a Handler that knows who is ours. Without one everybody is known. Its methods are called from any goroutine and must be quick.
type Gatekeeper interface {
	// Known tells whether requests are expected from a flow, because of who is at its other end.
	Known(f *Flow) bool
	// Registers tells whether anybody may try to register at the listeners of a role: who it is, is for the answer to say.
	Registers(at Role) bool
	// Challenges tells whether a request of this method is taken from anybody over a flow: who it is, is for a challenge to find out.
	Challenges(f *Flow, method sip.RequestMethod) bool
	// InDialog tells whether a dialog of ours vouches for a request, whoever sends it; tag is that of its To.
	InDialog(callID, tag string) bool
	// Exempt tells whether an address is one of a trunk or of a registered phone: it is never banned.
	Exempt(a netip.Addr) bool
}

// sentry applies Trust to what arrives.
type sentry struct {
	trust  atomic.Pointer[Trust]
	keeper Gatekeeper // nil: everybody is known
	bans   *bans

	banLines, dropLines lines

	mu     sync.Mutex  // guards the rest
	ending *time.Timer // of the ban that ends first; nil when there is none
	closed bool
}

// lines keeps forged addresses from filling the log: one line a second, whoever it is about.
type lines struct {
	mu      sync.Mutex // guards the rest
	last    time.Time
	leftOut int // since the last line
}

// due says whether a line may be written, and how many were left out before it.
func (l *lines) due(now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.Sub(l.last) < time.Second {
		l.leftOut++
		return 0, false
	}
	leftOut, l.leftOut, l.last = l.leftOut, 0, now
	return leftOut, true
}

func newSentry(c *Config) *sentry {
	g := &sentry{bans: newBans(c.Trust.Ban, time.Now())}
	g.trust.Store(&c.Trust)
	g.keeper, _ = c.Handler.(Gatekeeper)
	return g
}

func (g *sentry) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.ending != nil {
		g.ending.Stop()
	}
}

// banned tells, before a datagram is read or a connection is taken at a listener, whether its source is banned. Of a ban with a door that is not
// known yet where phones register: see barred.
func (e *Endpoint) banned(a netip.Addr, p Proto, at Role) bool {
	held, door := e.sentry.bans.holds(markOf(a, p), time.Now())
	switch {
	case !held:
		return false
	case e.exempt(a): // since: a phone has registered, or a trunk has proven itself
		e.Lift(a)
		return false
	case door && e.doorAt(at):
		return false
	}
	e.turnedAway(a, p)
	return true
}

// doorAt tells whether phones may register at the listeners of a role.
func (e *Endpoint) doorAt(r Role) (is bool) {
	defer e.trusting(&is)
	return e.sentry.keeper.Registers(r)
}

func (e *Endpoint) turnedAway(a netip.Addr, p Proto) {
	e.sentry.bans.drop(markOf(a, p))
	e.metrics.banDrops.WithLabelValues(p.String()).Inc()
}

// barred tells whether a message from a banned address is dropped although phones there may register: all but a REGISTER, and what a dialog of
// ours vouches for.
func (e *Endpoint) barred(m *message, f *Flow) bool {
	a := f.remote.Addr()
	if held, _ := e.sentry.bans.holds(markOf(a, f.proto), time.Now()); !held || f.conn != nil && !f.conn.accepted || m.isResponse() || e.exempt(a) {
		return false
	}
	if m.fault == nil && (m.method() == sip.REGISTER || e.inDialog(m)) {
		return false
	}
	e.turnedAway(a, f.proto)
	return true
}

// exempt tells whether an address must not be banned: one of ours, or one that a trunk's host name leads to. Where the keeper panics it is.
func (e *Endpoint) exempt(a netip.Addr) (is bool) {
	defer e.trusting(&is)
	return e.sentry.keeper == nil || e.sentry.keeper.Exempt(a.Unmap()) || e.pool.leadsTo(a.Unmap())
}

// trusting is deferred around a question to the keeper: a fault of ours turns nobody away.
func (e *Endpoint) trusting(answer *bool) {
	if p := recover(); p != nil {
		*answer = true
		_ = e.recovered("trust", p) // logged there
	}
}

// known tells whether a request is expected from its flow; it is where the keeper panics.
func (e *Endpoint) known(m *message, f *Flow) (is bool) {
	defer e.trusting(&is)
	if e.sentry.keeper == nil || f.conn != nil && !f.conn.accepted {
		return true
	}
	if e.sentry.keeper.Known(f) {
		return true
	}
	if !e.sentry.keeper.Registers(f.role) {
		return e.inDialog(m)
	}
	// A phone whose call or subscription is from before a restart of ours has to hear that it is over (481), or it goes on asking.
	return m.method() == sip.REGISTER || m.toTag() != ""
}

// inDialog tells whether a dialog of ours vouches for a request.
func (e *Endpoint) inDialog(m *message) (is bool) {
	defer e.trusting(&is)
	tag := m.toTag()
	callID, _ := m.first("Call-ID")
	return tag != "" && e.sentry.keeper.InDialog(callID, tag)
}

// toTag is the tag in To, or "".
func (m *message) toTag() string {
	to, _ := m.first("To")
	a, err := parseNameAddr(to)
	if err != nil {
		return ""
	}
	tag, _ := a.params.Get("tag")
	return tag
}

// asked tells whether a request of somebody who is not known is taken to be challenged, and likewise what belongs to the challenge.
func (e *Endpoint) asked(m *message, f *Flow) (is bool) {
	defer e.trusting(&is)
	return m.fault == nil && e.sentry.keeper.Challenges(f, m.method())
}

// unwelcome counts what is wrong with who sent a request, before it is parsed, and tells whether it gets no answer.
func (e *Endpoint) unwelcome(m *message, f *Flow) bool {
	if e.sentry.keeper == nil || m.isResponse() {
		return false
	}
	trust := e.sentry.trust.Load()
	known := e.known(m, f)
	scans := (!known || f.role == Phone) && trust.scanner(m) && !e.exempt(f.remote.Addr())
	why, cause := OffenceUnknown, unknownSource
	switch {
	case scans:
		why, cause = OffenceScanner, scannerAgent
	case known || e.asked(m, f):
		return false
	case m.method() == sip.ACK: // of the answer that it got
		return trust.Drop
	case m.fault != nil:
		why = OffenceMalformed
	}
	var what uint64
	if why == OffenceUnknown && trust.Drop && f.socket != nil { // who hears nothing repeats it
		what = maphash.Bytes(tagSeed, m.raw)
	}
	e.misbehaved(f, offence{why: why, what: what})
	if !scans && !trust.Drop {
		return false
	}
	e.metrics.refuse(cause)
	if left, due := e.sentry.dropLines.due(time.Now()); due {
		e.log.Warn("request dropped without an answer", "method", plainWord(string(m.method()), 20), "listener", f.listener, "remote", f.remote,
			"cause", cause.String(), "left_out", left, "advice", why.advice())
	}
	return true
}

// scanner tells whether a request names a program that looks for telephone systems.
func (t *Trust) scanner(m *message) bool {
	agent, ok := m.first("User-Agent")
	if !ok || len(t.Scanners) == 0 {
		return false
	}
	agent = strings.ToLower(agent)
	for _, word := range t.Scanners {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return false
}

// Misbehaved counts an offence of whoever is at the other end of a flow. Enough of them are a ban, from the next octet on: datagrams are
// dropped unread, connections are closed before their handshake, and those that stand are cut; but see Ban.Door.
// A grave one is committed by registering, or by what looks like it: enough of those close that door too.
func (e *Endpoint) Misbehaved(f *Flow, why Offence, grave bool) {
	e.misbehaved(f, offence{why: why, grave: grave})
}

func (e *Endpoint) misbehaved(f *Flow, o offence) {
	if f.conn != nil && !f.conn.accepted || e.exempt(f.remote.Addr()) {
		return
	}
	ban, ok := e.sentry.bans.offend(markOf(f.remote.Addr(), f.proto), o, time.Now())
	if !ok {
		return
	}
	e.metrics.bans.WithLabelValues(o.why.String()).Inc()
	e.watchBans()
	e.announce(ban)
	if ban.Stream {
		e.cut(ban, f.conn)
	}
}

// cut ends the connections of a banned address: with a door, at the listeners of phones that one only over which the offence came.
func (e *Endpoint) cut(b Ban, own *conn) {
	spared := b.Door && e.doorAt(Phone)
	var theirs []*conn
	e.mu.Lock()
	for c := range e.conns {
		if spared && c.flow.role == Phone && c != own {
			continue
		}
		if c.accepted && b.Who.Contains(c.flow.remote.Addr().WithZone("")) {
			theirs = append(theirs, c)
		}
	}
	e.mu.Unlock()
	for _, c := range theirs {
		if !e.exempt(c.flow.remote.Addr()) {
			c.end(bannedAddress, ErrBanned)
		}
	}
}

// announce writes about a ban.
func (e *Endpoint) announce(b Ban) {
	if left, due := e.sentry.banLines.due(b.Since); due {
		e.log.Warn("address banned", "address", b.Who.String(), "transport", b.Transports(), "cause", b.Why.String(), "for", b.Until.Sub(b.Since).String(),
			"may_register", b.Door, "left_out", left, "advice", b.Why.advice())
	}
}

// watchBans publishes how many bans there are, and does it again when the next one ends.
func (e *Endpoint) watchBans() {
	g := e.sentry
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending != nil {
		g.ending.Stop()
		g.ending = nil
	}
	next, any := g.bans.sweep(time.Now())
	e.metrics.banned.Set(float64(g.bans.living.Load()))
	if any && !g.closed {
		g.ending = time.AfterFunc(time.Until(next), e.watchBans)
	}
}

// SetTrust is what counts from now on. Bans go on, but for those of addresses that have become exempt.
func (e *Endpoint) SetTrust(t Trust) {
	e.sentry.trust.Store(&t)
	e.sentry.bans.setRule(t.Ban)
	for _, b := range e.Bans() {
		if e.exempt(b.Who.Addr()) {
			e.Lift(b.Who.Addr())
		}
	}
}

// Bans lists who is banned, the oldest first.
func (e *Endpoint) Bans() []Ban { return e.sentry.bans.all(time.Now()) }

// Lift ends the bans of an address, of IPv6 those of its /64, and forgets what led to them; false when there were none.
func (e *Endpoint) Lift(a netip.Addr) bool {
	now := time.Now()
	datagrams, streams := e.sentry.bans.lift(markOf(a, UDP), now), e.sentry.bans.lift(markOf(a, TCP), now)
	e.watchBans()
	return datagrams || streams
}
