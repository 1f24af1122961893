// Package header decides what crosses the B2BUA and what does not: table.go
// is the whole of it, to be read first. It is pure: headers in, headers out.
package header

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Way is one direction across the B2BUA.
type Way struct {
	From, To transport.Role // of the legs
	Rules    *Rules         // of the trunk that it leads to; nil: none
	Origin   *Rules         // of the trunk that a new call comes from; nil: none
	Host     string         // our own, as that leg sees it: it stands where the other leg's was; IPv6 in brackets
	// Caller is who calls, where we vouch for it under another name than its own;
	// "": as it says.
	Caller string
	// IsPhone tells whether a user is the extension of a phone of the dialer that
	// the way leads to; nil: none is known.
	IsPhone func(user string) bool
	// IsInner tells so of the dialer that the way comes from.
	IsInner func(user string) bool
	// Dialled is the number in the request-URI of a new call to a trunk, and Asked
	// the one that it was asked for here, beside the one in To; "": not known.
	Dialled, Asked string
}

// Cross gives what is told of a message's headers to the leg that the way
// leads to, in their order, and what the trunk's headers.set adds to a call.
// No value holds a control character or an address of the other leg.
func (w Way) Cross(k Kind, headers []sip.Header) []sip.Header {
	var out []sip.Header
	withheld, code := w.withheld(headers), ""
	if w.hidesCode() {
		code = codeIn(headers)
	}
	for _, h := range headers {
		how, ok := w.how(k, h.Name())
		if !ok || w.Rules.replaces(k, h.Name()) || withheld.hides(h.Name()) || w.makes(k, h.Name()) {
			continue
		}
		if value := withoutCode(w.value(how, h, headers, withheld), code); value != "" {
			out = append(out, sip.NewHeader(h.Name(), value))
		}
	}
	q850LinesFirst(out)
	out = append(out, w.made(k, headers, withheld)...)
	if k&Setup != 0 {
		out = w.private(out, headers)
		out = append(out, w.Rules.added()...)
	}
	return out
}

// OfBody tells whether a header speaks of the body.
func OfBody(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "content-") || name == "mime-version"
}

// rows finds the rows of table by name, as the table writes it and in lower
// case; prefixes those of a name with a * at its end, by the lower-case name
// without it. Of what callseal makes itself there are none.
var rows, prefixes = func() (map[string][]*row, map[string][]*row) {
	whole, begun := map[string][]*row{}, map[string][]*row{}
	for _, name := range owned {
		whole[name], whole[strings.ToLower(name)] = []*row{}, []*row{}
	}
	for i := range table {
		name := table[i].name
		lower := strings.ToLower(name)
		if begin, isPrefix := strings.CutSuffix(lower, "*"); isPrefix {
			begun[begin] = append(begun[begin], &table[i])
			continue
		}
		whole[name] = append(whole[name], &table[i])
		if lower != name {
			whole[lower] = append(whole[lower], &table[i])
		}
	}
	return whole, begun
}()

// rowsOf gives the rows of a header, in their order; nil where the table does
// not know it.
func rowsOf(name string) []*row {
	if found, ok := rows[name]; ok { // as names are written mostly
		return found
	}
	name = strings.ToLower(name)
	if found, ok := rows[name]; ok {
		return found
	}
	for prefix, found := range prefixes {
		if strings.HasPrefix(name, prefix) {
			return found
		}
	}
	return nil
}

// how tells whether a header of a message of this kind crosses, and how.
func (w Way) how(k Kind, name string) (how, bool) {
	known := rowsOf(name)
	if known == nil {
		return passes, w.Rules.passes(name)
	}
	for _, r := range known {
		if r.in&k == 0 || !r.from.has(w.From) {
			continue
		}
		switch r.toward(w.To) {
		case yes:
			return r.how, !w.Rules.strips(name)
		case no:
			return r.how, w.Rules.passes(name)
		case never:
		}
		return 0, false
	}
	return 0, false
}

func (r *row) toward(role transport.Role) told {
	switch role {
	case transport.Dialer:
		return r.dialer
	case transport.Carrier:
		return r.carrier
	case transport.Phone:
		return r.phone
	}
	return never
}

// value writes a header's value for the leg that it goes to; "" is nothing.
func (w Way) value(how how, h sip.Header, all []sip.Header, withheld secrets) string {
	value := Clean(h.Value())
	switch how {
	case passes:
		return w.atOurHost(value)
	case exact:
		return value
	case q850:
		return q850First(w.atOurHost(value))
	case party:
		var inner func(came, told string) bool
		if w.hidesInner(h.Name()) {
			inner = w.isInner
		}
		return w.parties(value, "", withheld, w.renumbers(h.Name(), all), inner)
	case named:
		return w.parties(value, w.display(all), withheld, w.renumbers(h.Name(), all), nil)
	case wish:
		return withheld.left(value)
	}
	return ""
}

// Clean takes control characters out of a value from elsewhere: a header
// value can never become two headers. All other octets stay as they are,
// whatever character set they are of.
func Clean(value string) string {
	clean := []byte(value)
	for i, c := range clean {
		if isControl(c) {
			clean[i] = ' '
		}
	}
	return string(clean)
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }
