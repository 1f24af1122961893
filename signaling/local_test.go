package signaling

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/call"
	"callseal/signaling/phonebook"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

const phoneIP = "127.0.11.5"

// telephone is a hand-written phone that answers challenges.
type telephone struct {
	*remote
	user   string
	client *auth.Client
	seq    int
	// contact is its URI, where that is not its address.
	contact string
}

// newTelephone starts a phone at the listener of the fixture.
func newTelephone(t *testing.T, f *fixture, user, password string) *telephone {
	r := newRemote(t, user, phoneIP)
	r.to = f.Addr("phones")
	return &telephone{remote: r, user: user, client: auth.NewClient(auth.Credentials{User: user, Password: auth.NewSecret(password)})}
}

// ask sends a request with its next CSeq, and gives the answer.
func (p *telephone) ask(method, to, extra, body string, x *auth.Exchange) message {
	p.t.Helper()
	p.seq++
	contact := p.contact
	if contact == "" {
		contact = fmt.Sprintf("sip:%s@%s", p.user, p.addr())
	}
	uri := sip.Uri{Scheme: "sip", User: to, Host: serverIP}
	if method == "REGISTER" {
		uri.User = ""
	}
	signed := sip.NewRequest(sip.RequestMethod(method), uri)
	x.Sign(signed)
	for _, h := range signed.Headers() {
		extra += h.String() + "\n"
	}
	p.send(fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport\nMax-Forwards: 70\nFrom: <sip:%s@%s>;tag=%s\nTo: <sip:%s@%s>\n"+
		"Call-ID: %s-%s\nCSeq: %d %s\nContact: <%s>\n%s\n%s",
		method, uri.String(), p.addr(), p.user, p.seq, p.user, serverIP, p.user, to, serverIP, p.user, method, p.seq, method, contact, extra, body))
	for {
		if m := p.want("SIP/2.0 "); !strings.HasPrefix(m.text, "SIP/2.0 1") {
			return m
		}
	}
}

// proves is ask with an answer to the challenge.
func (p *telephone) proves(method, to, extra, body string) message {
	p.t.Helper()
	x := p.client.Begin()
	m := p.ask(method, to, extra, body, x)
	if !strings.HasPrefix(m.text, "SIP/2.0 401") {
		return m
	}
	answerTo(p.t, x, m)
	if method == "INVITE" {
		p.send(fmt.Sprintf("ACK sip:%s@%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport\nFrom: <sip:%s@%s>;tag=%s\nTo: %s\nCall-ID: %s-INVITE\nCSeq: %d ACK\n\n",
			to, serverIP, p.addr(), p.user, p.seq, p.user, serverIP, p.user, m.header("To"), p.user, p.seq))
	}
	return p.ask(method, to, extra, body, x)
}

// answerTo lets an exchange answer the challenge of a 401.
func answerTo(t testing.TB, x *auth.Exchange, m message) {
	t.Helper()
	res := sip.NewResponse(401, "Unauthorized")
	for _, v := range regexp.MustCompile(`(?m)^WWW-Authenticate: (.*)\r$`).FindAllStringSubmatch(m.text, -1) {
		res.AppendHeader(sip.NewHeader("WWW-Authenticate", v[1]))
	}
	if err := x.Answer(res); err != nil {
		t.Fatal(err)
	}
}

// local makes the server the registrar of phones over UDP.
func local(edit func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Listeners = append(c.Listeners, Listener{Listener: transport.Listener{Name: "phones", Role: transport.Phone, Proto: transport.UDP,
			Address: netip.AddrPortFrom(netip.MustParseAddr(serverIP), 0)}, Media: sdp.Off, Sources: []netip.Prefix{netip.MustParsePrefix(phoneIP + "/32")}})
		c.Table.Routes = append(c.Table.Routes, trunk.Route{From: transport.Phone, To: trunk.To(c.Table.Trunks[0])})
		c.Accounts = Accounts{Local: true, Realm: "asterisk", Algorithms: []auth.Algorithm{auth.MD5}, Plan: phonebook.Plan{Default: "dialer1"}}
		for _, user := range []string{"101", "102"} {
			c.Accounts.Users = append(c.Accounts.Users, phonebook.Account{User: user, Keys: auth.NewKeys(user, "asterisk", auth.NewSecret("secret-"+user))})
		}
		c.Accounts.Users = append(c.Accounts.Users, phonebook.Account{User: "agent1", Keys: auth.NewKeys("agent1", "asterisk", auth.NewSecret("secret-agent1")),
			Lines: []phonebook.Line{{Dialer: "dialer1", User: "201", Keys: auth.NewKeys("201", "asterisk", auth.NewSecret("secret-201"))}}})
		if edit != nil {
			edit(c)
		}
	}
}

