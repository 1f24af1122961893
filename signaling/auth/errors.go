package auth

import "errors"

// Why a challenge stays without an answer.
var (
	// ErrNoChallenge: a 401 or 407 without a challenge.
	ErrNoChallenge = errors.New("auth: no challenge")
	// ErrMalformed: a challenge that cannot be read.
	ErrMalformed = errors.New("auth: malformed challenge")
	// ErrUnsupported: a scheme, algorithm or qop that is not known here.
	ErrUnsupported = errors.New("auth: unsupported challenge")
	// ErrRefused: user and password were answered before, and not taken.
	ErrRefused = errors.New("auth: user or password refused")
	// ErrNoCredentials: a challenge, and nothing to answer it with.
	ErrNoCredentials = errors.New("auth: no user and password")
)

// Label is a word for metrics: what became of a challenge.
func Label(err error) string {
	switch {
	case err == nil:
		return "answered"
	case errors.Is(err, ErrRefused):
		return "refused"
	case errors.Is(err, ErrNoCredentials):
		return "no_password"
	case errors.Is(err, ErrUnsupported):
		return "unsupported"
	}
	return "malformed"
}
