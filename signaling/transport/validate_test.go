package transport

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// checkBoth checks a message; a good one must survive being written, and a refusal must be readable.
func checkBoth(t *testing.T, c *checker, m *message) {
	t.Helper()
	redact(m.raw)
	msg, flt := c.check(m)
	if flt != nil {
		if m.fault != nil && m.fault.cause == notSIP {
			return
		}
		b := refuse(m, flt, netip.MustParseAddrPort("192.0.2.1:5060"), "")
		if b == nil {
			return
		}
		if again := datagram(b); again == nil || !isStatusLine(again.start) || again.fault != nil && again.fault.cause != badHeader {
			t.Fatalf("refusal is no message:\n%q", b)
		}
		return
	}
	var b bytes.Buffer
	if err := encode(&b, msg); err != nil {
		t.Fatalf("checked message cannot be written: %v", err)
	}
	again, flt := c.check(datagram(b.Bytes()))
	if flt != nil {
		t.Fatalf("written message fails the check: %v\n%q", flt, b.String())
	}
	if again.CallID().Value() != msg.CallID().Value() || again.CSeq().SeqNo != msg.CSeq().SeqNo || string(again.Body()) != string(msg.Body()) {
		t.Fatalf("written message differs:\n%q", b.String())
	}
}

const goodLines = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 OPTIONS\n"

// replaced gives goodLines with the line of the same header name replaced, or added.
func replaced(line string) string {
	name, _, _ := strings.Cut(line, ":")
	var kept []string
	found := false
	for l := range strings.SplitSeq(strings.TrimSuffix(goodLines, "\n"), "\n") {
		if strings.HasPrefix(l, name+":") {
			l, found = line, true
		}
		kept = append(kept, l)
	}
	if !found {
		kept = append(kept, line)
	}
	return strings.Join(kept, "\n") + "\n"
}

