package register

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"callseal/signaling/auth"
)

// Line is a registration as Asterisk's chan_sip writes it down, and carriers'
// instructions have it:
//
//	register => [peer?][transport://]user[@domain][:secret[:authuser]]@host[:port][/extension][~expiry]
//
// The host begins behind the last @. With a port in the domain
// (user@domain:port:secret:authuser) secret and authuser have to be there, if
// only empty. A field that begins with a quote goes to the next one. The peer
// names a section of Asterisk's own file: it is read, and means nothing here.
type Line struct {
	Peer       string
	Transport  string // udp, tcp, tls; "" where none is named
	User       string
	Domain     string // "" where none is named
	DomainPort uint16
	Secret     auth.Secret
	AuthUser   string // "" where none is named: User
	Host       string // IPv6 without brackets
	Port       uint16 // 0 where none is named
	Extension  string // the user of our contact
	Expires    time.Duration
}

// What Asterisk takes where a line says nothing.
const (
	DefaultExtension = "s"
	maxLine          = 255 // characters: the column of VICIdial, and Asterisk's buffer
)

// LineFault is what is wrong with a line, and where. What it prints of the line
// never has the secret.
type LineFault struct {
	What, Fix string
	Shown     string // the line without its secret
	Column    int    // in Shown, from 0; where a caret belongs
}

// Error is what is wrong, in one line.
func (f *LineFault) Error() string {
	return fmt.Sprintf("%s (character %d of %s): %s", f.What, f.Column+1, strconv.Quote(f.Shown), f.Fix)
}

// Caret shows the line, and below it a ^ under the character that is meant.
func (f *LineFault) Caret() string { return f.Shown + "\n" + strings.Repeat(" ", f.Column) + "^" }

// lineReader walks through a line; the position is that of the next octet.
type lineReader struct {
	text string
	at   int
	// What is shown of text: all but what stands between hide and shown, which is
	// where user and host are told apart.
	hide, shown int
}

// mask is what stands for what is between user and host.
const mask = "***"

// fault is one at a position of the text.
func (r *lineReader) fault(at int, what, fix string) *LineFault {
	f := &LineFault{What: what, Fix: fix, Shown: r.text, Column: at}
	if r.hide < r.shown {
		f.Shown = r.text[:r.hide] + mask + r.text[r.shown:]
		switch {
		case at >= r.shown:
			f.Column = at - (r.shown - r.hide) + len(mask)
		case at > r.hide:
			f.Column = r.hide
		}
	}
	f.Shown = strings.Map(func(c rune) rune { // one column a character, and nothing that a terminal obeys
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, f.Shown)
	return f
}

// ParseLine reads a line; "register =>" before it may be there. The error is a
// *LineFault.
func ParseLine(text string) (Line, error) {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "register"); ok {
		if rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), "="); ok {
			text = strings.TrimSpace(strings.TrimPrefix(rest, ">"))
		}
	}
	r := &lineReader{text: text}
	l := Line{Extension: DefaultExtension, Expires: DefaultExpires}
	host, f := r.split()
	if f == nil {
		f = r.left(&l, host)
	}
	if f == nil {
		f = r.right(&l, host+1)
	}
	if f != nil {
		return Line{}, f
	}
	return l, nil
}

// split finds the @ before the host, and what is to be hidden.
func (r *lineReader) split() (host int, f *LineFault) {
	host = -1
	quoted, fresh := false, true // inside of quotes; at the beginning of a field
	open := 0
	for i := range len(r.text) {
		switch c := r.text[i]; {
		case quoted:
			quoted = c != '"'
			continue
		case c == '"' && fresh:
			quoted, open = true, i
			continue
		case c == '@':
			host = i
		}
		fresh = strings.IndexByte(":@/?~", r.text[i]) >= 0
	}
	r.conceal(host)
	switch {
	case r.text == "":
		return host, r.fault(0, "nothing is there", "write USER:SECRET@HOST")
	case len(r.text) > maxLine:
		return host, r.fault(maxLine, "more than 255 characters", "a line of Asterisk is shorter: leave out what is not needed")
	case quoted:
		return host, r.fault(open, "a quote is not closed", `write the second " at the end of this field`)
	case host < 0:
		return host, r.fault(len(r.text), "the host is missing", "write @HOST behind user and secret")
	}
	for i, c := range r.text {
		if c < ' ' || c == 0x7f || c == 0xfffd {
			return host, r.fault(i, "a control character", "type the line instead of pasting it")
		}
	}
	return host, nil
}

