package signaling

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/phonebook"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
)

// Phones whose passwords we know: they prove who they are to us, by digest.

// unknownYet is the answer before the directory was read for the first time.
var unknownYet = refusal{503, "SBC has no list of phones yet", "directory", []sip.Header{sip.NewHeader("Retry-After", "5")}}

// knows tells whether there is an account that can prove itself.
func (b *book) knows(user string) bool {
	_, ok := b.Keys(user)
	return ok
}

// proven names the user that a request proves to come from; else the refusal asks
// for the proof. It is the same for every user, whether there is one of that
// name or not.
func (s *Server) proven(tx *transport.ServerTx) (string, *refusal) {
	b, a := s.book.Load(), s.state().cfg.Accounts
	if !b.complete {
		return "", &unknownYet
	}
	return s.judged(tx, b.digest, a.Algorithms, func(string) bool { return true })
}

// causeDigest is that of a request that is to prove who it comes from.
const causeDigest = "digest"

// judged names the user that a request proves to come from, who has to be one that fits; else the refusal asks for the proof.
func (s *Server) judged(tx *transport.ServerTx, digest *auth.Server, offer []auth.Algorithm, fits func(user string) bool) (string, *refusal) {
	f, now := tx.Flow(), time.Now()
	var said []string
	for _, h := range tx.Request().GetHeaders("authorization") {
		said = append(said, h.Value())
	}
	remote := f.Remote().Addr().String()
	user, verdict := digest.Check(string(tx.Request().Method), tx.Request().Recipient.String(), said, remote, now, offer)
	if verdict == auth.Accepted && !fits(user) {
		verdict = auth.Wrong
	}
	s.metrics.local.proof(verdict)
	if (verdict == auth.Accepted || verdict == auth.Wrong) && f.Role() == transport.Phone {
		if no := s.lockedOut(f, user); no != nil { // right or wrong, so that nothing is learned
			return "", no
		}
	}
	switch verdict {
	case auth.Accepted:
		s.guesses.clear(originOf(f), user)
		return user, nil
	case auth.Wrong, auth.Malformed, auth.Elsewhere:
		if verdict == auth.Wrong && f.Role() == transport.Phone {
			s.guessed(f, user)
		} else {
			s.endpoint.Misbehaved(f, transport.OffenceDigest, true)
		}
		s.notes.warn(s.log, now, "password refused", "listener", f.Listener(), "remote", f.Remote().String(),
			"from", header.Clean(tx.Request().From().Address.User), "verdict", verdict.String(),
			"advice", "compare user, password and realm there with what is configured here")
	case auth.Missing, auth.Stale:
	}
	var ask []sip.Header
	for _, value := range digest.Challenges(remote, verdict == auth.Stale, now, offer) {
		ask = append(ask, sip.NewHeader("WWW-Authenticate", value))
	}
	return "", &refusal{401, "Unauthorized", causeDigest, ask}
}

// localSender tells which phone a request comes from, where the registrar is ours:
// over a connection that a phone has registered by, that phone; else who proves
// it. Everybody may send a datagram in the name of everybody.
func (s *Server) localSender(tx *transport.ServerTx, from call.Party) (call.Party, string, *refusal) {
	f, says := tx.Flow(), tx.Request().From().Address
	table := s.phones.Table()
	if f.Proto().Stream() && table.Has(f) {
		p, ok := table.Caller(f, says)
		switch user := p.User(); {
		case !ok:
			return from, "", &impostor
		case s.book.Load().knows(user):
			return s.account(from, user, p), user, nil
		}
	}
	user, no := s.proven(tx)
	switch {
	case no != nil:
		return from, "", no
	case says.User != user && !header.Anonymous(says):
		return from, "", &impostor
	}
	says.User = user
	p, _ := table.Caller(f, says)
	return s.account(from, user, p), user, nil
}

// account is a phone as its account has it: the dialer that takes its calls
// knows it by its line.
func (s *Server) account(from call.Party, user string, p registrar.Phone) call.Party {
	if p != (registrar.Phone{}) {
		from.Phone = p
	}
	if l, ok := s.lines.best(p.Token()); ok {
		from.Line = &call.Line{Dialer: l.Dialer, Credentials: auth.Credentials{User: l.User, Keys: l.Keys}}
	} else if all := s.book.Load().Find(user).Lines; len(all) > 0 {
		from.Line = &call.Line{Dialer: all[0].Dialer, Credentials: auth.Credentials{User: all[0].User, Keys: all[0].Keys}}
	}
	return from
}

// fits judges a phone by its policy, and puts what it says about media into the
// party.
func (s *Server) fits(from call.Party, user string, f *transport.Flow) (call.Party, *refusal) {
	e := s.book.Load().Find(user)
	switch {
	case e.Stage == phonebook.Held:
		return from, &refusal{403, "SBC takes this phone later", "rollout", nil}
	case e.TLS && f.TLS() == nil:
		return from, &refusal{403, "SBC takes this phone over TLS only", "clear", nil}
	case e.Media != nil:
		from.Mode = *e.Media
	}
	return from, nil
}

// placed says where a phone that registers belongs.
func (s *Server) placed(user string, f *transport.Flow) (registrar.Upstream, *refusal) {
	st := s.state()
	l := st.listeners[f.Listener()]
	if l == nil {
		return registrar.Upstream{}, &strange
	}
	party, no := s.fits(l.party(), user, f)
	if no != nil {
		return registrar.Upstream{}, no
	}
	up := registrar.Upstream{Min: st.cfg.Phones.MinExpiry, Max: st.cfg.Phones.MaxExpiry, Sealed: f.TLS() != nil && party.Mode == sdp.Required}
	for _, line := range s.book.Load().Find(user).Lines {
		dialer := st.cfg.Table.ByName(line.Dialer)
		switch {
		case dialer == nil:
		case up.Target == nil:
			up.Target = st.cfg.Phones.toward(call.TrunkParty(dialer)).Target()
		default:
			up.Also = append(up.Also, line.Dialer)
		}
	}
	if up.Target == nil {
		return up, &refusal{503, "SBC has no dialer for this phone", "route", nil}
	}
	return up, nil
}