// takesRegistration lets the dialer take the registration that callseal makes for a phone: it asks for the password first.
func (f *fixture) takesRegistration(t *testing.T, user, password string) message {
	t.Helper()
	a := auth.NewServer("asterisk", func(u string) (auth.Keys, bool) {
		return auth.NewKeys(u, "asterisk", auth.NewSecret(password)), u == user
	})
	md5 := []auth.Algorithm{auth.MD5}
	for range 5 {
		req := f.dialer.want("REGISTER ")
		if who, v := a.Check("REGISTER", req.uri(), []string{req.header("Authorization")}, "callseal", time.Now(), md5); v == auth.Accepted && who == user {
			f.dialer.answer(req, "200 OK", "d", "Expires: 120\nContact: "+req.header("Contact")+";expires=120\n", "")
			return req
		}
		f.dialer.answer(req, "401 Unauthorized", "d", "WWW-Authenticate: "+a.Challenges("callseal", true, time.Now(), md5)[0]+"\n", "")
	}
	t.Fatal("callseal does not register " + user)
	return message{}
}

func wantStatus(t *testing.T, m message, status string) {
	t.Helper()
	if !strings.HasPrefix(m.text, "SIP/2.0 "+status) {
		t.Fatalf("want %s, got %s", status, m.text)
	}
}

// TestLocalRegistrar: a phone proves who it is to callseal, which registers it at its dialer under the name that it has there, lets its calls
// go there and takes it off again.
func TestLocalRegistrar(t *testing.T) {
	f := newFixture(t, local(nil))
	p := newTelephone(t, f, "agent1", "secret-agent1")
	wantStatus(t, p.proves("REGISTER", "agent1", "Expires: 60\n", ""), "200 OK")
	up := f.takesRegistration(t, "201", "secret-201")
	if !strings.Contains(up.header("Contact"), "sip:agent1-cs-") || !strings.Contains(up.header("To"), "sip:201@") || strings.Contains(up.text, phoneIP) {
		t.Errorf("the dialer gets %s", up.text)
	}
	go func() { // the dialer asks for the phone's password, and then refuses the call
		a := auth.NewServer("asterisk", func(u string) (auth.Keys, bool) {
			return auth.NewKeys(u, "asterisk", auth.NewSecret("secret-201")), u == "201"
		})
		md5 := []auth.Algorithm{auth.MD5}
		f.dialer.answer(f.dialer.want("INVITE "), "401 Unauthorized", "c", "WWW-Authenticate: "+a.Challenges("callseal", false, time.Now(), md5)[0]+"\n", "")
		invite := f.dialer.want("INVITE ")
		for invite.header("Authorization") == "" { // a repetition
			invite = f.dialer.want("INVITE ")
		}
		status := "486 Busy Here"
		if _, v := a.Check("INVITE", invite.uri(), []string{invite.header("Authorization")}, "callseal", time.Now(), md5); v != auth.Accepted {
			status = "500 " + v.String()
		}
		f.dialer.answer(invite, status, "d", "", "")
	}()
	wantStatus(t, p.proves("INVITE", "18005551212", "Content-Type: application/sdp\n", offer), "486")
	f.wantIdle(t)
	var invite string
	for _, m := range f.dialer.seen {
		if strings.HasPrefix(m, "INVITE") {
			invite = m
		}
	}
	if from := (message{invite}).header("From"); !strings.Contains(from, "sip:201@") {
		t.Errorf("the dialer takes the call for one of %s", from)
	}
	if all := f.Phones(); len(all) != 1 || all[0].User != "agent1" || all[0].Dialer != "dialer1" || all[0].Sealed {
		t.Errorf("phones %+v", all)
	}
	wantStatus(t, p.proves("REGISTER", "agent1", "Expires: 0\n", ""), "200 OK")
	for range 2 {
		if down := f.dialer.want("REGISTER "); down.header("Expires") == "0" {
			f.dialer.answer(down, "200 OK", "d", "", "")
			return
		}
	}
	t.Error("the dialer is not told that the phone is gone")
}

