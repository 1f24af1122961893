package signaling

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"callseal/signaling/transport"
)

// TestGuessesBehindAPhone: an address with a registered phone is never banned. Whoever guesses passwords there is counted, named in the log and
// kept out, and neither the phones that are registered nor others of the office are.
func TestGuessesBehindAPhone(t *testing.T) {
	f := office(t)
	phone, victim, guesser := newTelephone(t, f, "101", ""), newTelephone(t, f, "102", ""), newTelephone(t, f, "102", "")
	f.judges(t, phone, true)
	f.judges(t, victim, true)
	for range 5 {
		f.judges(t, guesser, false)
	}
	no := guesser.ask("REGISTER", "102", "", "", nil)
	wantStatus(t, no, "503 SBC heard too many wrong passwords")
	if no.header("Retry-After") == "" {
		t.Error("without Retry-After")
	}
	f.judges(t, victim, true) // by its own flow
	f.judges(t, victim, false)
	f.judges(t, newTelephone(t, f, "103", ""), true)
	if got := testutil.ToFloat64(f.metrics.local.locks.WithLabelValues("account")); got != 1 {
		t.Errorf("%v locks counted", got)
	}
	if log := f.logs.String(); !strings.Contains(log, `msg="account locked for wrong passwords"`) || !strings.Contains(log, "phone=102") {
		t.Error("the lock is not in the log")
	}
	for n := range spraying*5 - 5 {
		guesser.user = fmt.Sprint(2000 + n)
		f.judges(t, guesser, false)
	}
	wantStatus(t, newTelephone(t, f, "104", "").ask("REGISTER", "104", "", "", nil), "503 SBC heard too many wrong passwords")
	f.judges(t, phone, true)
	f.judges(t, newTelephone(t, f, "101", ""), true) // it has another port now
	if bans := f.Bans(); len(bans) != 0 {
		t.Errorf("banned: %+v", bans)
	}
	if got := testutil.ToFloat64(f.metrics.local.locks.WithLabelValues("address")); got != 1 {
		t.Errorf("%v locks counted", got)
	}
}

// TestGuessesAtOurRegistrar: the same where callseal knows the passwords; the right one is not told from a wrong one while the account is locked,
// but by the phone's own flow.
func TestGuessesAtOurRegistrar(t *testing.T) {
	f := newFixture(t, local(wary))
	phone := newTelephone(t, f, "101", "secret-101")
	wantStatus(t, phone.proves("REGISTER", "101", "", ""), "200")
	for range 5 {
		wantStatus(t, newTelephone(t, f, "101", "guess").proves("REGISTER", "101", "", ""), "401")
	}
	wantStatus(t, newTelephone(t, f, "101", "guess").proves("REGISTER", "101", "", ""), "503 SBC heard too many wrong passwords")
	wantStatus(t, newTelephone(t, f, "101", "secret-101").proves("MESSAGE", "101", "", ""), "503 SBC heard too many wrong passwords")
	wantStatus(t, phone.proves("REGISTER", "101", "", ""), "200")
	wantStatus(t, newTelephone(t, f, "102", "secret-102").proves("REGISTER", "102", "", ""), "200")
}

// TestGuessesAtOnce: who sends many guesses before the first is answered learns no more than from one after the other.
func TestGuessesAtOnce(t *testing.T) {
	f := office(t)
	f.judges(t, newTelephone(t, f, "101", ""), true)
	answers := make(chan message, 8)
	for range 8 {
		p := newTelephone(t, f, "102", "")
		go func() { // waited for below
			answers <- p.ask("REGISTER", "102", "Authorization: Digest username=\"102\", realm=\"asterisk\", nonce=\"n\", uri=\"sip:x\", response=\"x\"\n", "", nil)
		}()
	}
	var asked []message
	for range 8 {
		asked = append(asked, f.dialer.want("REGISTER "))
	}
	for n, req := range asked {
		status, extra, want := "401 Unauthorized", "WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"n\"\n", "401"
		if n == 7 {
			status, extra = "200 OK", "Contact: "+req.header("Contact")+"\n"
		}
		if n >= 5 {
			want = "503 SBC heard too many wrong passwords"
		}
		f.dialer.answer(req, status, "d", extra, "")
		wantStatus(t, <-answers, want)
	}
	if phones := f.Phones(); len(phones) != 1 {
		t.Errorf("registered: %+v", phones)
	}
}

// TestNothingIsKeptOfAskers: anybody may try to register, in the name of any address and as often as he likes; no transaction waits for what
// strangers are challenged for.
func TestNothingIsKeptOfAskers(t *testing.T) {
	f := newFixture(t, local(func(c *Config) {
		wary(c)
		for i := range c.Listeners {
			c.Listeners[i].Sources = nil
		}
	}))
	stranger := newTelephone(t, f, "101", "secret-101")
	for range 20 {
		wantStatus(t, stranger.ask("REGISTER", "101", "", "", nil), "401")
		wantStatus(t, stranger.ask("REGISTER", "101", "Authorization: Digest username=\"101\", realm=\"asterisk\", nonce=\"made up\", uri=\"sip:x\", response=\"0\"\n", "", nil), "401")
	}
	if n := f.Remembered(); n > 1 {
		t.Errorf("%d transactions are kept", n)
	}
	wantStatus(t, stranger.proves("REGISTER", "101", "", ""), "200")
}

