package signaling

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/header"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
)

// An address with registered phones is never banned, so that whoever guesses passwords behind it is kept out by the account: after as many wrong
// passwords as lead to a ban, and for as long, what comes from that address for the account is refused, right or wrong, but over the flow by which
// its phone is registered. Where the accounts change, all of the address is, but for the phones that are registered there.

// lock is what is locked for an address.
type lock uint8

const (
	noLock      lock = iota
	accountLock      // an account
	addressLock      // all accounts that are not registered there
)

// locks lists every lock.
func locks() []lock { return []lock{accountLock, addressLock} }

func (l lock) String() string {
	switch l {
	case noLock:
		return "none"
	case accountLock:
		return "account"
	case addressLock:
		return "address"
	}
	return fmt.Sprintf("lock(%d)", uint8(l))
}

// spraying is how many times as many wrong passwords, for whatever accounts, lock an address.
const spraying = 20

// maxGuesses bounds what is remembered; beyond it what is no lock is forgotten first.
const maxGuesses = 20000

// guesses counts wrong passwords. The zero value has none.
type guesses struct {
	mu sync.Mutex // guards by
	by map[guess]*tally
}

// origin is where it comes from. UDP and streams are kept apart, as for bans: where a dialer judges passwords a forged datagram with any is a
// wrong one of the address that is written on it, and shall lock nobody's connections out.
type origin struct {
	area   netip.Prefix // an IPv4 address, or an IPv6 /64
	stream bool
}

// guess is what a wrong password is counted for: an account at an origin, or, without a user, the origin.
type guess struct {
	origin
	user string
}

type tally struct {
	since time.Time
	n     int
	first string    // of an address: the account that came first
	until time.Time // it is locked; zero: it is not
}

func originOf(f *transport.Flow) origin {
	return origin{transport.Neighbourhood(f.Remote().Addr()), f.Proto().Stream()}
}

// add counts a wrong password, and tells what that locks, and whether it may be a mistake: the first of its account, as of a phone that still has
// a nonce of before a restart, or all of late from there were for this account, as of a phone that has a wrong one.
func (g *guesses) add(from origin, user string, rule transport.BanRule, now time.Time) (locked lock, mistake bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	there, one := g.count(guess{from, ""}, rule, now), g.count(guess{from, user}, rule, now)
	if there.n == 1 {
		there.first = user
	}
	switch { // what is locked already goes on from requests that were under way
	case there.n >= spraying*rule.After && !now.Before(there.until):
		there.until = now.Add(rule.For)
		locked = addressLock
	case one.n >= rule.After && !now.Before(one.until):
		one.until = now.Add(rule.For)
		locked = accountLock
	}
	return locked, one.n == 1 || there.first == user
}

// clear forgets those of an account that has shown the right one, unless it is locked.
func (g *guesses) clear(from origin, user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := guess{from, user}
	one := g.by[key]
	if one == nil || !one.until.IsZero() {
		return
	}
	delete(g.by, key)
	if there := g.by[guess{from, ""}]; there != nil && there.until.IsZero() {
		there.n -= min(one.n, there.n)
	}
}

// count adds to one tally; the caller holds mu.
func (g *guesses) count(key guess, rule transport.BanRule, now time.Time) *tally {
	t := g.by[key]
	if t == nil {
		if len(g.by) >= maxGuesses {
			g.forget(rule, now)
		}
		if g.by == nil {
			g.by = map[guess]*tally{}
		}
		t = &tally{since: now}
		g.by[key] = t
	}
	if !now.Before(t.until) && (now.Sub(t.since) > rule.Within || !t.until.IsZero()) { // a lock that is over has paid for what led to it
		*t = tally{since: now}
	}
	t.n++
	return t
}

// forget makes room for a quarter of what is kept: of what is over, else of anything that is no lock, else of all; the caller holds mu.
func (g *guesses) forget(rule transport.BanRule, now time.Time) {
	const kept = maxGuesses / 4 * 3
	for key, t := range g.by {
		if now.Sub(t.since) > rule.Within && !now.Before(t.until) {
			delete(g.by, key)
		}
	}
	for key, t := range g.by {
		if len(g.by) > kept && !now.Before(t.until) {
			delete(g.by, key)
		}
	}
	if len(g.by) > kept {
		clear(g.by)
	}
}

