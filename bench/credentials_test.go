package bench

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// uas answers calls with plain RTP that goes nowhere, but first asks who is
// there, as ask says for each method; "" asks nothing. It notes what it got.
type uas struct {
	ask      func(m sip.RequestMethod) string
	password string

	mu  sync.Mutex
	got []string
}

func (u *uas) heard() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.got, ", ")
}

func (u *uas) answer(req *sip.Request) *sip.Response {
	u.mu.Lock()
	u.got = append(u.got, fmt.Sprint(req.Method, " ", req.CSeq().SeqNo))
	u.mu.Unlock()
	if req.IsAck() {
		return nil
	}
	if ask := u.ask(req.Method); ask != "" {
		header := "Authorization"
		if strings.HasPrefix(ask, "proxy ") {
			header = "Proxy-Authorization"
		}
		if !knows(req, header, strings.TrimPrefix(ask, "proxy "), u.password) {
			return challengeWith(req, ask)
		}
	}
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.To().Params.Add("tag", "uas")
	if req.IsInvite() {
		res.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "uas", Host: "127.0.0.1"}})
		body, _ := audio{Addr: loopback, Profile: profilePlain, Direction: sendrecv}.describe(1)
		res.SetBody([]byte(strings.Replace(string(body), "m=audio 0", "m=audio 9", 1)))
	}
	return res
}

// A caller with a password answers challenges to INVITE, re-INVITE and BYE, and
// what it knows of them it sends at once the next time.
func TestChallengedCalls(t *testing.T) {
	const md5, sha = `Digest realm="r", nonce="n"`, `Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth, auth-int"`
	always := func(text string) func(sip.RequestMethod) string {
		return func(sip.RequestMethod) string { return text }
	}
	for _, row := range []struct {
		name     string
		ask      func(sip.RequestMethod) string
		password Password
		want     error
		got      string
	}{
		{"MD5", always(md5), "secret", nil, "INVITE 1, ACK 1, INVITE 2, ACK 2, INVITE 3, ACK 3, BYE 4"},
		{"SHA-256 with qop", always(sha), "secret", nil, "INVITE 1, ACK 1, INVITE 2, ACK 2, INVITE 3, ACK 3, BYE 4"},
		{"by a proxy", always("proxy " + sha), "secret", nil, "INVITE 1, ACK 1, INVITE 2, ACK 2, INVITE 3, ACK 3, BYE 4"},
		{"only the BYE", func(m sip.RequestMethod) string {
			return map[sip.RequestMethod]string{sip.BYE: "proxy " + md5}[m]
		}, "secret", nil, "INVITE 1, ACK 1, INVITE 2, ACK 2, BYE 3, BYE 4"},
		{"wrong password", always(md5), "other", ErrStatus, "INVITE 1, ACK 1, INVITE 2, ACK 2"},
		{"no password", always(md5), "", ErrStatus, "INVITE 1, ACK 1"},
		{"impossible", always(`Digest realm="r", nonce="n", algorithm=FOO`), "secret", ErrMessage, "INVITE 1, ACK 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := &uas{ask: row.ask, password: "secret"}
			caller, err := NewCaller(t.Context(), Config{Account: Account{User: "101", Password: row.password}}, registrar(t, u.answer))
			if err != nil {
				t.Fatal(err)
			}
			r := caller.Place(t.Context(), Plan{
				ID: 1, Number: "77", Outcome: Answered, Audio: 40 * time.Millisecond, Script: []Step{{20 * time.Millisecond, Refresh}},
			})
			if !errors.Is(r.Err, row.want) || (r.Err == nil) != (row.want == nil) {
				t.Errorf("error %v; want %v", r.Err, row.want)
			}
			if r.Err != nil && strings.Contains(r.Err.Error(), "other") {
				t.Errorf("the password is in: %v", r.Err)
			}
			for end := time.Now().Add(5 * time.Second); u.heard() != row.got && time.Now().Before(end); {
				time.Sleep(time.Millisecond) // the last ACK is on its way
			}
			caller.Close()
			if got := u.heard(); got != row.got {
				t.Errorf("got  %s\nwant %s", got, row.got)
			}
		})
	}
}
