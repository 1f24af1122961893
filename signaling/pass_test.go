package signaling

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"callseal/signaling/call"
	"callseal/signaling/transport"
)

// ask writes a request of the dialer's outside of any dialog.
func (f *fixture) ask(method, extra, body string) string {
	return fmt.Sprintf(`%s sip:18005551212@%s SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bKask%s;rport
Max-Forwards: 70
From: "V1234567890123456789" <sip:7275551234@%s>;tag=asktag
To: <sip:18005551212@%s>
Call-ID: ask%s@%s
CSeq: 7 %s
%s
%s`, method, f.Addr("dialers"), f.dialer.addr(), method, dialerIP, f.Addr("dialers"), method, dialerIP, method, extra, body)
}

// with puts headers and a body into a request that inDialog or byeOf wrote.
func with(request, extra, body string) string {
	return strings.TrimSuffix(request, "\n") + extra + "\n" + body
}

// ofCarrier writes a request of the carrier's in the call's dialog.
func (f *fixture) ofCarrier(method string, seq int, invite message, extra, body string) string {
	text := strings.ReplaceAll(f.byeOf(invite, ";tag=carriertag", f.Addr("carriers")), "BYE", method)
	text = strings.Replace(strings.Replace(text, "CSeq: 1 ", fmt.Sprintf("CSeq: %d ", seq), 1), "z9hG4bKbyeof", fmt.Sprintf("z9hG4bK%d", seq), 1)
	return with(text, extra, body)
}

func (f *fixture) refusedFor(role transport.Role, cause string) float64 {
	return testutil.ToFloat64(f.metrics.refused.WithLabelValues(role.String(), cause))
}

