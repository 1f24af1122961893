package header

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Challenges of a registrar, and their answers, cross byte for byte where a
// phone is to answer them itself: a digest covers the client's own words (RFC
// 3261 section 22).

// Credentials copies those of a request to the one that goes on in its place.
func Credentials(to, from sip.Message) {
	Copy(to, from, []string{"Authorization", "Proxy-Authorization"})
}

// CredentialsOf are the headers by which a request answers challenges, of who it is for and of a
// proxy (RFC 3261 section 22.3). Its ACK shows the same (section 13.2.2.4).
func CredentialsOf(req *sip.Request) []sip.Header {
	return append(req.GetHeaders("authorization"), req.GetHeaders("proxy-authorization")...)
}

// Challenges copies those of an answer to the one that goes back in its place.
func Challenges(to, from sip.Message) {
	Copy(to, from, []string{"WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Proxy-Authentication-Info"})
}

// Copy copies headers of these names as they are.
func Copy(to, from sip.Message, names []string) {
	for _, name := range names {
		for _, h := range from.GetHeaders(strings.ToLower(name)) {
			to.AppendHeader(sip.NewHeader(name, Clean(h.Value())))
		}
	}
}
