package main

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"callseal/signaling/transport"
)

// nextHop is what a trunk's uri says.
type nextHop struct {
	proto transport.Proto
	host  string // without the brackets of an IPv6 address
	port  uint16 // 0: not given, so that DNS says it (RFC 3263 section 4.2)
}

// parseURI reads `sip:HOST[:PORT][;transport=udp|tcp|tls]` or
// `sips:HOST[:PORT]`, the latter meaning TLS.
func parseURI(text string) (nextHop, *fault) {
	scheme, rest, ok := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	if !ok || (scheme != "sip" && scheme != "sips") {
		return nextHop{}, &fault{quote(text) + " is no SIP address", `write "sips:HOST:5061" or "sip:HOST:5060;transport=udp"`}
	}
	if strings.Contains(rest, "@") {
		return nextHop{}, &fault{quote(text) + " names a user", "leave out what stands before the @: the user is the number that is called"}
	}
	hostport, params, hasParams := strings.Cut(rest, ";")
	proto, f := uriTransport(scheme, params, hasParams)
	if f != nil {
		return nextHop{}, f
	}
	host, port, ok := splitHostPort(hostport, 0)
	if !ok {
		return nextHop{}, &fault{quote(hostport) + " is no host and port", `write one like "sip.example.com:5061" or "[2001:db8::1]:5061"`}
	}
	return nextHop{proto, host, port}, nil
}

func uriTransport(scheme, params string, hasParams bool) (transport.Proto, *fault) {
	key, value, _ := strings.Cut(params, "=")
	if hasParams && !strings.EqualFold(key, "transport") {
		return 0, &fault{quote(";"+params) + " is not understood", "only ;transport=udp, tcp or tls may follow the port"}
	}
	// sips: means TLS on this hop, whatever carries it (RFC 3261 section 26.2.2).
	if scheme == "sips" {
		if hasParams && !strings.EqualFold(value, "tls") && !strings.EqualFold(value, "tcp") {
			return 0, &fault{"sips: cannot go over " + quote(value), "remove ;transport="}
		}
		return transport.TLS, nil
	}
	if !hasParams {
		return transport.UDP, nil // RFC 3263 section 4.1
	}
	proto, err := transport.ParseProto(value)
	if err != nil {
		return 0, &fault{quote(value) + " is no transport", "write ;transport=udp, tcp or tls"}
	}
	return proto, nil
}

// splitHostPort reads HOST[:PORT] with the brackets of IPv6.
func splitHostPort(text string, byDefault uint16) (host string, port uint16, ok bool) {
	host, port = text, byDefault
	bracketed := strings.HasPrefix(text, "[")
	if h, p, err := net.SplitHostPort(text); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, false
		}
		host, port = h, uint16(n)
	} else if inner, ok := strings.CutSuffix(text, "]"); ok && bracketed {
		host = inner[1:]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return host, port, addr.Is6() == bracketed
	}
	return host, port, !bracketed && isHostname(host)
}

// isHostname: RFC 1123 section 2.1, and the underscore that people use.
func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	// All digits and dots is a mistyped IPv4 address, not a name.
	return strings.Trim(s, "0123456789.") != ""
}

// parseListen reads `udp://ADDRESS:PORT`, tcp:// or tls://.
func parseListen(text string) (transport.Proto, netip.AddrPort, *fault) {
	scheme, rest, ok := strings.Cut(text, "://")
	proto, err := transport.ParseProto(scheme)
	if !ok || err != nil {
		return 0, netip.AddrPort{}, &fault{quote(text) + " is no place to listen", `write one like "tls://0.0.0.0:5061", with udp, tcp or tls`}
	}
	addr, err := netip.ParseAddrPort(rest)
	if err != nil || addr.Port() == 0 || addr.Addr().IsMulticast() {
		return 0, netip.AddrPort{}, &fault{quote(rest) + " is no IP address and port", `write one like "0.0.0.0:5061" or "[::]:5061"`}
	}
	return proto, addr, nil
}
