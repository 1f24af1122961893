package signaling

import (
	"errors"
	"time"

	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// next says where the requests of a party go to.
func (s *Server) next(from call.Party, w trunk.Wanted) (call.Onward, error) {
	switch {
	case from.Role == transport.Phone:
		return s.fromPhone(from, w)
	case from.Role == transport.Dialer && registrar.IsToken(w.Number):
		to, err := s.phoneOf(from, w.Number)
		return call.Onward{Parties: []call.Party{to}, Number: w.Number}, err
	}
	choice, err := s.state().cfg.Table.Find(w)
	choice.Trunks = s.desk.Order(choice.Trunks)
	return call.ToTrunks(choice), err
}

// onward says where a request that is part of no dialog goes, or why nowhere.
func (s *Server) onward(tx *transport.ServerTx, from call.Party) (call.Onward, *refusal) {
	req := tx.Request()
	to, err := s.next(from, call.Wanted(from, tx.Flow(), req, req.Recipient.User))
	if err == nil {
		return to, nil
	}
	if errors.Is(err, errAway) {
		return to, &away
	}
	r, advice := refusal{503, call.Unrouted(from, err), "route", nil}, "add a route from "+from.Role.String()+" to routes"
	if unknown := (*trunk.UnknownCarrier)(nil); errors.As(err, &unknown) {
		r.cause, advice = "carrier", "correct "+trunk.CarrierHeader+" at "+from.Name+", or add the carrier "+header.Clean(unknown.Name)
	}
	s.notes.warn(s.log, time.Now(), req.Method.String()+" refused: "+r.phrase, "leg", from.Name, "advice", advice)
	return to, &r
}
