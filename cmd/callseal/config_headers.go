package main

import (
	"fmt"
	"maps"
	"slices"

	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// headers reads what a trunk says about headers; nil where it says nothing.
func (l *loader) headers(place string, role transport.Role, raw rawTrunk) *header.Rules {
	h := raw.Headers
	numbers, id := l.numbers(place+".numbers", role, raw.Numbers), l.callerID(place+".caller_id", role, raw.CallerID)
	if len(h.Pass)+len(h.Strip)+len(h.Set) == 0 && !raw.Trusted && numbers == (header.Numbers{}) && id == nil {
		return nil
	}
	if raw.Trusted && role == transport.Dialer {
		l.warn(place+".trusted", fault{"has no effect: dialers are told all", "remove it"})
	}
	place += ".headers"
	for _, list := range []struct {
		key   string
		names []string
		check func(transport.Role, string) (what, fix string)
	}{{"pass", h.Pass, header.CheckPass}, {"strip", h.Strip, header.CheckStrip}} {
		for i, name := range list.names {
			what, fix := list.check(role, name)
			l.header(fmt.Sprintf("%s.%s[%d]", place, list.key, i), name, what, fix)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Set)) {
		what, fix := header.CheckSet(role, name, h.Set[name])
		l.header(place+".set."+name, name, what, fix)
	}
	rules := header.NewRules(h.Pass, h.Strip, h.Set, raw.Trusted).WithNumbers(numbers)
	if id != nil {
		rules = rules.WithCallerID(*id)
	}
	return rules
}

func (l *loader) header(place, name, what, fix string) {
	if what != "" {
		l.fail(place, fault{quote(name) + " " + what, fix})
	}
}
