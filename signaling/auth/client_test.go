package auth

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

func request(method sip.RequestMethod, body string) *sip.Request {
	req := sip.NewRequest(method, sip.Uri{Scheme: "sip", User: "0012", Host: "carrier.example", Port: 5061,
		UriParams: sip.HeaderParams{{K: "transport", V: "tls"}, {K: "x", V: "a b"}}})
	req.SetBody([]byte(body))
	return req
}

func challenged(code int, values ...string) *sip.Response {
	res := sip.NewResponse(code, "")
	name := "WWW-Authenticate"
	if code == 407 {
		name = "Proxy-Authenticate"
	}
	for _, v := range values {
		res.AppendHeader(sip.NewHeader(name, "Digest "+v))
	}
	return res
}

var bob = Credentials{User: `bob"s`, Password: NewSecret("zan zibar")}

// TestAgainstAnotherImplementation: what a client answers is what icholy/digest
// makes of the same nonces.
func TestAgainstAnotherImplementation(t *testing.T) {
	for _, algorithm := range []string{"", "MD5", "md5", "SHA-256", "SHA-512-256"} {
		for _, qop := range []string{"", "auth", "auth-int", "auth-int,auth"} {
			for _, code := range []int{401, 407} {
				t.Run(fmt.Sprintf("%d %s %s", code, algorithm, strings.ReplaceAll(qop, ",", " ")), func(t *testing.T) {
					value := `realm="a \"b\", c", nonce="n/+=", opaque="o"`
					if qop != "" {
						value += `, qop="` + qop + `"`
					}
					if algorithm != "" {
						value += ", algorithm=" + algorithm
					}
					client := NewClient(bob)
					req := request(sip.INVITE, "v=0\r\n")
					x := client.Begin()
					if err := x.Answer(challenged(code, value)); err != nil {
						t.Fatal(err)
					}
					for count := 1; count < 4; count++ {
						x.Sign(req)
						agrees(t, req, code, "Digest "+value, count)
						x = client.Begin() // the next request, which is not challenged
					}
				})
			}
		}
	}
}

func agrees(t *testing.T, req *sip.Request, code int, challenge string, count int) {
	t.Helper()
	name := "Authorization"
	if code == 407 {
		name = "Proxy-Authorization"
	}
	if len(req.GetHeaders(name)) != 1 {
		t.Fatalf("%d headers %s", len(req.GetHeaders(name)), name)
	}
	got, err := digest.ParseCredentials(req.GetHeader(name).Value())
	if err != nil {
		t.Fatal(err)
	}
	ch, err := digest.ParseChallenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	want, err := digest.Digest(ch, digest.Options{Method: req.Method.String(), URI: req.Recipient.String(), Count: count,
		Username: bob.User, Password: bob.Password.Reveal(), Cnonce: got.Cnonce,
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(req.Body()))), nil }})
	if err != nil {
		t.Fatal(err)
	}
	want.Algorithm, got.Algorithm = strings.ToUpper(want.Algorithm), strings.ToUpper(got.Algorithm)
	if want.QOP == "" {
		want.Nc = 0
	}
	if *got != *want {
		t.Errorf("answered\n%+v, the oracle\n%+v", *got, *want)
	}
	if !strings.HasPrefix(req.StartLine(), "INVITE "+got.URI+" ") {
		t.Errorf("uri=%q is not that of %q", got.URI, req.StartLine())
	}
}

// step is a response and what becomes of it.
type step struct {
	code  int
	asked []string
	err   error    // nil: it is sent again
	shows []string // what its Authorization headers hold, in their order
}

func TestExchange(t *testing.T) {
	for _, row := range []struct {
		name  string
		steps []step
	}{
		{"wrong password", []step{
			{401, []string{`realm="r", nonce="1"`}, nil, []string{`nonce="1"`}},
			{401, []string{`realm="r", nonce="2"`}, ErrRefused, nil},
		}},
		{"wrong password, same nonce", []step{
			{401, []string{`realm="r", nonce="1"`}, nil, []string{`nonce="1"`}},
			{401, []string{`realm="r", nonce="1"`}, ErrRefused, nil},
		}},
		{"stale", []step{
			{401, []string{`realm="r", nonce="1", qop="auth"`}, nil, []string{`nonce="1"`}},
			{401, []string{`realm="r", nonce="2", qop="auth", stale=TRUE`}, nil, []string{`nonce="2"`}},
		}},
		{"stale with the same nonce", []step{
			{401, []string{`realm="r", nonce="1"`}, nil, []string{`nonce="1"`}},
			{401, []string{`realm="r", nonce="1", stale=true`}, ErrRefused, nil},
		}},
		{"stale without end", []step{
			{401, []string{`realm="r", nonce="1"`}, nil, []string{`nonce="1"`}},
			{401, []string{`realm="r", nonce="2", stale=true`}, nil, []string{`nonce="2"`}},
			{401, []string{`realm="r", nonce="3", stale=true`}, nil, []string{`nonce="3"`}},
			{401, []string{`realm="r", nonce="4", stale=true`}, nil, []string{`nonce="4"`}},
			{401, []string{`realm="r", nonce="5", stale=true`}, nil, []string{`nonce="5"`}},
			{401, []string{`realm="r", nonce="6", stale=true`}, nil, []string{`nonce="6"`}},
			{401, []string{`realm="r", nonce="7", stale=true`}, nil, []string{`nonce="7"`}},
			{401, []string{`realm="r", nonce="8", stale=true`}, nil, []string{`nonce="8"`}},
			{401, []string{`realm="r", nonce="9", stale=true`}, ErrRefused, nil},
		}},
		{"the strongest of a realm", []step{
			{401, []string{`realm="r", nonce="1", algorithm=MD5`, `realm="r", nonce="2", algorithm=SHA-256`, `realm="r", nonce="3", algorithm=SHA-1`}, nil,
				[]string{`nonce="2"`}},
		}},
		{"the strongest that is known", []step{
			{401, []string{`realm="r", nonce="3", algorithm=SHA3`, `realm="r", nonce="1", algorithm=MD5-sess`}, nil, []string{`algorithm=MD5-sess, cnonce`}},
		}},
		{"several realms in one message", []step{
			{407, []string{`realm="a", nonce="1"`, `realm="b", nonce="2"`}, nil, []string{`realm="a"`, `realm="b"`}},
		}},
		{"a proxy, then the server", []step{
			{407, []string{`realm="a", nonce="1", qop="auth"`}, nil, []string{`nc=00000001`}},
			{401, []string{`realm="a", nonce="2", qop="auth"`}, nil, []string{`nonce="2"`, `nc=00000002`}},
			{407, []string{`realm="a", nonce="3", qop="auth"`}, ErrRefused, nil},
		}},
		{"nothing known", []step{{401, []string{`realm="a", nonce="3", algorithm=X`}, ErrUnsupported, nil}}},
		{"nothing asked", []step{{401, nil, ErrNoChallenge, nil}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := NewClient(bob)
			x := client.Begin()
			req := request(sip.REGISTER, "")
			x.Sign(req)
			for i, s := range row.steps {
				if err := x.Answer(challenged(s.code, s.asked...)); !errors.Is(err, s.err) {
					t.Fatalf("step %d: %v, want %v", i, err, s.err)
				}
				if s.err != nil {
					continue
				}
				x.Sign(req)
				shows(t, req, s.shows)
			}
		})
	}
}