// held tells for how long an account is locked for an address, and by what.
func (g *guesses) held(from origin, user string, now time.Time) (lock, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.by[guess{from, user}]; t != nil && user != "" && now.Before(t.until) {
		return accountLock, t.until.Sub(now)
	}
	if t := g.by[guess{from, ""}]; t != nil && now.Before(t.until) {
		return addressLock, t.until.Sub(now)
	}
	return noLock, 0
}

// guessed takes note of a wrong password of somebody at the listeners of phones, for an account.
func (s *Server) guessed(f *transport.Flow, user string) {
	rule, now := s.state().cfg.Trust.Ban, time.Now()
	if rule.After <= 0 {
		return
	}
	locked, mistake := s.guesses.add(originOf(f), user, rule, now)
	if locked != noLock {
		s.metrics.local.lock(locked)
		s.notes.warn(s.log, now, locked.String()+" locked for wrong passwords", "remote", f.Remote().String(), "listener", f.Listener(),
			"phone", header.Clean(user), "for", rule.For.String(), "advice", "correct the password of this phone; if it is none of yours, look for who guesses behind this address")
	}
	// What may be a mistake does not shut out the rest of an office.
	s.endpoint.Misbehaved(f, transport.OffenceDigest, !mistake)
}

// lockedOut refuses what comes for a locked account; nil where it is not.
func (s *Server) lockedOut(f *transport.Flow, user string) *refusal {
	by, rest := s.guesses.held(originOf(f), user, time.Now())
	table := s.phones.Table()
	if by == noLock || table.On(f, user) || by == addressLock && table.IsAt(user, f.Remote().Addr()) {
		return nil
	}
	after := strconv.Itoa(int(rest.Seconds()) + 1)
	return &refusal{503, "SBC heard too many wrong passwords", "locked", []sip.Header{sip.NewHeader("Retry-After", after)}}
}

// lockedMeanwhile refuses a REGISTER that was with its dialer when an account of it was locked, whatever the dialer says: many guesses at once are
// not worth more than one after the other. It tells whether it was one.
func (s *Server) lockedMeanwhile(tx *transport.ServerTx, a *registrar.Ask) bool {
	users, _ := claimed(tx.Request(), a)
	for _, user := range users {
		if no := s.lockedOut(tx.Flow(), user); no != nil {
			s.refuse(tx, *no)
			return true
		}
	}
	return false
}

// claimed are the accounts that a REGISTER is for: that of its AOR, and that of its password, or of the passwords, where there are several.
func claimed(req *sip.Request, a *registrar.Ask) (all []string, passwords int) {
	all = []string{a.User}
	for _, h := range header.CredentialsOf(req) {
		passwords++
		if user := auth.UserOf(h.Value()); user != "" && user != a.User {
			all = append(all, user)
		}
	}
	return all[:min(len(all), 3)], passwords
}

// wrongPassword takes a dialer's word that a phone's password is wrong. Which one of several it has looked at is not known.
func (s *Server) wrongPassword(tx *transport.ServerTx, a *registrar.Ask) {
	f := tx.Flow()
	users, passwords := claimed(tx.Request(), a)
	if passwords < 2 {
		users = users[len(users)-1:]
	}
	for _, user := range users {
		if !s.phones.Table().On(f, user) { // else it is known there: its nonce is an old one
			s.guessed(f, user)
		}
	}
}

// rightPassword takes its word that it is right. Of several passwords it may have looked at any, but for whom it was: that of the AOR.
func (s *Server) rightPassword(tx *transport.ServerTx, a *registrar.Ask) {
	users, passwords := claimed(tx.Request(), a)
	if passwords > 1 {
		users = users[:1]
	}
	for _, user := range users {
		s.guesses.clear(originOf(tx.Flow()), user)
	}
}
