package transport

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Errors of the address grammar; they only ever become the phrase of a fault.
var (
	errQuote  = errors.New("unterminated quoted string")
	errName   = errors.New("display name is no token and not quoted")
	errAngle  = errors.New("unbalanced angle brackets")
	errURI    = errors.New("malformed URI")
	errParams = errors.New("malformed parameters")
	errHost   = errors.New("malformed host or port")
)

// nameAddr is the value of From, To, Contact, Route and the like (RFC 3261 section 20.10).
type nameAddr struct {
	display string // without its outer quotes, escapes kept: sipgo writes it back in quotes
	uri     sip.Uri
	params  sip.HeaderParams
}

// parseNameAddr reads name-addr or addr-spec, each with header parameters. White space is allowed where RFC 3261's ABNF has SWS, which
// excludes the inside of angle brackets.
func parseNameAddr(s string) (nameAddr, error) {
	var a nameAddr
	s = trimLWS(s)
	if strings.HasPrefix(s, `"`) {
		end := quotedEnd(s)
		if end < 0 {
			return a, errQuote
		}
		a.display, s = s[1:end], trimLWS(s[end+1:])
		if !strings.HasPrefix(s, "<") {
			return a, errAngle
		}
	}
	open := strings.IndexByte(s, '<')
	if open < 0 {
		return a, a.addrSpec(s)
	}
	if open > 0 {
		a.display = trimLWS(s[:open])
		if !isDisplayTokens(a.display) {
			return a, errName
		}
	}
	uri, params, ok := strings.Cut(s[open+1:], ">")
	if !ok {
		return a, errAngle
	}
	var err error
	if a.uri, err = parseURI(uri); err != nil {
		return a, err
	}
	a.params, err = parseParams(params)
	return a, err
}

// addrSpec reads a URI without angle brackets: RFC 3261 section 20.10 lets it hold neither comma, question mark nor semicolon, so everything
// behind a semicolon is a header parameter.
func (a *nameAddr) addrSpec(s string) error {
	uri, _, _ := strings.Cut(s, ";")
	params := s[len(uri):]
	uri = trimLWS(uri)
	if strings.ContainsAny(uri, "?,>") {
		return errURI
	}
	var err error
	if a.uri, err = parseURI(uri); err != nil {
		return err
	}
	a.params, err = parseParams(params)
	return err
}

// quotedEnd finds the closing quote of a string that begins with one, or -1.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// isDisplayTokens checks an unquoted display name: *(token LWS). Octets above ASCII are let through, for PBXs send names in plain UTF-8.
func isDisplayTokens(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isTokenChar(c) && c != ' ' && c != '\t' && c < 0x80 {
			return false
		}
	}
	return true
}

// parseParams reads *( SEMI name [ EQUAL value ] ). One semicolon at the end is forgiven.
func parseParams(s string) (sip.HeaderParams, error) {
	var params sip.HeaderParams
	s = trimLWS(s)
	for s != "" {
		if s[0] != ';' {
			return nil, errParams
		}
		s = trimLWS(s[1:])
		if s == "" && len(params) > 0 {
			break
		}
		end := strings.IndexAny(s, ";=")
		if end < 0 {
			end = len(s)
		}
		name := trimLWS(s[:end])
		if !isToken(name) {
			return nil, errParams
		}
		s = s[end:]
		value := ""
		if strings.HasPrefix(s, "=") {
			var err error
			if value, s, err = paramValue(trimLWS(s[1:])); err != nil {
				return nil, err
			}
		}
		params = append(params, sip.HeaderKV{K: lowerKnown(name), V: value})
	}
	return params, nil
}

// paramValue reads token, host or quoted-string off the front of s. sipgo puts quotes around a value with white space when it writes, so that
// one is kept without them; any other quoted value keeps its own.
func paramValue(s string) (value, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		end := quotedEnd(s)
		if end < 0 {
			return "", "", errQuote
		}
		value, rest = s[:end+1], trimLWS(s[end+1:])
		if strings.ContainsAny(value, " \t") {
			value = value[1:end]
		}
		return value, rest, nil
	}
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	value, rest = trimLWS(s[:end]), s[end:]
	if value == "" || !isVisible(value) || strings.ContainsAny(value, `,"<>`) {
		return "", "", errParams
	}
	return value, rest, nil
}

