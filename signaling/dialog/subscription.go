package dialog

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Terminated tells whether a NOTIFY is the last of its subscription (RFC 6665
// section 4.1.3).
func Terminated(notify *sip.Request) bool {
	value, _ := firstValue(notify, "subscription-state")
	state, _, _ := strings.Cut(value, ";")
	return strings.EqualFold(strings.TrimSpace(state), "terminated")
}
