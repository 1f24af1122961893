package registrar

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"
)

// What a phone is called on the dialer's side is made from its AOR and its
// identity alone: a restart of callseal changes nothing for a dialer, which
// still has the old contact, and keeps its nonce by Call-ID.

var plain = base32.StdEncoding.WithPadding(base32.NoPadding)

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return strings.ToLower(plain.EncodeToString(sum[:15])) // 24 characters, 120 bits
}

// mark stands in a token between the AOR's user and the digest, so that nobody
// takes it for a number.
const mark = "-cs-"

// token is the user part of the contact by which a dialer reaches a phone. It
// depends on the AOR, so that whoever owns one cannot take over the token of
// another, whatever instance it claims to be.
func token(user, identity string) string { return user + mark + digest("token", user, identity) }

var tokenText = regexp.MustCompile(`^[A-Za-z0-9_.+-]{1,64}` + mark + `[a-z2-7]{24}$`)

// IsToken tells whether the user part of a URI is a phone's token, of whichever
// callseal.
func IsToken(user string) bool { return tokenText.MatchString(user) }

// dialogOf makes identifiers for upstream out of a phone's own.
func dialogOf(token, callID, tag string) (ourCallID, ourTag string) {
	return digest("call", token, callID), digest("tag", token, callID, tag)
}
