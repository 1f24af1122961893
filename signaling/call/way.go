package call

import (
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// way is that of what one leg says to the other, to.
func (c *Call) way(to *leg) header.Way { return c.house.way(c.other(to).party, to) }

// way is that of what a party says to the leg to.
func (h *House) way(from Party, to *leg) header.Way {
	w := h.Way(from, to.party)
	if to.flow != nil {
		w.Host = to.flow.Contact("").Host
	}
	return w
}

// Way is that of what one party says to another. Our host is not known yet.
func (h *House) Way(from, to Party) header.Way {
	w := header.Way{From: from.Role, To: to.Role, Origin: from.Rules(), Rules: to.Rules()}
	w.Caller = to.Credentials.User
	if h.IsPhone != nil && to.Role == transport.Dialer {
		w.IsPhone = func(user string) bool { return h.IsPhone(to.Name, user) }
	}
	if h.IsPhone != nil && from.Role == transport.Dialer {
		w.IsInner = func(user string) bool { return h.IsPhone(from.Name, user) }
	}
	return w
}
