package header

import (
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// CallType is what a VICIdial call is for, as the code says that it keeps in
// the caller's name.
type CallType uint8

// The types of calls.
const (
	Other    CallType = iota // no code, or one that we do not know
	Auto                     // V: the dialer called a lead
	Manual                   // M: an agent did
	Inbound                  // Y, or whatever comes from a carrier
	ThreeWay                 // DC: an agent's second call
	Login                    // S and 19 digits: an agent's phone is called for its shift
	Recall                   // ACagcW: the agent's phone is called again
	Monitor                  // BM, BB, BW: a manager listens, barges in or whispers
)

// CallTypes are all of them.
func CallTypes() []CallType {
	return []CallType{Other, Auto, Manual, Inbound, ThreeWay, Login, Recall, Monitor}
}

// String is a metric label.
func (c CallType) String() string {
	switch c {
	case Other:
		return "other"
	case Auto:
		return "auto"
	case Manual:
		return "manual"
	case Inbound:
		return "inbound"
	case ThreeWay:
		return "threeway"
	case Login:
		return "login"
	case Recall:
		return "recall"
	case Monitor:
		return "monitor"
	}
	return fmt.Sprintf("CallType(%d)", uint8(c))
}

// codes are the beginnings of caller codes; what follows is digits, or letters
// and digits, and at least so many of either.
var codes = []struct {
	begin  string
	digits bool
	least  int
	is     CallType
}{
	{"ACagcW", false, 6, Recall},
	{"DC", false, 10, ThreeWay},
	{"BM", false, 10, Monitor},
	{"BB", false, 10, Monitor},
	{"BW", false, 10, Monitor},
	{"V", true, 15, Auto},
	{"M", true, 15, Manual},
	{"Y", true, 15, Inbound},
	{"S", true, 19, Login},
}

// longestCode is what VICIdial's tables keep of a caller code.
const longestCode = 40

// TypeOfCode reads the display name of a dialer's From: a code of VICIdial's has
// no blanks, and digits enough to be told from a name.
func TypeOfCode(display string) CallType {
	for _, c := range codes {
		rest, ok := strings.CutPrefix(display, c.begin)
		if ok && len(display) <= longestCode && len(rest) >= c.least && isCode(rest, c.digits) {
			return c.is
		}
	}
	return Other
}

func isCode(text string, digits bool) bool {
	count := 0
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			count++
		case digits || (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' && c != '-':
			return false
		}
	}
	return count >= 6
}

// hidesCode tells whether the leg must not learn the caller code: what carriers
// name themselves is theirs.
func (w Way) hidesCode() bool { return w.To == transport.Carrier && w.From != transport.Carrier }

// shortestSecret is the length from which a dialer's display name is looked for
// in all that a carrier is told: shorter ones are words.
const shortestSecret = 12

// codeIn is the caller code that a message of a dialer's holds, "" when none: in
// From where the dialer called, in To where it was called.
func codeIn(headers []sip.Header) string {
	for _, h := range headers {
		name := ""
		switch h := h.(type) {
		case *sip.FromHeader:
			name = h.DisplayName
		case *sip.ToHeader:
			name = h.DisplayName
		}
		if len(name) >= shortestSecret && !strings.ContainsAny(name, " \t") || TypeOfCode(name) != Other {
			return name
		}
	}
	return ""
}

// withoutCode takes a caller code out of a value.
func withoutCode(value, code string) string {
	if code == "" || !strings.Contains(value, code) {
		return value
	}
	return strings.TrimSpace(strings.ReplaceAll(value, code, ""))
}
