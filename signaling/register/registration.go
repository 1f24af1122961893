package register

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Account is who registers where, and as what. It is never mutated.
type Account struct {
	Registrar sip.Uri // the request-URI: a domain, without user (RFC 3261 section 10.2)
	AOR       sip.Uri // who is registered: To and From
	// Contact is where calls shall come in, on the flow that a REGISTER takes.
	Contact     func(*transport.Flow) sip.Uri
	Hop         func() transport.Hop // the way to the registrar, of the moment
	Credentials auth.Credentials
	Expires     time.Duration
	On403       Policy
	UserAgent   string
}

// Sender is what sends: transport's Endpoint.
type Sender interface {
	Send(context.Context, transport.Outgoing) *transport.ClientTx
}

// Status is what is to be known of a registration at a moment.
type Status struct {
	State    State
	Since    time.Time // of State
	Outcome  Outcome   // of the last attempt
	Code     int       // that the registrar said last; 0: nothing
	Phrase   string    // what is wrong; "" when nothing is
	Advice   string    // what to change
	Failures int       // attempts in a row
	Expires  time.Time // of the binding; zero where there is none
	Next     time.Time // of the next attempt; zero where none is due
	Contact  string    // that is registered; "" where none is
	// Remote is where the registrar answered from last.
	Remote netip.AddrPort
	// TLS tells whether that was over TLS.
	TLS bool
}

// Registration is one account's: a Machine with a clock and a transport. Many
// goroutines may use it. It has no goroutine of its own; its timer is stopped
// by Stop, or Kill.
type Registration struct {
	// Never mutated.
	account     Account
	sender      Sender
	log         *slog.Logger
	tell        func(Outcome, Status)
	client      *auth.Client
	callID, tag string
	ended       chan struct{} // closed once, when it is over

	mu      sync.Mutex // guards what follows
	machine Machine
	seq     uint32
	timer   *time.Timer // nil: none runs
	status  Status
	contact sip.Uri         // of the last REGISTER
	flow    *transport.Flow // that the registrar answered on
	said    string          // the fault that was logged last
}

// New makes a registration, which Start begins; log says whose it is. tell is called after every
// attempt and change of state (Pending: no attempt), in their order; it must
// neither block nor call the registration. It may be nil.
func New(a Account, sender Sender, log *slog.Logger, tell func(Outcome, Status)) *Registration {
	if tell == nil {
		tell = func(Outcome, Status) {}
	}
	return &Registration{
		account: a, sender: sender, log: log, tell: tell, client: auth.NewClient(a.Credentials),
		callID: rand.Text(), tag: rand.Text(), ended: make(chan struct{}),
		machine: Machine{Expires: a.Expires, On403: a.On403},
		status:  Status{Since: time.Now()},
	}
}

// Account is who it registers.
func (r *Registration) Account() Account { return r.account }

// Start begins, or begins anew at once what waits or has stopped.
func (r *Registration) Start() { r.handle(Event{Kind: Start}, nil) }

// Soon refreshes it after d at the latest, or tries again, where nothing is under way.
func (r *Registration) Soon(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.machine.State(); (s == Registered || s == Waiting) && time.Until(r.status.Next) > d {
		r.wait(d)
	}
}

// Closed tells that a connection is gone: if it is the registration's, it
// registers anew over another one, since nobody can call in meanwhile.
func (r *Registration) Closed(f *transport.Flow) {
	r.handle(Event{Kind: Lost}, func() bool { return r.flow == f })
}

// Stop un-registers. The channel is closed when that is over.
func (r *Registration) Stop() <-chan struct{} {
	r.handle(Event{Kind: Shutdown}, nil)
	return r.ended
}

// Kill ends it without a word: the transport is gone.
func (r *Registration) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopTimer()
	r.machine.state = Ended
	r.finish()
}

// Status is how it stands.
func (r *Registration) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// handle feeds the machine, where unless nil says that the event is meant for it.
// What it sends leaves without the lock, which an answer takes.
func (r *Registration) handle(ev Event, unless func() bool) {
	r.mu.Lock()
	if unless != nil && !unless() {
		r.mu.Unlock()
		return
	}
	ev.Luck = mathrand.Float64() //nolint:gosec // only spreads retries in time
	before := r.machine.State()
	todo := r.machine.Handle(ev)
	var out []transport.Outgoing
	for _, a := range todo {
		switch a.Op {
		case Send:
			r.status.Next = time.Time{}
			out = append(out, r.request(a.Expires, r.client.Begin()))
		case Wait:
			r.wait(a.Delay)
		case StopTimer:
			r.stopTimer()
		case Finish:
			r.finish()
		}
	}
	r.changed(ev, before)
	r.mu.Unlock()
	for _, o := range out {
		r.sender.Send(context.Background(), o)
	}
}

// The methods from here on to answered are called with mu.

func (r *Registration) wait(d time.Duration) {
	r.stopTimer()
	var t *time.Timer
	t = time.AfterFunc(d, func() { r.handle(Event{Kind: Timer}, func() bool { return r.timer == t }) })
	r.timer, r.status.Next = t, time.Now().Add(d)
}

