package registrar

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Of registrations.
const (
	MinExpiry = time.Minute     // the least that a phone gets, unless configured
	MaxExpiry = 5 * time.Minute // the most
	MaxPhones = 20000           // that are kept
	MaxOfOne  = 10              // of them with one AOR
	// maxWaiting bounds the REGISTERs that wait for a dialer: those from addresses
	// at which no phone is registered, which may be forged, leave some places to
	// others, and no address (of IPv6: no /64) takes more than its share: an
	// office of 500 phones with two accounts each.
	maxWaiting   = 5000
	maxStrangers = 4000
	maxOfAddress = 1000
)

// Config is what New needs.
type Config struct {
	// Endpoint sends requests.
	Endpoint interface {
		Send(context.Context, transport.Outgoing) *transport.ClientTx
	}
	UserAgent func() string
	Log       *slog.Logger
	Metrics   *Metrics
	// Moved is told of a phone that has registered anew by another flow than
	// before.
	Moved func(Phone)
	// Failed is told of a REGISTER whose password its dialer refuses, Unknown of
	// one that a dialer refuses as nobody's whom it knows.
	Failed  func(tx *transport.ServerTx, a *Ask)
	Unknown func(*transport.Flow)
	// Proven is told of one whose password it takes.
	Proven func(tx *transport.ServerTx, a *Ask)
	// Locked tells whether one that shows a password was answered by somebody else
	// while its dialer thought about it; nil: none is.
	Locked func(tx *transport.ServerTx, a *Ask) bool
	// Changed is told of a phone that has registered, is there again, or is lost or
	// forgotten. It must neither block nor ask anything of it.
	Changed func(Phone, Presence)
}

// Registrar passes REGISTERs on. Its methods may be called by anybody, and wait
// for nobody.
type Registrar struct {
	endpoint interface {
		Send(context.Context, transport.Outgoing) *transport.ClientTx
	}
	userAgent func() string
	log       *slog.Logger
	metrics   *Metrics
	moved     func(Phone)
	failed    func(*transport.ServerTx, *Ask)
	unknown   func(*transport.Flow)
	proven    func(*transport.ServerTx, *Ask)
	locked    func(*transport.ServerTx, *Ask) bool
	table     *Table
	notes     notes

	mu      sync.Mutex           // guards what follows
	waiting int                  // REGISTERs without an answer of their dialer
	at      map[netip.Prefix]int // of them, by where they come from
	crowded time.Time            // when one was refused for it, and the log was told
	last    map[string]uint32    // CSeq of the last one, by token
	asked   map[string]*asked    // by the token of their phone
	least   map[string]time.Duration
}

// New makes one without phones.
func New(c Config) *Registrar {
	table := NewTable(MaxPhones, c.Metrics)
	table.changed = c.Changed
	return &Registrar{endpoint: c.Endpoint, userAgent: c.UserAgent, log: c.Log, metrics: c.Metrics, moved: c.Moved, failed: c.Failed, unknown: c.Unknown, proven: c.Proven, locked: c.Locked,
		table: table, at: map[netip.Prefix]int{}, asked: map[string]*asked{}, last: map[string]uint32{}, least: map[string]time.Duration{}}
}

// Table is what is known of phones.
func (r *Registrar) Table() *Table { return r.table }

// Upstream is the dialer that a REGISTER goes to.
type Upstream struct {
	Target   *transport.Target
	Min, Max time.Duration // of the expiry
	Sealed   bool          // of the phone that registers
	Also     []string      // other dialers that call it
}

// Register passes a REGISTER on to a dialer, and its answer back.
func (r *Registrar) Register(tx *transport.ServerTx, a *Ask, up Upstream) {
	theirs := tx.Request()
	from := address(tx.Flow())
	seq, ok := r.enter(a, from)
	if !ok {
		r.metrics.outcome(Refused)
		if err := tx.Dismiss(r.busy(theirs)); err != nil { // there is no room for its transaction either
			r.log.Debug("response not sent", "code", 503, "remote", tx.Flow().Remote().String(), "error", err)
		}
		return
	}
	name := up.Target.Trunk
	wanted := time.Duration(0)
	if !a.Remove && a.Contact != nil {
		wanted = min(max(a.Expiry, up.Min), up.Max)
		r.mu.Lock()
		wanted = max(wanted, r.least[name])
		r.mu.Unlock()
	}
	r.endpoint.Send(context.Background(), transport.Outgoing{
		Request: r.request(theirs, a, up.Target, seq),
		Hop:     transport.Hop{Target: up.Target},
		Prepare: func(req *sip.Request, f *transport.Flow) { contact(req, a, f, wanted) },
		Each: func(got transport.Result) {
			if got.Err == nil && got.Response.IsProvisional() {
				return
			}
			defer r.leave(a, from) // also after a fault of ours
			r.answered(tx, a, up, wanted, seq, got)
		},
	})
}

