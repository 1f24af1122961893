package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"
)

// Listener is one address on which remotes of one role reach us.
type Listener struct {
	Name      string         // unique; used in logs and by Endpoint.Addr
	Role      Role           // who connects here
	Proto     Proto          // udp, tcp or tls
	Address   netip.AddrPort // address to bind; an unspecified address binds all, port 0 lets the kernel choose
	TLS       *tls.Config    // for TLS: certificates by Certificates or GetCertificate; tickets are switched off for dialers by New
	Advertise string         // host or host:port shown in Contact and Via; "" shows the socket's own address
}

// Resolver looks up the addresses of a target's host. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Locator is a Resolver that also knows which servers a SIP domain has, and lists them in the order in which they are to be tried (RFC 3263
// section 4.2). Each of them is verified under the target's own name: that of a server, which comes out of DNS, proves nothing (RFC 5922 section 4).
type Locator interface {
	Resolver
	Locate(ctx context.Context, proto Proto, host string) ([]netip.AddrPort, error)
}

// Config is what New needs. Handler and Log are required; every other field has a usable zero value.
type Config struct {
	Listeners  []Listener
	Limits     Limits
	Handler    Handler
	Log        *slog.Logger
	Metrics    *Metrics     // nil: counted, but registered nowhere
	Tap        func(Tapped) // called for every message in and out, from many goroutines; it must not block. nil costs nothing
	TapSecrets bool         // pass keys and digests to Tap instead of REDACTED
	Resolver   Resolver     // nil: the system's; it may be a Locator
	Trust      Trust        // what becomes of those who are not ours; the Handler is asked who is, if it is a Gatekeeper
	Network    Network      // nil: the operating system's
	UserAgent  string       // Server header of the answers made here; "" writes none
}

// Target is a trunk's next hop. Dialled connections are pooled by Trunk and Pool and never shared between trunks, even on one IP:port.
type Target struct {
	Trunk string     // the trunk's name; required
	Pool  string     // "" is the trunk's own traffic; what has another name never shares a connection or a UDP socket with it
	Role  Role       // Dialer or Carrier; a Phone is never dialled
	Proto Proto      // udp, tcp or tls
	Host  string     // name or IP address literal, IPv6 without brackets
	Port  uint16     // 0: what a Locator finds, else the protocol's default
	TLS   *ClientTLS // for TLS: how to verify the remote; nil verifies Host against the system's roots
	// Source is our own address of it. The port is that of a UDP socket, 0 for any; streams leave by any port. The zero value leaves the address
	// to the kernel, or, without a Pool, a UDP socket to the listener of the role.
	Source netip.AddrPort
}

// ClientTLS says how the remote of a target is verified and what we show it.
type ClientTLS struct {
	Roots         *x509.CertPool   // nil: the system's roots
	ServerName    string           // name to verify and to send as SNI; "" is the target's host
	Certificate   *tls.Certificate // our client certificate; nil shows none
	MinVersion    uint16           // 0: TLS 1.2
	AllowCN       bool             // accept the subject's common name when the certificate has no subjectAltName (old PBXs)
	AllowWildcard bool             // accept *.example.com for one label, which RFC 5922 section 7.2 forbids
	LegacyCiphers bool             // also offer TLS_RSA_* suites (no forward secrecy)
}
