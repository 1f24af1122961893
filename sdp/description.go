// Package sdp reads and rewrites session descriptions (RFC 8866) for a relay
// of one audio stream: tolerant of what telephones send, strict about keys
// (RFC 4568), and silent about one leg toward the other.
//
// An offer goes through the package like this:
//
//	A's offer  -> ReadOffer (A's mode)            -> WriteOffer (B's mode, our ports, fresh keys)
//	B's answer -> ReadAnswer (B's mode, our keys) -> WriteAnswer (our port, our own key for A)
package sdp

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

const (
	// MaxSize is the longest description that Parse takes, in bytes.
	MaxSize = 32 << 10
	// maxMedia is how many m-lines a description may have.
	maxMedia = 64
)

// Description is a session description, line by line as it was received. It
// may hold keys, so it prints as a count of its lines only. It is never
// changed after Parse: the rewriting functions make new ones.
type Description struct {
	session []line
	media   []media
}

// line is "kind=value" without its line end.
type line struct {
	number int // in the received text, from 1; 0 for a line of ours
	kind   byte
	value  string
}

// media is an m-line with the lines that belong to it.
type media struct {
	line              // the m-line itself, verbatim
	kindOf   string   // "audio"
	port     string   // "5004" or "5004/2", not checked
	proto    string   // "RTP/SAVP", not checked
	formats  []string // what follows
	sublines []line
}

// Parse takes a session description apart. Lines end in CRLF or LF, the last
// one may do without; blank lines are skipped; order and completeness are not
// asked for beyond the first line. Errors are ErrSyntax with the line number.
func Parse(body []byte) (*Description, error) {
	if len(body) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrSyntax, len(body), MaxSize)
	}
	d := &Description{}
	number := 0
	for text := range strings.SplitSeq(string(body), "\n") {
		number++
		text = strings.TrimSuffix(text, "\r")
		if strings.TrimSpace(text) == "" {
			continue
		}
		l, err := parseLine(number, text)
		if err == nil {
			err = d.add(l)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(d.session) == 0 {
		return nil, fmt.Errorf("%w: empty description", ErrSyntax)
	}
	return d, nil
}

// parseLine takes "x=value" apart. The error does not quote the line, which
// may hold a key.
func parseLine(number int, text string) (line, error) {
	if strings.ContainsAny(text, "\r\x00") {
		return line{}, syntaxError(number, "carriage return or NUL within the line")
	}
	if len(text) < 2 || text[1] != '=' || !isLetter(text[0]) {
		return line{}, syntaxError(number, "want a letter and an equals sign")
	}
	return line{number: number, kind: text[0], value: text[2:]}, nil
}

// add appends a received line to the section it belongs to.
func (d *Description) add(l line) error {
	switch {
	case len(d.session) == 0 && (l.kind != 'v' || strings.TrimSpace(l.value) != "0"):
		return syntaxError(l.number, "want v=0 first") // RFC 8866 section 5.1
	case l.kind == 'm':
		fields := strings.Fields(l.value)
		if len(fields) < 3 {
			return syntaxError(l.number, "m= wants media, port and profile")
		}
		if strings.Contains(l.value, ":") {
			// No token has one (RFC 8866 section 9), a key does: a refused
			// m-line goes back as it came.
			return syntaxError(l.number, "m= with a colon")
		}
		if len(d.media) == maxMedia {
			return syntaxError(l.number, fmt.Sprintf("more than %d m= lines", maxMedia))
		}
		d.media = append(d.media, media{line: l, kindOf: fields[0], port: fields[1], proto: fields[2], formats: fields[3:]})
	case len(d.media) > 0:
		m := &d.media[len(d.media)-1]
		m.sublines = append(m.sublines, l)
	default:
		d.session = append(d.session, l)
	}
	return nil
}

// Bytes writes the description, every line ended by CRLF (RFC 8866 section 5).
func (d *Description) Bytes() []byte {
	size := 0
	for l := range d.lines {
		size += len(l.value) + 4
	}
	b := make([]byte, 0, size)
	for l := range d.lines {
		b = append(append(append(b, l.kind, '='), l.value...), '\r', '\n')
	}
	return b
}

// lines gives all lines in order.
func (d *Description) lines(yield func(line) bool) {
	for _, l := range d.session {
		if !yield(l) {
			return
		}
	}
	for _, m := range d.media {
		if !yield(m.line) {
			return
		}
		for _, l := range m.sublines {
			if !yield(l) {
				return
			}
		}
	}
}

// attribute is the name, in lower case, and the value of an a= line; the name
// is empty for other lines.
func (l line) attribute() (name, value string) {
	if l.kind != 'a' {
		return "", ""
	}
	name, value, _ = strings.Cut(l.value, ":")
	return strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
}

// first finds the first line of a kind.
func first(lines []line, kind byte) (line, bool) {
	i := slices.IndexFunc(lines, func(l line) bool { return l.kind == kind })
	if i < 0 {
		return line{}, false
	}
	return lines[i], true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func syntaxError(number int, what string) error {
	return fmt.Errorf("%w: line %d: %s", ErrSyntax, number, what)
}

// String tells the size only: the lines may hold keys.
func (d *Description) String() string {
	if d == nil {
		return "sdp.Description(nil)"
	}
	return fmt.Sprintf("sdp.Description(%d m-lines)", len(d.media))
}

// GoString hides the lines from %#v.
func (d *Description) GoString() string { return d.String() }

// Format hides the lines from every verb.
func (d *Description) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// LogValue hides the lines from slog.
func (d *Description) LogValue() slog.Value { return slog.StringValue(d.String()) }