func TestCheckRequest(t *testing.T) {
	const start = "OPTIONS sip:u@h SIP/2.0\n"
	tests := []struct {
		name, message string
		status        int // 0: accepted
		cause         refusal
	}{
		{"plain", start + goodLines, 0, 0},
		{"lower-case version", "OPTIONS sip:u@h sip/2.0\n" + goodLines, 0, 0},
		{"no Max-Forwards (RFC 2543)", start + goodLines, 0, 0},
		{"two spaces", "OPTIONS  sip:u@h SIP/2.0\n" + goodLines, 400, badStartLine},
		{"trailing space", "OPTIONS sip:u@h SIP/2.0 \n" + goodLines, 400, badStartLine},
		{"version 3", "OPTIONS sip:u@h SIP/3.0\n" + goodLines, 505, badVersion},
		{"method with a slash", "OPT/IONS sip:u@h SIP/2.0\n" + goodLines, 400, badStartLine},
		{"request URI in brackets", "OPTIONS <sip:u@h> SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"request URI with headers", "OPTIONS sip:u@h?X=y SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"request URI without host", "OPTIONS sip: SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"request URI with port 0", "OPTIONS sip:u@h:0 SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"request URI with port 65536", "OPTIONS sip:u@h:65536 SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"request URI with bare IPv6", "OPTIONS sip:u@2001:db8::1 SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"request URI with IPv6", "OPTIONS sip:u@[2001:db8::1]:5061;transport=tls SIP/2.0\n" + goodLines, 0, 0},
		{"request URI of another scheme", "OPTIONS tel:+15551234 SIP/2.0\n" + goodLines, 0, 0},
		{"request URI star", "OPTIONS * SIP/2.0\n" + goodLines, 400, badRequestURI},
		{"no Via", start + strings.Replace(goodLines, "Via", "Xia", 1), 400, missingHeader},
		{"no Call-ID", start + strings.Replace(goodLines, "Call-ID", "Call", 1), 400, missingHeader},
		{"two From", start + goodLines + "f: <sip:a@b>;tag=2\n", 400, repeatedHeader},
		{"two Session-Expires, one compact", start + goodLines + "x: 90\nSession-Expires: 90\n", 400, repeatedHeader},
		{"two Subject", start + goodLines + "s: a\nSubject: b\n", 0, 0},
		{"no colon", start + goodLines + "nonsense\n", 400, badHeader},
		{"space in header name", start + goodLines + "Bad Name: x\n", 400, badHeader},
		{"stray CR", start + goodLines + "X: a\rY: b\n", 400, badHeader},
		{"CSeq of another method", start + replaced("CSeq: 1 INVITE"), 400, methodMismatch},
		{"CSeq in lower case", start + replaced("CSeq: 1 options"), 400, methodMismatch},
		{"CSeq 2**31", start + replaced("CSeq: 2147483648 OPTIONS"), 400, badCSeq},
		{"CSeq 2**31-1", start + replaced("CSeq: 2147483647 OPTIONS"), 0, 0},
		{"CSeq without method", start + replaced("CSeq: 1"), 400, badCSeq},
		{"CSeq folded", start + replaced("CSeq: 1\n OPTIONS"), 0, 0},
		{"Max-Forwards 255", start + replaced("Max-Forwards: 255"), 0, 0},
		{"Max-Forwards 256", start + replaced("Max-Forwards: 256"), 400, badMaxForwards},
		{"Max-Forwards -1", start + replaced("Max-Forwards: -1"), 400, badMaxForwards},
		{"Call-ID with a space", start + replaced("Call-ID: a b"), 400, badCallID},
		{"Via of SIP 3", start + replaced("Via: SIP/3.0/UDP h;branch=z9hG4bK1"), 400, badVia},
		{"Via without host", start + replaced("Via: SIP/2.0/UDP ;branch=z9hG4bK1"), 400, badVia},
		{"Via with spaces everywhere", start + replaced("v :  SIP / 2.0 / UDP   h : 5060 ; branch = z9hG4bK1"), 0, 0},
		{"Via list", start + replaced("Via: SIP/2.0/UDP h;branch=z9hG4bK1 , SIP/2.0/TCP [2001:db8::1]:5;x=\"a,b;c\""), 0, 0},
		{"Via with empty element", start + replaced("Via: SIP/2.0/UDP h;branch=z9hG4bK1,"), 400, badVia},
		{"Via with empty parameters", start + replaced("Via: SIP/2.0/UDP h;;branch=z9hG4bK1"), 400, badVia},
		{"Via with received IPv6", start + replaced("Via: SIP/2.0/UDP h;received=2001:db8::1;branch=z9hG4bK1"), 0, 0},
		{"From without tag", start + replaced("From: <sip:a@b>"), 0, 0},
		{"From with spaced tag", start + replaced("From: <sip:a@b> ; tag = 9"), 0, 0},
		{"From with trailing semicolon", start + replaced("From: <sip:a@b>;tag=9;"), 0, 0},
		{"From with unquoted comma", start + replaced("From: Bell, A <sip:a@b>;tag=1"), 400, badFrom},
		{"From with UTF-8 name", start + replaced("From: Jürgen <sip:a@b>;tag=1"), 0, 0},
		{"From with space inside brackets", start + replaced("From: < sip:a@b >;tag=1"), 400, badFrom},
		{"From star", start + replaced("From: *"), 400, badFrom},
		{"To with open quote", start + replaced(`To: "c <sip:c@d>`), 400, badTo},
		{"To with open bracket", start + replaced("To: <sip:c@d"), 400, badTo},
		{"To with escaped quotes", start + replaced(`To: "a \"b\" \\" <sip:c@d>`), 0, 0},
		{"To with brackets in its name", start + replaced(`To: "<sip:x@y>" <sip:c@d>`), 0, 0},
		{"Contact with question mark outside brackets", start + replaced("Contact: sip:a@b?X=y"), 400, badContact},
		{"Contact list", start + replaced(`m: "a,b" <sip:a@b;c=d,e>;q=0.5, <sip:e@f>`), 0, 0},
		{"Contact star", start + replaced("Contact: *"), 0, 0},
		{"Contact instance", start + replaced(`Contact: <sip:a@b>;+sip.instance="<urn:uuid:0>";reg-id=1`), 0, 0},
		{"Contact Transfer (chan_sip's 302)", start + replaced("Contact: Transfer <sip:a@b>"), 0, 0},
		{"Route without brackets", start + replaced("Route: sip:a@b;lr"), 0, 0},
		{"Route without URI", start + replaced("Route: <>"), 400, badRoute},
		{"Content-Type without slash", start + replaced("Content-Type: text"), 400, badHeader},
	}
	check := newChecker()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := datagram([]byte(crlf(tt.message) + "\r\n"))
			_, flt := check.check(m)
			switch {
			case tt.status == 0 && flt != nil:
				t.Fatalf("refused: %v (%s)", flt, flt.cause)
			case tt.status != 0 && flt == nil:
				t.Fatal("accepted")
			case flt != nil && (flt.status != tt.status || flt.cause != tt.cause):
				t.Fatalf("refused with %v (%s), want %d (%s)", flt, flt.cause, tt.status, tt.cause)
			}
			checkBoth(t, check, m)
		})
	}
}

