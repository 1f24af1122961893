package ladder

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// 1,000 calls at twice the rate that the carrier may get: exactly the allowed number reaches it, never two within the interval, and every other
// caller hears of the limit.
func TestCallsPerSecondAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, calls = 100, 1000
		steps, err := readScript(fmt.Sprintf("set b.cps=%d", rate))
		if err != nil {
			t.Fatal(err)
		}
		p := newPlayer(t, steps)
		defer p.close()
		a, b := p.agents["A"], p.agents["B"]
		emit := func(who *agent, lines ...string) {
			if _, err := who.slot.WriteToUDPAddrPort([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"), who.server); err != nil {
				t.Fatal(err)
			}
		}
		reached, told := 0, map[string]int{}
		var last time.Duration
		react := func() {
			synctest.Wait()
			for r := b.next(); r != nil; r = b.next() {
				if r.method() != "INVITE" {
					continue
				}
				if reached > 0 && r.at-last < time.Second/rate {
					t.Fatalf("two calls within %v", r.at-last)
				}
				last = r.at
				reached++
				emit(b, "SIP/2.0 486 Busy Here", "Via: "+r.get("Via"), "From: "+r.get("From"), "To: "+r.get("To")+";tag=b", "Call-ID: "+r.get("Call-ID"), "CSeq: 1 INVITE")
			}
			synctest.Wait()
			for r := a.next(); r != nil; r = a.next() {
				if r.code() >= 200 {
					told[r.start]++
					emit(a, "ACK sip:18005551212@"+a.server.String()+" SIP/2.0", "Via: "+r.get("Via"), "From: "+r.get("From"), "To: "+r.get("To"), "Call-ID: "+r.get("Call-ID"), "CSeq: 1 ACK")
				}
			}
		}
		for n := range calls {
			emit(a, "INVITE sip:18005551212@"+a.server.String()+" SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKload%d;rport", a.addr, n),
				fmt.Sprintf("From: <sip:7275551234@%s>;tag=a%d", a.addr.Addr(), n), "To: <sip:18005551212@"+a.server.Addr().String()+">",
				fmt.Sprintf("Call-ID: load%d", n), "CSeq: 1 INVITE", "Max-Forwards: 70", "Contact: "+a.contact())
			react()
			time.Sleep(time.Second / (2 * rate))
		}
		for range 400 {
			time.Sleep(time.Second / (2 * rate))
			react()
		}
		if reached != 600 || told["SIP/2.0 486 Busy Here"] != 600 || told["SIP/2.0 503 SBC CPS limit telco"] != 400 {
			t.Errorf("%d reached the carrier; the callers heard %v", reached, told)
		}
		if n := p.count("callseal_trunk_limited_total", "limit=cps"); n != 400 {
			t.Errorf("%v were counted", n)
		}
		if n := p.count("callseal_trunk_calls"); n != 0 || p.server.Calls() != 0 {
			t.Errorf("%v calls are left", n)
		}
	})
}
