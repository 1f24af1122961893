package signaling

import (
	"errors"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/trunk"
)

// replaced tells which dialog an INVITE of from wants to take the place of (RFC
// 3891): the one that the party to on the other leg of that call knows.
// to is the zero Party where it replaces none.
func (s *Server) replaced(req *sip.Request, from call.Party) (far header.Replaces, to call.Party, no *refusal) {
	headers := req.GetHeaders("replaces")
	if len(headers) == 0 {
		return far, to, nil
	}
	if from.Transfer == trunk.Refuse {
		return far, to, &refusal{403, header.Phrase("SBC takes no transfer from " + from.Name), "transfer", nil}
	}
	r, err := header.ParseReplaces(headers[0].Value())
	if err != nil || len(headers) > 1 { // RFC 3891 section 3
		return far, to, &refusal{400, "Replaces names no dialog", "replaces", nil}
	}
	if c := s.find(r.CallID, r.ToTag); c != nil {
		far, at, err := c.Replaced(r, from)
		if err == nil {
			return far, at, nil
		}
		if errors.Is(err, call.ErrNobody) {
			return far, to, &refusal{403, "SBC cannot take the place of a call to a phone", "replaces", nil}
		}
	}
	return far, to, &refusal{481, "Replaces names no call", "replaces", nil}
}