// TestPhonesThatDoNotExist: no answer tells a known phone from an unknown one.
func TestPhonesThatDoNotExist(t *testing.T) {
	f := newFixture(t, local(nil))
	varying := regexp.MustCompile(`(?m)nonce="[^"]*"|tag=[-0-9a-zA-Z]*|branch=\S*|[0-9.]+:\d+|rport=\d+`)
	for _, method := range []string{"REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE"} {
		var answers []string
		for _, user := range []string{"101", "999"} {
			p := newTelephone(t, f, user, "guess")
			for _, m := range []message{p.ask(method, user, "", "", nil), p.proves(method, user, "", "")} {
				wantStatus(t, m, "401 Unauthorized")
				answers = append(answers, strings.ReplaceAll(varying.ReplaceAllString(m.text, "*"), user, "USER"))
			}
		}
		if answers[0] != answers[2] || answers[1] != answers[3] {
			t.Errorf("%s: of a known phone\n%s\nand of an unknown one\n%s", method, answers[1], answers[3])
		}
	}
	if n := testutil.ToFloat64(f.metrics.local.proofs.WithLabelValues("wrong")); n != 8 {
		t.Errorf("%v wrong passwords counted, want 8", n)
	}
}

// TestNobodySpeaksForAnother: who has proven to be one phone is not taken for another.
func TestNobodySpeaksForAnother(t *testing.T) {
	f := newFixture(t, local(nil))
	p := newTelephone(t, f, "101", "secret-101")
	p.user = "102"
	for _, method := range []string{"REGISTER", "INVITE"} {
		wantStatus(t, p.proves(method, "102", "", ""), "403 SBC knows this phone by another name")
	}
}

// TestPoliciesOfPhones: who has to be sealed is refused on a plain hop, and so is whom a rollout holds back.
func TestPoliciesOfPhones(t *testing.T) {
	f := newFixture(t, local(func(c *Config) {
		c.Accounts.Plan.Policies = []phonebook.PolicyOf{{Who: phonebook.Patterns{"agent1"}}}
		c.Accounts.Plan.Rollout = &phonebook.Rollout{Who: phonebook.Patterns{"101"}}
	}))
	for user, want := range map[string]string{
		"101":    "403 SBC takes this phone over TLS only", // reached
		"102":    "403 SBC takes this phone later",         // the rest
		"agent1": "200 OK",                                 // has a policy of its own
	} {
		p := newTelephone(t, f, user, "secret-"+user)
		wantStatus(t, p.proves("REGISTER", user, "", ""), want)
	}
}

// TestDirectoryOfPhones: before the directory is read nobody is refused for good; what it says counts from then on, and the file's phones go before
// it.
func TestDirectoryOfPhones(t *testing.T) {
	f := newFixture(t, local(func(c *Config) { c.Accounts.Directory = true }))
	p := newTelephone(t, f, "301", "secret-301")
	m := p.ask("REGISTER", "301", "", "", nil)
	wantStatus(t, m, "503 SBC has no list of phones yet")
	if m.header("Retry-After") != "5" {
		t.Errorf("Retry-After %q", m.header("Retry-After"))
	}
	keys := func(user, password string) auth.Keys { return auth.NewKeys(user, "asterisk", auth.NewSecret(password)) }
	f.SetAccounts([]phonebook.Account{
		{User: "301", Keys: keys("301", "secret-301"), Lines: []phonebook.Line{{Dialer: "dialer1", User: "301", Keys: keys("301", "secret-301")}}},
		{User: "101", Keys: keys("101", "another")},
	})
	wantStatus(t, p.proves("REGISTER", "301", "", ""), "200 OK")
	f.takesRegistration(t, "301", "secret-301")
	wantStatus(t, newTelephone(t, f, "101", "secret-101").proves("REGISTER", "101", "", ""), "200 OK")
	wantStatus(t, newTelephone(t, f, "101", "another").proves("REGISTER", "101", "", ""), "401")

	f.SetAccounts(nil) // the phone was removed: its dialer hears of it
	for {
		if down := f.dialer.want("REGISTER "); down.header("Expires") == "0" && strings.Contains(down.header("To"), "301@") {
			f.dialer.answer(down, "200 OK", "d", "", "")
			break
		}
	}
	wantStatus(t, p.proves("REGISTER", "301", "", ""), "401")
}

