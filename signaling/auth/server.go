package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is what becomes of a request's credentials.
//
//	none for our realm -> Missing; not readable -> Malformed; a nonce that is not ours or too old -> Stale; made for another URI -> Elsewhere;
//	another digest, or an unknown user -> Wrong; a nonce that is used up -> Stale; else Accepted
type Verdict uint8

// The verdicts. All but Accepted are answered by the same challenge; that of Stale says so.
const (
	Missing   Verdict = iota // no credentials for our realm
	Malformed                // credentials that cannot be read
	Stale                    // the nonce cannot serve, or not again: the client tries anew without asking anybody
	Wrong                    // an unknown user or another password
	Elsewhere                // their uri is not where the request goes
	Accepted
)

// Verdicts lists every verdict.
func Verdicts() []Verdict { return []Verdict{Missing, Malformed, Stale, Wrong, Elsewhere, Accepted} }

// String gives the name used in logs and metrics.
func (v Verdict) String() string {
	switch v {
	case Missing:
		return "missing"
	case Malformed:
		return "malformed"
	case Stale:
		return "stale"
	case Wrong:
		return "wrong"
	case Elsewhere:
		return "uri"
	case Accepted:
		return "accepted"
	default:
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
}

// Server challenges requests and judges their answers, for one realm. Its methods may be called from any goroutine.
type Server struct {
	// Never mutated after NewServer.
	realm  string
	lookup func(user string) (Keys, bool)
	mint   mint
	dummy  Keys // judged in the place of an unknown user's, so that both take the same time

	served served
}

// NewServer makes one. lookup finds the keys of a user; it is asked once a request, from any goroutine.
func NewServer(realm string, lookup func(user string) (Keys, bool)) *Server {
	return &Server{
		realm: realm, lookup: lookup, mint: newMint(),
		dummy:  NewKeys(rand.Text(), realm, NewSecret(rand.Text())),
		served: served{nonces: map[nonceID]*window{}},
	}
}

// Realm is what the challenges name.
func (s *Server) Realm() string { return s.realm }

// Challenges are the values of the WWW-Authenticate headers for a remote, one an algorithm (MD5, SHA256), the preferred one first (RFC 8760
// section 2.4). Whom the request named does not show in them, and no other remote can use their nonces.
func (s *Server) Challenges(remote string, stale bool, now time.Time, offer []Algorithm) []string {
	var out []string
	for _, a := range offer {
		value := "Digest realm=" + quoted(s.realm) + `, nonce="` + s.mint.make(remote, now) + `", algorithm=` + a.String() + `, qop="auth"`
		if stale {
			value += ", stale=true"
		}
		out = append(out, value)
	}
	return out
}

// Check judges the values of a request's Authorization headers; target is its request-URI. The user is who the client says it is, and proven only when the verdict is
// Accepted. No answer is accepted twice (RFC 7616 section 3.4, nc).
func (s *Server) Check(method, target string, values []string, remote string, now time.Time, offer []Algorithm) (user string, v Verdict) {
	c, v := s.own(values, offer)
	if v != Accepted {
		return "", v
	}
	id, fresh := s.mint.read(c.proof.Nonce, remote, now)
	switch {
	case !fresh: // before what counts as an offence: who forges an address has no nonce of ours
		return c.user, Stale
	case !sameTarget(c.proof.URI, target):
		return c.user, Elsewhere
	case !s.proves(&c, method):
		return c.user, Wrong
	case !s.served.take(id, c.count, now.Sub(s.mint.since)):
		return c.user, Stale
	}
	return c.user, Accepted
}

// own picks the credentials for our realm.
func (s *Server) own(values []string, offer []Algorithm) (claim, Verdict) {
	v := Missing
	for _, value := range values {
		c, err := parseClaim(value)
		switch {
		case err == nil && c.proof.Realm == s.realm && slices.Contains(offer, c.proof.Algorithm):
			return c, Accepted
		case errors.Is(err, ErrMalformed):
			v = Malformed
		}
	}
	return claim{}, v
}

// proves tells whether the digest comes from the user's password. An unknown user costs what a known one does: a lookup, the same hashes, a
// comparison in constant time. What is hashed is the client's own uri, as it wrote it.
func (s *Server) proves(c *claim, method string) bool {
	keys, known := s.lookup(c.user)
	secret := keys.secret(s.realm, c.proof.Algorithm)
	if !known || secret == "" {
		known, secret = false, s.dummy.secret(s.realm, c.proof.Algorithm)
	}
	c.proof.Method = method
	same := subtle.ConstantTimeCompare([]byte(c.proof.Response(secret)), []byte(strings.ToLower(c.response))) == 1
	return same && known
}
