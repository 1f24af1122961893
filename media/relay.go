// Package media relays RTP and RTCP between the two sides of a call.
package media

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// PortRange is a range of UDP ports, both ends included.
type PortRange struct{ Min, Max uint16 }

// Config is what a Relay is made from.
type Config struct {
	Ports   PortRange        // RTP takes the even ports, RTCP the odd ones above them
	Workers int              // OS threads that relay; 0 means one per processor
	Rest    time.Duration    // a closed port rests before a new call gets it; 0 means 30 s
	Log     *slog.Logger     // required
	Metrics *Metrics         // nil: none
	Clock   func() time.Time // nil: time.Now
}

// Metrics is the Prometheus view of a relay.
type Metrics struct{}

// Relay owns the workers and the ports.
type Relay struct{ ready chan struct{} }

// New checks the configuration.
func New(c Config) (*Relay, error) { return &Relay{ready: make(chan struct{})}, nil }

// Run relays until the context ends.
func (r *Relay) Run(ctx context.Context) error { close(r.ready); <-ctx.Done(); return nil }

// Ready is closed as soon as sessions can be opened.
func (r *Relay) Ready() <-chan struct{} { return r.ready }

// Open binds a pair of ports on each side.
func (r *Relay) Open(a, b netip.Addr) (*Session, error) { return nil, ErrNotRunning }
