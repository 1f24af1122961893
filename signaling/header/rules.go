package header

import (
	"maps"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Rules is what the configuration of a trunk says about the headers of what
// is sent to it, beside table. A nil *Rules says nothing. It is never mutated.
type Rules struct {
	pass, strip []string // lower-case names; a * at the end stands for anything
	set         []sip.Header
	// trust: the trunk belongs to our trust domain (RFC 3325 section 2), and is
	// told what a caller withholds.
	trust    bool
	numbers  Numbers
	callerID CallerID
}

// NewRules makes the rules of a trunk. Names and values have passed CheckPass,
// CheckStrip and CheckSet.
func NewRules(pass, strip []string, set map[string]string, trust bool) *Rules {
	r := &Rules{pass: lower(pass), strip: lower(strip), trust: trust}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		r.set = append(r.set, sip.NewHeader(name, Clean(set[name])))
	}
	return r
}

func lower(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, strings.ToLower(name))
	}
	return out
}

func (r *Rules) passes(name string) bool { return r != nil && matches(r.pass, name) && !r.strips(name) }

func (r *Rules) strips(name string) bool { return r != nil && matches(r.strip, name) }

func (r *Rules) trusted() bool { return r != nil && r.trust }

// replaces tells whether headers.set has the last word on a header.
func (r *Rules) replaces(k Kind, name string) bool {
	return r != nil && k&Setup != 0 && slices.ContainsFunc(r.set, func(h sip.Header) bool { return strings.EqualFold(h.Name(), name) })
}

// added are copies of the headers that every call to the trunk gets.
func (r *Rules) added() []sip.Header {
	if r == nil {
		return nil
	}
	var out []sip.Header
	for _, h := range r.set {
		out = append(out, sip.NewHeader(h.Name(), h.Value()))
	}
	return out
}

func matches(patterns []string, name string) bool {
	if len(patterns) == 0 {
		return false
	}
	name = strings.ToLower(name)
	return slices.ContainsFunc(patterns, func(p string) bool {
		if begin, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, begin)
		}
		return p == name
	})
}

// CheckPass says what is wrong with a name in headers.pass of a trunk of this
// role, and what to write instead; empty texts mean nothing.
func CheckPass(role transport.Role, name string) (what, fix string) {
	if what, fix = checkName(name, true); what != "" {
		return what, fix
	}
	return checkNever(role, name)
}

// CheckStrip is CheckPass for headers.strip.
func CheckStrip(_ transport.Role, name string) (what, fix string) {
	return checkName(name, true)
}

// CheckSet is CheckPass for headers.set.
func CheckSet(role transport.Role, name, value string) (what, fix string) {
	if what, fix = checkName(name, false); what != "" {
		return what, fix
	}
	switch {
	case strings.TrimSpace(value) == "":
		return "has no value", "write one, or put the name into strip"
	case Clean(value) != value:
		return "has a line break or another control character in its value", "write it on one line"
	}
	return checkNever(role, name)
}

func checkName(name string, pattern bool) (what, fix string) {
	begin, isPattern := strings.CutSuffix(name, "*")
	switch {
	case name == "":
		return "is empty", "write the name of a header"
	case isPattern && (!pattern || len(begin) < 2 || !strings.EqualFold(begin[:2], "X-")):
		return "may have a * only at the end of a name that begins with X-", `write the names one by one, or one like "X-Acme-*" in pass or strip`
	case !isToken(begin):
		return "is no name of a header", "write one of letters, digits and dashes, without the colon"
	case isOwned(begin):
		return "is made by callseal for each leg by itself", "remove it: it cannot be passed, set or stripped"
	}
	return "", ""
}

func checkNever(role transport.Role, name string) (what, fix string) {
	for _, r := range rowsOf(name) {
		if r.toward(role) == never {
			return "is never sent to a " + role.String(), strings.TrimSpace("remove it. " + r.why)
		}
	}
	return "", ""
}

func isOwned(name string) bool {
	return slices.ContainsFunc(owned, func(o string) bool { return strings.EqualFold(o, name) })
}

// isToken checks RFC 3261 section 25.1: token.
func isToken(text string) bool {
	return text != "" && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-.!%_+`'~") == ""
}
