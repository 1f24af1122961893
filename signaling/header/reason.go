package header

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// q850First puts the Q.850 value of a Reason header (RFC 3326) before others:
// PJSIP reads only the first 20 bytes.
func q850First(value string) string {
	values := splitList(value)
	slices.SortStableFunc(values, func(a, b string) int { return q850Rank(a) - q850Rank(b) })
	return strings.Join(values, ", ")
}

// q850LinesFirst does the same with Reason headers on lines of their own; all
// other headers stay where they are.
func q850LinesFirst(headers []sip.Header) {
	var places []int
	var reasons []sip.Header
	for i, h := range headers {
		if strings.EqualFold(h.Name(), "reason") {
			places, reasons = append(places, i), append(reasons, h)
		}
	}
	slices.SortStableFunc(reasons, func(a, b sip.Header) int { return q850Rank(a.Value()) - q850Rank(b.Value()) })
	for i, place := range places {
		headers[place] = reasons[i]
	}
}

func q850Rank(value string) int {
	if len(value) >= 5 && strings.EqualFold(value[:5], "Q.850") {
		return 0
	}
	return 1
}

// splitList cuts a value at its commas outside of quoted strings and angle
// brackets.
func splitList(value string) []string {
	var values []string
	quoted, bracketed, from := false, false, 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !bracketed:
			quoted = !quoted
		case quoted:
		case c == '<':
			bracketed = true
		case c == '>':
			bracketed = false
		case c == ',' && !bracketed:
			values = append(values, strings.TrimSpace(value[from:i]))
			from = i + 1
		}
	}
	return append(values, strings.TrimSpace(value[from:]))
}
