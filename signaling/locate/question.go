package locate

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Kind is what is asked for.
type Kind uint8

// The kinds.
const (
	A     Kind = iota + 1 // IPv4 addresses
	AAAA                  // IPv6 addresses
	SRV                   // servers, with priority and weight
	NAPTR                 // names of SRV records, by transport
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{A, AAAA, SRV, NAPTR} }

// String gives the name used in logs and metrics.
func (k Kind) String() string {
	switch k {
	case A:
		return "a"
	case AAAA:
		return "aaaa"
	case SRV:
		return "srv"
	case NAPTR:
		return "naptr"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

// wire is the type's number in DNS.
func (k Kind) wire() uint16 {
	switch k {
	case A:
		return dns.TypeA
	case AAAA:
		return dns.TypeAAAA
	case SRV:
		return dns.TypeSRV
	case NAPTR:
		return dns.TypeNAPTR
	default:
		return dns.TypeNone
	}
}

// question is what is asked of a name server.
type question struct {
	name string // lower case, with its final dot
	kind Kind
}

func ask(name string, kind Kind) question { return question{strings.ToLower(dns.Fqdn(name)), kind} }

// answer is what a name server said; of one kind only.
type answer struct {
	addrs  []netip.Addr
	srvs   []srv
	naptrs []naptr
}

func (a answer) empty() bool { return len(a.addrs)+len(a.srvs)+len(a.naptrs) == 0 }

// srv is an SRV record (RFC 2782).
type srv struct {
	priority, weight, port uint16
	target                 string // with its final dot; "." alone: the service is not offered
}

// naptr is a NAPTR record (RFC 3403), as far as RFC 3263 needs it.
type naptr struct {
	order, preference uint16
	flags, service    string
	replacement       string
}

// missing says that a name does not exist, or has nothing of the kind.
func missing(q question, why string) error {
	return &net.DNSError{Err: why, Name: q.name, IsNotFound: true}
}

// failed says that no name server would answer.
func failed(q question, why string) error {
	return &net.DNSError{Err: why, Name: q.name, IsTemporary: true}
}
