package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
)

// Access is who may read, and how. It is never mutated.
type Access struct {
	// Token is the SHA-256 of what a client has to show; zero: nothing.
	Token [sha256.Size]byte
	// Certificate is what TLS shows; nil speaks plain HTTP. Whether there is one
	// does not change while the server runs.
	Certificate *tls.Certificate
}

// NewAccess makes one. An empty token asks for none.
func NewAccess(token string, certificate *tls.Certificate) *Access {
	a := &Access{Certificate: certificate}
	if token != "" {
		a.Token = sha256.Sum256([]byte(token))
	}
	return a
}

// admits tells whether a request shows the token.
func (a *Access) admits(req *http.Request) bool {
	if a.Token == [sha256.Size]byte{} {
		return true
	}
	scheme, given, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(sum[:], a.Token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// guarded lets only those in who show the token (RFC 6750).
func (s *Server) guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !s.access.Load().admits(req) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="callseal"`)
			reply(w, http.StatusUnauthorized, Fault{"show the token of admin.token_file: Authorization: Bearer TOKEN"})
			return
		}
		h.ServeHTTP(w, req)
	})
}

// SetAccess puts another token and certificate into effect, for the next
// request and the next handshake.
func (s *Server) SetAccess(a *Access) { s.access.Store(a) }

// tls is the server's TLS, or nil.
func (s *Server) tls() *tls.Config {
	if s.access.Load().Certificate == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c := s.access.Load().Certificate; c != nil {
			return c, nil
		}
		return nil, errNoCertificate
	}}
}

var errNoCertificate = errors.New("web: no certificate")
