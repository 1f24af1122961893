package trunk

import (
	"fmt"
	"strings"
)

// Limits bound what a trunk gets. A zero field is no limit.
type Limits struct {
	Calls     int // at once, in both directions
	PerSecond int // calls to it
	Burst     int // that may come at once after a pause; 0 is 1
	// Allow and Deny are beginnings of numbers; the longest that fits decides, and
	// Deny where both have it. With an Allow everything else is denied. A + before
	// them or the number does not count.
	Allow, Deny []string
	Longest     int // characters of a number, without its +
}

// Limit says which limit a call met.
type Limit uint8

// The limits.
const (
	LimitCalls     Limit = iota + 1 // too many calls at once
	LimitPerSecond                  // too many calls per second
	LimitNumber                     // a number that is not allowed
	LimitLength                     // a number that is too long
)

// AllLimits lists them.
func AllLimits() []Limit { return []Limit{LimitCalls, LimitPerSecond, LimitNumber, LimitLength} }

// String is the name in metrics and logs.
func (l Limit) String() string {
	switch l {
	case LimitCalls:
		return "calls"
	case LimitPerSecond:
		return "cps"
	case LimitNumber:
		return "number"
	case LimitLength:
		return "length"
	}
	return fmt.Sprintf("limit(%d)", uint8(l))
}

// Limited is the error of a call that a trunk's limits keep out.
type Limited struct {
	Trunk string
	Limit Limit
}

func (e *Limited) Error() string { return "trunk " + e.Trunk + ": limit " + e.Limit.String() }

// Phrase says it in a status line, before it is cut to 50 characters.
func (e *Limited) Phrase() string {
	words := map[Limit]string{
		LimitCalls: "SBC call limit ", LimitPerSecond: "SBC CPS limit ", LimitNumber: "SBC number not allowed ", LimitLength: "SBC number too long ",
	}
	return words[e.Limit] + e.Trunk
}

// refuses tells which limit of numbers one meets; 0 is none.
func (l *Limits) refuses(number string) Limit {
	number, _, _ = strings.Cut(digits(number), ";") // parameters of RFC 3966 are no digits
	if l.Longest > 0 && len(number) > l.Longest {
		return LimitLength
	}
	number = strings.TrimLeft(separators.Replace(number), "+")
	allowed, denied := longest(l.Allow, number), longest(l.Deny, number)
	if denied >= 0 && denied >= allowed || len(l.Allow) > 0 && allowed < 0 {
		return LimitNumber
	}
	return 0
}

// Refuses tells whether no call to the trunk may have this number.
func (t *Trunk) Refuses(number string) bool { return t.Limits.refuses(number) != 0 }

// separators are no digits either (RFC 3966 section 5.1.1), and carriers leave them out: 1-900 is 1900.
var separators = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", "%28", "", "%29", "", "%20", "")

// longest is the length of the longest prefix that a number begins with; -1 is
// none.
func longest(prefixes []string, number string) int {
	most := -1
	for _, p := range prefixes {
		if p = separators.Replace(digits(p)); strings.HasPrefix(number, p) {
			most = max(most, len(p))
		}
	}
	return most
}
