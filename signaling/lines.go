package signaling

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/call"
	"callseal/signaling/phonebook"
	"callseal/signaling/register"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
)

// lines are the registrations of phones at their dialers, where the registrar is
// ours: they begin when a phone registers here, and end when it is gone.
type lines struct {
	mu      sync.Mutex // guards what follows
	over    bool       // none begins any more
	of      map[string]*phoneLines
	waiters sync.WaitGroup // for those that are un-registered, and for settle; Run waits for them
}

// phoneLines are those of one phone, by its token in lines.
type phoneLines struct {
	phone registrar.Phone
	timer *time.Timer // of settle
	round int         // of the settle that was asked for last
	kept  []*line
}

// line is one of them. Never mutated.
type line struct {
	phonebook.Line
	*register.Registration
}

// linger is how long a phone may be gone before its dialers hear of it: most
// connections that are lost are back within seconds.
const linger = 5 * time.Second

// phoneChanged is called by the registrar's table, under its lock.
func (s *Server) phoneChanged(p registrar.Phone, is registrar.Presence) {
	l := &s.lines
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of[p.Token()]
	if l.over || e == nil && (is != registrar.Here || !s.state().cfg.Accounts.Local) {
		return
	}
	if e == nil {
		e = &phoneLines{phone: p}
		l.of[p.Token()] = e
	}
	wait := time.Duration(0)
	if is == registrar.Lost {
		wait = linger
	}
	l.settleIn(e, wait, s.settle)
}

// settleIn calls settle after a while, in the place of an earlier call. The
// caller holds mu.
func (l *lines) settleIn(e *phoneLines, d time.Duration, settle func(*phoneLines)) {
	e.round++
	if e.timer == nil || !e.timer.Stop() { // none is counted that waits
		l.waiters.Add(1)
	}
	e.timer = time.AfterFunc(d, func() {
		defer l.waiters.Done()
		settle(e)
	})
}

// settle makes the lines of a phone what they should be.
func (s *Server) settle(e *phoneLines) {
	l := &s.lines
	l.mu.Lock()
	round := e.round
	l.mu.Unlock()
	var want []phonebook.Line
	if user := e.phone.User(); user != "" && e.phone.Flow() != nil && s.state().cfg.Accounts.Local {
		if b := s.book.Load(); b.knows(user) {
			want = b.Find(user).Lines
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || e.round != round { // something has changed meanwhile, and the settle that follows it knows
		return
	}
	var kept []*line
	for _, w := range want {
		if s.state().cfg.Table.ByName(w.Dialer) == nil {
			continue
		}
		i := slices.IndexFunc(e.kept, func(k *line) bool { return k.Dialer == w.Dialer && k.User == w.User && k.Keys.Equal(w.Keys) })
		if i >= 0 {
			kept = append(kept, e.kept[i])
			continue
		}
		fresh := &line{w, s.newLine(e.phone, w)}
		kept = append(kept, fresh)
		i = slices.IndexFunc(e.kept, func(k *line) bool { return k.Dialer == w.Dialer && k.User == w.User })
		if i < 0 {
			fresh.Start()
			continue
		}
		was := e.kept[i] // with another password: its end would take the same contact away again
		l.waiters.Go(func() {
			<-was.Stop()
			fresh.Start() // does nothing to one that was stopped
		})
	}
	for _, k := range e.kept {
		if !slices.Contains(kept, k) {
			l.waiters.Go(func() { <-k.Stop() }) // by an answer, or the end of the endpoint
		}
	}
	e.kept = kept
	if len(kept) == 0 && l.of[e.phone.Token()] == e {
		delete(l.of, e.phone.Token())
	}
}

// newLine is the registration of a phone at a dialer. Its contact there is what
// calls of the dialer come in for.
func (s *Server) newLine(p registrar.Phone, w phonebook.Line) *register.Registration {
	st := s.state()
	at := st.cfg.Table.ByName(w.Dialer).Target
	registrar := sip.Uri{Scheme: "sip", Host: at.Host, Port: int(at.Port), UriParams: sip.NewParams()}
	if at.Proto != transport.UDP {
		registrar.UriParams.Add("transport", at.Proto.String())
	}
	token := p.Token()
	var last register.State
	return register.New(register.Account{
		Registrar: registrar,
		AOR:       sip.Uri{Scheme: "sip", User: w.User, Host: at.Host},
		Contact:   func(f *transport.Flow) sip.Uri { return f.Contact(token) },
		Hop: func() transport.Hop {
			now := s.state()
			if dialer := now.cfg.Table.ByName(w.Dialer); dialer != nil {
				return transport.Hop{Target: now.cfg.Phones.toward(call.TrunkParty(dialer)).Target()}
			}
			return transport.Hop{Target: &at} // un-registering at one that is gone
		},
		Credentials: auth.Credentials{User: w.User, Keys: w.Keys},
		Expires:     st.cfg.Phones.MaxExpiry,
		On403:       register.Retry,
		UserAgent:   st.cfg.UserAgent,
	}, s.endpoint, s.log.With(slog.String("phone", w.User), slog.String("dialer", w.Dialer)), func(o register.Outcome, now register.Status) {
		s.metrics.local.line(w.Dialer, o, last, now.State)
		last = now.State
	})
}

// settleAll does it for all phones: the accounts or the dialers have changed.
func (s *Server) settleAll() {
	l := &s.lines
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	for _, e := range l.of {
		l.settleIn(e, 0, s.settle)
	}
}

// linesLost tells them that a connection died.
func (s *Server) linesLost(f *transport.Flow) {
	if f.Pool() != phonePool {
		return
	}
	for _, k := range s.lines.list() {
		k.Closed(f)
	}
}

// killLines stops their clocks, when the endpoint is gone. The dialers keep the
// registrations: the same phones come back with the same contacts.
func (s *Server) killLines() {
	l := &s.lines
	l.mu.Lock()
	l.over = true
	for _, e := range l.of {
		if e.timer != nil && e.timer.Stop() {
			l.waiters.Done()
		}
	}
	l.mu.Unlock()
	for _, k := range l.list() {
		k.Kill()
	}
	l.waiters.Wait()
}

func (l *lines) list() []*line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*line
	for _, e := range l.of {
		all = append(all, e.kept...)
	}
	return all
}

// status lists the lines of a phone, in their order.
func (l *lines) status(token string) (all []LineStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.of[token]; e != nil {
		for _, k := range e.kept {
			all = append(all, LineStatus{k.Dialer, k.User, k.Status()})
		}
	}
	return all
}

// best is the line that a phone's own calls go by: the first that its dialer
// knows of, else the first.
func (l *lines) best(token string) (phonebook.Line, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of[token]
	if e == nil || len(e.kept) == 0 {
		return phonebook.Line{}, false
	}
	for _, k := range e.kept {
		if k.Status().State.Up() {
			return k.Line, true
		}
	}
	return e.kept[0].Line, true
}
