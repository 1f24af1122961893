package main

import (
	"fmt"
	"strings"

	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

type rawRoute struct {
	From          string           `yaml:"from"`
	Listener      string           `yaml:"listener"`
	Prefix        string           `yaml:"prefix"`
	TechPrefix    string           `yaml:"tech_prefix"`
	CarrierHeader string           `yaml:"carrier_header"`
	To            []rawDestination `yaml:"to"`
}

// rawDestination is a trunk's name alone, or with its place among the others.
type rawDestination struct {
	Trunk    string `yaml:"trunk"`
	Priority *int   `yaml:"priority"`
	Weight   *int   `yaml:"weight"`
}

// byPlace stands for the priority of a name alone: its place in the list.
var byPlace = new(int)

func (d *rawDestination) short(text string) { d.Trunk, d.Priority = text, byPlace }

func (d *rawDestination) alone() bool { return d.Priority == byPlace }

// mostWeight is what SRV records can have (RFC 2782).
const mostWeight = 65535

// routes reads the section of that name.
func (l *loader) routes() {
	if len(l.raw.Routes) == 0 {
		l.fail("routes", fault{"is missing", "add one like {from: dialer, to: [CARRIER]}"})
	}
	var good []string // places of the table's routes
	for i, raw := range l.raw.Routes {
		place := fmt.Sprintf("routes[%d]", i)
		r, ok := l.route(place, raw)
		if !ok {
			continue
		}
		before := l.cfg.Signaling.Table.Routes
		for j := range before {
			switch {
			case before[j].Shadows(&r) && r.Shadows(&before[j]):
				l.fail(place, fault{"is never used: " + good[j] + " takes all of its calls", "remove one of them"})
			case before[j].Shadows(&r):
				l.warn(place, fault{"is never used: " + good[j] + " takes all of its calls", "remove it, or change its conditions"})
			case r.Shadows(&before[j]):
				l.warn(good[j], fault{"is never used: " + place + " takes all of its calls", "remove it, or change its conditions"})
			}
		}
		l.cfg.Signaling.Table.Routes = append(before, r)
		good = append(good, place)
	}
}

// route reads one. It is of use only where ok.
func (l *loader) route(place string, raw rawRoute) (r trunk.Route, ok bool) {
	r = trunk.Route{Listener: raw.Listener, Carrier: raw.CarrierHeader, TechPrefix: raw.TechPrefix, Prefix: raw.Prefix}
	errs := len(l.report.errors)
	l.routeFrom(place, raw, &r)
	l.dialled(place+".prefix", raw.Prefix)
	l.dialled(place+".tech_prefix", raw.TechPrefix)
	switch {
	case raw.CarrierHeader == "":
	case r.From != 0 && r.From != transport.Dialer:
		l.fail(place+".carrier_header", fault{trunk.CarrierHeader + " counts from dialers only", "remove it, or write from: dialer"})
	case strings.ContainsAny(raw.CarrierHeader, ", \t"):
		l.fail(place+".carrier_header", fault{quote(raw.CarrierHeader) + " is not one word", "write one name, without commas and spaces"})
	}
	r.To = l.routeTo(place+".to", raw.To)
	for _, d := range r.To {
		if r.From == transport.Carrier && d.Trunk.Role() == transport.Carrier {
			l.warn(place, fault{"calls from carriers leave through a carrier", "route them to a dialer unless you mean to sell transit"})
			break
		}
	}
	return r, len(l.report.errors) == errs
}

// routeFrom reads who a route is for: a role, a name, a listener.
func (l *loader) routeFrom(place string, raw rawRoute, r *trunk.Route) {
	var listener *transport.Listener
	for i := range l.cfg.Signaling.Listeners {
		if ln := &l.cfg.Signaling.Listeners[i].Listener; ln.Name == raw.Listener {
			listener = ln
		}
	}
	if raw.Listener != "" && listener == nil {
		l.fail(place+".listener", fault{"there is no listener " + quote(raw.Listener), "write the name of one of listeners"})
	}
	var ok bool
	if r.From, r.Caller, ok = l.caller(raw.From); !ok && raw.From != "" {
		l.fail(place+".from", fault{quote(raw.From) + " is no role, dialer or carrier", "write phone, dialer or carrier, or the name of a dialer or carrier"})
	}
	switch {
	case raw.From == "" && raw.Listener == "":
		l.fail(place+".from", fault{"is missing", "write phone, dialer or carrier"})
	case listener == nil || listener.Role == 0:
	case raw.From == "":
		r.From = listener.Role
	case r.From != 0 && r.From != listener.Role:
		l.fail(place+".listener", fault{quote(raw.Listener) + " takes calls of a " + listener.Role.String() + ", not of a " + r.From.String(),
			"name a listener of that role, or correct from"})
	}
}

// caller takes a role, or a trunk's name, which has its role too.
func (l *loader) caller(text string) (role transport.Role, name string, ok bool) {
	if role, err := transport.ParseRole(text); err == nil {
		return role, "", true
	}
	if t := l.cfg.Signaling.Table.ByName(text); t != nil {
		return t.Role(), text, true
	}
	return 0, "", false
}

// dialled checks the beginning of a number.
func (l *loader) dialled(place, prefix string) {
	if strings.Trim(prefix, "+*#.-ABCDabcd0123456789") != "" {
		l.fail(place, fault{quote(prefix) + " is no beginning of a number", "write digits, also +, * and #, in quotes"})
	}
}

// routeTo reads where a route leads to.
func (l *loader) routeTo(place string, raw []rawDestination) []trunk.Destination {
	if len(raw) == 0 {
		l.fail(place, fault{"is missing", "name the dialer or carrier that these calls go to, like [telco]"})
	}
	var all []trunk.Destination
	weight := map[int]int{} // by priority
	seen := map[string]bool{}
	for i, d := range raw {
		at := fmt.Sprintf("%s[%d]", place, i)
		out := trunk.Destination{Trunk: l.cfg.Signaling.Table.ByName(d.Trunk), Weight: 1}
		switch {
		case out.Trunk == nil:
			l.fail(at, fault{"there is no dialer or carrier " + quote(d.Trunk), "known are " + l.trunkNames()})
		case seen[d.Trunk]:
			l.fail(at, fault{quote(d.Trunk) + " is there twice", "name each once"})
		}
		seen[d.Trunk] = true
		if d.alone() != raw[0].alone() {
			l.fail(at, fault{"names and mappings stand in one list", "write all as names, which are asked in their order, or all as {trunk: NAME, priority: 0, weight: 1}"})
		}
		switch {
		case d.alone():
			out.Priority = i
		case d.Priority != nil:
			l.within(at+".priority", *d.Priority)
			out.Priority = *d.Priority
		}
		if d.Weight != nil {
			l.within(at+".weight", *d.Weight)
			out.Weight = *d.Weight
		}
		weight[out.Priority] += out.Weight
		all = append(all, out)
	}
	for i, d := range all {
		if raw[i].Weight != nil && d.Weight == 0 && weight[d.Priority] > 0 {
			l.warn(fmt.Sprintf("%s[%d].weight", place, i), fault{"0 is asked only after the others of its priority", "write a higher priority number, or a weight"})
		}
	}
	return all
}

func (l *loader) within(place string, n int) {
	if n < 0 || n > mostWeight {
		l.fail(place, fault{fmt.Sprintf("%d is out of bounds", n), fmt.Sprintf("write 0 to %d", mostWeight)})
	}
}

func (l *loader) trunkNames() string {
	var known []string
	for _, t := range l.cfg.Signaling.Table.Trunks {
		known = append(known, t.Name())
	}
	return strings.Join(known, ", ")
}

// routeAttrs is what the log says of a route at the start.
func routeAttrs(r trunk.Route) []any {
	var to []string
	for _, d := range r.To {
		to = append(to, fmt.Sprintf("%s (priority %d, weight %d)", d.Trunk.Name(), d.Priority, d.Weight))
	}
	if len(to) == 1 {
		to = []string{r.To[0].Trunk.Name()}
	}
	attrs := []any{"from", r.From.String(), "to", strings.Join(to, ", ")}
	for _, c := range [][2]string{
		{"caller", r.Caller}, {"listener", r.Listener}, {"carrier_header", r.Carrier}, {"tech_prefix", r.TechPrefix}, {"prefix", r.Prefix},
	} {
		if c[1] != "" {
			attrs = append(attrs, c[0], c[1])
		}
	}
	return attrs
}

// routed tells whether a role has a route.
func (l *loader) routed(role transport.Role) bool {
	for _, r := range l.cfg.Signaling.Table.Routes {
		if r.From == role {
			return true
		}
	}
	return false
}

// unused warns about what is written down but cannot work as it stands.
func (l *loader) unused() {
	listens, calls, plain := map[transport.Role]bool{}, map[transport.Role]bool{}, map[transport.Role]bool{}
	for _, t := range l.cfg.Signaling.Table.Trunks {
		calls[t.Role()] = calls[t.Role()] || len(t.Sources) > 0 || t.Register != nil || t.Certificate.Name != "" || t.Proves()
		plain[t.Role()] = plain[t.Role()] || t.Plaintext != nil
	}
	for i, ln := range l.cfg.Signaling.Listeners {
		place := fmt.Sprintf("listeners[%d]", i)
		listens[ln.Role] = true
		switch {
		case ln.Role == 0:
		case ln.Role == transport.Phone && l.placesPhones() && len(ln.Sources) == 0: // calls go where they are registered
		case !l.routed(ln.Role):
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
		if role, _, ok := l.caller(r.From); ok && !listens[role] {
			l.warn(fmt.Sprintf("routes[%d]", i), fault{"there is no listener for a " + role.String(), "add one to listeners, or remove this route"})
		}
	}
}