func (r *Registration) stopTimer() {
	if r.timer != nil {
		r.timer.Stop()
	}
	r.timer, r.status.Next = nil, time.Time{}
}

func (r *Registration) finish() {
	select {
	case <-r.ended:
	default:
		close(r.ended)
	}
}

// changed keeps what the machine says, and writes what people have to know.
func (r *Registration) changed(ev Event, before State) {
	s := &r.status
	now := r.machine.State()
	s.Failures = r.machine.Failures()
	if ev.Kind == Answer {
		s.Outcome = ev.Outcome
		if ev.Outcome == Confirmed {
			s.Expires, s.Contact = time.Now().Add(ev.Granted), r.contact.String()
		}
	}
	if now == Ended || now == Stopped || now == Waiting && s.Outcome != Silent && s.Outcome != Unreachable {
		s.Expires, s.Contact = time.Time{}, ""
	}
	if now != before {
		s.State, s.Since = now, time.Now()
	}
	outcome := Pending
	if ev.Kind == Answer {
		outcome = ev.Outcome
	}
	if outcome != Pending || now != before {
		r.report(ev, before)
		r.tell(outcome, *s)
	}
}

// report writes one line for a registration that began to work, and one for
// the first of equal faults.
func (r *Registration) report(ev Event, before State) {
	s := &r.status
	registrar := r.account.Registrar.Host
	switch {
	case ev.Kind == Lost:
		r.log.Warn("connection of a registration lost, registering anew", "registrar", registrar)
	case ev.Kind != Answer:
	case ev.Outcome == Confirmed:
		if r.said = ""; before != Refreshing {
			r.log.Info("registered", "registrar", registrar, "expires", time.Until(s.Expires).Round(time.Second).String(), "remote", s.Remote.String())
		}
	case ev.Outcome == Removed:
		r.log.Info("unregistered", "registrar", registrar)
	case s.State == Registering || s.State == Refreshing: // asked again at once
		r.log.Debug("registration asked for longer", "min_expires", ev.MinExpires.String())
	case r.said == s.Phrase:
		r.log.Debug("registration failed again: "+s.Phrase, "failures", s.Failures)
	default:
		r.said = s.Phrase
		next := "never"
		if !s.Next.IsZero() {
			next = time.Until(s.Next).Round(time.Second).String()
		}
		r.log.Warn("registration failed: "+s.Phrase, "registrar", registrar, "code", s.Code, "cause", ev.Outcome.String(), "again_in", next, "advice", s.Advice)
	}
}

// request makes the next REGISTER (RFC 3261 section 10.2), all of one Call-ID.
func (r *Registration) request(expires time.Duration, x *auth.Exchange) transport.Outgoing {
	a := &r.account
	r.seq++
	req := sip.NewRequest(sip.REGISTER, *a.Registrar.Clone())
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	from := sip.NewParams()
	from.Add("tag", r.tag)
	req.AppendHeader(&sip.FromHeader{Address: *a.AOR.Clone(), Params: from})
	req.AppendHeader(&sip.ToHeader{Address: *a.AOR.Clone(), Params: sip.NewParams()})
	id := sip.CallIDHeader(r.callID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: r.seq, MethodName: sip.REGISTER})
	req.AppendHeader(sip.NewHeader("User-Agent", a.UserAgent))
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(expires.Seconds()))))
	x.Sign(req)
	return transport.Outgoing{
		Request: req,
		Hop:     a.Hop(),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			contact := a.Contact(f)
			req.AppendHeader(&sip.ContactHeader{Address: contact})
			r.mu.Lock()
			defer r.mu.Unlock()
			r.contact = contact
		},
		Each: func(res transport.Result) { r.answered(expires, x, res) },
	}
}

// answered takes what came of a REGISTER.
func (r *Registration) answered(expires time.Duration, x *auth.Exchange, res transport.Result) {
	if res.Err == nil && res.Response.IsProvisional() {
		return
	}
	if res.Err == nil && (res.Response.StatusCode == 401 || res.Response.StatusCode == 407) {
		err := x.Answer(res.Response)
		if err == nil { // RFC 3261 section 22.2
			r.mu.Lock()
			again := r.request(expires, x)
			r.mu.Unlock()
			r.sender.Send(context.Background(), again)
			return
		}
		r.conclude(res, Event{Kind: Answer, Outcome: challengeOutcome(err)}, "")
		return
	}
	ev := Event{Kind: Answer}
	var failure *transport.Failure
	switch {
	case errors.As(res.Err, &failure):
		ev.Outcome = Unreachable
		if failure.Stage == transport.StageTimeout {
			ev.Outcome = Silent
		}
		r.conclude(res, ev, failure.Advice(), failure.Phrase())
		return
	case res.Err != nil:
		ev.Outcome = Unreachable
	case res.Response.IsSuccess():
		ev.Outcome, ev.Granted = r.granted(expires, res.Response)
	default:
		ev.Outcome = OutcomeOf(res.Response.StatusCode)
		ev.MinExpires, ev.RetryAfter = seconds(res.Response, "Min-Expires"), seconds(res.Response, "Retry-After")
	}
	r.conclude(res, ev, "")
}

