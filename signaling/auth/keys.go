package auth

import (
	"crypto/md5" //nolint:gosec // RFC 2617, as in challenge.go
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Keys are what is kept of a user's password for one realm: H(user:realm:password) of each algorithm (RFC 7616 section 3.4.2). Like a Secret
// they print as REDACTED. The zero value fits no password.
type Keys struct{ of *hashes } // a pointer for the reason of Secret

type hashes struct {
	realm       string
	md5, sha256 string // hexadecimal, "" where it is not known
}

// ErrKeys is that of what is no hexadecimal digest.
var ErrKeys = errors.New("auth: not the 32 (MD5) or 64 (SHA-256) hexadecimal digits of a digest")

// NewKeys makes the keys of a user.
func NewKeys(user, realm string, password Secret) Keys {
	return Keys{&hashes{realm, MD5.Hash(user, realm, password.Reveal()), SHA256.Hash(user, realm, password.Reveal())}}
}

// ParseKeys reads the hexadecimal digest of user:realm:password; its length tells the algorithm. It fails with ErrKeys.
func ParseKeys(realm, text string) (Keys, error) {
	raw, err := hex.DecodeString(text)
	switch {
	case err != nil:
		return Keys{}, ErrKeys
	case len(raw) == md5.Size:
		return Keys{&hashes{realm: realm, md5: hex.EncodeToString(raw)}}, nil
	case len(raw) == sha256.Size:
		return Keys{&hashes{realm: realm, sha256: hex.EncodeToString(raw)}}, nil
	}
	return Keys{}, ErrKeys
}

// Has tells whether digests of an algorithm can be made and judged in a realm.
func (k Keys) Has(realm string, a Algorithm) bool { return k.secret(realm, a) != "" }

// IsZero tells that there are none.
func (k Keys) IsZero() bool { return k.of == nil }

// Equal tells whether both know the same.
func (k Keys) Equal(o Keys) bool { return k.of == o.of || k.of != nil && o.of != nil && *k.of == *o.of }

// secret is H(user:realm:password), or "" where it is not known.
func (k Keys) secret(realm string, a Algorithm) string {
	if k.of == nil || k.of.realm != realm {
		return ""
	}
	switch a {
	case MD5, MD5Sess:
		return k.of.md5
	case SHA256, SHA256Sess:
		return k.of.sha256
	default:
		return ""
	}
}

// String says REDACTED.
func (k Keys) String() string { return redacted }

// Format is String for every verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) } // fmt keeps its errors to itself

// LogValue is String for slog.
func (k Keys) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is String for encoders.
func (k Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }
