package signaling

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/phonebook"
	"callseal/signaling/register"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Phones that register: their REGISTERs go to their dialer, calls of that
// dialer reach them over their own flow, and theirs go to it. What is said to a
// dialer for phones leaves by other connections than what is said to it as a
// trunk: chan_sip tells a peer by the address that it speaks from.

// phonePool names those connections.
const phonePool = "phones"

// PhoneStatus is what is known of a phone that has registered.
type PhoneStatus struct {
	registrar.State
	Stage phonebook.Stage // in the rollout of now
	// Lines are its registrations at dialers, where they are ours to keep.
	Lines []LineStatus
}

// LineStatus is one of them.
type LineStatus struct {
	Dialer string
	User   string // what the dialer knows the phone as
	register.Status
}

// Phones lists the phones that have registered, by AOR.
func (s *Server) Phones() []PhoneStatus {
	list, b := s.phones.Table().Phones(), s.book.Load()
	all := make([]PhoneStatus, 0, len(list))
	for _, p := range list {
		all = append(all, PhoneStatus{p, b.Find(p.User).Stage, s.lines.status(p.Token)})
	}
	return all
}

// register takes a REGISTER.
func (s *Server) register(tx *transport.ServerTx) {
	st := s.state()
	f := tx.Flow()
	if !s.book.Load().places() {
		s.refuse(tx, refusal{403, "SBC takes no registrations", "register", nil})
		return
	}
	ask, err := registrar.Read(tx.Request(), f)
	if no := (*registrar.Fault)(nil); errors.As(err, &no) {
		s.unregistered(tx, header.Clean(tx.Request().To().Address.User), &refusal{no.Code, no.Phrase, no.Cause, nil})
		return
	}
	users, _ := claimed(tx.Request(), ask)
	for _, user := range users {
		if no := s.lockedOut(f, user); no != nil {
			s.turnAway(tx, no)
			return
		}
	}
	if st.cfg.Accounts.Local {
		switch user, no := s.proven(tx); {
		case no != nil: // anybody may ask, also in the name of another address: nothing is kept of it
			s.turnAway(tx, no)
			return
		case user != ask.User:
			s.unregistered(tx, ask.User, &impostor)
			return
		}
	}
	up, no := s.placed(ask.User, f)
	switch {
	case no != nil:
		s.unregistered(tx, ask.User, no)
	case st.cfg.Accounts.Local:
		s.phones.Grant(tx, ask, up)
	default:
		s.phones.Register(tx, ask, up)
	}
}

// unregistered refuses a REGISTER, and says in the log what to change.
func (s *Server) unregistered(tx *transport.ServerTx, user string, no *refusal) {
	advice := "correct the account in the phone"
	switch no.cause {
	case "rollout":
		advice = "phones.rollout does not have it yet: add it there, or let the phone register with its dialer"
	case "clear":
		advice = "set its transport to TLS, and its port to that of a tls:// listener"
	case "route":
		advice = "name its dialer in phones.default, in phones.map, or by its server_ip in the database"
	}
	s.phones.Turned(tx.Flow(), user, no.code, no.phrase, "callseal", advice)
	s.refuse(tx, *no)
}

// toward is a dialer as phones speak to it.
func (p Phones) toward(dialer call.Party) call.Party {
	dialer.Pool, dialer.Source = phonePool, p.Source
	return dialer
}

// sender tells who a request comes from. Of the phones that have registered over
// its flow it is the one that From names.
func (s *Server) sender(tx *transport.ServerTx) (call.Party, *refusal) {
	from, ok := s.identify(tx.Flow(), tx.Request().Recipient.User)
	switch {
	case tx.Flow().Role() != transport.Phone:
		return s.trunkSender(tx, from)
	case !ok:
		return from, &strange
	}
	f, says := tx.Flow(), tx.Request().From().Address
	user := says.User
	switch {
	case s.state().cfg.Accounts.Local:
		var no *refusal
		if from, user, no = s.localSender(tx, from); no != nil {
			return from, no
		}
	case s.phones.Table().Has(f):
		p, ok := s.phones.Table().Caller(f, says)
		if !ok {
			return from, &impostor
		}
		from.Phone, from.Through, user = p, true, p.User()
	}
	return s.fits(from, user, f)
}

// impostor is the answer to who says that it is somebody else.
var impostor = refusal{403, "SBC knows this phone by another name", "impostor", nil}

// turnAway refuses a request for what sender said.
func (s *Server) turnAway(tx *transport.ServerTx, no *refusal) {
	switch {
	case no == &strange:
		s.stranger(tx)
	case !s.Known(tx.Flow()):
		s.dismiss(tx, no)
	default:
		if no.cause == causeDigest && tx.Request().IsInvite() {
			s.resent.expect(senderOf(tx.Flow(), tx.Request().CallID().Value()), false, time.Now())
		}
		s.refuse(tx, *no)
	}
}

