package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// registrar answers REGISTERs on a connection, as answer says.
func registrar(t *testing.T, answer func(req *sip.Request) *sip.Response) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends when the listener and the connection are closed
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for {
			m, err := readMessage(r, sip.NewParser())
			if err != nil {
				return
			}
			if res := answer(m.(*sip.Request)); res != nil {
				_, _ = fmt.Fprint(conn, res.String())
			}
		}
	}()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	return Target{Proto: TCP, Host: "127.0.0.1", Port: at.Port()}
}

func challengeWith(req *sip.Request, text string) *sip.Response {
	status, header := 401, "WWW-Authenticate"
	if strings.HasPrefix(text, "proxy ") {
		status, header, text = 407, "Proxy-Authenticate", text[6:]
	}
	res := sip.NewResponseFromRequest(req, status, "Unauthorized", nil)
	res.AppendHeader(sip.NewHeader(header, text))
	return res
}

// knows tells whether the request proves the password.
func knows(req *sip.Request, header, asked, password string) bool {
	h := req.GetHeader(header)
	if h == nil {
		return false
	}
	got, err := digest.ParseCredentials(h.Value())
	if err != nil {
		return false
	}
	c, err := digest.ParseChallenge(asked)
	if err != nil {
		return false
	}
	want, err := digest.Digest(c, digest.Options{
		Method: req.Method.String(), URI: got.URI, Username: "101", Password: password, Cnonce: got.Cnonce, Count: got.Nc,
	})
	return err == nil && want.Response == got.Response
}

func TestRegister(t *testing.T) {
	const md5, sha = `Digest realm="r", nonce="n"`, `Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"`
	ok := func(req *sip.Request) *sip.Response { return sip.NewResponseFromRequest(req, 200, "OK", nil) }
	guarded := func(asked, header, password string) func(*sip.Request) *sip.Response {
		return func(req *sip.Request) *sip.Response {
			if !knows(req, header, strings.TrimPrefix(asked, "proxy "), password) {
				return challengeWith(req, asked)
			}
			return ok(req)
		}
	}
	for _, row := range []struct {
		name   string
		answer func(*sip.Request) *sip.Response
		status int
		err    error
	}{
		{"at once", ok, 200, nil},
		{"as chan_sip asks", guarded(md5, "Authorization", "secret"), 200, nil},
		{"SHA-256 with qop", guarded(sha, "Authorization", "secret"), 200, nil},
		{"by a proxy", guarded("proxy "+md5, "Proxy-Authorization", "secret"), 200, nil},
		{"wrong password", guarded(md5, "Authorization", "other"), 401, ErrStatus},
		{"forbidden", func(req *sip.Request) *sip.Response { return sip.NewResponseFromRequest(req, 403, "Forbidden", nil) }, 403, ErrStatus},
		{"impossible challenge", func(req *sip.Request) *sip.Response {
			return challengeWith(req, `Digest realm="r", nonce="n", algorithm=FOO`)
		}, 401, ErrMessage},
		{"silence", func(*sip.Request) *sip.Response { return nil }, 0, ErrTimeout},
	} {
		t.Run(row.name, func(t *testing.T) {
			caller, err := NewCaller(t.Context(), Config{Timeout: 300 * time.Millisecond}, registrar(t, row.answer))
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			got, err := caller.Register(t.Context(), Account{User: "101", Password: "secret"})
			if !errors.Is(err, row.err) || (err == nil) != (row.err == nil) || got.Status != row.status {
				t.Errorf("status %d, error %v; want %d, %v", got.Status, err, row.status, row.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in: %v", err)
			}
		})
	}
}

// An answerer that has registered takes the calls that come over the connection
// it registered on.
func TestRegisteredAnswerer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	said := make(chan string, 16)
	go func() { // ends with the connection
		defer close(said)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		for {
			m, err := readMessage(r, sip.NewParser())
			if err != nil {
				return
			}
			switch m := m.(type) {
			case *sip.Request: // REGISTER, BYE
				said <- fmt.Sprint(m.Method)
				_, _ = fmt.Fprint(conn, sip.NewResponseFromRequest(m, 200, "OK", nil).String())
				if m.Method == sip.REGISTER {
					contact := m.Contact().Address
					body := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
					_, _ = fmt.Fprintf(conn, "INVITE %s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:101@b>\r\n"+
						"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
						contact.String(), len(body), body)
				}
			case *sip.Response:
				said <- fmt.Sprint(m.StatusCode)
				if m.IsSuccess() {
					_, _ = fmt.Fprintf(conn, "ACK %s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK2\r\nFrom: <sip:a@b>;tag=1\r\nTo: %s\r\n"+
						"Call-ID: 1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", m.Contact().Address.String(), m.To().Value())
				}
			}
		}
	}()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	a, err := NewRegistered(t.Context(), Config{}, Target{Proto: TCP, Host: "127.0.0.1", Port: at.Port()}, Account{User: "101", Password: "secret"},
		func(number string) (Plan, bool) { return Plan{Outcome: Answered, EndedBy: Answering}, number == "101" })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"REGISTER", "100", "180", "200", "BYE"} {
		if got := <-said; got != want {
			t.Errorf("said %s; want %s", got, want)
		}
	}
	for end := time.Now().Add(5 * time.Second); len(a.Results()) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // real sockets: another goroutine notes the result
	}
	if r := a.Results(); len(r) != 1 || !r[0].OK() {
		t.Errorf("results %+v", r)
	}
	a.Close()
}

func TestRegisterStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	caller, err := NewCaller(t.Context(), Config{}, registrar(t, func(*sip.Request) *sip.Response { cancel(); return nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	if _, err := caller.Register(ctx, Account{User: "101"}); !errors.Is(err, ErrStopped) {
		t.Errorf("error %v; want %v", err, ErrStopped)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", Password("secret"), Account{Password: "secret"}, Account{Password: "secret"}, Password("secret")); strings.Contains(text, "secret") {
		t.Errorf("the password shows: %s", text)
	}
}
