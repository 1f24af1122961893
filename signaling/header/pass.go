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

// Cross gives copies of the headers of a message that pass to a leg of the
// given role, in their order. X- headers pass between dialers and phones, and
// never reach a carrier.
func Cross(headers []sip.Header, to transport.Role) []sip.Header {
	var out []sip.Header
	for _, h := range headers {
		name := strings.ToLower(h.Name())
		if !passes(name, to) {
			continue
		}
		value := h.Value()
		if name == "reason" {
			value = q850First(value)
		}
		out = append(out, sip.NewHeader(h.Name(), Clean(value)))
	}
	return out
}

func passes(name string, to transport.Role) bool {
	row, known := crossing[name]
	if !known {
		return strings.HasPrefix(name, "x-") && to != transport.Carrier
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

// Clean takes CR and LF out of a value from elsewhere: a header value can
// never become two headers.
func Clean(value string) string {
	return strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(value)
}

// q850First puts the Q.850 value of a Reason header (RFC 3326) before others:
// PJSIP reads only the first 20 bytes.
func q850First(value string) string {
	values := strings.Split(value, ",")
	for i, v := range values {
		v = strings.TrimSpace(v)
		if i > 0 && len(v) >= 5 && strings.EqualFold(v[:5], "Q.850") {
			rest := append(values[:i:i], values[i+1:]...)
			return v + ", " + strings.TrimSpace(strings.Join(rest, ","))
		}
	}
	return value
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
		return Clean(strings.ReplaceAll(h.Value(), `"`, ""))
	}
	return ""
}
