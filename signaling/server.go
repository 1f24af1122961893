// Package signaling is the Server: it owns the SIP endpoint, the calls and
// their media sessions.
package signaling

import (
	"context"
	"errors"
	"log/slog"

	"callseal/media"
)

// Server takes calls in on its listeners and places them on its trunks.
type Server struct {
	cfg Config
	log *slog.Logger
}

// New binds the listeners. The error names the listener that could not be
// bound.
func New(cfg Config, relay *media.Relay, log *slog.Logger, metrics *Metrics) (*Server, error) {
	return nil, errors.New("not built yet")
}

// Run serves until ctx ends, then ends the calls that are left and returns.
func (s *Server) Run(ctx context.Context) error { return nil }

// Ready is closed once every listener accepts.
func (s *Server) Ready() <-chan struct{} { return nil }

// Drain refuses new calls with 503 and returns when no call is left or ctx
// ends.
func (s *Server) Drain(ctx context.Context) error { return nil }

// Draining tells whether Drain was called.
func (s *Server) Draining() bool { return false }

// Calls is the number of calls that are up or being set up.
func (s *Server) Calls() int { return 0 }

// Endpoint addresses, for tests and the demo.
