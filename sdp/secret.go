package sdp

import (
	"fmt"
	"log/slog"
)

const redacted = "REDACTED"

// Secret is an SRTP master key followed by its master salt. However it is
// printed, logged or marshalled, it reads REDACTED.
type Secret []byte

// String hides the key.
func (Secret) String() string { return redacted }

// GoString hides the key from %#v.
func (Secret) GoString() string { return redacted }

// Format hides the key from every verb, %x included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue hides the key from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the key from JSON and its kin.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
