package auth

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// claim is what an Authorization header says (RFC 7616 section 3.4).
type claim struct {
	user     string
	proof    Proof // without the method
	response string
	count    uint32 // nc; 0 without a qop
}

// longest bounds a value that is hashed or looked up.
const longest = 1024

// parseClaim reads the value of an Authorization header. It fails with ErrUnsupported, of another scheme or algorithm, or ErrMalformed.
func parseClaim(value string) (claim, error) {
	if len(value) > maxValue {
		return claim{}, fmt.Errorf("%w: %d octets", ErrMalformed, len(value))
	}
	s := &scanner{rest: value}
	if scheme := s.token(); !strings.EqualFold(scheme, "Digest") {
		return claim{}, fmt.Errorf("%w: scheme %q", ErrUnsupported, clip(scheme))
	}
	list, err := s.params()
	if err != nil {
		return claim{}, err
	}
	if !s.end() {
		return claim{}, fmt.Errorf("%w: two schemes in one header", ErrMalformed)
	}
	p := map[string]string{}
	for _, one := range list {
		name := strings.ToLower(one.name)
		if _, twice := p[name]; twice || len(one.value) > longest {
			return claim{}, fmt.Errorf("%w: %s is too long or there twice", ErrMalformed, clip(name))
		}
		p[name] = one.value
	}
	return claimOf(p)
}

func claimOf(p map[string]string) (claim, error) {
	c := claim{user: p["username"], response: strings.ToLower(p["response"]), proof: Proof{
		Realm: p["realm"], Nonce: p["nonce"], CNonce: p["cnonce"], QOP: strings.ToLower(p["qop"]), Count: p["nc"], URI: p["uri"]}}
	var err error
	if c.proof.Algorithm, err = ParseAlgorithm(p["algorithm"]); err != nil {
		return claim{}, err
	}
	for _, name := range []string{"username", "nonce", "uri", "response"} {
		if p[name] == "" {
			return claim{}, fmt.Errorf("%w: no %s", ErrMalformed, name)
		}
	}
	switch c.proof.QOP {
	case "": // RFC 2069; some write nc and cnonce all the same
		return c, nil
	case "auth":
		n, err := strconv.ParseUint(c.proof.Count, 16, 32)
		if err != nil || n == 0 || c.proof.CNonce == "" {
			return claim{}, fmt.Errorf("%w: qop without nc or cnonce", ErrMalformed)
		}
		c.count = uint32(n)
		return c, nil
	default: // auth-int is never offered
		return claim{}, fmt.Errorf("%w: qop %q", ErrUnsupported, clip(c.proof.QOP))
	}
}

// UserOf is the user that an Authorization header names, or "".
func UserOf(value string) string {
	c, err := parseClaim(value)
	if err != nil {
		return ""
	}
	return c.user
}

// sameTarget tells whether an answer was made for the URI of its request (RFC 7616 section 3.4.6), as far as that says whom or which number the
// request is for. Hosts and parameters differ without harm: chan_sip's do, and each listener has many names.
func sameTarget(claimed, requested string) bool {
	if claimed == requested {
		return true
	}
	var a, b sip.Uri
	if sip.ParseUri(requested, &b) != nil || b.Scheme != "sip" && b.Scheme != "sips" {
		return false
	}
	if b.User == "" { // a REGISTER's: it names nobody, and phones write what they like
		return true
	}
	return sip.ParseUri(claimed, &a) == nil && plainUser(a.User) == plainUser(b.User)
}

// plainUser is the user part of a URI without escapes and parameters.
func plainUser(user string) string {
	user, _, _ = strings.Cut(user, ";")
	if plain, err := url.PathUnescape(user); err == nil {
		return plain
	}
	return user
}
