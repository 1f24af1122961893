package header

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// uriText finds the URIs that name a host: scheme and user of a SIP URI, or
// the scheme of a URL, then the host.
var uriText = regexp.MustCompile(`(?i)(?:(sips?:)([^@\s<>",]*@)?|(https?://)(?:[^@/\s<>",]*@)?)(\[[0-9a-f:.]*\]|[0-9a-z_.-]+)(?::[0-9]+)?`)

// addressText finds IP addresses and the hosts behind an @. It rather takes a
// number for an address than the other way round.
var addressText = regexp.MustCompile(`[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*::[0-9A-Fa-f:]*|([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|@[0-9A-Za-z.-]+`)

func withoutAddresses(text string) string { return addressText.ReplaceAllString(text, "") }

// atOurHost puts our host into every URI, and takes the addresses out of the
// text around them.
func (w Way) atOurHost(value string) string {
	if !strings.ContainsAny(value, ".:@") { // as most values
		return value
	}
	var b strings.Builder
	from := 0
	for _, m := range uriText.FindAllStringSubmatchIndex(value, -1) {
		b.WriteString(withoutAddresses(value[from:m[0]]))
		from = m[1]
		host := value[m[8]:m[9]]
		switch {
		case m[2] < 0:
			b.WriteString(value[m[6]:m[7]])
			if isWord(host) {
				b.WriteString(host) // names a ring tone: http://Bellcore-dr1
				continue
			}
		case m[4] >= 0:
			user, _, _ := strings.Cut(value[m[4]:m[5]-1], ":") // a password is nobody's business
			b.WriteString(value[m[2]:m[3]] + withoutAddresses(user) + "@")
		default:
			b.WriteString(value[m[2]:m[3]])
		}
		b.WriteString(w.Host)
	}
	b.WriteString(withoutAddresses(value[from:]))
	return b.String()
}

// isWord tells a name without dots from an address or a domain.
func isWord(host string) bool {
	return strings.Trim(host, "0123456789") != "" && !strings.ContainsAny(host, ".:[")
}

// party parameters that say something of the call, and nothing of a machine.
var uriParams = []string{"user", "cause", "cpc", "oli", "isup-oli", "noa", "npdi", "rn", "cic"}

// parties writes the URIs of a list of name-addrs at our host, with the given
// display name or none, and the numbers in them anew. One that is withheld, has
// no number, or is of the house (inner), is left out.
func (w Way) parties(value, display string, withheld secrets, number func(string) string, inner func(came, told string) bool) string {
	var kept []string
	for _, one := range splitList(value) {
		uri, params, ok := nameAddr(one)
		_, inside, _ := strings.Cut(uri, "?") // RFC 7044 section 10.1.2: <sip:1@h?Privacy=history>
		if !ok || withheld.party(params) || withheld.party(strings.ReplaceAll(inside, "&", ";")) || params != "" && params[0] != ';' {
			continue
		}
		came := userIn(uri)
		if uri = w.partyURI(renumber(uri, number)); uri == "" || inner != nil && inner(came, userIn(uri)) {
			continue
		}
		text := "<" + uri + ">" + w.atOurHost(params)
		if display != "" {
			text = `"` + display + `" ` + text
		}
		kept = append(kept, text)
	}
	return strings.Join(kept, ", ")
}

// renumber writes the number of a SIP or tel URI anew; nil leaves it.
func renumber(uri string, number func(string) string) string {
	scheme, rest, _ := strings.Cut(uri, ":")
	if number == nil {
		return uri
	}
	if strings.EqualFold(scheme, "tel") {
		digits, _, _ := strings.Cut(rest, ";")
		return scheme + ":" + number(separators.Replace(digits))
	}
	user, host, ok := strings.Cut(rest, "@")
	if !ok {
		return uri
	}
	user, _, _ = strings.Cut(user, ":")
	return scheme + ":" + number(user) + "@" + host
}

// renumbers is what becomes of the numbers of a header that names parties: they
// are written anew, but for what an Identity vouches for.
func (w Way) renumbers(name string, all []sip.Header) func(string) string {
	switch {
	case w.Rules == nil && w.Origin == nil && w.Dialled == "" || w.signed(all):
		return nil
	case strings.EqualFold(name, "History-Info"):
		return w.historyNumber(all)
	}
	return w.callerNumber
}

// separators are what people write between the digits of a number.
var separators = strings.NewReplacer("-", "", ".", "", "(", "", ")", "")

// partyURI writes a number at our host, or "" for a URI without one.
func (w Way) partyURI(text string) string {
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme = strings.ToLower(scheme); scheme {
	case "tel":
		number, _, _ := strings.Cut(rest, ";")
		number = separators.Replace(number) // RFC 3966 section 3: they say nothing
		if number == "" || strings.Trim(strings.ToLower(number), "+0123456789*#abcd") != "" {
			return ""
		}
		return scheme + ":" + number
	case "sip", "sips":
	default:
		return ""
	}
	user, host, ok := strings.Cut(rest, "@")
	user, _, _ = strings.Cut(user, ":")
	number, _, _ := strings.Cut(user, ";")
	if !ok || user == "" || !isUser(user) || isAddress(number) {
		return ""
	}
	uri := scheme + ":" + withoutAddresses(user) + "@" + w.Host
	params, _, _ := strings.Cut(host, "?") // its headers, such as Reason, name the past
	_, params, _ = strings.Cut(params, ";")
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		for _, known := range uriParams {
			if strings.EqualFold(name, known) && (value == "" || isToken(value)) {
				uri += ";" + withoutAddresses(param)
			}
		}
	}
	return uri
}

// isUser is RFC 3261's grammar (section 25.1) without comma, slash and
// question mark.
func isUser(text string) bool {
	return strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()%&=+$;") == ""
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil
}

// nameAddr cuts a name-addr or addr-spec (RFC 3261 section 20.10) into its URI
// and its header parameters, the first semicolon included.
func nameAddr(text string) (uri, params string, ok bool) {
	if open := unquoted(text, '<'); open >= 0 {
		uri, params, ok = strings.Cut(text[open+1:], ">")
		return strings.TrimSpace(uri), strings.TrimSpace(params), ok
	}
	if unquoted(text, '"') >= 0 {
		return "", "", false
	}
	uri, params, ok = strings.Cut(text, ";")
	if ok {
		params = ";" + params
	}
	return strings.TrimSpace(uri), params, true
}

// unquoted finds c outside of quoted strings, or -1; for a quote it finds the
// first.
func unquoted(text string, c byte) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == c && !quoted:
			return i
		case text[i] == '"':
			quoted = !quoted
		}
	}
	return -1
}

// Number is the user part of a URI; that of a tel URI (RFC 3966) is its number
// without parameters.
func Number(uri sip.Uri) string {
	if !strings.EqualFold(uri.Scheme, "tel") {
		return uri.User
	}
	number, _, _ := strings.Cut(uri.Raw(), ";")
	return number
}