// conceal finds the first colon behind the transport: the secret stands between
// it and the host's @.
func (r *lineReader) conceal(host int) {
	start, known := 0, true
	if i := strings.Index(r.text, "://"); i >= 0 {
		name := r.text[strings.IndexByte(r.text[:i], '?')+1 : i]
		if isWord(name) {
			start, known = i+len("://"), isTransport(name)
		}
	}
	end := host
	if end < start {
		end = len(r.text)
	}
	i := strings.IndexByte(r.text[start:end], ':')
	if !known || i < 0 && (host < 0 || strings.ContainsAny(r.text[start:end], notInUser)) { // nobody knows what this is
		r.hide, r.shown = start, end
	} else if i >= 0 {
		r.hide, r.shown = start+i+1, end
	}
}

// notInUser are characters that no user has.
const notInUser = " \t<>\""

func isWord(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz") == ""
}

func isTransport(s string) bool {
	switch strings.ToLower(s) {
	case "udp", "tcp", "tls":
		return true
	}
	return false
}

// left reads what stands before the host's @.
func (r *lineReader) left(l *Line, end int) *LineFault {
	if i := strings.IndexAny(r.text[:end], "?:@\""); i >= 0 && r.text[i] == '?' {
		if i == 0 {
			return r.fault(0, "the peer's name is missing", "write PEER?USER..., or leave out the ?")
		}
		l.Peer, r.at = r.text[:i], i+1
	}
	if i := strings.Index(r.text[r.at:end], "://"); i >= 0 && isWord(r.text[r.at:r.at+i]) {
		l.Transport = strings.ToLower(r.text[r.at : r.at+i])
		if !isTransport(l.Transport) {
			return r.fault(r.at, "no such transport", "write tls://, tcp:// or udp://")
		}
		r.at += i + len("://")
	}
	start := r.at
	user, f := r.field(":@", end)
	if f != nil {
		return f
	}
	if user == "" {
		return r.fault(start, "the user is missing", "write USER:SECRET@HOST")
	}
	if strings.ContainsAny(user, notInUser) {
		return r.fault(start+strings.IndexAny(r.text[start:r.at], notInUser), "a character that no user has", "leave it out")
	}
	l.User = user
	if r.at < end && r.text[r.at] == '@' {
		if f := r.domain(l, end); f != nil {
			return f
		}
	}
	return r.secrets(l, end)
}

// domain reads @DOMAIN.
func (r *lineReader) domain(l *Line, end int) *LineFault {
	r.at++
	start := r.at
	text, f := r.field(":", end)
	switch {
	case f != nil:
		return f
	case !isHost(text):
		return r.fault(start, "no domain", "write USER@DOMAIN:SECRET@HOST, and quote a user or secret with @")
	}
	l.Domain = text
	return nil
}

