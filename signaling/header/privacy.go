package header

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// secrets is what the caller withholds from the leg that a message goes to
// (RFC 3323 section 4.2, RFC 3325 section 9.3, RFC 7044 section 10.1). The
// zero value is nothing.
type secrets struct {
	guard                              bool // the leg may not be told what is withheld
	id, user, header, session, history bool
}

// guards tells whether what a caller withholds is withheld on this way:
// dialers are the house's own and key the call by what they are told, and a
// carrier may be trusted with it (RFC 3325 section 2).
func (w Way) guards() bool {
	switch w.To {
	case transport.Dialer:
		return false
	case transport.Carrier:
		return !w.Rules.trusted()
	case transport.Phone:
		return w.From == transport.Carrier
	}
	return true
}

// withheld reads a message's Privacy.
func (w Way) withheld(headers []sip.Header) secrets {
	s := secrets{guard: w.guards()}
	if !s.guard {
		return s
	}
	var wishes []string
	for _, h := range headers {
		if strings.EqualFold(h.Name(), "privacy") {
			wishes = append(wishes, wishesIn(h.Value())...)
		}
	}
	if slices.Contains(wishes, "none") { // stands alone and forbids any service (RFC 3323 section 4.2)
		return s
	}
	s.id = slices.Contains(wishes, "id")
	s.user = slices.Contains(wishes, "user")
	s.header = slices.Contains(wishes, "header")
	s.session = slices.Contains(wishes, "session")
	s.history = slices.Contains(wishes, "history")
	return s
}

// wishesIn gives the values of a Privacy header, in lower case.
func wishesIn(value string) []string {
	return strings.FieldsFunc(strings.ToLower(value), func(r rune) bool {
		return r == ';' || r == ',' || r == ' ' || r == '\t'
	})
}

// hides tells whether a header is withheld. The token in Identity holds the
// caller's number too.
func (s secrets) hides(name string) bool {
	if !(s.id || s.user || s.header || s.session || s.history) {
		return false
	}
	switch strings.ToLower(name) {
	case "p-asserted-identity", "remote-party-id", "identity":
		return s.id || s.user
	case "diversion", "history-info":
		return s.header || s.session || s.history
	case "call-info":
		return s.user
	}
	return false
}

// party tells whether the parameters of one party withhold it: privacy of
// Diversion (RFC 5806), of Remote-Party-ID and of History-Info (RFC 7044).
func (s secrets) party(params string) bool {
	if !s.guard {
		return false
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "privacy") {
			continue
		}
		switch strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)) {
		case "off", "none", "name": // no name crosses anyway
		default:
			return true
		}
	}
	return false
}

// left is the Privacy that the leg is told: without what has been done for it
// already (RFC 3323 section 5).
func (s secrets) left(value string) string {
	left := slices.DeleteFunc(wishesIn(value), func(wish string) bool {
		switch wish {
		case "id", "none", "critical":
			return false
		case "user", "header", "session", "history":
			return s.guard
		}
		return true // of no RFC
	})
	if len(left) == 1 && left[0] == "critical" {
		return ""
	}
	return strings.Join(left, ";")
}

// private asks the leg to withhold the caller's number, where the trunk wants
// that and From has none.
func (w Way) private(out, headers []sip.Header) []sip.Header {
	if !w.anonymises(w.callerOf(headers)) || w.Rules.replaces(Setup, "Privacy") || w.Rules.strips("Privacy") {
		return out
	}
	for i, h := range out {
		if strings.EqualFold(h.Name(), "privacy") {
			if !slices.Contains(wishesIn(h.Value()), "id") {
				out[i] = sip.NewHeader("Privacy", "id;"+h.Value())
			}
			return out
		}
	}
	return append(out, sip.NewHeader("Privacy", "id"))
}