// lowerKnown puts the parameters this program asks for into lower case (names are case-insensitive, RFC 3261 section 7.3.1).
func lowerKnown(name string) string {
	switch l := strings.ToLower(name); l {
	case "tag", "branch", "received", "rport", "maddr", "ttl", "lr", "transport", "q", "expires", "user", "method", "alias", "ob":
		return l
	default:
		return name
	}
}

// parseURI reads a URI. Of sip and sips everything is checked (RFC 3261 section 19.1.1); of other schemes only that it is one.
func parseURI(s string) (sip.Uri, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) || rest == "" || !isVisible(rest) || strings.ContainsAny(rest, `<>"`) {
		return sip.Uri{}, errURI
	}
	if !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		var u sip.Uri
		if sip.ParseUri(s, &u) != nil {
			return sip.Uri{}, errURI
		}
		return u, nil
	}
	u := sip.Uri{Scheme: strings.ToLower(scheme)}
	if user, host, found := strings.Cut(rest, "@"); found {
		u.User, u.Password, _ = strings.Cut(user, ":")
		if u.User == "" {
			return sip.Uri{}, errURI
		}
		rest = host
	}
	hostport := rest
	if i := strings.IndexAny(rest, ";?"); i >= 0 {
		hostport, rest = rest[:i], rest[i:]
	} else {
		rest = ""
	}
	var err error
	if u.Host, u.Port, err = parseHostPort(hostport); err != nil {
		return sip.Uri{}, err
	}
	return u, uriTail(&u, rest)
}

// uriTail reads *( ";" parameter ) [ "?" headers ].
func uriTail(u *sip.Uri, s string) error {
	params, headers, hasHeaders := strings.Cut(s, "?")
	for params != "" {
		var one string
		one, params, _ = strings.Cut(params[1:], ";")
		if params != "" {
			params = ";" + params
		}
		name, value, _ := strings.Cut(one, "=")
		if name == "" {
			return errParams
		}
		u.UriParams = append(u.UriParams, sip.HeaderKV{K: lowerKnown(name), V: value})
	}
	if !hasHeaders {
		return nil
	}
	for one := range strings.SplitSeq(headers, "&") {
		name, value, ok := strings.Cut(one, "=")
		if name == "" || !ok {
			return errURI
		}
		u.Headers = append(u.Headers, sip.HeaderKV{K: name, V: value})
	}
	return nil
}

// parseHostPort reads host [ ":" port ]; an IPv6 reference keeps its brackets, as sipgo has it in a URI. Port 0 means that none is given.
func parseHostPort(s string) (host string, port int, err error) {
	var digits string
	var hasPort bool
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 || !isIPv6Text(s[1:end]) {
			return "", 0, errHost
		}
		host = s[:end+1]
		rest := trimLWS(s[end+1:])
		digits, hasPort = strings.CutPrefix(rest, ":")
		if !hasPort && rest != "" {
			return "", 0, errHost
		}
	} else {
		host, digits, hasPort = strings.Cut(s, ":")
		host = trimLWS(host)
		if !isHostname(host) {
			return "", 0, errHost
		}
	}
	if !hasPort {
		return host, 0, nil
	}
	v, err := strconv.ParseUint(trimLWS(digits), 10, 16)
	if err != nil || v == 0 {
		return "", 0, errHost
	}
	return host, int(v), nil
}

func isHostname(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return s != ""
}

// isIPv6Text checks the inside of an IPv6 reference. RFC 5118 section 4.10: the three colons that RFC 3261's grammar led to are tolerated.
func isIPv6Text(s string) bool {
	a, err := netip.ParseAddr(strings.Replace(s, ":::", "::", 1))
	return err == nil && a.Is6()
}

func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// isVisible: no white space and no control characters.
func isVisible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
