package transport

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestRedact(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"nothing secret", "OPTIONS sip:a SIP/2.0\r\nX: response=\"y\"\r\n\r\nv=0\r\n", "OPTIONS sip:a SIP/2.0\r\nX: response=\"y\"\r\n\r\nv=0\r\n"},
		{"crypto", "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20|1:4 FEC_ORDER=FEC_SRTP\r\nm=x\r\n",
			"\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:REDACTED|2^20|1:4 FEC_ORDER=FEC_SRTP\r\nm=x\r\n"},
		{"two keys in one line", "\na=crypto:1 X inline:c2Vj;Inline:cmV0\n", "\na=crypto:1 X inline:REDACTED;Inline:REDACTED\n"},
		{"key without line end", "\n\na=crypto:1 X inline:c2Vj", "\n\na=crypto:1 X inline:REDACTED"},
		{"key in an unfinished header section", "INVITE x\r\na=crypto:1 X inline:c2Vj\r\n", "INVITE x\r\na=crypto:1 X inline:REDACTED\r\n"},
		{"k= and key-mgmt", "\nk=clear:secret\na=key-mgmt:mikey secret\n", "\nk=REDACTED\na=key-mgmt:REDACTED\n"},
		{"digest", "Authorization: Digest username=\"a\", response=\"secret\", nc=1\r\n", "Authorization: Digest username=\"a\", response=REDACTED, nc=1\r\n"},
		{"digest response last, spaced, in capitals", "proxy-authorization : DIGEST a=\"x,response=1\", RESPONSE = \"secret\"\r\nTo: x\r\n",
			"proxy-authorization : DIGEST a=\"x,response=1\", RESPONSE =REDACTED\r\nTo: x\r\n"},
		{"digest folded", "Authorization: Digest a=b,\r\n response=\"secret\",\r\n\tc=d\r\nTo: x\r\n", "Authorization: Digest a=b,\r\n response=REDACTED,\r\n\tc=d\r\nTo: x\r\n"},
		{"digest response first", "Authorization: Digest response=\"secret\"\r\n", "Authorization: Digest response=REDACTED\r\n"},
		{"rspauth", "Authentication-Info: qop=auth, rspauth=\"secret\"\r\n", "Authentication-Info: qop=auth, rspauth=REDACTED\r\n"},
		{"bearer, folded", "Authorization:\r\n Bearer secret\r\nTo: x\r\n", "Authorization: REDACTED\r\nTo: x\r\n"},
		{"basic", "Authorization: Basic secret\r\n", "Authorization: REDACTED\r\n"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(redact([]byte(tt.raw))); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestTap: every message passes once, in and out, a refused one too; keep-alives do not.
func TestTap(t *testing.T) {
	for _, secrets := range []bool{false, true} {
		t.Run(map[bool]string{false: "redacted", true: "with secrets"}[secrets], func(t *testing.T) {
			var mu sync.Mutex
			var tapped []Tapped
			b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}, TapSecrets: secrets, Tap: func(m Tapped) {
				mu.Lock()
				defer mu.Unlock()
				tapped = append(tapped, m)
			}})
			c := dialCaller(t, b, "tcp", nil)
			c.say(t, "\r\n\r\n"+text("OPTIONS", TCP, "a", "z9hG4bKa", 1, "Authorization: Digest response=\"topsecret\"\n", "a=crypto:1 X inline:topsecret\r\n"))
			c.hear(t)
			c.say(t, strings.Replace(text("OPTIONS", TCP, "b", "z9hG4bKb", 1, "", ""), "CSeq: 1", "CSeq: x", 1))
			c.hear(t)
			r := listenRemote(t, nil)
			answers(t, r)
			exchange(t, b, &Target{Trunk: "out", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: r.port()}, "c", nil)
			b.stop()
			want := []string{"in OPTIONS", "out SIP/2.0 200", "in OPTIONS", "out SIP/2.0 400", "out OPTIONS", "in SIP/2.0 200"}
			if len(tapped) != len(want) {
				t.Fatalf("%d messages, want %d", len(tapped), len(want))
			}
			for i, m := range tapped {
				if got := m.Direction.String() + " " + string(m.Raw); !strings.HasPrefix(got, want[i]) {
					t.Errorf("message %d is %q, want %q", i, got[:40], want[i])
				}
				if got := strings.Count(string(m.Raw), "topsecret"); got != map[bool]int{true: 2}[secrets && i == 0] {
					t.Errorf("message %d shows %d secrets", i, got)
				}
			}
			if m := tapped[4]; m.Trunk != "out" || m.Role != Carrier || m.Remote.Port() != r.port() || m.Listener != "" {
				t.Errorf("tapped %+v", m)
			}
			if m := tapped[0]; m.Listener != "tcp" || m.Role != Dialer || m.Local != b.Addr("tcp") {
				t.Errorf("tapped %+v", m)
			}
			if strings.Contains(b.log.String(), "topsecret") {
				t.Error("a secret was logged")
			}
		})
	}
}

// TestNothingSecretInErrors: a message that cannot be sent or read is logged without its octets.
func TestNothingSecretInErrors(t *testing.T) {
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
	c := dialCaller(t, b, "tcp", nil)
	for _, m := range []string{
		"INVITE sip:topsecret SIP/2.0\nVia: topsecret\nAuthorization: topsecret\nl: 0\n\n",
		"INVITE sip:a SIP/2.0\ntopsecret\nl: 0\n\n",
		"INVITE sip:a SIP/2.0\nVia: SIP/2.0/TCP h\nl: topsecret\n\n",
	} {
		c.say(t, m)
	}
	c.closedWithin(t, patience)
	each, got := results()
	r := outgoing(sip.OPTIONS, "x")
	r.AppendHeader(sip.NewHeader("X", "topsecret\r\ninline:topsecret"))
	remote := listenRemote(t, nil)
	b.Send(context.Background(), Outgoing{Request: r, Hop: Hop{Target: &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: remote.port()}}, Each: each})
	if r := receive(t, "failure", got); r.Err == nil || strings.Contains(r.Err.Error(), "topsecret") {
		t.Errorf("got %+v", r)
	}
	b.stop()
	if strings.Contains(b.log.String(), "topsecret") {
		t.Errorf("logged:\n%s", b.log)
	}
}

func BenchmarkPassedWithoutTap(b *testing.B) {
	e := &Endpoint{metrics: NewMetrics(nil)}
	f := &Flow{role: Dialer, proto: TLS}
	raw := []byte(text("OPTIONS", TCP, "a", "z9hG4bKa", 1, "", ""))
	b.ReportAllocs()
	for b.Loop() {
		e.passed(In, f, f.remote, raw)
	}
}
