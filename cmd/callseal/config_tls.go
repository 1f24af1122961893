package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"callseal/signaling/transport"
)

// namedCertificate is a certificate and the place of the key that names it.
type namedCertificate struct {
	Place    string
	NotAfter time.Time
}

// identity reads the section tls: our own certificate.
func (l *loader) identity() {
	r := l.raw.TLS
	l.minVersion = l.tlsVersion("tls.min_version", r.MinVersion)
	l.own = l.keyPair("tls", r.Certificate, r.Key)
}

func (l *loader) tlsVersion(place, text string) uint16 {
	switch text {
	case "", defaultMinVersion:
		return tls.VersionTLS12
	case "1.3":
		return tls.VersionTLS13
	}
	l.fail(place, fault{quote(text) + " is no TLS version that is still safe", `write "1.2" or "1.3"`})
	return tls.VersionTLS12
}

// keyPair loads a certificate chain and its key, both in PEM. It returns nil
// when there is none, and when there is a fault.
func (l *loader) keyPair(place, certificate, key string) *tls.Certificate {
	if certificate == "" && key == "" {
		return nil
	}
	chain := l.file(place+".certificate", certificate, "the path of the certificate in PEM, with its intermediates")
	secret := l.file(place+".key", key, "the path of the certificate's private key in PEM")
	if chain == nil || secret == nil {
		return nil
	}
	l.keyMode(place+".key", key)
	leaf := firstCertificate(chain)
	if leaf == nil {
		l.fail(place+".certificate", fault{quote(certificate) + " holds no certificate in PEM", "give a file with -----BEGIN CERTIFICATE-----"})
		return nil
	}
	l.validity(place+".certificate", certificate, leaf)
	pair, err := tls.X509KeyPair(chain, secret)
	switch {
	case err == nil:
		return &pair
	case strings.Contains(err.Error(), "does not match"):
		l.fail(place+".key", fault{fmt.Sprintf("%q does not belong to the certificate %q", key, certificate), "give the key that the certificate was made for"})
	default:
		// The error tells kinds of blocks and formats, never their content.
		l.fail(place+".key", fault{quote(key) + " cannot be used: " + strings.TrimPrefix(err.Error(), "tls: "), "give an unencrypted private key in PEM"})
	}
	return nil
}

// file reads a file named in the configuration; nil after a fault.
func (l *loader) file(place, name, what string) []byte {
	if name == "" {
		l.fail(place, fault{"is missing", "give " + what})
		return nil
	}
	data, err := l.files.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.fail(place, fault{"no such file " + quote(name), "give " + what})
	case errors.Is(err, fs.ErrPermission):
		l.fail(place, fault{"may not read " + quote(name), "give this user (65532 in the container) the right to"})
	case err != nil:
		l.fail(place, fault{fmt.Sprintf("cannot read %q (%v)", name, err), "give " + what})
	default:
		return data
	}
	return nil
}

// secretFile is file for one that holds a password. Its errors do not say what is written there: it may be the password itself.
func (l *loader) secretFile(place, name, what string) []byte {
	if name == "" {
		return l.file(place, name, what)
	}
	data, err := l.files.ReadFile(name)
	if err == nil {
		return data
	}
	why := "names no file that can be read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "names no file that is there"
	case errors.Is(err, fs.ErrPermission):
		why = "names a file that may not be read by this user (65532 in the container)"
	}
	l.fail(place, fault{why, "give " + what + ", not the password itself"})
	return nil
}

// keyMode warns about a key that every user of the machine can read.
func (l *loader) keyMode(place, name string) {
	if info, err := l.files.Stat(name); err == nil && info.Mode().Perm()&0o004 != 0 {
		l.warn(place, fault{fmt.Sprintf("every user of this machine can read %q", name), "chmod 600 it, owned by the user that runs callseal"})
	}
}

func firstCertificate(data []byte) *x509.Certificate {
	if all := certificates(data); len(all) > 0 {
		return all[0]
	}
	return nil
}

// certificates are all that can be parsed of a PEM file.
func certificates(data []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// validity refuses a certificate that nobody accepts today.
func (l *loader) validity(place, name string, c *x509.Certificate) {
	const day = "2006-01-02"
	l.cfg.Certificates = append(l.cfg.Certificates, namedCertificate{place, c.NotAfter})
	switch {
	case l.now.After(c.NotAfter):
		l.fail(place, fault{fmt.Sprintf("%q expired on %s", name, c.NotAfter.Format(day)), "renew the certificate"})
	case l.now.Before(c.NotBefore):
		l.fail(place, fault{fmt.Sprintf("%q is valid only from %s on", name, c.NotBefore.Format(day)), "check this machine's clock"})
	case c.NotAfter.Sub(l.now) < transport.ExpiresSoon:
		l.warn(place, fault{fmt.Sprintf("%q expires on %s", name, c.NotAfter.Format(day)), "renew the certificate"})
	}
}

// roots reads a file of CA certificates; nil stands for the system's, and is
// returned after a fault.
func (l *loader) roots(place, name string) *x509.CertPool {
	if name == "" {
		return nil
	}
	data := l.file(place, name, "the path of the remote's CA in PEM")
	if data == nil {
		return nil
	}
	all := certificates(data)
	if len(all) == 0 {
		l.fail(place, fault{quote(name) + " holds no certificate in PEM", "give a file with -----BEGIN CERTIFICATE-----"})
		return nil
	}
	pool, last := x509.NewCertPool(), all[0]
	for _, c := range all {
		pool.AddCert(c)
		if c.NotAfter.After(last.NotAfter) {
			last = c
		}
	}
	// Of several CAs the last one to expire decides: old ones stay in bundles.
	l.validity(place, name, last)
	return pool
}
