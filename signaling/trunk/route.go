package trunk

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"callseal/signaling/transport"
)

// CarrierHeader lets a dialer name the carrier of a call. It never goes on.
const CarrierHeader = "X-SBC-Carrier"

// Route says where calls go. A condition that is empty fits every call.
type Route struct {
	From     transport.Role // who calls
	Caller   string         // the trunk or phones' listener that calls, by name
	Listener string         // where the call came in
	Carrier  string         // what CarrierHeader says
	// TechPrefix is what the number begins with; it names the carrier, and is
	// no part of the number that the carrier gets.
	TechPrefix string
	// Prefix is what the number begins with, after TechPrefix; a + before either
	// does not count.
	Prefix string
	To     []Destination
}

// Destination is a trunk that a route leads to: those of the lowest Priority are
// asked first, and of several with one Priority each comes first as often as its
// share of their Weight says.
type Destination struct {
	Trunk            *Trunk
	Priority, Weight int
}

// To makes trunks destinations that are asked in this order.
func To(trunks ...*Trunk) []Destination {
	var all []Destination
	for i, t := range trunks {
		all = append(all, Destination{Trunk: t, Priority: i, Weight: 1})
	}
	return all
}

// Wanted is a call that looks for its way.
type Wanted struct {
	Role     transport.Role // of who calls
	Name     string         // of who calls: a trunk, or a phones' listener
	Listener string         // where it came in; "" over a connection that we dialled
	Number   string         // user of the request-URI
	Carrier  string         // the value of CarrierHeader, which counts from dialers only
	// Random gives a number in [0, n); nil is a generator of its own.
	Random func(n int) int
}

// Choice is where a call may go: at least one trunk, the first to be asked
// first, and the number to ask them for.
type Choice struct {
	Trunks []*Trunk
	Number string
}

// ErrNoRoute says that no route fits a call.
var ErrNoRoute = errors.New("trunk: no route")

// UnknownCarrier says that CarrierHeader names nobody.
type UnknownCarrier struct{ Name string }

func (e *UnknownCarrier) Error() string { return "trunk: no carrier " + e.Name }

// Find gives the way of a call. What a dialer's CarrierHeader names goes before
// all routes: a route's Carrier, or carriers by name, separated by commas. Of
// the routes that fit one counts: that with the longest TechPrefix, among those
// one for the listener, then one for the caller's name, then the one with the
// longest Prefix, then the first. The error is ErrNoRoute or *UnknownCarrier.
func (t *Table) Find(w Wanted) (Choice, error) {
	if w.Random == nil {
		w.Random = rand.IntN
	}
	if w.Role != transport.Dialer {
		w.Carrier = ""
	}
	w.Carrier = strings.TrimSpace(w.Carrier)
	var best *Route
	for i := range t.Routes {
		if r := &t.Routes[i]; r.fits(w) && (best == nil || r.before(best)) {
			best = r
		}
	}
	switch {
	case w.Carrier != "" && (best == nil || best.Carrier == ""):
		trunks, err := t.carriers(w.Carrier)
		return Choice{trunks, w.Number}, err
	case best == nil:
		return Choice{}, ErrNoRoute
	}
	number, _ := without(w.Number, best.TechPrefix)
	return Choice{order(best.To, w.Random), number}, nil
}

// fits tells whether all conditions of a route are met.
func (r *Route) fits(w Wanted) bool {
	number, begins := without(w.Number, r.TechPrefix)
	switch {
	case r.From != 0 && r.From != w.Role,
		r.Caller != "" && r.Caller != w.Name,
		r.Listener != "" && r.Listener != w.Listener,
		r.Carrier != "" && !strings.EqualFold(r.Carrier, w.Carrier),
		!begins,
		len(r.To) == 0:
		return false
	case r.TechPrefix != "" && number == "": // nobody is called
		return false
	}
	return strings.HasPrefix(digits(number), digits(r.Prefix))
}

func digits(number string) string { return strings.TrimPrefix(dialled(number), "+") }

// dialled is the user part of a URI as people write it: a # is %23 there (RFC 3261
// section 25.1), and so Asterisk sends it.
func dialled(user string) string { return strings.ReplaceAll(user, "%23", "#") }

// without takes a tech prefix off a number, however its # is written.
func without(number, prefix string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(number, prefix); !ok {
		rest, ok = strings.CutPrefix(number, strings.ReplaceAll(prefix, "#", "%23"))
	}
	return rest, ok
}

// before tells whether a route counts for more than another one that fits too.
// Equal ones stay in their order.
func (r *Route) before(o *Route) bool {
	return cmp.Or(
		cmp.Compare(size(o.Carrier), size(r.Carrier)),
		cmp.Compare(len(o.TechPrefix), len(r.TechPrefix)),
		cmp.Compare(size(o.Listener), size(r.Listener)),
		cmp.Compare(size(o.Caller), size(r.Caller)),
		cmp.Compare(len(digits(o.Prefix)), len(digits(r.Prefix))),
	) < 0
}

// size is 1 for a condition that is there.
func size(condition string) int { return min(len(condition), 1) }

// Shadows tells whether no call ever reaches o because of r.
func (r *Route) Shadows(o *Route) bool {
	within := func(wide, narrow string) bool { return wide == "" || wide == narrow }
	switch {
	case o.before(r),
		r.From != 0 && r.From != o.From,
		!within(r.Caller, o.Caller),
		!within(r.Listener, o.Listener),
		r.Carrier != "" && !strings.EqualFold(r.Carrier, o.Carrier):
		return false
	case r.TechPrefix == o.TechPrefix:
		return strings.HasPrefix(digits(o.Prefix), digits(r.Prefix))
	case o.TechPrefix == "" && r.Prefix == "": // a number that looks like one with a tech prefix
		return strings.HasPrefix(o.Prefix, r.TechPrefix)
	}
	return false
}

// carriers finds those that are named, each once.
func (t *Table) carriers(names string) ([]*Trunk, error) {
	var all []*Trunk
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(t.Trunks, func(tr *Trunk) bool {
			return tr.Role() == transport.Carrier && strings.EqualFold(tr.Name(), name)
		})
		if i < 0 {
			return nil, &UnknownCarrier{name}
		}
		if !slices.Contains(all, t.Trunks[i]) {
			all = append(all, t.Trunks[i])
		}
	}
	return all, nil
}

// order draws the order in which destinations are asked: by priority, and among
// equals by weight (RFC 2782), but in exact shares: one of no weight comes after
// all that have some.
func order(to []Destination, random func(int) int) []*Trunk {
	left := slices.Clone(to)
	slices.SortStableFunc(left, func(a, b Destination) int { return cmp.Compare(a.Priority, b.Priority) })
	all := make([]*Trunk, 0, len(left))
	for len(left) > 0 {
		equals, sum := 0, 0
		for equals < len(left) && left[equals].Priority == left[0].Priority {
			sum += left[equals].Weight
			equals++
		}
		at := 0
		switch {
		case equals == 1:
		case sum == 0:
			at = random(equals)
		default:
			for draw := random(sum); draw >= left[at].Weight; at++ {
				draw -= left[at].Weight
			}
		}
		all = append(all, left[at].Trunk)
		left = slices.Delete(left, at, at+1)
	}
	return all
}