// answered takes a dialer's answer.
func (r *Registrar) answered(tx *transport.ServerTx, a *Ask, up Upstream, wanted time.Duration, seq uint32, got transport.Result) {
	theirs, name := tx.Request(), up.Target.Trunk
	if got.Err != nil {
		phrase := "SBC cannot reach " + name
		var failure *transport.Failure
		if errors.As(got.Err, &failure) {
			phrase = failure.Phrase()
		}
		r.finish(tx, r.answer(theirs, 503, header.Phrase(phrase)), Unreachable)
		return
	}
	said := got.Response
	switch code := said.StatusCode; {
	case r.locked != nil && shows(theirs) && r.locked(tx, a):
		r.metrics.outcome(Refused)
	case said.IsSuccess():
		r.accepted(tx, a, up, wanted, seq, said)
	case code == 401 || code == 407:
		outcome, wrong := Challenged, shows(theirs) && !stale(said)
		if wrong {
			if !r.table.On(tx.Flow(), a.User) { // one that is has an old nonce, not a wrong password
				outcome = WrongPassword
			}
			if _, here := r.table.Find(token(a.User, a.identity)); !here {
				r.refusedBy(tx.Flow(), a.User, name, code, header.Foreign(said.Reason))
			}
		}
		res := r.answer(theirs, code, header.Foreign(said.Reason))
		header.Challenges(res, said)
		header.Copy(res, said, told.down)
		if wrong && r.failed != nil { // before the answer: the next try comes after it
			r.failed(tx, a)
		}
		r.finish(tx, res, outcome)
	case code < 400:
		r.refusedBy(tx.Flow(), a.User, name, code, header.Foreign(said.Reason))
		r.finish(tx, r.answer(theirs, 503, header.Phrase(name+" redirects and that is not followed")), Refused)
	default:
		if h := said.GetHeader("min-expires"); h != nil && code == 423 { // RFC 3261 section 10.2.8
			if d, ok := seconds(h.Value()); ok {
				r.mu.Lock()
				r.least[name] = min(d, 24*time.Hour)
				r.mu.Unlock()
			}
		}
		outcome := Refused
		if code == 403 && shows(theirs) { // chan_sip says so of a wrong password
			outcome = WrongPassword
		}
		if code != 423 {
			r.refusedBy(tx.Flow(), a.User, name, code, header.Foreign(said.Reason))
		}
		res := r.answer(theirs, code, header.Foreign(said.Reason))
		header.Copy(res, said, told.down)
		switch {
		case outcome == WrongPassword && r.failed != nil:
			r.failed(tx, a)
		case (code == 403 || code == 404) && r.unknown != nil:
			r.unknown(tx.Flow())
		}
		r.finish(tx, res, outcome)
	}
}

// shows tells whether a REGISTER answers a challenge, of a registrar or of a
// proxy before it.
func shows(req *sip.Request) bool {
	return len(header.CredentialsOf(req)) > 0
}

// stale tells whether a challenge says that only the nonce was wrong (RFC 3261
// section 22.1).
func stale(said *sip.Response) bool {
	for _, h := range append(said.GetHeaders("www-authenticate"), said.GetHeaders("proxy-authenticate")...) {
		text := strings.ToLower(strings.ReplaceAll(h.Value(), `"`, ""))
		if strings.Contains(text, "stale=true") || strings.Contains(text, "stale=yes") {
			return true
		}
	}
	return false
}

