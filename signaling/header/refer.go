package header

import (
	"errors"
	"strings"
)

// What can be wrong with a Refer-To or a Replaces header. The texts may stand
// in a status line.
var (
	ErrReferURI    = errors.New("Refer-To is no SIP or tel URI")
	ErrReferNumber = errors.New("Refer-To has no number")
	ErrReferMethod = errors.New("Refer-To wants another method than INVITE")
	ErrReplaces    = errors.New("Replaces names no dialog")
)

// Replaces names a dialog (RFC 3891 section 6.1): ToTag is the tag of the one
// who is told of it, FromTag that of who else is in the dialog.
type Replaces struct {
	CallID, ToTag, FromTag string
	EarlyOnly              bool
}

// ParseReplaces reads the value of a Replaces header. What is none is
// ErrReplaces.
func ParseReplaces(value string) (Replaces, error) {
	callID, params, _ := strings.Cut(value, ";")
	r := Replaces{CallID: strings.TrimSpace(callID)}
	if r.CallID == "" || strings.ContainsAny(r.CallID, " \t,") || Clean(r.CallID) != r.CallID {
		return Replaces{}, ErrReplaces
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		tag := &r.ToTag
		switch name {
		case "early-only":
			r.EarlyOnly = true
			continue
		case "from-tag":
			tag = &r.FromTag
		case "to-tag":
		default: // generic-param
			continue
		}
		if *tag != "" || !isToken(value) { // exactly one of each
			return Replaces{}, ErrReplaces
		}
		*tag = value
	}
	if r.ToTag == "" || r.FromTag == "" {
		return Replaces{}, ErrReplaces
	}
	return r, nil
}

// String is the header's value.
func (r Replaces) String() string {
	text := r.CallID + ";to-tag=" + r.ToTag + ";from-tag=" + r.FromTag
	if r.EarlyOnly {
		text += ";early-only"
	}
	return text
}

// ReferTo is whom a REFER (RFC 3515 section 2.1) wants to be called.
type ReferTo struct {
	Number   string    // user part of the URI as it was written, without a password
	Replaces *Replaces // in the place of which dialog (RFC 3891 section 4); nil: none
}

// ParseReferTo reads the value of a Refer-To header. The host in it is of no
// use to us: calls go to trunks. Other header fields in the URI than Replaces
// are left out, whatever they ask for.
func ParseReferTo(value string) (ReferTo, error) {
	uri, _, ok := nameAddr(value)
	scheme, rest, isURI := strings.Cut(uri, ":")
	if !ok || !isURI {
		return ReferTo{}, ErrReferURI
	}
	rest, fields, _ := strings.Cut(rest, "?")
	number := ""
	switch strings.ToLower(scheme) {
	case "tel":
		number, _, _ = strings.Cut(rest, ";")
		if strings.Trim(strings.ToLower(number), "+0123456789*#abcd-.()") != "" {
			return ReferTo{}, ErrReferNumber
		}
		number = strings.NewReplacer("-", "", ".", "", "(", "", ")", "", "#", "%23").Replace(number) // RFC 3966 section 3
	case "sip", "sips":
		var host string
		number, host, ok = strings.Cut(rest, "@")
		number, _, _ = strings.Cut(number, ":")
		number = strings.ReplaceAll(number, "#", "%23") // phones forget to
		if !ok || host == "" || !isUser(number) || addressText.MatchString(number) {
			return ReferTo{}, ErrReferNumber
		}
		if method := uriParam(host, "method"); method != "" && !strings.EqualFold(method, "INVITE") {
			return ReferTo{}, ErrReferMethod
		}
	default:
		return ReferTo{}, ErrReferURI
	}
	if number == "" {
		return ReferTo{}, ErrReferNumber
	}
	to := ReferTo{Number: number}
	return to, to.fields(fields)
}

// fields reads the header fields of the URI.
func (to *ReferTo) fields(text string) error {
	for field := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(field, "=")
		if !strings.EqualFold(name, "Replaces") {
			continue
		}
		value, ok := unescape(value)
		if !ok || to.Replaces != nil {
			return ErrReplaces
		}
		r, err := ParseReplaces(value)
		if err != nil {
			return err
		}
		to.Replaces = &r
	}
	return nil
}

func uriParam(hostAndParams, want string) string {
	_, params, _ := strings.Cut(hostAndParams, ";")
	for param := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(param, "="); strings.EqualFold(name, want) {
			return value
		}
	}
	return ""
}

// At writes the header's value for a remote that shall call at a place:
// "host:port;transport=tls".
func (to ReferTo) At(place string) string {
	uri := "sip:" + to.Number + "@" + place
	if to.Replaces != nil {
		uri += "?Replaces=" + escape(to.Replaces.String())
	}
	return "<" + uri + ">"
}

// escape writes a header value as RFC 3261 section 25.1 (hvalue) wants it in a
// URI.
func escape(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.!~*'()[]/?:+$", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// unescape is the other way round. ok is false where an escape is broken.
func unescape(text string) (plain string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		high, low := unhex(text[i+1]), unhex(text[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low)) //nolint:gosec // two digits
		i += 2
	}
	return b.String(), true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Fragment keeps of a message/sipfrag body (RFC 3420) what a NOTIFY about a
// REFER has to say, the status line, in words that may be told: "SIP/2.0 200
// OK". ok is false where there is none.
func Fragment(body []byte) (status string, ok bool) {
	line, _, _ := strings.Cut(string(body), "\n")
	fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(fields) < 2 || !strings.EqualFold(fields[0], "SIP/2.0") || len(fields[1]) != 3 || strings.Trim(fields[1], "0123456789") != "" {
		return "", false
	}
	phrase := ""
	if len(fields) == 3 {
		phrase = Foreign(fields[2])
	}
	return "SIP/2.0 " + fields[1] + " " + phrase, true
}