// conclude keeps the end of an attempt and tells the machine. advice and phrase
// are those of a transport's failure; else they are made here.
func (r *Registration) conclude(res transport.Result, ev Event, advice string, phrase ...string) {
	r.mu.Lock()
	s := &r.status
	s.Code, s.Phrase, s.Advice = 0, strings.Join(phrase, ""), advice
	if res.Err == nil {
		s.Code = res.Response.StatusCode
		r.flow = res.Flow
		s.Remote, s.TLS = res.Flow.Remote(), res.Flow.TLS() != nil
	}
	if ev.Outcome != Confirmed && ev.Outcome != Removed {
		if s.Phrase == "" {
			s.Phrase = ev.Outcome.words()
			if s.Code >= 300 {
				s.Phrase = strconv.Itoa(s.Code) + " " + header.Phrase(res.Response.Reason)
			}
		}
		if s.Advice == "" {
			s.Advice = ev.Outcome.Advice()
		}
	}
	r.mu.Unlock()
	r.handle(ev, nil)
}

func challengeOutcome(err error) Outcome {
	switch {
	case errors.Is(err, auth.ErrNoCredentials):
		return NoPassword
	case errors.Is(err, auth.ErrRefused):
		return BadPassword
	}
	return BadChallenge
}

// granted reads for how long our contact is registered (RFC 3261 section
// 10.2.4): its expires parameter, else Expires, else what was asked for. A
// registrar that has rewritten the only contact means ours.
func (r *Registration) granted(asked time.Duration, res *sip.Response) (Outcome, time.Duration) {
	if asked == 0 {
		return Removed, 0
	}
	general := seconds(res, "Expires")
	if general == 0 {
		general = asked
	}
	r.mu.Lock()
	ours := r.contact
	r.mu.Unlock()
	var contacts []*sip.ContactHeader
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		if c.Address.User == ours.User && strings.EqualFold(c.Address.Host, ours.Host) && c.Address.Port == ours.Port {
			return lasting(c, general)
		}
		contacts = append(contacts, c)
	}
	switch len(contacts) {
	case 0: // some registrars list none
		return Confirmed, general
	case 1:
		return lasting(contacts[0], general)
	}
	for _, c := range contacts {
		if c.Address.User == ours.User {
			return lasting(c, general)
		}
	}
	return Forgotten, 0
}

func lasting(c *sip.ContactHeader, general time.Duration) (Outcome, time.Duration) {
	text, ok := c.Params.Get("expires")
	if !ok {
		return Confirmed, general
	}
	n, err := strconv.ParseUint(text, 10, 31)
	switch {
	case err != nil: // RFC 3261 section 10.3: nonsense is the default
		return Confirmed, general
	case n == 0:
		return Forgotten, 0
	}
	return Confirmed, time.Duration(n) * time.Second
}

// seconds reads a header of delta-seconds; Retry-After may have more behind it
// (RFC 3261 section 20.33). 0 is none.
func seconds(res *sip.Response, name string) time.Duration {
	h := res.GetHeader(name)
	if h == nil {
		return 0
	}
	text := strings.TrimSpace(h.Value())
	if i := strings.IndexAny(text, " ;("); i >= 0 {
		text = text[:i]
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// words say an outcome for which the registrar has no words, or none that help.
func (o Outcome) words() string {
	switch o {
	case Forgotten:
		return "the registrar does not keep our contact"
	case NoPassword:
		return "the registrar asks for a password"
	case BadPassword:
		return "user or password refused"
	case BadChallenge:
		return "the registrar asks for a digest that is not known here"
	case Silent:
		return "no answer"
	default:
		return o.String()
	}
}

// Advice says what to change, or "".
func (o Outcome) Advice() string {
	switch o {
	case Forgotten:
		return "another machine may be registered with this account: ask the carrier how many contacts it keeps"
	case NoPassword:
		return "add the secret to register, or auth: {user, password_file}"
	case BadPassword:
		return "compare user, auth user and password with the carrier's instructions; the auth user may be another one than the number"
	case BadChallenge:
		return "ask the carrier for digest with MD5 or SHA-256 and qop auth"
	case Forbidden:
		return "the carrier forbids it: the account may be blocked, this machine's address not allowed, or the password wrong; correct it and restart, or set on_403: retry"
	case Unknown:
		return "the carrier does not know this user: compare user and domain with its instructions"
	case Redirected:
		return "register at the host that the carrier names: a redirection of REGISTER is not followed"
	case TooBrief:
		return "the carrier wants an interval that it does not take itself: set another expiry"
	case Overloaded:
		return "the carrier has a fault or is overloaded: it is tried again by itself"
	case Silent, Unreachable:
		return "check that host and port are right, that the carrier is up, and that no firewall drops the packets"
	case Refused:
		return "ask the carrier what this answer means"
	case Pending, Confirmed, Removed:
	}
	return ""
}
