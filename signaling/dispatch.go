package signaling

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Server is the transport's handler. These methods run on its lanes: they
// decide and hand over, and never wait.
var _ transport.Handler = (*Server)(nil)

// Request is a request that opens a transaction: part of a call, a new call,
// or a question to ourselves.
func (s *Server) Request(tx *transport.ServerTx) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("a fault of callseal ended a request; please report it", "panic", r, "stack", string(debug.Stack()))
			s.refuse(tx, refusal{503, "SBC internal fault", "panic", nil}) // as every fault of ours
		}
	}()
	req := tx.Request()
	if r := check(req); r != nil {
		s.refuse(tx, *r)
		return
	}
	if tag := req.To().Params.GetOr("tag", ""); tag != "" {
		if sub := s.subscription(req.CallID().Value(), tag); sub != nil {
			sub.Request(tx)
		} else if c := s.find(req.CallID().Value(), tag); c == nil || !c.Request(tx) {
			s.turnAway(tx, &over)
		}
		return
	}
	s.begin(tx)
}

// invite makes a new call or says why there is none.
func (s *Server) invite(tx *transport.ServerTx) {
	if s.merges(tx.Request()) {
		s.refuse(tx, refusal{482, "Loop Detected", "merged", nil}) // RFC 3261 section 8.2.2.2
		return
	}
	from, no := s.sender(tx)
	if no != nil {
		s.turnAway(tx, no)
		return
	}
	came(tx, from)
	replaces, to, no := s.replaced(tx.Request(), from)
	if no != nil {
		s.refuse(tx, *no)
		return
	}
	joins := to.Reachable()
	var onward call.Onward
	if !joins {
		if onward, no = s.onward(tx, from); no != nil {
			s.refuse(tx, *no)
			return
		}
		to = onward.Parties[0]
	}
	st := s.state()
	if to.Phone != nil && from.Trunk != nil {
		from = st.cfg.Phones.toward(from)
	}
	c := call.New(&st.house, tx, from, to)
	if s.resent.paid(senderOf(tx.Flow(), tx.Request().CallID().Value())) {
		c.Resent()
	}
	if joins {
		c.Replace(replaces)
	} else {
		c.Along(onward)
	}
	if r := s.admit(c, st); r != nil {
		s.refuse(tx, *r)
		s.notes.warn(s.log, time.Now(), "INVITE refused: "+r.phrase, "leg", from.Name, "cause", r.cause)
		return
	}
	s.respond(tx, 100, "Trying", nil) // at once: chan_sip's timer may be as short as 100 ms
	s.start(c)
}

// notes keeps scanners of the Internet and overload from filling the log: one
// line per second and message, with the number of those before it that were
// left out. The counters and the debug log have all.
type notes struct {
	mu   sync.Mutex // guards what follows
	last map[string]note
}

type note struct {
	at   time.Time
	left int
}

func (n *notes) warn(log *slog.Logger, now time.Time, msg string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := n.last[msg]
	if now.Sub(last.at) < time.Second {
		last.left++
		n.last[msg] = last
		return
	}
	log.Warn(msg, append(args, "left_out", last.left)...)
	if n.last == nil {
		n.last = make(map[string]note) // as many as there are messages above
	}
	n.last[msg] = note{at: now}
}

func retryAfter() []sip.Header {
	return []sip.Header{sip.NewHeader("Retry-After", "10")}
}

// identify tells who a flow belongs to: a trunk by its source address, by our
// registration at it, or a phone that may call. user is that of the request-URI,
// or "".
func (s *Server) identify(f *transport.Flow, user string) (call.Party, bool) {
	st := s.state()
	if st.listeners[f.Listener()] == nil && f.Listener() != "" {
		return call.Party{}, false // it is gone since
	}
	// A connection that we dialled is its trunk's. A UDP socket is not: anybody
	// may send to it.
	if t := st.cfg.Table.ByName(f.Trunk()); t != nil && (f.Proto() != transport.UDP || t.Has(f.Remote().Addr())) {
		return call.TrunkParty(t), true
	}
	if f.Role() != transport.Phone {
		if t := s.trunkAt(st, f, user); t != nil {
			return call.TrunkParty(t), true
		}
		return call.Party{}, false
	}
	l, ok := st.listeners[f.Listener()]
	if !ok || !l.mayCall(f.Remote().Addr()) && !s.phones.Table().Has(f) {
		return call.Party{}, false
	}
	return l.party(), true
}

// trunkAt finds the trunk that a request of a flow comes from: by the certificate
// that was shown, else by its address. Of a trunk that
// we are registered with calls come to our contact, and from the registrar.
func (s *Server) trunkAt(st *state, f *transport.Flow, user string) *trunk.Trunk {
	if t := st.cfg.Table.Present(f); t != nil {
		s.proved.add(f)
		return t
	}
	var exact, some *trunk.Trunk
	if f.Proto() == transport.UDP {
		exact, some = s.registrations.from(f.Role(), f.Remote().Addr(), user)
	}
	if exact != nil {
		return exact
	}
	if t := st.cfg.Table.Identify(f.Role(), f.Remote().Addr()); t != nil {
		return t
	}
	return some
}

// came writes the number called as its trunk means it, before anything looks at
// it. To and From stay: answers repeat them.
func came(tx *transport.ServerTx, from call.Party) {
	if to := &tx.Request().Recipient; !registrar.IsToken(to.User) {
		to.User = from.Rules().Came(header.Unescaped(to.User))
	}
}

// Ack is the ACK of a 2xx of ours.
func (s *Server) Ack(req *sip.Request, _ *transport.Flow) {
	if c := s.find(req.CallID().Value(), req.To().Params.GetOr("tag", "")); c != nil {
		c.Ack(req)
	}
}

// Cancel ends a call that has no answer yet, or withdraws an offer inside one.
func (s *Server) Cancel(tx *transport.ServerTx, cancel *sip.Request) {
	req := tx.Request()
	if req == nil { // the call has just been answered, and is over
		return
	}
	if c := s.find(req.CallID().Value(), req.To().Params.GetOr("tag", "")); c != nil {
		c.Cancel(tx, cancel)
	}
}

// Closed tells the calls, and our registrations, that a connection died.
func (s *Server) Closed(f *transport.Flow, _ error) {
	s.phones.Table().Lost(f)
	s.proved.remove(f)
	s.linesLost(f)
	s.each(func(c *call.Call) { c.Closed(f) })
	s.registrationsLost(f)
}

// refusal is an answer that ends a request here.
type refusal struct {
	code    int
	phrase  string
	cause   string // label of the counter
	headers []sip.Header
}

func (s *Server) refuse(tx *transport.ServerTx, r refusal) {
	s.metrics.refuse(tx.Flow().Role(), r.cause)
	s.log.Debug("request refused", "method", tx.Request().Method.String(), "code", r.code, "cause", r.cause, "remote", tx.Flow().Remote().String())
	s.respond(tx, r.code, r.phrase, r.headers)
}

func (s *Server) respond(tx *transport.ServerTx, code int, phrase string, headers []sip.Header) {
	if err := tx.Respond(s.response(tx, code, phrase, headers)); err != nil {
		s.log.Debug("response not sent", "code", code, "remote", tx.Flow().Remote().String(), "error", err)
	}
}

func (s *Server) response(tx *transport.ServerTx, code int, phrase string, headers []sip.Header) *sip.Response {
	res := sip.NewResponseFromRequest(tx.Request(), code, header.Phrase(phrase), nil)
	res.AppendHeader(sip.NewHeader("Server", s.state().cfg.UserAgent))
	for _, h := range headers {
		res.AppendHeader(h)
	}
	return res
}
