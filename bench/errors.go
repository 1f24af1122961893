package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Sentinels, wrapped with the detail. Each reads as the end of a sentence
// that begins with the place.
var (
	ErrUnreachable = errors.New("server unreachable")
	ErrCertificate = errors.New("certificate refused")
	ErrIdentity    = errors.New("no certificate to show")
	ErrPlain       = errors.New("offer of SRTP was answered without SRTP")
	ErrTarget      = errors.New("not a SIP target")
	ErrKey         = errors.New("crypto line not usable")
	ErrMedia       = errors.New("media description not usable")
	ErrMessage     = errors.New("SIP message not usable")
	ErrStatus      = errors.New("unexpected response")
	ErrTimeout     = errors.New("no answer in time")
	ErrHungUp      = errors.New("hung up before its time")
	ErrNoBye       = errors.New("not hung up in time")
	ErrSecondBye   = errors.New("BYE came twice")
	ErrLink        = errors.New("connection lost")
	ErrStopped     = errors.New("stopped from outside")
)

// dialError says in one sentence why a connection could not be made.
func dialError(target string, err error) error {
	var invalid *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("%s: %w: %s", target, ErrCertificate, reason(invalid.Err))
	case errors.As(err, &record):
		return fmt.Errorf("%s: %w: it does not speak TLS on this port", target, ErrUnreachable)
	case errors.As(err, &alert):
		return fmt.Errorf("%s: %w: the server ended the TLS handshake: %s", target, ErrCertificate, alert.Error())
	}
	return fmt.Errorf("%s: %w: %w", target, ErrUnreachable, err)
}

// reason puts a certificate error into words.
func reason(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "it is not signed by the given CA"
	case errors.As(err, &name):
		return "it is not made out for " + name.Host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired or is not valid yet"
	}
	return strings.TrimPrefix(err.Error(), "x509: ")
}