// TestLineOfAChangedPassword: the old registration is over before the new one, of the same contact, begins: its end would take that away.
func TestLineOfAChangedPassword(t *testing.T) {
	f := newFixture(t, local(func(c *Config) { c.Accounts.Directory = true }))
	with := func(password string) {
		f.SetAccounts([]phonebook.Account{{User: "301", Keys: auth.NewKeys("301", "asterisk", auth.NewSecret("secret-301")),
			Lines: []phonebook.Line{{Dialer: "dialer1", User: "301", Keys: auth.NewKeys("301", "asterisk", auth.NewSecret(password))}}}})
	}
	with("one")
	p := newTelephone(t, f, "301", "secret-301")
	wantStatus(t, p.proves("REGISTER", "301", "", ""), "200 OK")
	first := f.takesRegistration(t, "301", "one")
	with("two")
	down := f.dialer.want("REGISTER ")
	if down.header("Expires") != "0" || down.header("Call-ID") != first.header("Call-ID") {
		t.Fatalf("want the old one's end, got %s", down.text)
	}
	f.dialer.answer(down, "200 OK", "d", "", "")
	if again := f.takesRegistration(t, "301", "two"); again.header("Call-ID") == first.header("Call-ID") || again.header("Expires") == "0" {
		t.Errorf("want the new one, got %s", again.text)
	}
}

// TestLinesOfAPhoneThatComesBack: one that is found gone and is there again at the same moment keeps its lines within reach: nobody else ends them.
func TestLinesOfAPhoneThatComesBack(t *testing.T) {
	f := newFixture(t, local(nil))
	p := newTelephone(t, f, "101", "secret-101")
	wantStatus(t, p.proves("REGISTER", "101", "", ""), "200 OK")
	f.takesRegistration(t, "101", "secret-101")
	l, token := &f.lines, f.Phones()[0].Token
	known := f.book.Load()
	unknown := *known
	unknown.Book = phonebook.New(known.plan, nil)
	f.book.Store(&unknown)
	l.mu.Lock()
	e := l.of[token]
	settled := make(chan struct{})
	go func() { // waited for below
		f.settle(e)
		close(settled)
	}()
	time.Sleep(20 * time.Millisecond) // it has seen what it can, and waits for the lock, which does not show
	f.book.Store(known)
	l.settleIn(e, 0, f.settle)
	l.mu.Unlock()
	<-settled
	for range 200 {
		time.Sleep(time.Millisecond) // the line is settled by others, whenever they come to it
		l.mu.Lock()
		kept, reached := len(e.kept), l.of[token] == e
		l.mu.Unlock()
		if kept > 0 && !reached {
			t.Fatal("a line that nobody can end")
		}
	}
}

