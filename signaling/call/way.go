package call

import (
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// way is that of what one leg says to the other, to.
func (c *Call) way(to *leg) header.Way { return wayTo(c.other(to).party.Role, to) }

// wayTo is that of what a party of role from says to the leg to.
func wayTo(from transport.Role, to *leg) header.Way {
	w := header.Way{From: from, To: to.party.Role, Rules: to.party.Rules()}
	if to.flow != nil {
		w.Host = to.flow.Contact("").Host
	}
	return w
}
