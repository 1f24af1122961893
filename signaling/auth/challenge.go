package auth

import (
	"crypto/md5" //nolint:gosec // RFC 2617: what most of the world still asks for
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Algorithm is a digest algorithm (RFC 7616 section 3.3), in rising strength.
type Algorithm uint8

// The algorithms.
const (
	MD5 Algorithm = iota
	MD5Sess
	SHA256
	SHA256Sess
	SHA512256
	SHA512256Sess
	algorithms // how many there are
)

// algorithmNames are those of headers.
var algorithmNames = [algorithms]string{"MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"}

// Algorithms lists every algorithm, the weakest first.
func Algorithms() []Algorithm {
	all := make([]Algorithm, 0, algorithms)
	for a := range algorithms {
		all = append(all, a)
	}
	return all
}

// String gives the name that headers use.
func (a Algorithm) String() string {
	if a < algorithms {
		return algorithmNames[a]
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// ParseAlgorithm reads a name of any case; "" is MD5 (RFC 2617 section 3.2.1).
// It fails with ErrUnsupported.
func ParseAlgorithm(name string) (Algorithm, error) {
	if name == "" {
		return MD5, nil
	}
	for a, known := range algorithmNames {
		if strings.EqualFold(known, name) {
			return Algorithm(a), nil
		}
	}
	return 0, fmt.Errorf("%w: algorithm %q", ErrUnsupported, clip(name))
}

// Session tells whether A1 takes in the nonces (-sess).
func (a Algorithm) Session() bool { return a%2 == 1 }

// Hash gives H(parts joined by colons) in lower-case hexadecimal digits.
func (a Algorithm) Hash(parts ...string) string {
	text := []byte(strings.Join(parts, ":"))
	switch a {
	case MD5, MD5Sess:
		sum := md5.Sum(text) //nolint:gosec // see above
		return hex.EncodeToString(sum[:])
	case SHA256, SHA256Sess:
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	default:
		sum := sha512.Sum512_256(text)
		return hex.EncodeToString(sum[:])
	}
}

// Challenge is one question for a password (RFC 7616 section 3.3).
type Challenge struct {
	Realm     string
	Nonce     string
	Opaque    string
	HasOpaque bool // it was given, if only as ""
	Algorithm Algorithm
	// Name is the algorithm as the challenge spells it, or "" where it names none.
	Name string
	// QOP lists what may be protected, as it was said: auth, auth-int. None: RFC
	// 2069's digest.
	QOP []string
	// Stale: the password was right, the nonce is too old.
	Stale bool
	// Proxy: it came in a Proxy-Authenticate header.
	Proxy bool
}

// Bounds of what a remote may send.
const (
	maxChallenges = 16   // in one message
	maxValue      = 8192 // octets of one header
	maxParams     = 32   // of one challenge
)

// Challenges reads those of a 401 or 407, of both headers (RFC 3261 section
// 22.3). Schemes other than Digest and algorithms that are not known are left
// out; the error, ErrNoChallenge, ErrUnsupported or ErrMalformed, says why
// nothing is left.
func Challenges(res *sip.Response) ([]Challenge, error) {
	var all []Challenge
	why := ErrNoChallenge
	for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for _, h := range res.GetHeaders(name) {
			found, err := ParseChallenges(h.Value())
			if err != nil {
				why = err
			}
			for _, c := range found {
				c.Proxy = name == "Proxy-Authenticate"
				if len(all) < maxChallenges {
					all = append(all, c)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, why
	}
	return all, nil
}

// ParseChallenges reads the value of a WWW-Authenticate or Proxy-Authenticate
// header, which may hold several (RFC 9110 section 11.6.1). What can be used is
// given also with an error, which says what is wrong with another.
func ParseChallenges(value string) ([]Challenge, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("%w: %d octets", ErrMalformed, len(value))
	}
	var all []Challenge
	var first error
	for s := (&scanner{rest: value}); !s.end(); {
		scheme := s.token()
		if scheme == "" {
			return all, fmt.Errorf("%w: no scheme at %q", ErrMalformed, clip(s.rest))
		}
		params, err := s.params()
		if err != nil {
			return all, err
		}
		if !strings.EqualFold(scheme, "Digest") {
			first = either(first, fmt.Errorf("%w: scheme %q", ErrUnsupported, clip(scheme)))
			continue
		}
		c, err := challengeOf(params)
		if err != nil {
			first = either(first, err)
			continue
		}
		if all = append(all, c); len(all) == maxChallenges {
			return all, first
		}
	}
	if len(all) == 0 && first == nil {
		first = ErrNoChallenge
	}
	return all, first
}

func either(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// clip keeps what a remote sent short in an error.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most]
	}
	return s
}

// challengeOf makes a challenge of its parameters, of which the first of a name
// counts.
func challengeOf(params []param) (Challenge, error) {
	c := Challenge{}
	seen := map[string]bool{}
	var err error
	for _, p := range params {
		name := strings.ToLower(p.name)
		if seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "realm":
			c.Realm = p.value
		case "nonce":
			c.Nonce = p.value
		case "opaque":
			c.Opaque, c.HasOpaque = p.value, true
		case "stale":
			c.Stale = strings.EqualFold(p.value, "true")
		case "algorithm":
			c.Name = p.value
			if c.Algorithm, err = ParseAlgorithm(p.value); err != nil {
				return c, err
			}
		case "qop":
			for q := range strings.SplitSeq(p.value, ",") {
				if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
					c.QOP = append(c.QOP, q)
				}
			}
		default: // RFC 7616 section 3.3: others are ignored
		}
	}
	switch {
	case !seen["realm"] || c.Nonce == "":
		return c, fmt.Errorf("%w: a challenge without realm or nonce", ErrMalformed)
	case len(c.QOP) > 0 && c.protection() == "":
		return c, fmt.Errorf("%w: qop %q", ErrUnsupported, clip(strings.Join(c.QOP, ",")))
	}
	return c, nil
}

// protection is the qop that we answer with; "" is RFC 2069's digest.
func (c *Challenge) protection() string {
	for _, q := range []string{"auth", "auth-int"} {
		if slices.Contains(c.QOP, q) {
			return q
		}
	}
	return ""
}

// param is name=value; value is without its quotes and escapes.
type param struct{ name, value string }

// scanner reads a header of the form SCHEME name=value, name="value", ...
type scanner struct{ rest string }

// skip leaves spaces and empty list elements behind.
func (s *scanner) skip(more string) { s.rest = strings.TrimLeft(s.rest, " \t\r\n"+more) }

func (s *scanner) end() bool {
	s.skip(",")
	return s.rest == ""
}

// token takes one (RFC 3261 section 25.1), or gives "".
func (s *scanner) token() string {
	s.skip("")
	i := 0
	for i < len(s.rest) && isToken(s.rest[i]) {
		i++
	}
	t := s.rest[:i]
	s.rest = s.rest[i:]
	return t
}

func isToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-.!%*_+`'~", c) >= 0
}

// params takes the parameters of one challenge, up to the next scheme.
func (s *scanner) params() ([]param, error) {
	var all []param
	for !s.end() {
		before := s.rest
		name := s.token()
		s.skip("")
		if name != "" && !strings.HasPrefix(s.rest, "=") { // the scheme of the next challenge
			s.rest = before
			return all, nil
		}
		if name == "" || len(all) == maxParams {
			return all, fmt.Errorf("%w: no parameter at %q", ErrMalformed, clip(before))
		}
		s.rest = s.rest[1:]
		value, err := s.value()
		if err != nil {
			return all, err
		}
		all = append(all, param{name, value})
		if s.skip(""); s.rest != "" && s.rest[0] != ',' {
			return all, fmt.Errorf("%w: no comma at %q", ErrMalformed, clip(s.rest))
		}
	}
	return all, nil
}

// value takes a token or a quoted string. A bare value goes to the next comma:
// remotes forget quotes.
func (s *scanner) value() (string, error) {
	s.skip("")
	if !strings.HasPrefix(s.rest, `"`) {
		end := strings.IndexByte(s.rest, ',')
		if end < 0 {
			end = len(s.rest)
		}
		v := strings.TrimRight(s.rest[:end], " \t\r\n")
		s.rest = s.rest[end:]
		if strings.Contains(v, `"`) || hasControl(v) {
			return "", fmt.Errorf("%w: value %q", ErrMalformed, clip(v))
		}
		return v, nil
	}
	var out strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			v := out.String()
			if hasControl(v) {
				return "", fmt.Errorf("%w: control characters in a value", ErrMalformed)
			}
			return v, nil
		case c == '\\' && i+1 < len(s.rest): // RFC 3261 section 25.1: quoted-pair
			i++
			out.WriteByte(s.rest[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", fmt.Errorf("%w: a quote is not closed", ErrMalformed)
}

// hasControl keeps what would break a header line out of our own.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// quoted writes a quoted string (RFC 3261 section 25.1).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
