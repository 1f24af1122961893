package auth

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printed form of a Secret says.
const redacted = "REDACTED"

// Secret is a password. However it is printed (fmt, JSON, YAML, text, slog), on
// its own or inside of something else, it says REDACTED. The zero value is no
// password.
type Secret struct {
	text *string // behind a pointer: fmt prints what unexported fields hold, but follows none inside of a struct
}

// NewSecret hides a password; "" gives the zero value.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal gives the password itself. It is for a digest, and for nothing that is
// written down.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero tells that there is no password.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares two passwords in a time that does not depend on where they
// differ.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String says REDACTED.
func (s Secret) String() string { return redacted }

// GoString is String for %#v.
func (s Secret) GoString() string { return redacted }

// Format is String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) } // fmt keeps its errors to itself

// LogValue is String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is String for JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML is String for YAML.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// UnmarshalText reads a password.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