// secrets reads [:domainport]:secret[:authuser].
func (r *lineReader) secrets(l *Line, end int) *LineFault {
	var fields []string
	var starts []int
	for r.at < end {
		r.at++ // the colon
		starts = append(starts, r.at)
		text, f := r.field(":", end)
		if f != nil {
			return f
		}
		fields = append(fields, text)
		if len(fields) > 3 || len(fields) > 2 && l.Domain == "" {
			return r.fault(starts[len(starts)-1]-1, "too many colons", `write a secret with a colon in quotes: USER:"A:B"@HOST`)
		}
	}
	if len(fields) == 3 {
		port, ok := parsePort(fields[0])
		if !ok {
			return r.fault(starts[0], "the domain's port is no port", `write USER@DOMAIN:PORT:SECRET:AUTHUSER, and a secret with a colon in quotes`)
		}
		l.DomainPort, fields = port, fields[1:]
	}
	if len(fields) > 0 {
		l.Secret = auth.NewSecret(fields[0])
	}
	if len(fields) > 1 {
		l.AuthUser = fields[1]
	}
	return nil
}

// right reads host[:port][/extension][~expiry].
func (r *lineReader) right(l *Line, start int) *LineFault {
	r.at = start
	end := len(r.text)
	host, f := r.host()
	switch {
	case f != nil:
		return f
	case host == "":
		return r.fault(start, "the host is missing", "write the carrier's name or address behind the @")
	case !isHost(host):
		return r.fault(start, "no host", "write a name like sip.example.com, or an address; IPv6 in brackets")
	}
	l.Host = strings.Trim(host, "[]")
	if r.next(':') {
		from := r.at
		text, f := r.field("/~", end)
		if f != nil {
			return f
		}
		port, ok := parsePort(text)
		if !ok {
			return r.fault(from, "no port", "write a number from 1 to 65535")
		}
		l.Port = port
	}
	if r.next('/') {
		from := r.at
		text, f := r.field("~", end)
		if f != nil {
			return f
		}
		if text == "" || strings.ContainsAny(text, " \t<>@:/\";") {
			return r.fault(from, "no extension", "write the number that calls are to come in with, or leave out the /")
		}
		l.Extension = text
	}
	if r.next('~') {
		text := r.text[r.at:]
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 0 || time.Duration(n)*time.Second > MostExpires {
			return r.fault(r.at, "no expiry", "write seconds, up to 86400")
		}
		l.Expires, r.at = time.Duration(n)*time.Second, end
	}
	if r.at < end {
		return r.fault(r.at, "this belongs to nothing", "write HOST:PORT/EXTENSION~SECONDS, in this order")
	}
	return nil
}

// host takes the host, brackets included.
func (r *lineReader) host() (string, *LineFault) {
	if r.at < len(r.text) && r.text[r.at] == '[' {
		i := strings.IndexByte(r.text[r.at:], ']')
		if i < 0 {
			return "", r.fault(r.at, "a bracket is not closed", "write [ADDRESS]")
		}
		text := r.text[r.at : r.at+i+1]
		r.at += i + 1
		return text, nil
	}
	return r.field(":/~", len(r.text))
}

func (r *lineReader) next(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// field takes what goes to one of the stops, or end; in quotes, to the second
// one, behind which only a stop may come.
func (r *lineReader) field(stops string, end int) (string, *LineFault) {
	if r.at < end && r.text[r.at] == '"' {
		i := strings.IndexByte(r.text[r.at+1:end], '"')
		if i < 0 {
			return "", r.fault(r.at, "a quote is not closed", `write the second " at the end of this field`)
		}
		text := r.text[r.at+1 : r.at+1+i]
		r.at += i + 2
		if r.at < end && strings.IndexByte(stops, r.text[r.at]) < 0 {
			return "", r.fault(r.at, "something follows the quote", `a quoted field ends with its second "`)
		}
		return text, nil
	}
	i := strings.IndexAny(r.text[r.at:end], stops)
	if i < 0 {
		i = end - r.at
	}
	text := r.text[r.at : r.at+i]
	r.at += i
	return text, nil
}

func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && n > 0
}

// isHost tells whether it is a name of RFC 1123 or an address, of IPv6 in
// brackets.
func isHost(text string) bool {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	if strings.Trim(text, "0123456789.") == "" {
		_, err := netip.ParseAddr(text)
		return err == nil
	}
	if text = strings.TrimSuffix(text, "."); len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