// TestCheckRepairs: what the other rooms get from a message that is legal but crooked.
func TestCheckRepairs(t *testing.T) {
	req := parsed(t, "invite sip:U;x=y:p@h:5061;Transport=TLS;lr SIP/2.0\nv: SIP/2.0/UDP a;branch=z9hG4bK1,SIP/2.0/UDP b\nVIA: SIP/2.0/UDP c\n"+
		"f: A B <sip:a@b>;TAG = 1\nt: sip:c@d ; Tag=2;p=\"x y\"\ni: id\ncseq: 007   invite\nr: <sip:r@s>\nb: <sip:t@u>\nx: 90\nk: timer\nmax-forwards: 070\n"+
		"o: dialog\nM: <sip:1@h>,<sip:2@h>\nRoute: <sip:r1;lr>, <sip:r2>\n")
	if req.Method != "invite" {
		t.Errorf("method %q: methods are case-sensitive", req.Method)
	}
	if r := req.Recipient; r.User != "U;x=y" || r.Password != "p" || r.Host != "h" || r.Port != 5061 {
		t.Errorf("recipient %+v", r)
	}
	if v, _ := req.Recipient.UriParams.Get("transport"); v != "TLS" {
		t.Errorf("transport parameter %q", v)
	}
	for name, want := range map[string]int{"Via": 3, "Contact": 2, "Route": 2, "Refer-To": 1, "Referred-By": 1, "Session-Expires": 1, "Supported": 1, "Event": 1} {
		if n := len(req.GetHeaders(name)); n != want {
			t.Errorf("%d %s, want %d", n, name, want)
		}
	}
	if tag, _ := req.From().Params.Get("tag"); tag != "1" || req.From().DisplayName != "A B" {
		t.Errorf("From %s", req.From().Value())
	}
	if got := req.To().Value(); got != `<sip:c@d>;tag=2;p="x y"` {
		t.Errorf("To %s", got)
	}
	if req.CSeq().SeqNo != 7 || req.MaxForwards().Val() != 70 || req.ReferTo().Address.User != "r" {
		t.Errorf("CSeq %v, Max-Forwards %v, Refer-To %v", req.CSeq(), req.MaxForwards(), req.ReferTo())
	}
}

func parsed(t *testing.T, s string) *sip.Request {
	t.Helper()
	msg, flt := newChecker().check(datagram([]byte(crlf(s) + "\r\n")))
	if flt != nil {
		t.Fatal(flt)
	}
	return msg.(*sip.Request)
}