// What the remotes say to each other inside a call passes, body and all, and
// the answer comes back; nothing of one leg shows on the other.
func TestRequestsInsideACallPass(t *testing.T) {
	f := newFixture(t, nil)
	ok, invite := f.answered(1)
	for i, c := range []struct{ method, extra, body, status, answer, reply string }{
		{"INFO", "Content-Type: application/dtmf-relay\n", "Signal=5\nDuration=160\n", "200 OK", "", ""},
		{"INFO", "Info-Package: foo\nContent-Type: text/plain\nContent-Disposition: Info-Package\n", "x", "469 Bad Info Package", "Recv-Info: bar\n", ""},
		{"MESSAGE", "Content-Type: text/plain\n", "Watson, come here.\n", "202 Accepted", "", ""},
		{"NOTIFY", "Event: message-summary\nSubscription-State: active\nContent-Type: application/simple-message-summary\n", "Messages-Waiting: yes\n", "200 OK", "", ""},
		{"OPTIONS", "Accept: application/sdp\n", "", "200 OK", "Accept: application/sdp, text/plain\nContent-Type: text/plain\n", "hello\n"},
		{"INFO", "Content-Type: application/x\n", "x", "415 Unsupported Media Type", "Accept: application/dtmf-relay\n", ""},
	} {
		for _, way := range []struct {
			from, to *remote
			request  string
		}{
			{f.dialer, f.carrier, with(strings.Replace(f.inDialog(c.method, 103+i, 1, ok), "branch=z9hG4bKdialer1", fmt.Sprintf("branch=z9hG4bKdialer%d", i), 1), c.extra, c.body)},
			{f.carrier, f.dialer, f.ofCarrier(c.method, 10+i, invite, c.extra, c.body)},
		} {
			name := fmt.Sprintf("%s by the %s", c.method, way.from.name)
			way.from.send(way.request)
			got := way.to.want(c.method + " ")
			if want := strings.ReplaceAll(c.body, "\n", "\r\n"); got.body() != want {
				t.Errorf("%s: body %q, want %q", name, got.body(), want)
			}
			for line := range strings.Lines(c.extra) {
				if !strings.Contains(got.text, strings.TrimSpace(line)+"\r\n") {
					t.Errorf("%s: no %q in\n%s", name, line, got.text)
				}
			}
			if got.header("Max-Forwards") != "69" || strings.Contains(got.text, "\r\nContact:") != (c.method == "NOTIFY") {
				t.Errorf("%s:\n%s", name, got.text)
			}
			way.to.answer(got, c.status, "", "X-Node: 10.9.8.7\n"+c.answer, c.reply)
			res := way.from.want("SIP/2.0 " + c.status)
			if want := strings.ReplaceAll(c.reply, "\n", "\r\n"); res.body() != want {
				t.Errorf("%s: answer with %q, want %q", name, res.body(), want)
			}
			said := message{"\r\n" + strings.ReplaceAll(c.answer, "\n", "\r\n")}
			if accept := said.header("Accept"); res.header("Accept") != accept {
				t.Errorf("%s: Accept %q, want %q", name, res.header("Accept"), accept)
			}
			for _, secret := range []string{"10.9.8.7", "sip:b@"} {
				if strings.Contains(res.text, secret) {
					t.Errorf("%s: %s crosses\n%s", name, secret, res.text)
				}
			}
		}
	}
	f.dialer.send(f.inDialog("BYE", 130, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
	f.wantNoFault(t)
	for _, c := range []struct {
		at     *remote
		secret []string
	}{
		{f.carrier, []string{dialerIP, "dialertag", "dialercall", "z9hG4bKdialer", "V12345"}}, {f.dialer, []string{carrierIP, "carriertag", "z9hG4bK10"}},
	} {
		for _, text := range c.at.seen {
			for _, secret := range c.secret {
				if strings.Contains(text, secret) {
					t.Errorf("%s sees %s in\n%s", c.at.name, secret, text)
				}
			}
		}
	}
}

// What the other remote answers to a request that passes never ends the call,
// and says nothing that would make who asked end it.
func TestAnswersToWhatPasses(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	for i, c := range []struct{ status, want string }{
		{"481 Call Transaction Does Not Exist", "503 telco knows nothing of this call"},
		{"408 Request Timeout", "503 telco knows nothing of this call"},
		{"407 Proxy Authentication Required", "503 telco asks for a password"},
		{"302 Moved Temporarily", "503 telco redirects and that is not followed"},
		{"501 Not Implemented", "501 Not Implemented"},
		{"405 It's -----at 10.1.2.3", "405 It s at"},
		{"200 OK", "200 OK"},
	} {
		f.dialer.send(strings.Replace(f.inDialog("INFO", 103+i, 1, ok), "dialer1info", fmt.Sprintf("dialerinfo%d", i), 1))
		f.carrier.answer(f.carrier.want("INFO "), c.status, "", "", "")
		got := f.dialer.want("SIP/2.0 ")
		if !strings.HasPrefix(got.text, "SIP/2.0 "+c.want+"\r\n") {
			t.Errorf("%s becomes\n%s", c.status, got.text)
		}
		if allow := got.header("Allow"); strings.HasPrefix(c.want, "405") && (allow == "" || strings.Contains(allow, "INFO")) {
			t.Errorf("Allow of the 405: %s", allow)
		}
	}
	f.dialer.never("BYE ")
	if n := f.Calls(); n != 1 {
		t.Fatalf("%d calls", n)
	}
	f.dialer.send(f.inDialog("BYE", 130, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "481 Call Transaction Does Not Exist", "", "", "")
	f.wantIdle(t)
}

// Keys and addresses of SDP do not pass in other bodies, and a remote that asks
// without end is turned away.
func TestWhatDoesNotPass(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	for i, c := range []struct{ kind, body string }{
		{"application/sdp", offer}, {"multipart/mixed;boundary=b", "--b\nContent-Type: Application/SDP\n\n" + offer + "--b--\n"},
	} {
		f.dialer.send(with(strings.Replace(f.inDialog("INFO", 103+i, 1, ok), "dialer1info", fmt.Sprintf("dialerinfo%d", i), 1), "Content-Type: "+c.kind+"\n", c.body))
		if got := f.dialer.want("SIP/2.0 415"); got.header("Accept") == "" {
			t.Error("415 without Accept")
		}
	}
	for i := range 17 {
		f.dialer.send(strings.Replace(f.inDialog("INFO", 110+i, 1, ok), "dialer1info", fmt.Sprintf("dialerpending%d", i), 1))
	}
	f.dialer.want("SIP/2.0 503 SBC waits for telco")
	if got := f.refusedFor(transport.Dialer, "pending"); got != 1 {
		t.Errorf("%v counted as pending", got)
	}
	f.carrier.answer(f.carrier.want("INFO "), "200 OK", "", "", "")
	f.dialer.want("SIP/2.0 200")
	f.dialer.send(f.inDialog("BYE", 140, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}

// A request outside of calls goes where calls of its sender go.
func TestRequestsOutsideOfCallsGoByRoute(t *testing.T) {
	f := newFixture(t, nil)
	f.dialer.send(f.ask("MESSAGE", "X-CIDNAME: ACME\nX-campaignid: T\nPrivacy: id\nContent-Type: text/plain\n", "hello\n"))
	got := f.carrier.want("MESSAGE sip:18005551212@" + carrierIP)
	if !strings.HasPrefix(got.header("From"), `"ACME" <sip:7275551234@`+serverIP) || got.body() != "hello\r\n" || got.header("Privacy") != "id" || got.header("Max-Forwards") != "69" {
		t.Errorf("%s", got.text)
	}
	for _, secret := range []string{dialerIP, "V1234", "asktag", "askMESSAGE", "campaign", "\r\nContact:"} {
		if strings.Contains(got.text, secret) {
			t.Errorf("the carrier sees %s:\n%s", secret, got.text)
		}
	}
	f.dialer.send(strings.Replace(f.ask("MESSAGE", "", ""), "branch=z9hG4bKask", "branch=z9hG4bKother", 1))
	f.dialer.want("SIP/2.0 482")
	f.carrier.answer(got, "202 Accepted", "x", "", "")
	f.dialer.want("SIP/2.0 202 Accepted")
	// Messages are waiting at the carrier.
	mwi := f.ask("NOTIFY", "Event: message-summary\nSubscription-State: terminated\nContact: <sip:mwi@10.9.8.7>\nContent-Type: application/simple-message-summary\n", "Messages-Waiting: yes\n")
	f.carrier.send(strings.ReplaceAll(strings.ReplaceAll(mwi, f.dialer.addr().String(), f.carrier.addr().String()), f.Addr("dialers").String(), f.Addr("carriers").String()))
	got = f.dialer.want("NOTIFY ")
	if got.header("Event") != "message-summary" || got.body() != "Messages-Waiting: yes\r\n" || !strings.Contains(got.header("Contact"), "@"+serverIP) {
		t.Errorf("%s", got.text)
	}
	f.dialer.answer(got, "200 OK", "y", "", "")
	f.carrier.want("SIP/2.0 200")
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.relaying); n > 0 {
		t.Errorf("%d requests are left", n)
	}
}

// TestCodes: what a request that cannot be taken is answered, and counted as.
func TestCodes(t *testing.T) {
	noRoute := func(c *Config) { c.Table.Routes = nil }
	nobody := func(c *Config) { c.Table.Trunks[0].Sources = nil }
	for _, c := range []struct {
		name, method, extra, body string
		edit                      func(*Config)
		want, cause, header       string
	}{
		{"a method of no RFC", "TELEPORT", "", "", nil, "501 Not Implemented", "method", "Allow: " + call.Allow},
		{"a method that is not taken", "REGISTER", "", "", nil, "405 Method Not Allowed", "method", "Allow: " + call.Allow},
		{"a subscription without a route", "SUBSCRIBE", "Event: presence\n", "", noRoute, "503 SBC has no route for dialer1", "route", ""},
		{"a subscription of a stranger", "SUBSCRIBE", "Event: presence\n", "", nobody, "403 SBC does not know this address", "source", ""},
		{"a subscription from nowhere", "SUBSCRIBE", "Contact: <tel:1>\n", "", nil, "400 SUBSCRIBE with a Contact that is no URI", "contact", ""},
		{"publication", "PUBLISH", "Event: presence\n", "", nil, "405 Method Not Allowed", "method", ""},
		{"a transfer without call", "REFER", "Refer-To: <sip:x@y>\n", "", nil, "403 SBC takes transfers in calls only", "transfer", ""},
		{"INFO without call", "INFO", "", "", nil, "481 Call Transaction Does Not Exist", "no_dialog", ""},
		{"UPDATE without call", "UPDATE", "", "", nil, "481 Call Transaction Does Not Exist", "no_dialog", ""},
		{"PRACK without call", "PRACK", "", "", nil, "481 Call Transaction Does Not Exist", "no_dialog", ""},
		{"BYE without call", "BYE", "", "", nil, "481 Call Transaction Does Not Exist", "no_dialog", ""},
		{"check-sync", "NOTIFY", "Event: check-sync\n", "", nil, "503 SBC reaches phones that register here only", "phone", ""},
		{"MESSAGE without a route", "MESSAGE", "", "", noRoute, "503 SBC has no route for dialer1", "route", ""},
		{"MESSAGE of a stranger", "MESSAGE", "", "", nobody, "403 SBC does not know this address", "source", ""},
		{"MESSAGE with SDP", "MESSAGE", "Content-Type: application/sdp\n", offer, nil, "415 SBC passes SDP in offers only", "content_type", "Accept: */*"},
		{"another scheme", "MESSAGE http://x", "", "", nil, "416 Unsupported URI Scheme", "scheme", ""},
		{"an extension nobody knows", "OPTIONS", "Require: teleport, timer\nProxy-Require: privacy, warp\n", "", nil, "420 Bad Extension", "extension", "Unsupported: teleport, warp"},
		{"extensions that we know", "OPTIONS", "Require: 100rel, timer\nProxy-Require: privacy\nMax-Forwards: 0\n", "", nil, "200 OK", "", "Allow: " + call.Allow},
		{"no hops left", "MESSAGE", "Max-Forwards: 0\n", "", nil, "483 Too Many Hops", "hops", ""},
		{"another body", "INVITE", "Content-Type: text/plain\n", "hello\n", nil, "415 Unsupported Media Type", "content_type", "Accept: application/sdp"},
		{"a packed body", "INVITE", "Content-Type: application/sdp\nContent-Encoding: gzip\n", "x", nil, "415 Unsupported Media Type", "content_encoding", "Accept-Encoding: identity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.edit)
			method, uri, _ := strings.Cut(c.method, " ")
			text := f.ask(method, c.extra, c.body)
			if strings.Contains(c.extra, "Max-Forwards") {
				text = strings.Replace(text, "Max-Forwards: 70\n", "", 1)
			}
			if uri != "" {
				text = strings.Replace(text, "sip:18005551212@"+f.Addr("dialers").String()+" SIP", uri+" SIP", 1)
			}
			f.dialer.send(text)
			got := f.dialer.want("SIP/2.0 ")
			if !strings.HasPrefix(got.text, "SIP/2.0 "+c.want+"\r\n") {
				t.Errorf("%s", got.text)
			}
			if name, value, _ := strings.Cut(c.header, ": "); got.header(name) != value && c.header != "" {
				t.Errorf("%s: %q, want %q", name, got.header(name), value)
			}
			if c.cause != "" && f.refusedFor(transport.Dialer, c.cause) != 1 {
				t.Errorf("not counted as %s", c.cause)
			}
		})
	}
}

// Allow is true: inside a call every method in it is taken, every other that
// there is refused with 405.
func TestAllowIsTrue(t *testing.T) {
	f := newFixture(t, nil)
	ok, _ := f.answered(1)
	for i, method := range known {
		name := string(method)
		if name == "ACK" || name == "CANCEL" || name == "BYE" { // no answer, or the last
			continue
		}
		f.dialer.send(strings.Replace(f.inDialog(name, 110+i, 1, ok), "dialer1", fmt.Sprintf("dialer%d", i), 1))
		allowed := strings.Contains(", "+call.Allow+",", ", "+name+",")
		if allowed && (name == "INFO" || name == "MESSAGE" || name == "NOTIFY" || name == "OPTIONS") {
			f.carrier.answer(f.carrier.want(name+" "), "200 OK", "", "", "")
		}
		var got message
		for got = f.dialer.want("SIP/2.0 "); got.header("CSeq") != fmt.Sprintf("%d %s", 110+i, name) || strings.HasPrefix(got.text, "SIP/2.0 1"); {
			got = f.dialer.want("SIP/2.0 ")
		}
		if refused := strings.HasPrefix(got.text, "SIP/2.0 405"); refused == allowed {
			t.Errorf("%s:\n%s", name, got.text)
		}
		if name == "INVITE" {
			f.dialer.send(f.inDialog("ACK", 110+i, 1, ok))
		}
	}
	f.dialer.send(f.inDialog("BYE", 140, 1, ok))
	f.carrier.answer(f.carrier.want("BYE "), "200 OK", "", "", "")
	f.wantIdle(t)
}
