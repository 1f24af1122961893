// Package auth is digest authentication (RFC 2617, 7616 and 8760), both sides.
package auth

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// Credentials are what a remote knows us by. The zero value is none.
type Credentials struct {
	User     string
	Password Secret
	Keys     Keys // where there is no password: they answer for one realm
}

// IsZero tells that there are none.
func (c Credentials) IsZero() bool { return c.User == "" && c.Password.IsZero() && c.Keys.IsZero() }

// secret is H(user:realm:password), or "" where the keys are of another realm
// or algorithm.
func (c Credentials) secret(ch *Challenge) string {
	if c.Password.IsZero() && !c.Keys.IsZero() {
		return c.Keys.secret(ch.Realm, ch.Algorithm)
	}
	return ch.Algorithm.Hash(c.User, ch.Realm, c.Password.Reveal())
}

// Client answers the challenges of one remote in one dialog or registration:
// nonces are kept for its later requests, which then are not challenged again.
// Many goroutines may use it.
type Client struct {
	credentials Credentials // never mutated

	mu      sync.Mutex // guards what follows
	known   []*answer  // one a realm and header, in the order in which they were asked
	refused []string   // nonces for which the password was not taken, the last ones
}

// answer is what a realm's last challenge was answered with.
type answer struct {
	challenge Challenge
	cnonce    string
	count     uint32 // nc of the last request
}

// Bounds of what a client remembers.
const (
	maxRealms  = 4
	maxRefused = 16
	// maxRounds is how often one request is answered for: each realm asks once,
	// and once more for a stale nonce.
	maxRounds = 2 * maxRealms
)

// NewClient makes one for a user.
func NewClient(c Credentials) *Client { return &Client{credentials: c} }

// Begin starts a request; nil where there is nobody to answer for. A nil
// Exchange never answers.
func (c *Client) Begin() *Exchange {
	if c == nil || c.credentials.IsZero() {
		return nil
	}
	return &Exchange{client: c}
}

// Exchange is one request, sent until it is no longer challenged. Its owner is
// who sends the request.
type Exchange struct {
	client *Client
	fresh  []Challenge // answered in this exchange: who asks again for them has not taken the password
	used   []string    // nonces that the request was signed with
	rounds int
}

// Sign puts answers for the realms that are known into a request, which is then
// complete but for its Via: the request-URI and the body do not change any more.
// Those of an earlier round are taken out.
func (x *Exchange) Sign(req *sip.Request) {
	if x == nil {
		return
	}
	for _, name := range []string{header(false), header(true)} {
		for req.RemoveHeader(name) {
		}
	}
	for _, h := range x.headers(req.Method.String(), req.Recipient.String(), req.Body()) {
		req.AppendHeader(h)
	}
}

