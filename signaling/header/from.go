package header

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// anonymous are the host and the user of a caller who withholds both (RFC 3323
// section 4.1.1.3).
const (
	anonymousHost = "anonymous.invalid"
	anonymousUser = "anonymous"
)

// FromOf makes the From of a request to the leg that the way leads to, out of
// the one that came. Its host is known when the path is: AtHost fills it in.
func (w Way) FromOf(theirs *sip.Request, tag string) *sip.FromHeader {
	params := sip.NewParams()
	params.Add("tag", tag)
	headers := theirs.Headers()
	c := w.callerOf(headers)
	from := &sip.FromHeader{
		DisplayName: w.display(headers),
		Address:     sip.Uri{Scheme: "sip", User: w.fromUser(c, headers)},
		Params:      params,
	}
	if strings.EqualFold(theirs.From().Address.Host, anonymousHost) {
		from.Address.Host = anonymousHost
	}
	if w.withheld(headers).user || w.anonymises(c) {
		from.DisplayName, from.Address.User, from.Address.Host = "Anonymous", anonymousUser, anonymousHost
	}
	if w.Caller != "" { // chan_sip finds a phone by it
		from.Address.User = w.Caller
	}
	return from
}

// Anonymous tells whether an address names nobody (RFC 3323 section 4.1.1.3).
func Anonymous(u sip.Uri) bool { return strings.EqualFold(u.Host, anonymousHost) }

// AtHost fills in the host of a From, unless it names nobody's machine.
func AtHost(from *sip.FromHeader, host string) {
	if from.Address.Host != anonymousHost {
		from.Address.Host = host
	}
}

// ToUser is the number in the To of a request to the number called. Where the
// request is signed To stays as it is (RFC 8224 section 4.1).
func (w Way) ToUser(theirs *sip.Request, called string) string {
	if w.signed(theirs.Headers()) {
		if signed := Number(theirs.To().Address); signed != "" {
			return signed
		}
	}
	return called
}

// signed tells whether the leg gets an Identity that vouches for the numbers in
// From and To.
func (w Way) signed(headers []sip.Header) bool {
	for _, h := range headers {
		if strings.EqualFold(h.Name(), "identity") {
			how, ok := w.how(Setup, "Identity")
			return ok && how == exact && !w.withheld(headers).hides("Identity")
		}
	}
	return false
}

// unquotable takes out what would end or escape a quoted string.
var unquotable = strings.NewReplacer(`"`, "", `\`, "")

// display is the From display-name that the leg sees. Toward dialers and
// phones it is the caller's own, since VICIdial keys the call by it. Toward
// carriers that key must not leak: X-CIDNAME stands in its place, or nothing.
func (w Way) display(headers []sip.Header) string {
	ours := w.hidesCode()
	for _, h := range headers {
		from, isFrom := h.(*sip.FromHeader)
		switch {
		case ours && strings.EqualFold(h.Name(), "x-cidname"):
			// Quotes are put around it.
			name := Clean(unquotable.Replace(withoutCode(h.Value(), codeIn(headers))))
			return strings.TrimSpace(withoutAddresses(uriText.ReplaceAllString(name, "")))
		case !ours && isFrom:
			return Clean(from.DisplayName)
		}
	}
	return ""
}
