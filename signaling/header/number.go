package header

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Format is how a number is written (ITU-T E.164).
type Format uint8

// The formats of numbers.
const (
	AsItComes Format = iota
	Plus             // +12125550100
	Digits           // 12125550100
	National         // 2125550100 in its own country, of others as Digits
)

// String is the name that ParseFormat takes.
func (f Format) String() string {
	switch f {
	case AsItComes:
		return "as_it_comes"
	case Plus:
		return "plus"
	case Digits:
		return "digits"
	case National:
		return "national"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// ParseFormat takes "as_it_comes", "plus", "digits" or "national".
func ParseFormat(name string) (Format, error) {
	for f := AsItComes; f <= National; f++ {
		if name == f.String() {
			return f, nil
		}
	}
	return AsItComes, fmt.Errorf("header: unknown format of numbers %q", name)
}

// Plan is how numbers are written where a trunk is. The zero value knows no
// country.
type Plan struct {
	Country       string // its code, "1"
	National      string // what stands before a number of the country: "1" or "0"
	International string // what stands before one of another country: "011" or "00"
}

// Numbers shorter than this are services (911), and none is longer than E.164
// allows.
const shortest, longest = 7, 15

// e164 gives a number's digits, country code first; ok is false where that
// cannot be told.
func (p Plan) e164(number string) (digits string, ok bool) {
	least := shortest
	switch {
	case strings.HasPrefix(number, "+"):
		digits, least = number[1:], 1
	case p.International != "" && strings.HasPrefix(number, p.International):
		digits = number[len(p.International):]
	case p.Country == "" || len(number) < shortest:
		return "", false
	case p.National != "" && strings.HasPrefix(number, p.National):
		digits = p.Country + number[len(p.National):]
	case strings.HasPrefix(number, p.Country):
		digits = number
	default:
		digits = p.Country + number
	}
	return digits, len(digits) >= least && len(digits) <= longest && isDigits(digits)
}

// write gives a number in a format, or as it is where that cannot be told.
func (p Plan) write(f Format, number string) string {
	if f == AsItComes {
		return number
	}
	digits, ok := p.e164(number)
	switch {
	case !ok:
		return number
	case f == Plus:
		return "+" + digits
	case f == National && p.Country != "" && strings.HasPrefix(digits, p.Country):
		return digits[len(p.Country):]
	}
	return digits
}

// Rewrite is one regular expression and what takes the place of a number that
// fits it.
type Rewrite struct {
	match   *regexp.Regexp
	replace string
}

// What is wrong with a rewriting.
var (
	ErrMatch   = errors.New("is no regular expression")
	ErrReplace = errors.New("would write no number")
	ErrGroup   = errors.New("names a group that is not there")
)

// reference is a group in a replacement, as regexp.Expand reads it.
var reference = regexp.MustCompile(`\$\$|\$\{([^}]*)\}|\$([0-9A-Za-z_]+)`)

// Whole compiles an RE2 expression that has to fit the whole of a text.
func Whole(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil { // alone: one like "a)(b" would fit into the brackets
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

// NewRewrite makes one of an RE2 expression, which has to fit the whole number,
// and a replacement with $1 or ${1} for what its groups have found. The error is
// ErrMatch, ErrReplace or ErrGroup, wrapped with the details.
func NewRewrite(match, replace string) (Rewrite, error) {
	re, err := Whole(match)
	if err != nil {
		return Rewrite{}, fmt.Errorf("%w: %w", ErrMatch, err)
	}
	for _, m := range reference.FindAllStringSubmatch(replace, -1) {
		name := m[1] + m[2]
		n, err := strconv.Atoi(name)
		switch {
		case m[0] == "$$" || err != nil && name != "" && slices.Contains(re.SubexpNames(), name):
		case err != nil || n > re.NumSubexp():
			return Rewrite{}, fmt.Errorf("%w: %s", ErrGroup, m[0])
		}
	}
	if plain := escapeHash.Replace(reference.ReplaceAllString(replace, "")); replace == "" || strings.Contains(plain, "$") || !isUser(plain) || strings.Contains(plain, ";") {
		return Rewrite{}, fmt.Errorf("%w: %q", ErrReplace, replace)
	}
	return Rewrite{re, replace}, nil
}

// Rewriter writes numbers of one kind anew: it takes digits off their
// beginning, puts them into a format, puts digits before them, and at last
// applies the first of its regular expressions that fits. A nil *Rewriter
// leaves all as it is. It is never mutated.
type Rewriter struct {
	Strip    int // digits; a shorter number stays
	Format   Format
	Prepend  string // of 0-9, *, # and a + at its beginning
	Rewrites []Rewrite
	Plan     Plan
}

// A # is written %23 in a URI (RFC 3261 section 25.1); people write it as it is.
var (
	escapeHash   = strings.NewReplacer("#", "%23")
	unescapeHash = strings.NewReplacer("%23", "#")
)

// Unescaped writes letters, digits and the like that are escaped in the user part
// of a SIP URI as they are: %31 and 1 are the same (RFC 3261 section 19.1.4), and
// nothing that looks at a number shall take them for two.
func Unescaped(user string) string {
	if !strings.Contains(user, "%") {
		return user
	}
	plain := make([]byte, 0, len(user))
	for i := range len(user) {
		plain = append(plain, user[i])
		for rest := len(plain) - 3; rest >= 0 && plain[rest] == '%'; rest = len(plain) - 3 { // again: %%331 would be %31
			n, err := strconv.ParseUint(string(plain[rest+1:]), 16, 8)
			if err != nil || !isPlain(byte(n)) {
				break
			}
			plain = append(plain[:rest], byte(n))
		}
	}
	return string(plain)
}

// isPlain tells whether a character of a number or name stands in a URI without
// an escape, and means nothing else there.
func isPlain(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("+*-_.", c) >= 0
}

// Apply writes the user part of a SIP URI anew; its parameters (RFC 3966) stay,
// but for the phone-context of what is global now. What the expressions look at
// has # for %23. A result that could not stand in a URI is left alone.
func (r *Rewriter) Apply(user string) string {
	number, params, hasParams := strings.Cut(user, ";")
	if r == nil || number == "" {
		return user
	}
	written := unescapeHash.Replace(number)
	if IsDialable(written) {
		written = r.digits(written)
	}
	for _, rw := range r.Rewrites {
		if m := rw.match.FindStringSubmatchIndex(written); m != nil {
			written = string(rw.match.ExpandString(nil, rw.replace, written, m))
			break
		}
	}
	if written = escapeHash.Replace(written); !isStrictUser(written) {
		return user
	}
	if hasParams && (written[0] != '+' || number[0] == '+') {
		return written + ";" + params
	}
	for param := range strings.SplitSeq(params, ";") { // RFC 3966 section 5.1.5
		if name, _, _ := strings.Cut(param, "="); param != "" && !strings.EqualFold(name, "phone-context") {
			written += ";" + param
		}
	}
	return written
}

// digits does what is done to what a telephone can dial.
func (r *Rewriter) digits(number string) string {
	if bare := strings.TrimPrefix(number, "+"); r.Strip > 0 && len(bare) > r.Strip {
		number = bare[r.Strip:]
	}
	if isDigits(strings.TrimPrefix(number, "+")) {
		number = r.Plan.write(r.Format, number)
	}
	if r.Prepend != "" {
		number = r.Prepend + strings.TrimPrefix(number, "+")
	}
	return number
}

// IsDialable tells what a telephone can dial: digits, * and #, and a + at its
// beginning.
func IsDialable(number string) bool {
	number = strings.TrimPrefix(number, "+")
	return number != "" && strings.Trim(number, "0123456789*#") == ""
}

func isDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// isStrictUser is isUser for what is not empty and has whole escapes.
func isStrictUser(text string) bool {
	for rest := text; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return text != "" && isUser(text) && !strings.Contains(text, ";")
		}
		if len(rest) < i+3 || unhex(rest[i+1]) < 0 || unhex(rest[i+2]) < 0 {
			return false
		}
		rest = rest[i+3:]
	}
}

// Numbers is what becomes of the numbers of a trunk's calls.
type Numbers struct {
	In  Pair // in calls from it, before anything looks at them
	Out Pair // in calls to it, at last
}

// Pair is the two numbers of a call: who is called (request-URI and To), and
// who calls (From, P-Asserted-Identity, Remote-Party-ID, Diversion);
// History-Info has both.
type Pair struct{ Called, Caller *Rewriter }

// WithNumbers are the rules with those of numbers too; r may be nil.
func (r *Rules) WithNumbers(n Numbers) *Rules {
	all := Rules{}
	if r != nil {
		all = *r
	}
	all.numbers = n
	return &all
}

// Came is the number called as the trunk that the call comes from means it; nil
// rules mean what is written.
func (r *Rules) Came(called string) string {
	if r == nil {
		return called
	}
	return r.numbers.In.Called.Apply(called)
}

// Called is the number called as the trunk that the way leads to is told.
func (w Way) Called(number string) string {
	if w.Rules == nil {
		return number
	}
	return w.Rules.numbers.Out.Called.Apply(number)
}

// callerNumber is the number of a party as the trunk that the way leads to is
// told.
func (w Way) callerNumber(number string) string {
	if w.Origin != nil {
		number = w.Origin.numbers.In.Caller.Apply(number)
	}
	if w.Rules != nil {
		number = w.Rules.numbers.Out.Caller.Apply(number)
	}
	return number
}
