package call

import "callseal/signaling/header"

// way is that of what one leg says to the other, to.
func (c *Call) way(to *leg) header.Way {
	w := header.Way{From: c.other(to).party.Role, To: to.party.Role}
	if to.party.Trunk != nil {
		w.Rules = to.party.Trunk.Headers
	}
	if to.flow != nil {
		w.Host = to.flow.Contact("").Host
	}
	return w
}
