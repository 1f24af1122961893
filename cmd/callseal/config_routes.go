package main

import (
	"fmt"
	"strings"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// routes reads the section of that name.
func (l *loader) routes() {
	if len(l.raw.Routes) == 0 {
		l.fail("routes", fault{"is missing", "add one like {from: dialer, to: [CARRIER]}"})
	}
	first := map[transport.Role]string{}
	for i, raw := range l.raw.Routes {
		place := fmt.Sprintf("routes[%d]", i)
		from := l.role(place+".from", raw.From)
		if earlier, ok := first[from]; ok && from != 0 {
			l.fail(place, fault{"is never used: " + earlier + " takes all calls from a " + from.String(), "remove one of them"})
		} else {
			first[from] = place
		}
		if to := l.routeTo(place+".to", raw.To); to != nil {
			l.cfg.Signaling.Table.Routes = append(l.cfg.Signaling.Table.Routes, trunk.Route{From: from, To: to})
			if from == transport.Carrier && to.Role() == transport.Carrier {
				l.warn(place, fault{"calls from carriers leave through a carrier", "route them to a dialer unless you mean to sell transit"})
			}
		}
	}
}

func (l *loader) routeTo(place string, names []string) *trunk.Trunk {
	switch len(names) {
	case 0:
		l.fail(place, fault{"is missing", "name the dialer or carrier that these calls go to, like [telco]"})
		return nil
	case 1:
	default:
		l.fail(place, fault{"failover among several trunks is not built yet", "name one"})
		return nil
	}
	if t := l.cfg.Signaling.Table.ByName(names[0]); t != nil {
		return t
	}
	var known []string
	for _, t := range l.cfg.Signaling.Table.Trunks {
		known = append(known, t.Name())
	}
	l.fail(place+"[0]", fault{"there is no dialer or carrier " + quote(names[0]), "known are " + strings.Join(known, ", ")})
	return nil
}

// unused warns about what is written down but cannot work as it stands.
func (l *loader) unused() {
	listens, calls, plain := map[transport.Role]bool{}, map[transport.Role]bool{}, map[transport.Role]bool{}
	for _, t := range l.cfg.Signaling.Table.Trunks {
		calls[t.Role()] = calls[t.Role()] || len(t.Sources) > 0
		plain[t.Role()] = plain[t.Role()] || t.Plaintext != nil
	}
	for i, ln := range l.cfg.Signaling.Listeners {
		place := fmt.Sprintf("listeners[%d]", i)
		listens[ln.Role] = true
		switch {
		case ln.Role == 0:
		case l.cfg.Signaling.Table.Next(ln.Role) == nil:
			l.warn(place, fault{"calls from a " + ln.Role.String() + " have no route", "add one to routes, or remove this listener"})
		case ln.Role == transport.Phone:
		case !calls[ln.Role]:
			l.warn(place, fault{"no " + ln.Role.String() + " has sources, so none may call here", "add sources to those that may call"})
		case ln.Proto != transport.TLS && ln.Proto != 0 && !plain[ln.Role]:
			l.warn(place, fault{"is in the clear, and no " + ln.Role.String() + " has plaintext, so none may call here",
				`add plaintext: {accepted_by: "WHO", reason: "WHY"} to those that may, or remove this listener`})
		}
	}
	for i, r := range l.raw.Routes {
		if role, err := transport.ParseRole(r.From); err == nil && !listens[role] {
			l.warn(fmt.Sprintf("routes[%d]", i), fault{"there is no listener for a " + role.String(), "add one to listeners, or remove this route"})
		}
	}
}
