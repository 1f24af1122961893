package header

import "strings"

// MaxPhrase is what VICIdial keeps of a status line: sip_hangup_reason is a
// VARCHAR(50).
const MaxPhrase = 50

// Phrase makes a reason phrase that a dialer may store: at most MaxPhrase
// characters of [A-Za-z0-9 ._]. VICIdial puts it into SQL unescaped and
// splits it on "-----".
func Phrase(phrase string) string {
	var b strings.Builder
	for _, r := range phrase {
		if b.Len() == MaxPhrase {
			break
		}
		if !safeInPhrase(r) {
			r = ' '
		}
		if r == ' ' && (b.Len() == 0 || strings.HasSuffix(b.String(), " ")) {
			continue
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ")
}

// Foreign is Phrase for the words of the other leg: they may be told, the
// addresses of its machines may not.
func Foreign(phrase string) string { return Phrase(withoutAddresses(phrase)) }

func safeInPhrase(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return r == ' ' || r == '.' || r == '_'
}
