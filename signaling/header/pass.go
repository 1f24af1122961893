package header

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// toward says which legs a header is passed to; what is in no row stays on
// its own leg, so that no address of one leg shows on the other.
type toward struct {
	dialer, carrier, phone bool
}

// crossing is the whole table of headers that cross the B2BUA unchanged, by
// lower-case name. What the dialogs make themselves (Via, From, To, Contact,
// Max-Forwards, routes) and what would name a host (P-Asserted-Identity,
// Remote-Party-ID, Diversion, History-Info, Warning) is not in it;
// P-Asserted-Identity and Remote-Party-ID would moreover overwrite the name
// by which VICIdial keys a call.
var crossing = map[string]toward{
	"date":          {dialer: true, carrier: true}, // covered by Identity's signature (RFC 8224)
	"identity":      {dialer: true, carrier: true}, // byte for byte
	"p-early-media": {dialer: true, carrier: true, phone: true},
	"privacy":       {dialer: true, carrier: true},
	"reason":        {dialer: true, carrier: true, phone: true},
	"retry-after":   {dialer: true, carrier: true, phone: true},
	"user-to-user":  {dialer: true, carrier: true, phone: true},
	"x-cidname":     {dialer: true}, // read for the From display toward carriers
	"x-sbc-carrier": {},             // an instruction to us
}

// Cross gives copies of the headers of a message that pass from a leg of one
// role to a leg of another, in their order. X- headers pass between dialers and
// phones only: carriers are not told our own, and theirs name machines.
func Cross(headers []sip.Header, from, to transport.Role) []sip.Header {
	var out []sip.Header
	for _, h := range headers {
		name := strings.ToLower(h.Name())
		if !passes(name, from, to) {
			continue
		}
		value := h.Value()
		switch name {
		case "reason":
			value = q850First(withoutAddresses(value))
		case "retry-after": // may have a comment
			value = withoutAddresses(value)
		}
		out = append(out, sip.NewHeader(h.Name(), Clean(value)))
	}
	q850LinesFirst(out)
	return out
}

func passes(name string, from, to transport.Role) bool {
	if strings.HasPrefix(name, "x-") && (from == transport.Carrier || to == transport.Carrier) {
		return false
	}
	row, known := crossing[name]
	if !known {
		return strings.HasPrefix(name, "x-")
	}
	switch to {
	case transport.Dialer:
		return row.dialer
	case transport.Carrier:
		return row.carrier
	case transport.Phone:
		return row.phone
	}
	return false
}

// Clean takes control characters out of a value from elsewhere: a header
// value can never become two headers. All other octets stay as they are,
// whatever character set they are of.
func Clean(value string) string {
	clean := []byte(value)
	for i, c := range clean {
		if c < ' ' || c == 0x7f {
			clean[i] = ' '
		}
	}
	return string(clean)
}

// Display is the From display-name of a call that goes to a leg of the given
// role. Toward dialers and phones it is the caller's own, since VICIdial
// keys the call by it. Toward carriers that key must not leak: X-CIDNAME
// stands in its place, or nothing.
func Display(invite *sip.Request, to transport.Role) string {
	if to != transport.Carrier {
		return invite.From().DisplayName
	}
	if h := invite.GetHeader("x-cidname"); h != nil {
		// Quotes are put around it: what would end or escape them goes.
		return strings.TrimSpace(Clean(strings.NewReplacer(`"`, "", `\`, "").Replace(h.Value())))
	}
	return ""
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
