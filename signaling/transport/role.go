package transport

import (
	"fmt"
	"strings"
)

// Role says who is at the other end of a listener or a trunk.
type Role uint8

// The roles. The zero value is none of them.
const (
	Phone   Role = iota + 1 // a user's telephone; it connects to us and is never dialled
	Dialer                  // a PBX such as VICIdial's Asterisk
	Carrier                 // a telephone company's border element
)

// Roles lists every role.
func Roles() []Role { return []Role{Phone, Dialer, Carrier} }

// String gives the name used in configuration, logs and metrics.
func (r Role) String() string {
	switch r {
	case Phone:
		return "phone"
	case Dialer:
		return "dialer"
	case Carrier:
		return "carrier"
	default:
		return fmt.Sprintf("role(%d)", uint8(r))
	}
}

// ParseRole reads a role's name, in lower case; it fails with ErrRole.
func ParseRole(name string) (Role, error) {
	for _, r := range Roles() {
		if r.String() == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrRole, name)
}

// Proto is a transport protocol of SIP (RFC 3261 section 18).
type Proto uint8

// The protocols. The zero value is none of them.
const (
	UDP Proto = iota + 1
	TCP
	TLS
)

// Protos lists every protocol.
func Protos() []Proto { return []Proto{UDP, TCP, TLS} }

// String gives the name used in configuration, logs, metrics and transport parameters.
func (p Proto) String() string {
	switch p {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	case TLS:
		return "tls"
	default:
		return fmt.Sprintf("proto(%d)", uint8(p))
	}
}

// Via gives the protocol as a Via header names it (RFC 3261 section 20.42).
func (p Proto) Via() string { return strings.ToUpper(p.String()) }

// Stream says whether the protocol is connection-oriented and reliable.
func (p Proto) Stream() bool { return p == TCP || p == TLS }

// DefaultPort is 5061 for TLS and 5060 otherwise (RFC 3261 section 19.1.2).
func (p Proto) DefaultPort() uint16 {
	if p == TLS {
		return 5061
	}
	return 5060
}

// ParseProto reads a protocol's name, in either case; it fails with ErrProto.
func ParseProto(name string) (Proto, error) {
	for _, p := range Protos() {
		if p.String() == strings.ToLower(name) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrProto, name)
}
