package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"callseal/signaling/auth"
	"callseal/signaling/register"
	"callseal/signaling/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registrar answers over UDP what a function says to each request: a status and headers, or "" for nothing.
func registrar(t *testing.T, answer func(method, request string) (status, extra string)) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { // waited for below
		defer close(over)
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			request := string(buf[:n])
			method, _, _ := strings.Cut(request, " ")
			status, extra := answer(method, request)
			if status == "" {
				continue
			}
			res := "SIP/2.0 " + status + "\r\n"
			for line := range strings.SplitSeq(request, "\r\n") {
				name, _, _ := strings.Cut(line, ":")
				switch name {
				case "To":
					res += line + ";tag=r\r\n"
				case "Via", "From", "Call-ID", "CSeq":
					res += line + "\r\n"
				}
			}
			_, _ = conn.WriteToUDPAddrPort([]byte(res+extra+"Content-Length: 0\r\n\r\n"), from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-over })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// try probes a remote, with an account where it has one.
func try(t *testing.T, at netip.AddrPort, account bool) map[Step]Finding {
	t.Helper()
	c := Config{UserAgent: "callseal", Target: transport.Target{Trunk: "telco", Role: transport.Carrier, Proto: transport.UDP, Host: at.Addr().String(), Port: at.Port()}}
	if account {
		uri := sip.Uri{Scheme: "sip", User: "bob", Host: at.Addr().String(), Port: int(at.Port())}
		c.Credentials = auth.Credentials{User: "bob", Password: auth.NewSecret("secret-of-bob")}
		c.Register = &register.Account{Registrar: uri, AOR: uri}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	report, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	found := map[Step]Finding{}
	for _, f := range report.Findings {
		if _, twice := found[f.Step]; twice {
			t.Errorf("%s is reported twice", f.Step)
		}
		found[f.Step] = f
		if strings.Contains(fmt.Sprintf("%+v", f), "secret-of-bob") {
			t.Errorf("the password shows: %+v", f)
		}
	}
	for _, s := range Steps() {
		if _, ok := found[s]; !ok {
			t.Errorf("nothing about %s", s)
		}
	}
	return found
}

// TestRegistrars: what a registrar answers is said in words that name the side that is wrong.
func TestRegistrars(t *testing.T) {
	const challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"\r\n"
	challenging := func(after string) func(string, string) (string, string) {
		return func(method, request string) (string, string) {
			switch {
			case method != "REGISTER":
				return "200 OK", "Server: a registrar\r\n"
			case strings.Contains(request, "\r\nContact:"):
				return "500 a probe registers nothing", ""
			case !strings.Contains(request, "\r\nAuthorization:"):
				return "401 Unauthorized", challenge
			}
			return after, challenge
		}
	}
	for _, row := range []struct {
		name          string
		answer        func(method, request string) (string, string)
		account       bool
		options, reg  Outcome
		says, advises string // of the last of them that was tried
	}{
		{"takes the password", challenging("200 OK"), true, Good, Good, "takes our password and has 0 bindings", ""},
		{"refuses it", challenging("403 Forbidden"), true, Good, Fault, "403 Forbidden to our password", "Our side: correct user, password"},
		{"asks again", challenging("401 Unauthorized"), true, Good, Fault, "our password is not taken", "Our side: correct user, password"},
		{"knows no such user", func(method, _ string) (string, string) {
			if method == "REGISTER" {
				return "404 Not Found", ""
			}
			return "200 OK", ""
		}, true, Good, Fault, "404 Not Found", "Either side: the account bob"},
		{"has no account of ours", challenging(""), false, Good, Skipped, "no registration is configured", ""},
		{"forbids OPTIONS", func(string, string) (string, string) { return "403 Forbidden", "" }, false, Warning, Skipped, "no registration", ""},
		{"is overloaded", func(string, string) (string, string) { return "503 Busy", "" }, false, Warning, Skipped, "no registration", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := try(t, registrar(t, row.answer), row.account)
			if found[Options].Outcome != row.options || found[Registration].Outcome != row.reg {
				t.Errorf("OPTIONS %+v, registration %+v", found[Options], found[Registration])
			}
			if last := found[Registration]; !strings.Contains(last.Says, row.says) || !strings.Contains(last.Advice, row.advises) {
				t.Errorf("%q, %q; want %q, %q", last.Says, last.Advice, row.says, row.advises)
			}
		})
	}
}

// TestNobodyThere: the first fault ends a probe, and all that follows is reported as not tried.
func TestNobodyThere(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = conn.Close() // a port that nobody has now
	found := try(t, at, true)
	if f := found[Options]; f.Outcome != Fault || f.Cause == "" || f.Advice == "" {
		t.Errorf("OPTIONS: %+v", f)
	}
	for _, s := range []Step{Registration, Offer, Media} {
		if found[s].Outcome != Skipped || found[s].Says != "not tried after the fault above" {
			t.Errorf("%s: %+v", s, found[s])
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Steps() {
		seen[s.String()] = true
	}
	for o := Good; o <= Skipped; o++ {
		seen[o.String()] = true
	}
	if len(seen) != len(Steps())+4 || Step(99).String() != "Step(99)" || Outcome(9).String() != "Outcome(9)" {
		t.Errorf("names %v", seen)
	}
}