// errAway says that a phone cannot be reached now.
var errAway = errors.New("signaling: phone is away")

// away is what a dialer hears then.
var away = refusal{480, "SBC has lost this phone", "phone", nil}

// phoneOf is the phone that a dialer means by a token; errAway where there is
// none that it could reach.
func (s *Server) phoneOf(dialer call.Party, token string) (call.Party, error) {
	p, ok := s.phones.Table().Find(token)
	f := p.Flow()
	if !ok || f == nil || !p.At(dialer.Name) {
		return call.Party{}, errAway
	}
	st := s.state()
	l := st.listeners[f.Listener()]
	if l == nil {
		return call.Party{}, errAway
	}
	to, no := s.fits(l.party(), p.User(), f)
	if no != nil { // its policy has changed since it registered
		return call.Party{}, errAway
	}
	to.Phone, to.AutoAnswer = p, st.cfg.Phones.AutoAnswer
	return to, nil
}

// party is a phone at this listener.
func (l *Listener) party() call.Party {
	return call.Party{Role: transport.Phone, Name: l.Name, Mode: l.Media, Suites: l.Suites, Audio: l.Audio, Transfer: l.Transfer}
}

// fromPhone says where the requests of a phone go to: to the dialer that has its
// registration; those of one that has none where the routes say.
func (s *Server) fromPhone(from call.Party, w trunk.Wanted) (call.Onward, error) {
	st := s.state()
	if from.Line != nil {
		if dialer := st.cfg.Table.ByName(from.Line.Dialer); dialer != nil {
			to := st.cfg.Phones.toward(call.TrunkParty(dialer)).As(from.Line)
			return call.Onward{Parties: []call.Party{to}, Number: w.Number}, nil
		}
	}
	if p, ok := from.Phone.(registrar.Phone); ok {
		if dialer := st.cfg.Table.ByName(p.Dialer()); dialer != nil {
			return call.Onward{Parties: []call.Party{st.cfg.Phones.toward(call.TrunkParty(dialer))}, Number: w.Number}, nil
		}
	}
	choice, err := st.cfg.Table.Find(w)
	choice.Trunks = s.desk.Order(choice.Trunks)
	onward := call.ToTrunks(choice)
	for i, to := range onward.Parties {
		if to.Role == transport.Dialer {
			onward.Parties[i] = st.cfg.Phones.toward(to)
		}
	}
	return onward, err
}

// phoneMoved tells the calls that a phone has another flow.
func (s *Server) phoneMoved(p registrar.Phone) {
	s.each(func(c *call.Call) { c.Moved(p) })
}

// qualify takes an OPTIONS of a dialer: one for a phone is that phone's to
// answer. Where it does not, the dialer hears nothing at all: chan_sip takes
// every answer for a sign of life.
func (s *Server) qualify(tx *transport.ServerTx) {
	token := tx.Request().Recipient.User
	if !registrar.IsToken(token) {
		s.options(tx)
		return
	}
	from, no := s.sender(tx)
	if no != nil {
		s.turnAway(tx, no)
		return
	}
	if _, err := s.phoneOf(from, token); err != nil && s.phones.Later(token, func() { s.askPhone(tx, from, token) }) {
		return // chan_sip asks a phone before it says 200 to its REGISTER; without an answer it takes it for unreachable for 10 s
	}
	s.askPhone(tx, from, token)
}

// askPhone sends a dialer's OPTIONS to a phone.
func (s *Server) askPhone(tx *transport.ServerTx, from call.Party, token string) {
	to, err := s.phoneOf(from, token)
	if err != nil {
		s.silence(tx, "lost")
		return
	}
	switch no := s.admitRelay(tx.Request()); {
	case no == nil:
		s.sendOn(tx, from, call.Onward{Parties: []call.Party{to}, Number: token})
	case no.cause == "limit": // many phones are silent, and perhaps this one
		s.silence(tx, no.cause)
	default:
		s.refuse(tx, *no)
	}
}

// silence leaves a request without an answer.
func (s *Server) silence(tx *transport.ServerTx, cause string) {
	s.metrics.phones.Silent(cause)
	s.log.Debug("OPTIONS left without an answer", "cause", cause, "phone", tx.Request().Recipient.User)
	tx.Ignore()
}

// unanswered takes what came of an OPTIONS that a phone was sent, or made of one
// of ours. It tells whether nothing came.
func (s *Server) unanswered(to call.Party, req *sip.Request, sent time.Time, r transport.Result) bool {
	p, ok := to.Phone.(registrar.Phone)
	if !ok || req.Method != sip.OPTIONS {
		return false
	}
	err := r.Err
	if err == nil && r.Response.StatusCode == 408 { // of somebody on the path to it
		err = errAway
	}
	if r.Flow != nil {
		s.phones.Asked(p, r.Flow, time.Since(sent), err)
	}
	return err != nil
}