// Answer takes a 401 or 407, and tells whether the request is to be sent again:
// signed anew, with the next CSeq number (RFC 3261 section 22.2). Else the
// error says why not: ErrRefused where the password was not taken, or those of
// Challenges. Without an Exchange it is ErrNoCredentials.
func (x *Exchange) Answer(res *sip.Response) error {
	if x == nil {
		return ErrNoCredentials
	}
	asked, err := Challenges(res)
	if err != nil {
		return err
	}
	x.rounds++
	if x.rounds > maxRounds {
		return fmt.Errorf("%w: asked %d times", ErrRefused, x.rounds)
	}
	c := x.client
	asked = slices.DeleteFunc(asked, func(ch Challenge) bool { return c.credentials.secret(&ch) == "" })
	if len(asked) == 0 {
		return fmt.Errorf("%w for the realm or algorithm that is asked for", ErrNoCredentials)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range strongest(asked) {
		if !x.may(&ch) {
			x.giveUp(&ch)
			return fmt.Errorf("%w in realm %q", ErrRefused, clip(ch.Realm))
		}
		if a := c.find(&ch); a == nil || a.challenge.Nonce != ch.Nonce { // else another request of ours was asked at the same time
			c.learn(ch)
		}
		x.fresh = append(x.fresh, ch)
	}
	return nil
}

// may tells whether a challenge may be answered. One of a realm that was
// answered in this exchange says that the password is wrong, unless it calls
// the nonce stale (RFC 7616 section 3.3); and no nonce is answered twice.
func (x *Exchange) may(ch *Challenge) bool {
	asked := slices.ContainsFunc(x.fresh, func(f Challenge) bool { return f.same(ch) })
	return (ch.Stale || !asked) && !slices.Contains(x.used, ch.Nonce) && !slices.Contains(x.client.refused, ch.Nonce)
}

// giveUp notes the nonces for which the password was refused; the caller holds
// the client's mu.
func (x *Exchange) giveUp(ch *Challenge) {
	c := x.client
	for _, f := range x.fresh {
		if f.same(ch) {
			c.refuse(f.Nonce)
		}
	}
	if slices.Contains(x.used, ch.Nonce) {
		c.refuse(ch.Nonce)
	}
	c.forget(ch)
}

// same tells whether two challenges are of one realm and header.
func (c *Challenge) same(o *Challenge) bool { return c.Proxy == o.Proxy && c.Realm == o.Realm }

// strongest leaves one challenge a realm, that of the best algorithm (RFC 8760
// section 2.4 has the server put it first, which not all do).
func strongest(all []Challenge) []Challenge {
	var kept []Challenge
	for _, ch := range all {
		i := slices.IndexFunc(kept, func(k Challenge) bool { return k.same(&ch) })
		switch {
		case i >= 0 && ch.Algorithm > kept[i].Algorithm:
			kept[i] = ch
		case i < 0 && len(kept) < maxRealms:
			kept = append(kept, ch)
		}
	}
	return kept
}

// find gives the answer for a challenge's realm, or nil; the caller holds mu, as
// for the next three.
func (c *Client) find(ch *Challenge) *answer {
	for _, a := range c.known {
		if a.challenge.same(ch) {
			return a
		}
	}
	return nil
}

func (c *Client) learn(ch Challenge) {
	fresh := answer{challenge: ch, cnonce: nonce()}
	if a := c.find(&ch); a != nil {
		*a = fresh
		return
	}
	if len(c.known) == maxRealms {
		c.known = c.known[1:]
	}
	c.known = append(c.known, &fresh)
}

func (c *Client) forget(ch *Challenge) {
	c.known = slices.DeleteFunc(c.known, func(a *answer) bool { return a.challenge.same(ch) })
}

func (c *Client) refuse(nonce string) {
	if c.refused = append(c.refused, nonce); len(c.refused) > maxRefused {
		c.refused = c.refused[1:]
	}
}

func (x *Exchange) headers(method, uri string, body []byte) []sip.Header {
	c := x.client
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []sip.Header
	for _, a := range c.known {
		a.count++
		x.used = append(x.used, a.challenge.Nonce)
		all = append(all, sip.NewHeader(header(a.challenge.Proxy), a.value(c.credentials, method, uri, body)))
	}
	return all
}

// header is the one that answers a challenge (RFC 3261 sections 20.7, 20.28).
func header(proxy bool) string {
	if proxy {
		return "Proxy-Authorization"
	}
	return "Authorization"
}

// nonce gives one of 96 random bits.
func nonce() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return hex.EncodeToString(b[:])
}

// value writes the credentials (RFC 7616 section 3.4).
func (a *answer) value(who Credentials, method, uri string, body []byte) string {
	ch := &a.challenge
	qop := ch.protection()
	p := Proof{
		Algorithm: ch.Algorithm, Realm: ch.Realm, Nonce: ch.Nonce, CNonce: a.cnonce, QOP: qop,
		Count: fmt.Sprintf("%08x", a.count), Method: method, URI: uri, Body: body,
	}
	out := []string{
		"username=" + quoted(who.User), "realm=" + quoted(ch.Realm), "nonce=" + quoted(ch.Nonce), "uri=" + quoted(uri),
		"response=" + quoted(p.Response(who.secret(ch))),
	}
	if ch.Name != "" {
		out = append(out, "algorithm="+ch.Algorithm.String())
	}
	if qop != "" || ch.Algorithm.Session() {
		out = append(out, "cnonce="+quoted(a.cnonce))
	}
	if ch.HasOpaque {
		out = append(out, "opaque="+quoted(ch.Opaque))
	}
	if qop != "" {
		out = append(out, "qop="+qop, "nc="+p.Count)
	}
	return "Digest " + strings.Join(out, ", ")
}

// Proof is what a digest is made of, beside user and password (RFC 7616 section
// 3.4.1). Both sides compute it.
type Proof struct {
	Algorithm            Algorithm
	Realm, Nonce, CNonce string
	QOP                  string // auth, auth-int, or "" for RFC 2069's digest
	Count                string // nc, as it is written
	Method, URI          string
	Body                 []byte // for auth-int
}

// Response is the digest for secret, which is H(user:realm:password).
func (p *Proof) Response(secret string) string {
	h := p.Algorithm.Hash
	if p.Algorithm.Session() {
		secret = h(secret, p.Nonce, p.CNonce)
	}
	a2 := h(p.Method, p.URI)
	if p.QOP == "auth-int" {
		a2 = h(p.Method, p.URI, h(string(p.Body)))
	}
	if p.QOP == "" {
		return h(secret, p.Nonce, a2)
	}
	return h(secret, p.Nonce, p.Count, p.CNonce, p.QOP, a2)
}