// TestNothingIsKeptOfTheRefused: nor of REGISTERs that are refused because too many wait for their dialer.
func TestNothingIsKeptOfTheRefused(t *testing.T) {
	f := office(t)
	flood := newTelephone(t, f, "flood", "")
	for n := range 1100 { // 1000 of them may wait
		flood.send(fmt.Sprintf("REGISTER sip:%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKf%d;rport\nMax-Forwards: 70\nFrom: <sip:%d@x>;tag=f\n"+
			"To: <sip:%d@x>\nCall-ID: flood-%d\nCSeq: 1 REGISTER\nContact: <sip:%d@%s>\n\n", serverIP, flood.addr(), n, n, n, n, n, flood.addr()))
		if n%50 == 0 {
			f.dialer.want("REGISTER ") // it is not ahead of the server
		}
	}
	flood.want("SIP/2.0 503 SBC has too many phones")
	asker := newTelephone(t, f, "101", "")
	refused := func() int {
		for range 100 {
			wantStatus(t, asker.ask("REGISTER", "101", "", "", nil), "503 SBC has too many phones")
		}
		return f.Remembered()
	}
	if before, after := refused(), refused(); after >= before+50 { // the last of the flood may still be under way
		t.Errorf("%d transactions are kept, %d before", after, before)
	}
}

// TestGuessesAmongPasswords: who shows several passwords in one REGISTER has neither his guesses counted for somebody else, nor those at somebody
// else forgotten for his own.
func TestGuessesAmongPasswords(t *testing.T) {
	f := office(t)
	f.judges(t, newTelephone(t, f, "101", ""), true)
	guesser := newTelephone(t, f, "102", "")
	show := func(aor string, right bool, users ...string) {
		t.Helper()
		guesser.user = aor
		var all strings.Builder
		for i, user := range users {
			fmt.Fprintf(&all, "%s: Digest username=%q, realm=\"asterisk\", nonce=\"n\", uri=\"sip:x\", response=\"x\"\n",
				[]string{"Authorization", "Proxy-Authorization"}[i], user)
		}
		f.judgesAs(t, guesser, all.String(), right)
	}
	for range 4 {
		show("102", false, "102", "x")
	}
	show("103", true, "103", "102")
	show("102", false, "102", "y")
	guesser.user = "102"
	wantStatus(t, guesser.ask("REGISTER", "102", "", "", nil), "503 SBC heard too many wrong passwords")
}

func TestGuesses(t *testing.T) {
	rule := transport.BanRule{After: 3, Within: time.Minute, For: 5 * time.Minute}
	now := time.Now()
	here, there := origin{area: netip.MustParsePrefix("192.0.2.1/32")}, origin{area: netip.MustParsePrefix("2001:db8::/64")}
	streams := origin{here.area, true}
	var g guesses
	add := func(from origin, user string, wantLock lock, wantMistake bool) {
		t.Helper()
		if l, mistake := g.add(from, user, rule, now); l != wantLock || mistake != wantMistake {
			t.Errorf("%s at %s: %s, mistake %v; want %s, %v", user, from.area, l, mistake, wantLock, wantMistake)
		}
	}
	held := func(from origin, user string, want lock) {
		t.Helper()
		if got, rest := g.held(from, user, now); got != want || (rest > 0) != (want != noLock) {
			t.Errorf("%s at %s: %s for %s, want %s", user, from.area, got, rest, want)
		}
	}
	add(here, "a", noLock, true)
	add(here, "a", noLock, true)
	add(here, "b", noLock, true) // its first
	add(here, "b", noLock, false)
	add(there, "a", noLock, true)
	held(here, "a", noLock)
	add(here, "a", accountLock, true)
	held(here, "a", accountLock)
	held(streams, "a", noLock) // a datagram may be forged
	held(here, "b", noLock)
	held(there, "a", noLock)
	g.clear(here, "a") // too late
	held(here, "a", accountLock)
	g.clear(here, "b")
	add(here, "b", noLock, true)
	now = now.Add(rule.For)
	held(here, "a", noLock)
	add(here, "a", noLock, true)
	add(here, "a", noLock, true)
	now = now.Add(rule.Within + time.Second)
	add(here, "a", noLock, true) // the others are forgotten
	for i := range spraying*rule.After - 2 {
		add(here, fmt.Sprint(i), noLock, true)
	}
	add(here, "z", addressLock, true)
	held(here, "anybody", addressLock)
	held(streams, "anybody", noLock)
	held(there, "anybody", noLock)
	for i := range 2 * maxGuesses {
		g.add(origin{area: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}, "x", rule, now)
	}
	if len(g.by) > maxGuesses {
		t.Errorf("%d are remembered", len(g.by))
	}
	held(here, "anybody", addressLock)
	brief := transport.BanRule{After: 2, Within: time.Hour, For: time.Minute}
	for range 3 { // a lock that ends before its guesses are forgotten is followed by another one
		add2 := func(want lock) {
			t.Helper()
			if l, _ := g.add(there, "brief", brief, now); l != want {
				t.Errorf("%s, want %s", l, want)
			}
		}
		add2(noLock)
		add2(accountLock)
		add2(noLock) // was under way
		now = now.Add(brief.For)
	}
	if got := lock(9).String(); got != "lock(9)" || noLock.String() != "none" {
		t.Error(got)
	}
}