// accepted takes a dialer's 200: what it says is so from now on. seq is the
// REGISTER's place in what its phone has asked.
func (r *Registrar) accepted(tx *transport.ServerTx, a *Ask, up Upstream, wanted time.Duration, seq uint32, said *sip.Response) {
	theirs := tx.Request()
	if shows(theirs) && r.proven != nil {
		r.proven(tx, a)
	}
	r.table.Remove(a)
	if a.Contact == nil || a.Remove {
		outcome := Queried
		if a.Remove {
			outcome = Removed
		}
		r.finish(tx, r.welcome(theirs, a, said, "", 0), outcome)
		return
	}
	own := token(a.User, a.identity)
	holds := granted(said, own, wanted)
	if holds == 0 {
		r.Turned(tx.Flow(), a.User, said.StatusCode, "without our Contact", up.Target.Trunk, "let its entry there take one contact more, and replace old ones (max_contacts, remove_existing)")
		r.finish(tx, r.answer(theirs, 503, "SBC got no registration from "+up.Target.Trunk), Refused)
		return
	}
	agent := ""
	if h := theirs.GetHeader("user-agent"); h != nil {
		agent = header.Clean(h.Value())
	}
	_, known := r.table.Find(own)
	p, moved, ok := r.table.Put(Entry{Ask: a, Seq: seq, Flow: tx.Flow(), Dialer: up.Target.Trunk, Also: up.Also, Agent: agent, Sealed: up.Sealed, Expiry: holds})
	if !ok {
		r.finish(tx, r.busy(theirs), Refused)
		return
	}
	outcome := Registered
	switch {
	case moved:
		outcome = Moved
	case known:
		outcome = Refreshed
	}
	r.finish(tx, r.welcome(theirs, a, said, own, min(holds, up.Max)), outcome)
	r.keep(p)
	if outcome != Refreshed {
		r.log.Info("phone registered", "phone", a.User, "dialer", up.Target.Trunk, "outcome", outcome.String(), "remote", tx.Flow().Remote().String(),
			"transport", tx.Flow().Proto().String(), "expires", holds.String(), "agent", agent)
	}
	if moved && r.moved != nil {
		r.moved(p)
	}
}

func (r *Registrar) busy(theirs *sip.Request) *sip.Response {
	res := r.answer(theirs, 503, "SBC has too many phones")
	res.AppendHeader(sip.NewHeader("Retry-After", "10"))
	return res
}

// finish answers the phone.
func (r *Registrar) finish(tx *transport.ServerTx, res *sip.Response, o Outcome) {
	r.metrics.outcome(o)
	if err := tx.Respond(res); err != nil {
		r.log.Debug("response not sent", "code", res.StatusCode, "remote", tx.Flow().Remote().String(), "error", err)
	}
}

// enter gives the CSeq of one more REGISTER that comes from an address; false
// where too many wait.
//
// It counts on from the clock: a dialer that knows the Call-ID from before a
// restart of ours is never told a lower number (RFC 3261 section 10.2).
func (r *Registrar) enter(a *Ask, from netip.Addr) (uint32, bool) {
	room := maxStrangers
	if r.table.At(from) {
		room = maxWaiting
	}
	area := transport.Neighbourhood(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting >= room || r.at[area] >= maxOfAddress {
		if now := time.Now(); now.Sub(r.crowded) >= time.Second {
			r.crowded = now
			r.log.Warn("REGISTER refused: too many wait for their dialer", "remote", from.String(), "waiting", r.waiting, "from_there", r.at[area],
				"advice", "see why the dialer does not answer; if this is no office of yours, keep the address out by a firewall")
		}
		return 0, false
	}
	r.waiting++
	r.at[area]++
	id := token(a.User, a.identity)
	r.ask(id)
	if len(r.last) > 2*MaxPhones { // of phones that are gone: the clock is ahead of them
		clear(r.last)
	}
	seq := max(uint32(max(0, time.Since(epoch).Seconds())), r.last[id]+1)
	r.last[id] = seq
	return seq, true
}

// epoch is where CSeq numbers begin; they stay below 2**31 until 2068.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// leave takes a REGISTER off whose answer has been dealt with.
func (r *Registrar) leave(a *Ask, from netip.Addr) {
	area := transport.Neighbourhood(from)
	r.mu.Lock()
	r.waiting--
	if r.at[area]--; r.at[area] == 0 {
		delete(r.at, area)
	}
	then := r.settle(token(a.User, a.identity))
	r.mu.Unlock()
	for _, f := range then {
		f()
	}
}
