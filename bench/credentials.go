package bench

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// Password is a secret of an account. It prints REDACTED.
type Password string

// String hides it.
func (Password) String() string { return "REDACTED" }

// GoString hides it.
func (Password) GoString() string { return "REDACTED" }

// LogValue hides it.
func (Password) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Account is with what an endpoint registers, and answers challenges.
type Account struct {
	User     string
	Password Password
	Expires  time.Duration // of a registration; default 1 h
}

// credentials answers the challenges of one dialog. A challenge that was met
// serves all later requests, each with the next count (RFC 7616, section 3.4).
type credentials struct {
	account Account
	met     []*challenge // at most one by a proxy and one by a server
}

// challenge is one that was met.
type challenge struct {
	*digest.Challenge
	answer string // the header that the answer is in
	uses   int
}

// challenged tells whether a response is a challenge (RFC 3261, section 22.1).
func challenged(res *sip.Response) bool {
	return res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
}

// take accepts a challenge, of several the first that can be met: they stand in
// the server's order of preference (RFC 8760, section 2.4). ErrStatus when our
// answer to one was refused, ErrMessage when none can be met.
func (c *credentials) take(res *sip.Response) error {
	asked, answer := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		asked, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	for _, h := range res.GetHeaders(asked) {
		got, err := digest.ParseChallenge(h.Value())
		if err != nil || !digest.CanDigest(got) {
			continue
		}
		for i := range got.QOP {
			got.QOP[i] = strings.TrimSpace(got.QOP[i])
		}
		for _, old := range c.met {
			if old.answer != answer {
				continue
			}
			if !got.Stale {
				return fmt.Errorf("%w: the credentials were answered %d %s", ErrStatus, res.StatusCode, res.Reason)
			}
			old.Challenge, old.uses = got, 0
			return nil
		}
		c.met = append(c.met, &challenge{Challenge: got, answer: answer})
		return nil
	}
	return fmt.Errorf("%w: %d without a challenge that can be met", ErrMessage, res.StatusCode)
}

// sign puts the answers to all challenges so far into a request.
func (c *credentials) sign(req *sip.Request) error {
	for _, m := range c.met {
		m.uses++
		answer, err := digest.Digest(m.Challenge, digest.Options{
			Method: req.Method.String(), URI: req.Recipient.String(), Count: m.uses,
			Username: c.account.User, Password: string(c.account.Password),
		})
		if err != nil {
			return fmt.Errorf("%w: a challenge that cannot be met", ErrMessage) // the cause may show the account
		}
		req.AppendHeader(sip.NewHeader(m.answer, answer.String()))
	}
	return nil
}
