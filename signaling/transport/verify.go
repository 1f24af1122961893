package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// clientConfig makes the TLS configuration for one target. Go's own check of the name is replaced by ours: it knows no SIP URIs, accepts
// wildcards, and ignores the common name for good. unmet is called when the server asks for a client certificate and there is none.
func clientConfig(t *Target, unmet func()) *tls.Config {
	c := t.clientTLS()
	config := &tls.Config{
		MinVersion:         max(c.MinVersion, tls.VersionTLS12),
		InsecureSkipVerify: true, // VerifyConnection below checks chain and name
		VerifyConnection:   func(s tls.ConnectionState) error { return verify(s.PeerCertificates, c, time.Now()) },
	}
	if _, err := netip.ParseAddr(c.ServerName); err != nil { // RFC 6066 section 3: no IP addresses in SNI
		config.ServerName = c.ServerName
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if c.Certificate != nil {
			return c.Certificate, nil
		}
		unmet()
		return &tls.Certificate{}, nil // RFC 8446 section 4.4.2: an empty list
	}
	if c.LegacyCiphers {
		config.CipherSuites = legacySuites()
	}
	return config
}

// clientTLS is how a target is verified, its name filled in.
func (t *Target) clientTLS() ClientTLS {
	c := ClientTLS{}
	if t.TLS != nil {
		c = *t.TLS
	}
	if c.ServerName == "" {
		c.ServerName = t.Host
	}
	return c
}

// legacySuites adds RSA key exchange to Go's suites of TLS 1.2, but neither RC4 nor 3DES.
func legacySuites() []uint16 {
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}

// verify checks the validity, the chain and the name of a server's certificate, in this order.
func verify(chain []*x509.Certificate, c ClientTLS, now time.Time) error {
	if len(chain) == 0 {
		return errNoCertificate
	}
	if err := checkValidity(chain[0], now); err != nil {
		return err
	}
	if err := checkChain(chain, c, now, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	return checkName(chain[0], c)
}

// Proves tells whether the remote has shown, on a connection that it opened, a certificate of a name that c's CAs vouch for. A proxy is client and
// server under one name (RFC 5922 section 7.4), and CAs for the public issue certificates for servers only: either usage will do. The answer is
// found once for the connection and c.
func (f *Flow) Proves(c *ClientTLS, name string, now time.Time) bool {
	if f.conn == nil || !f.conn.accepted || f.conn.tlsState == nil || len(f.conn.tlsState.PeerCertificates) == 0 || c == nil || name == "" {
		return false
	}
	f.conn.mu.Lock()
	defer f.conn.mu.Unlock()
	key := proof{c.Roots, name, c.AllowCN, c.AllowWildcard}
	if known, ok := f.conn.proofs[key]; ok {
		return known
	}
	chain, wanted := f.conn.tlsState.PeerCertificates, *c
	wanted.ServerName = name
	proved := checkValidity(chain[0], now) == nil && checkName(chain[0], wanted) == nil &&
		checkChain(chain, wanted, now, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth) == nil
	if f.conn.proofs == nil || len(f.conn.proofs) >= maxProofs {
		f.conn.proofs = map[proof]bool{}
	}
	f.conn.proofs[key] = proved
	return proved
}

// proof is what a certificate was compared with.
type proof struct {
	roots            *x509.CertPool
	name             string
	allowCN, allowWC bool
}

// maxProofs bounds what is remembered of a connection, which may outlive many configurations.
const maxProofs = 256

// ExpiresSoon is when a certificate's end becomes a warning.
const ExpiresSoon = 14 * 24 * time.Hour

// checkValidity compares a certificate's own dates.
func checkValidity(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%w: not before %s", errNotYetValid, leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired, Detail: "it ended on " + leaf.NotAfter.UTC().Format(time.RFC3339)}
	}
	return nil
}

// checkChain checks that a CA that is trusted made the certificate, and made it for one of these usages.
func checkChain(chain []*x509.Certificate, c ClientTLS, now time.Time, usages ...x509.ExtKeyUsage) error {
	options := x509.VerifyOptions{
		Roots:         c.Roots,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     usages,
	}
	for _, cert := range chain[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(options)
	return err
}

// checkName compares the names in the certificate with the one that was dialled.
func checkName(leaf *x509.Certificate, c ClientTLS) error {
	names := identities(leaf, c.AllowCN)
	for _, name := range names {
		if matchName(name, c.ServerName, c.AllowWildcard) {
			return nil
		}
	}
	return fmt.Errorf("%w: wanted %s, the certificate has %s", errNameMismatch, c.ServerName, shorten(names))
}

// identities lists the names a certificate speaks for (RFC 5922 section 7.1): the host parts of its sip URIs without user; only if it has
// none of those its DNS names, to which we add IP addresses; and the common name only when there is no subjectAltName and allowCN is set.
func identities(leaf *x509.Certificate, allowCN bool) []string {
	var names []string
	for _, u := range leaf.URIs {
		if !strings.EqualFold(u.Scheme, "sip") {
			continue
		}
		// net/url takes sip:NAME for an opaque URI. A user part names a person, not a domain.
		if uri, err := parseURI("sip:" + u.Opaque); err == nil && uri.User == "" {
			names = append(names, strings.Trim(uri.Host, "[]"))
		}
	}
	if len(names) > 0 {
		return names
	}
	names = slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if allowCN && len(names) == 0 && leaf.Subject.CommonName != "" {
		names = append(names, leaf.Subject.CommonName)
	}
	return names
}

// matchName compares as RFC 5922 section 7.2 demands: without regard to case, whole names only, and no wildcards unless they are allowed; then
// a star stands for exactly one label, the first.
func matchName(pattern, name string, wildcard bool) bool {
	pattern, name = strings.TrimSuffix(pattern, "."), strings.TrimSuffix(name, ".")
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		b, err := netip.ParseAddr(pattern)
		return err == nil && a.Unmap() == b.Unmap()
	}
	if strings.EqualFold(pattern, name) {
		return name != ""
	}
	tail, isWild := strings.CutPrefix(pattern, "*.")
	first, rest, ok := strings.Cut(name, ".")
	return wildcard && isWild && ok && first != "" && strings.Contains(rest, ".") && strings.EqualFold(tail, rest)
}

// shorten lists names for a log line.
func shorten(names []string) string {
	const most = 5
	switch {
	case len(names) == 0:
		return "no name at all"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
