// Package web is the admin side of callseal over HTTP: metrics, health and a
// JSON API that only reads. It listens on loopback unless the configuration
// says otherwise or it has TLS and asks for a token; profiling is not served.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// The bounds of what a client can hold or make us wait for.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	shutdownTimeout   = 2 * time.Second
	maxHeaderBytes    = 16 << 10
	maxScrapes        = 4 // at once
)

// Config is what New needs. Every field is required.
type Config struct {
	Listen  netip.AddrPort
	Access  *Access
	Metrics prometheus.Gatherer
	API     API
	// Unready says why no new call would be taken, "" when one would. It is
	// called from many goroutines.
	Unready func() string
	Log     *slog.Logger
}

// Server is the admin HTTP server. Its socket is bound by New and closed by
// Run.
type Server struct {
	listener net.Listener
	http     http.Server
	ready    chan struct{} // closed by Run
	access   atomic.Pointer[Access]
}

// New binds the socket.
func New(c Config) (*Server, error) {
	l, err := net.Listen("tcp", c.Listen.String())
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	s := &Server{listener: l, ready: make(chan struct{})}
	s.access.Store(c.Access)
	s.http = http.Server{
		Handler:           s.handler(c),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	if config := s.tls(); config != nil {
		s.listener = tls.NewListener(l, config)
	}
	return s, nil
}

// Addr is the bound address.
func (s *Server) Addr() netip.AddrPort {
	addr, _ := netip.ParseAddrPort(s.listener.Addr().String())
	return addr
}

// Ready is closed when Run serves.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends, then waits a moment for requests under way.
func (s *Server) Run(ctx context.Context) error {
	close(s.ready)
	var g errgroup.Group
	serving, served := context.WithCancel(ctx)
	g.Go(func() error {
		defer served()
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("admin: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-serving.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if s.http.Shutdown(last) != nil { // a request outlived the moment
			return s.http.Close()
		}
		return nil
	})
	return g.Wait()
}

func (s *Server) handler(c Config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.guarded(promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(c.Log.Handler(), slog.LevelError),
		MaxRequestsInFlight: maxScrapes,
		Timeout:             readTimeout,
	})))
	for i := range resources {
		mux.Handle("GET "+Root+resources[i].name, s.guarded(resources[i].handle(c.API)))
	}
	// Alive: the process answers. A full or draining process is not ill.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := c.Unready(); why != "" {
			answer(w, http.StatusServiceUnavailable, why)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the client is gone: nothing to tell it
}
