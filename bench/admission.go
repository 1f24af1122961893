package bench

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// admission lets an answerer be a carrier that wants to be registered with: by
// digest, with one account, and only who is registered may call.
type admission struct {
	account Account
	nonce   string // one for the whole run: it is not the registrar that is judged

	met  chan struct{} // closed by once, at the first registration
	once sync.Once

	mu    sync.Mutex
	until time.Time // when the registration runs out
}

func newAdmission(account Account) *admission {
	return &admission{account: account, nonce: token() + token(), met: make(chan struct{})}
}

// longestExpiry is granted where more is asked for, or nothing.
const longestExpiry = time.Hour

// take answers a REGISTER (RFC 3261, section 10.3).
func (r *admission) take(e *Endpoint, req *sip.Request, l *link) {
	if !r.proven(req) {
		res := sip.NewResponseFromRequest(req, sip.StatusUnauthorized, "Unauthorized", nil)
		res.AppendHeader(sip.NewHeader("WWW-Authenticate", r.challenge().String()))
		e.send(res, l)
		return
	}
	expiry := longestExpiry
	for _, text := range asksFor(req) {
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			expiry = min(expiry, time.Duration(n)*time.Second)
			break
		}
	}
	r.mu.Lock()
	r.until = time.Now().Add(expiry)
	r.mu.Unlock()
	if expiry > 0 {
		r.once.Do(func() { close(r.met) })
	}
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil)
	if contact := req.Contact(); contact != nil && expiry > 0 {
		granted := contact.Clone()
		granted.Params.Remove("expires")
		granted.Params.Add("expires", fmt.Sprint(int(expiry/time.Second)))
		res.AppendHeader(granted)
	}
	e.send(res, l)
}

// asksFor are the expiries that a REGISTER names, the one that counts first
// (section 10.2.1.1).
func asksFor(req *sip.Request) (all []string) {
	if contact := req.Contact(); contact != nil {
		if text, ok := contact.Params.Get("expires"); ok {
			all = append(all, text)
		}
	}
	if h := req.GetHeader("Expires"); h != nil {
		all = append(all, h.Value())
	}
	return all
}

func (r *admission) challenge() *digest.Challenge {
	return &digest.Challenge{Realm: "callseal-bench", Nonce: r.nonce, Algorithm: "MD5", QOP: []string{"auth"}}
}

// proven tells whether a request proves the account's password (RFC 7616).
func (r *admission) proven(req *sip.Request) bool {
	h := req.GetHeader("Authorization")
	if h == nil {
		return false
	}
	got, err := digest.ParseCredentials(h.Value())
	if err != nil || got.Username != r.account.User || got.Nonce != r.nonce {
		return false
	}
	want, err := digest.Digest(r.challenge(), digest.Options{
		Method: req.Method.String(), URI: got.URI, Count: got.Nc, Cnonce: got.Cnonce,
		Username: r.account.User, Password: string(r.account.Password),
	})
	return err == nil && got.Response == want.Response
}

// registered tells whether it may call now. With a nil admission everybody may.
func (r *admission) registered() bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until)
}
