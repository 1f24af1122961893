package signaling

import (
	"errors"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/trunk"
)

// replaced tells which dialog an INVITE of from wants to take the place of (RFC
// 3891): the one that the trunk to on the other leg of that call knows. to is
// nil where it replaces none.
func (s *Server) replaced(req *sip.Request, from call.Party) (far header.Replaces, to *trunk.Trunk, no *refusal) {
	headers := req.GetHeaders("replaces")
	if len(headers) == 0 {
		return far, nil, nil
	}
	if from.Transfer == trunk.Refuse {
		return far, nil, &refusal{403, header.Phrase("SBC takes no transfer from " + from.Name), "transfer", nil}
	}
	r, err := header.ParseReplaces(headers[0].Value())
	if err != nil || len(headers) > 1 { // RFC 3891 section 3
		return far, nil, &refusal{400, "Replaces names no dialog", "replaces", nil}
	}
	if c := s.find(r.CallID, r.ToTag); c != nil {
		far, at, err := c.Replaced(r, from)
		if err == nil {
			return far, at.Trunk, nil
		}
		if errors.Is(err, call.ErrNoTrunk) {
			return far, nil, &refusal{403, "SBC cannot take the place of a call to a phone", "replaces", nil}
		}
	}
	return far, nil, &refusal{481, "Replaces names no call", "replaces", nil}
}
