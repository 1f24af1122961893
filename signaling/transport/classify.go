package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"
)

// Errors of our own verification (verify.go).
var (
	errNoCertificate = errors.New("remote sent no certificate")
	errNotYetValid   = errors.New("certificate is not valid yet")
	errNameMismatch  = errors.New("certificate is for another name")
)

// TLS alerts (RFC 8446 section 6.2), as far as they tell who is wrong.
const (
	alertHandshakeFailure    = 40
	alertBadCertificate      = 42
	alertUnsupportedCert     = 43
	alertRevoked             = 44
	alertExpired             = 45
	alertCertificateUnknown  = 46
	alertUnknownCA           = 48
	alertAccessDenied        = 49
	alertProtocolVersion     = 70
	alertInsufficient        = 71
	alertUnrecognizedName    = 112
	alertCertificateRequired = 116
)

// classify names the cause of a network or TLS error.
func classify(err error) Cause {
	if c, ok := classifyVerification(err); ok {
		return c
	}
	if c, ok := classifyTLS(err); ok {
		return c
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return CauseNoSuchHost
	case errors.As(err, &dns) && !dns.IsTimeout:
		return CauseResolver
	case errors.Is(err, syscall.ECONNREFUSED):
		return CauseRefused
	case errors.Is(err, syscall.EADDRNOTAVAIL) && binding(err):
		return CauseOwnAddress
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return CauseUnreachable
	case errors.Is(err, ErrClosed):
		return CauseShutdown
	case errors.Is(err, ErrOverflow):
		return CauseOverflow
	case errors.Is(err, ErrNoPath), errors.Is(err, ErrFlow):
		return CauseNoPath
	case errors.Is(err, ErrInjection), errors.Is(err, ErrTooLarge), errors.Is(err, ErrMalformed):
		return CauseInvalid
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return CauseTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed):
		return CauseReset
	}
	return CauseOther
}

// binding tells whether a system call failed that gives a socket its address.
func binding(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == "bind"
}

// classifyVerification names what is wrong with the remote's certificate.
func classifyVerification(err error) (Cause, bool) {
	var unknown x509.UnknownAuthorityError
	var roots x509.SystemRootsError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, errNameMismatch), errors.As(err, &host):
		return CauseNameMismatch, true
	case errors.Is(err, errNotYetValid):
		return CauseNotYetValid, true
	case errors.Is(err, errNoCertificate):
		return CauseBadCertificate, true
	case errors.As(err, &unknown), errors.As(err, &roots):
		return CauseUnknownCA, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
			return CauseNotYetValid, true
		}
		return CauseExpired, true
	case errors.As(err, &invalid):
		return CauseBadCertificate, true
	}
	return 0, false
}

// classifyTLS names what the remote's TLS told us.
func classifyTLS(err error) (Cause, bool) {
	if plaintext(err) {
		return CausePlaintextPeer, true
	}
	if alert, ok := remoteAlert(err); ok {
		return causeOfAlert(alert), true
	}
	if err == nil {
		return 0, false
	}
	switch s := err.Error(); { // crypto/tls has no types for these
	case strings.Contains(s, "unsupported protocol version"), strings.Contains(s, "unsupported versions"),
		strings.Contains(s, "server selected unsupported protocol"):
		return CauseProtocolVersion, true
	case strings.Contains(s, "no cipher suite supported"), strings.Contains(s, "unconfigured cipher suite"):
		return CauseNoCipher, true
	case strings.Contains(s, "client didn't provide a certificate"):
		return CauseCertificateRequired, true
	}
	return 0, false
}

// plaintext says whether the other side sent something else than a TLS record where a handshake was expected.
func plaintext(err error) bool {
	var header tls.RecordHeaderError
	return errors.As(err, &header) && !strings.Contains(header.Msg, "oversized")
}

// remoteAlert gives the number of the TLS alert that the remote sent. crypto/tls keeps the type to itself, but it is a uint8.
func remoteAlert(err error) (uint8, bool) {
	var clear tls.AlertError // of lastWords
	if errors.As(err, &clear) {
		return uint8(clear), true
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}

func causeOfAlert(alert uint8) Cause {
	switch alert {
	case alertCertificateRequired:
		return CauseCertificateRequired
	case alertBadCertificate, alertUnsupportedCert, alertRevoked, alertExpired, alertCertificateUnknown, alertUnknownCA, alertAccessDenied,
		alertUnrecognizedName:
		return CauseCertificateRejected
	case alertProtocolVersion:
		return CauseProtocolVersion
	case alertHandshakeFailure, alertInsufficient:
		return CauseNoCipher
	}
	return CauseReset
}
