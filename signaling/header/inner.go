package header

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Who a call was diverted by (Diversion, History-Info) may be a phone of the
// house. Its extension means nothing to a carrier, and tells how the house is
// laid out.

// hidesInner tells whether a header is told without the extensions in it:
// headers.pass may say that the carrier is to see them.
func (w Way) hidesInner(name string) bool {
	return w.From == transport.Dialer && w.To == transport.Carrier && !w.Rules.passes(name)
}

// isInner tells whether a party is of the house: told is no telephone number of
// the world, or the extension of a phone that numbers.caller makes nothing else
// of.
func (w Way) isInner(came, told string) bool {
	digits := strings.TrimPrefix(told, "+")
	switch {
	case !isDigits(digits) || len(digits) < shortest:
		return true
	case came != told:
		return false
	case w.Origin != nil && matchesAny(w.Origin.callerID.Extensions, came):
		return true
	}
	return w.IsInner != nil && w.IsInner(came)
}

// userIn is the user of a SIP URI, or the number of a tel URI, without
// parameters and password.
func userIn(uri string) string {
	scheme, rest, _ := strings.Cut(uri, ":")
	if strings.EqualFold(scheme, "tel") {
		rest = separators.Replace(rest)
	} else {
		rest, _, _ = strings.Cut(rest, "@")
		rest, _, _ = strings.Cut(rest, ":")
	}
	user, _, _ := strings.Cut(rest, ";")
	return user
}

// historyNumber writes the numbers of History-Info: the one that was dialled as
// it is dialled now, those that it took the place of as those of callers.
func (w Way) historyNumber(all []sip.Header) func(string) string {
	to := ""
	for _, h := range all {
		if h, ok := h.(*sip.ToHeader); ok {
			to = strings.TrimPrefix(h.Address.User, "+")
		}
	}
	return func(number string) string {
		bare := strings.TrimPrefix(number, "+")
		if w.Dialled != "" && bare != "" && (bare == to || bare == strings.TrimPrefix(w.Asked, "+")) {
			return w.Dialled
		}
		return w.callerNumber(number)
	}
}
