package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// alertTime is how long Inspect listens for what a remote says of our certificate: in TLS 1.3 its verdict comes after our handshake is over
// (RFC 8446 section 4.4.2).
const alertTime = 500 * time.Millisecond

// Inspection is what Inspect found on the way to a target. What was not reached is the zero value.
type Inspection struct {
	Addresses []netip.AddrPort // what the host's name leads to
	Remote    netip.AddrPort   // the address that took the connection
	Resolved  time.Duration
	Connected time.Duration
	Shaken    time.Duration
	// State is the TLS connection, whatever its certificate was worth.
	State *tls.ConnectionState
	// Asked tells that the remote asked for a client certificate; Shown, that it got one.
	Asked, Shown bool
	// Why each step failed, or nil: Handshake also where the remote refused our certificate afterwards.
	Resolve, Connect, Handshake, Validity, Chain, Name *Failure
}

// Inspect goes the way of a dial to a target step by step, does not stop at a certificate that Send would refuse, and hangs up. Its time is bounded
// by the endpoint's limits and by ctx.
func (e *Endpoint) Inspect(ctx context.Context, t *Target) (i Inspection) {
	failure := func(s Stage, err error) *Failure {
		return &Failure{Trunk: t.Trunk, Stage: s, Cause: classify(err), Err: err}
	}
	started := time.Now()
	addrs, err := e.resolve(ctx, t)
	if i.Resolved = time.Since(started); err != nil {
		i.Resolve = failure(StageResolve, err)
		return i
	}
	i.Addresses = addrs
	if !t.Proto.Stream() {
		return i
	}
	raw := e.firstToAnswer(ctx, t, &i, failure)
	if raw == nil {
		return i
	}
	defer func() { _ = raw.Close() }() // nothing of it is used any more
	if t.Proto == TLS {
		i.handshake(ctx, e, t, raw, failure)
	}
	return i
}

// firstToAnswer connects to the first address that takes a connection; nil where none does.
func (e *Endpoint) firstToAnswer(ctx context.Context, t *Target, i *Inspection, failure func(Stage, error) *Failure) net.Conn {
	deadline := time.Now().Add(e.limits.Connect)
	for n, to := range i.Addresses {
		started := time.Now()
		raw, err := e.network.Dial(ctx, share(deadline, len(i.Addresses)-n), e.from(t, to.Addr()), to)
		if err == nil {
			i.Remote, i.Connected, i.Connect = to, time.Since(started), nil
			return raw
		}
		if i.Connect == nil {
			i.Connect = failure(StageConnect, err)
		}
	}
	return nil
}

// share divides what is left until deadline among the addresses still to try, but gives each a useful time.
func share(deadline time.Time, left int) time.Duration {
	const least = time.Second
	return max(time.Until(deadline)/time.Duration(left), least)
}

// handshake shakes hands and judges the certificate by each of its properties.
func (i *Inspection) handshake(ctx context.Context, e *Endpoint, t *Target, raw net.Conn, failure func(Stage, error) *Failure) {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Dial)
	defer cancel()
	trusted := t.clientTLS()
	config := clientConfig(t, func() {})
	config.VerifyConnection = nil // judged below
	offered := config.GetClientCertificate
	config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		i.Asked, i.Shown = true, trusted.Certificate != nil
		return offered(r)
	}
	started := time.Now()
	c := tls.Client(raw, config)
	err := c.HandshakeContext(ctx)
	i.Shaken = time.Since(started)
	if err == nil {
		state := c.ConnectionState()
		i.State = &state
		err = verdict(c)
	}
	if err != nil {
		i.Handshake = failure(StageHandshake, err)
		if _, alert := remoteAlert(err); alert && i.Asked && !i.Shown {
			i.Handshake.Cause = CauseCertificateRequired // TLS 1.2 has no alert for it (RFC 5246 section 7.4.6)
		}
	}
	if i.State == nil {
		return
	}
	chain, now := i.State.PeerCertificates, time.Now()
	if len(chain) == 0 {
		i.Chain = failure(StageVerify, errNoCertificate)
		return
	}
	leaf := chain[0]
	if err := checkValidity(leaf, now); err != nil {
		i.Validity = failure(StageVerify, err)
		now = leaf.NotAfter // its dates shall not hide what else is wrong
	}
	if err := checkChain(chain, trusted, now, x509.ExtKeyUsageServerAuth); err != nil {
		i.Chain = failure(StageVerify, err)
	}
	if err := checkName(leaf, trusted); err != nil {
		i.Name = failure(StageVerify, err)
	}
}

// verdict waits for a moment for an alert, or for the end of the connection. A remote that says nothing, or something, is content.
func verdict(c *tls.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(alertTime)); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
