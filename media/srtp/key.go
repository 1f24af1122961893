package srtp

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"

	pion "github.com/pion/srtp/v2"
)

// redacted is all that a Key ever prints.
const redacted = "REDACTED"

// Key is one direction's SDES master key: the suite, and master key and master salt one behind the other as
// RFC 4568 section 6.1 carries them. It prints as REDACTED by every verb and encoder.
type Key struct {
	Profile pion.ProtectionProfile
	Master  []byte // key || salt
	MKI     int    // bytes of master key identifier that the remote puts into each packet, 0 for none; skipped, not compared
}

// Equal reports whether both keys protect packets alike. It takes the same time wherever they differ.
func (k Key) Equal(o Key) bool {
	return k.Profile == o.Profile && k.MKI == o.MKI && subtle.ConstantTimeCompare(k.Master, o.Master) == 1
}

// String implements fmt.Stringer without the key.
func (k Key) String() string { return redacted }

// GoString implements fmt.GoStringer without the key.
func (k Key) GoString() string { return redacted }

// Format implements fmt.Formatter without the key, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer without the key.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler without the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