// TestWhatIsKeptIsNotWaitedFor: subscriptions, which last, take no place of requests that wait; and where too many of those do, a dialer hears
// nothing of its OPTIONS rather than an answer, which it would take for the phone's.
func TestWhatIsKeptIsNotWaitedFor(t *testing.T) {
	f := newFixture(t, local(nil))
	p := newTelephone(t, f, "101", "secret-101")
	wantStatus(t, p.proves("REGISTER", "101", "", ""), "200 OK")
	f.takesRegistration(t, "101", "secret-101")
	invite := func(i int) call.Invite {
		req, id := sip.NewRequest(sip.SUBSCRIBE, sip.Uri{}), sip.CallIDHeader(fmt.Sprint("kept", i))
		req.AppendHeader(&id)
		req.AppendHeader(&sip.FromHeader{Params: sip.NewParams()})
		req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.SUBSCRIBE})
		return call.InviteOf(req)
	}
	f.mu.Lock()
	for i := range maxRelayed {
		f.relaying[invite(i)] = true
		for _, leg := range []string{"a", "b"} {
			f.subscriptions[call.Key{CallID: fmt.Sprint(leg, i)}] = &call.Subscription{}
		}
	}
	f.mu.Unlock()
	f.dialer.send(f.ask("MESSAGE", "", ""))
	f.carrier.answer(f.carrier.want("MESSAGE "), "200 OK", "x", "", "")
	f.dialer.want("SIP/2.0 200")

	f.mu.Lock()
	clear(f.subscriptions)
	f.mu.Unlock()
	f.dialer.send(strings.ReplaceAll(strings.ReplaceAll(f.ask("OPTIONS", "", ""), "18005551212", f.Phones()[0].Token), "ask", "one"))
	f.dialer.send(strings.ReplaceAll(f.ask("MESSAGE", "", ""), "ask", "two"))
	f.dialer.want("SIP/2.0 503 SBC waits for too many answers")
	for _, text := range f.dialer.seen {
		if strings.HasPrefix(text, "SIP/2.0 ") && strings.Contains(text, " OPTIONS\r\n") {
			t.Errorf("an answer for a phone:\n%s", text)
		}
	}
}

// TestSeveralContactsLeave: a REGISTER that removes several contacts removes all of them at the dialer too.
func TestSeveralContactsLeave(t *testing.T) {
	f := office(t)
	p := newTelephone(t, f, "101", "secret")
	done := make(chan message, 1)
	tokens := map[string]bool{}
	for _, at := range []string{"10.0.0.1", "10.0.0.2"} {
		p.contact = "sip:101@" + at
		go func() { done <- p.ask("REGISTER", "101", "", "", nil) }() // waited for below
		req := f.dialer.want("REGISTER ")
		f.dialer.answer(req, "200 OK", "d", "Contact: "+req.header("Contact")+"\n", "")
		wantStatus(t, <-done, "200")
		tokens[regexp.MustCompile(`101-cs-\w+`).FindString(req.header("Contact"))] = true
	}
	go func() { done <- p.ask("REGISTER", "101", "Contact: <sip:101@10.0.0.1>\nExpires: 0\n", "", nil) }() // waited for below
	req := f.dialer.want("REGISTER ")
	f.dialer.answer(req, "200 OK", "d", "", "")
	wantStatus(t, <-done, "200")
	for _, gone := range regexp.MustCompile(`(?m)^Contact: <sip:(101-cs-\w+)@.*expires=0`).FindAllStringSubmatch(req.text, -1) {
		delete(tokens, gone[1])
	}
	if len(tokens) > 0 || len(f.Phones()) > 0 {
		t.Errorf("not removed: %v, %+v; the dialer gets %s", tokens, f.Phones(), req.text)
	}
}

// TestDialerThatComesBack: a dialer that was silent and answers OPTIONS again may have been started anew, and is told of its phones at once.
func TestDialerThatComesBack(t *testing.T) {
	f := newFixture(t, local(func(c *Config) {
		c.Table.Trunks[0].Health = trunk.Health{Interval: 200 * time.Millisecond, DownAfter: 2, UpAfter: 1}
	}))
	p := newTelephone(t, f, "101", "secret-101")
	wantStatus(t, p.proves("REGISTER", "101", "", ""), "200 OK")
	first := f.takesRegistration(t, "101", "secret-101")
	down := func() bool { return !f.Trunks()[0].Up }
	for until := time.Now().Add(5 * time.Second); !down(); time.Sleep(10 * time.Millisecond) { // it answers nothing
		if time.Now().After(until) {
			t.Fatal("the dialer is never down")
		}
	}
	for range 100 {
		m := f.dialer.want("")
		if strings.HasPrefix(m.text, "OPTIONS ") {
			f.dialer.answer(m, "200 OK", "o", "", "")
		}
		if strings.HasPrefix(m.text, "REGISTER ") && m.header("Call-ID") == first.header("Call-ID") && m.header("CSeq") > first.header("CSeq") {
			f.dialer.answer(m, "200 OK", "d", "Expires: 120\nContact: "+m.header("Contact")+";expires=120\n", "")
			return
		}
	}
	t.Error("its phones are not registered again")
}
