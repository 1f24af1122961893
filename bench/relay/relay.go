// Package relay drives servers that relay the audio of a call without SIP:
// rtpengine by its ng protocol, and a minimal relay of the bench's own, which
// is the floor of what the kernel charges.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/pion/srtp/v2"
)

// Errors of relays.
var (
	ErrTarget  = errors.New("bad relay target")
	ErrRefused = errors.New("the relay refused")
	ErrTimeout = errors.New("the relay does not answer")
	ErrAnswer  = errors.New("the relay's answer is of no use")
)

// Secret is an SRTP master key and salt. It prints REDACTED.
type Secret []byte

// String hides the key.
func (Secret) String() string { return "REDACTED" }

// GoString hides the key.
func (Secret) GoString() string { return "REDACTED" }

// Format hides the key, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue hides the key.
func (Secret) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// MarshalText hides the key.
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// End is one end of one direction: where RTP arrives there, and how the end
// protects what it sends itself.
type End struct {
	Addr  netip.AddrPort
	Suite srtp.ProtectionProfile
	Key   Secret // master key || salt; none: plain RTP
}

// Relay relays the audio of calls. It may be used by many goroutines.
type Relay interface {
	// Open begins to relay one call between two remotes, whose sockets are
	// bound and whose keys are chosen. It returns the relay's own two ends:
	// remotes[i] sends to ends[i].Addr, and what it gets from there is
	// protected with ends[i].Key.
	Open(ctx context.Context, call uint64, remotes [2]End) (ends [2]End, err error)
	// Shut ends the relaying of a call.
	Shut(ctx context.Context, call uint64) error
	// Close gives the connection to the relay back, and ends a relay of the
	// bench's own.
	Close() error
}
