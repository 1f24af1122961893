package bench

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Proto is how SIP is carried.
type Proto uint8

// The transports.
const (
	UDP Proto = iota
	TCP
	TLS
)

// String is the transport's name as in a URI parameter.
func (p Proto) String() string {
	switch p {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	case TLS:
		return "tls"
	}
	return fmt.Sprintf("Proto(%d)", uint8(p))
}

// ParseProto reads "udp", "tcp" or "tls".
func ParseProto(name string) (Proto, error) {
	for _, p := range []Proto{UDP, TCP, TLS} {
		if strings.EqualFold(name, p.String()) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%w: unknown transport %q", ErrTarget, name)
}

// Target is the server under test.
type Target struct {
	Proto Proto
	Host  string // name or address
	Port  uint16
}

// ParseTarget reads "sips:HOST[:PORT]" or "sip:HOST[:PORT][;transport=udp|tcp|tls]".
func ParseTarget(uri string) (Target, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || (scheme != "sip" && scheme != "sips") {
		return Target{}, fmt.Errorf("%w: %q: write sips:HOST:PORT or sip:HOST:PORT;transport=udp", ErrTarget, uri)
	}
	t := Target{Proto: UDP}
	hostport, params, _ := strings.Cut(rest, ";")
	if params != "" {
		name, ok := strings.CutPrefix(params, "transport=")
		if !ok {
			return Target{}, fmt.Errorf("%w: unknown parameter %q in %q", ErrTarget, params, uri)
		}
		p, err := ParseProto(name)
		if err != nil {
			return Target{}, err
		}
		t.Proto = p
	}
	if scheme == "sips" {
		t.Proto = TLS // RFC 3261, section 26.2.2
	}
	t.Port = 5060
	if t.Proto == TLS {
		t.Port = 5061
	}
	t.Host = strings.Trim(hostport, "[]")
	if host, port, err := net.SplitHostPort(hostport); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Target{}, fmt.Errorf("%w: bad port in %q", ErrTarget, uri)
		}
		t.Host, t.Port = host, uint16(n)
	}
	if t.Host == "" {
		return Target{}, fmt.Errorf("%w: no host in %q", ErrTarget, uri)
	}
	return t, nil
}

// Address is HOST:PORT.
func (t Target) Address() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// String is the target as a URI.
func (t Target) String() string { return fmt.Sprintf("sip:%s;transport=%s", t.Address(), t.Proto) }

// uri is a request-URI at the target. The sip: scheme with a transport
// parameter is understood by servers that know no sips:.
func (t Target) uri(user string) sip.Uri { return hostURI(user, t.Host, t.Port, t.Proto) }

func hostURI(user, host string, port uint16, p Proto) sip.Uri {
	u := sip.Uri{Scheme: "sip", User: user, Host: host, Port: int(port), UriParams: sip.NewParams()}
	u.UriParams.Add("transport", p.String())
	return u
}
