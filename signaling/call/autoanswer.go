package call

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// VICIdial logs an agent in by a call to its phone, which the agent has to
// answer before anything else. Phones that are told so answer it by themselves.

// isLogin tells whether an INVITE is an agent's login: its caller code is an S
// and 19 digits.
func isLogin(invite *sip.Request) bool {
	digits, ok := strings.CutPrefix(invite.From().DisplayName, "S")
	return ok && len(digits) == 19 && strings.Trim(digits, "0123456789") == ""
}

// autoAnswer adds what phones know by: Call-Info, Alert-Info (Mitel wants its
// delay), Answer-Mode of RFC 5373; docs/phones.md says who heeds which. What the
// dialer says of it itself stays.
func autoAnswer(req *sip.Request, host string) {
	for _, h := range []sip.Header{
		sip.NewHeader("Call-Info", "<sip:"+host+">;answer-after=0"),
		sip.NewHeader("Alert-Info", "<http://"+host+">;info=alert-autoanswer;delay=0"),
		sip.NewHeader("Answer-Mode", "Auto"),
	} {
		if req.GetHeader(strings.ToLower(h.Name())) == nil {
			req.AppendHeader(h)
		}
	}
}