func shows(t *testing.T, req *sip.Request, want []string) {
	t.Helper()
	got := append(req.GetHeaders("Authorization"), req.GetHeaders("Proxy-Authorization")...)
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i, h := range got {
		if !strings.Contains(h.Value(), want[i]) {
			t.Errorf("answer %q has no %s", h.Value(), want[i])
		}
	}
}

// TestRefusedNonces: a nonce for which the password was refused is answered in no
// later request either, and a refused realm is no longer answered unasked.
func TestRefusedNonces(t *testing.T) {
	client := NewClient(bob)
	x := client.Begin()
	for i, want := range []error{nil, ErrRefused} {
		x.Sign(request(sip.REGISTER, ""))
		if err := x.Answer(challenged(401, `realm="r", nonce="1"`)); !errors.Is(err, want) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	x = client.Begin()
	req := request(sip.REGISTER, "")
	x.Sign(req)
	shows(t, req, nil)
	if err := x.Answer(challenged(401, `realm="r", nonce="1"`)); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if err := client.Begin().Answer(challenged(401, `realm="r", nonce="2"`)); err != nil {
		t.Error(err)
	}
}

// TestReusedNonce: a known nonce is used again unasked; when the remote is tired
// of it, also without calling it stale, the new one is answered once.
func TestReusedNonce(t *testing.T) {
	client := NewClient(bob)
	if err := client.Begin().Answer(challenged(401, `realm="r", nonce="1", qop="auth"`)); err != nil {
		t.Fatal(err)
	}
	x := client.Begin()
	req := request(sip.REGISTER, "")
	x.Sign(req)
	shows(t, req, []string{`nonce="1"`})
	if err := x.Answer(challenged(401, `realm="r", nonce="2", qop="auth"`)); err != nil {
		t.Fatal(err)
	}
	x.Sign(req)
	shows(t, req, []string{`nc=00000001`})
	if err := x.Answer(challenged(401, `realm="r", nonce="3", qop="auth"`)); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

// TestTwoRequestsAtOnce: both are challenged with the same nonce, as PJSIP's of
// one second are; both are answered, with a count of their own.
func TestTwoRequestsAtOnce(t *testing.T) {
	client := NewClient(bob)
	var mu sync.Mutex
	counts := map[string]bool{}
	var group sync.WaitGroup
	first := make(chan struct{})
	for range 8 {
		x := client.Begin()
		req := request(sip.BYE, "")
		x.Sign(req)
		shows(t, req, nil)
		group.Go(func() {
			<-first
			if err := x.Answer(challenged(401, `realm="r", nonce="1", qop="auth"`)); err != nil {
				t.Error(err)
			}
			x.Sign(req)
			c, err := digest.ParseCredentials(req.GetHeader("Authorization").Value())
			mu.Lock()
			defer mu.Unlock()
			if err != nil || counts[fmt.Sprint(c.Nc)] {
				t.Errorf("count %d twice, %v", c.Nc, err)
			}
			counts[fmt.Sprint(c.Nc)] = true
		})
	}
	close(first)
	group.Wait()
}

func TestNobodyToAnswerFor(t *testing.T) {
	for _, c := range []*Client{nil, NewClient(Credentials{})} {
		x := c.Begin()
		req := request(sip.INVITE, "")
		x.Sign(req)
		shows(t, req, nil)
		if err := x.Answer(challenged(401, `realm="r", nonce="1"`)); !errors.Is(err, ErrNoCredentials) {
			t.Error(err)
		}
	}
}

// TestRealmsWithoutEnd: who asks for a new realm each time is answered a bounded
// number of times, and remembered bounded.
func TestRealmsWithoutEnd(t *testing.T) {
	client := NewClient(bob)
	x := client.Begin()
	var err error
	n := 0
	for ; err == nil; n++ {
		err = x.Answer(challenged(401, fmt.Sprintf(`realm="%d", nonce="%d"`, n, n)))
	}
	if !errors.Is(err, ErrRefused) || n != maxRounds+1 || len(client.known) > maxRealms {
		t.Errorf("%d rounds, %d realms, %v", n, len(client.known), err)
	}
}