func TestCheckResponse(t *testing.T) {
	tests := []struct {
		name, message string
		ok            bool
	}{
		{"plain", "SIP/2.0 200 OK\n" + goodLines, true},
		{"empty phrase", "SIP/2.0 100 \n" + goodLines, true},
		{"UTF-8 phrase", "SIP/2.0 486 занят\n" + goodLines, true},
		{"no phrase and no space", "SIP/2.0 200\n" + goodLines, false},
		{"four digits", "SIP/2.0 2000 OK\n" + goodLines, false},
		{"code 700", "SIP/2.0 700 OK\n" + goodLines, false},
		{"version 3", "SIP/3.0 200 OK\n" + goodLines, false},
		{"bad CSeq", "SIP/2.0 200 OK\n" + replaced("CSeq: x OPTIONS"), false},
		{"two Via", "SIP/2.0 200 OK\n" + goodLines + "Via: SIP/2.0/UDP x\n", false},
	}
	check := newChecker()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := datagram([]byte(crlf(tt.message) + "\r\n"))
			_, flt := check.check(m)
			if (flt == nil) != tt.ok {
				t.Fatalf("fault %v", flt)
			}
			if b := refuse(m, bad(badHeader, "x"), netip.AddrPort{}, ""); b != nil {
				t.Errorf("a response is never answered: %q", b)
			}
			checkBoth(t, check, m)
		})
	}
}

func TestRefuse(t *testing.T) {
	source := netip.MustParseAddrPort("192.0.2.9:7000")
	m := datagram([]byte(crlf("INVITE sip:x SIP/2.0\nVia: SIP/2.0/UDP h:9;rport;branch=z9hG4bK1\nv: SIP/2.0/TCP other\nFrom: \"x\" <sip:a@b>;tag=1\nTo: <sip:c@d>\n" +
		"Call-ID: id\nCSeq: nonsense\nAuthorization: Digest response=\"secret\"\n\n")))
	got := string(refuse(m, bad(badCSeq, "Bad CSeq"), source, "callseal"))
	for _, want := range []string{"SIP/2.0 400 Bad CSeq\r\n", "Via: SIP/2.0/UDP h:9;rport=7000;branch=z9hG4bK1;received=192.0.2.9\r\nVia: SIP/2.0/TCP other\r\n",
		"From: \"x\" <sip:a@b>;tag=1\r\n", "To: <sip:c@d>;tag=", "Call-ID: id\r\n", "CSeq: nonsense\r\n", "Server: callseal\r\n", "Content-Length: 0\r\n\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("credentials are sent back")
	}
	if again := string(refuse(m, bad(badCSeq, "Bad CSeq"), source, "callseal")); again != got {
		t.Error("a repetition is answered differently (RFC 3261 section 8.2.7)")
	}
	for name, message := range map[string]string{"ACK": "ACK sip:x SIP/2.0\n" + goodLines, "no Via": "INVITE sip:x SIP/2.0\nFrom: x\n"} {
		if b := refuse(datagram([]byte(crlf(message)+"\r\n")), bad(badHeader, "x"), source, ""); b != nil {
			t.Errorf("%s is answered: %q", name, b)
		}
	}
}

func TestReplyTo(t *testing.T) {
	source := netip.MustParseAddrPort("192.0.2.9:7000")
	tests := []struct{ name, via, want string }{
		{"rport", "SIP/2.0/UDP h:9;rport", "192.0.2.9:7000"},
		{"sent-by port", "SIP/2.0/UDP h:9", "192.0.2.9:9"},
		{"default port", "SIP/2.0/UDP h", "192.0.2.9:5060"},
		{"maddr is not obeyed", "SIP/2.0/UDP h:9;maddr=198.51.100.1", "192.0.2.9:9"},
		{"received is not obeyed", "SIP/2.0/UDP h:9;received=198.51.100.1", "192.0.2.9:9"},
		{"unreadable", "nonsense", "192.0.2.9:7000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := replyToMessage(&message{fields: []field{{"Via", tt.via}}}, source).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEncodeRefusesInjection(t *testing.T) {
	r := outgoing(sip.OPTIONS, "x")
	var b bytes.Buffer
	if err := encode(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"a\r\nEvil: b", "a\nEvil: b", "a\rb"} {
		r := outgoing(sip.OPTIONS, "x")
		r.AppendHeader(sip.NewHeader("X", value))
		if err := encode(&b, r); err == nil {
			t.Errorf("%q was written: %q", value, b.String())
		}
	}
}
