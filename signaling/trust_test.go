package signaling

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"callseal/signaling/transport"
)

// wary edits a configuration into one that drops strangers and bans them.
func wary(c *Config) {
	c.Trust = transport.Trust{Drop: true, Scanners: []string{"friendly-scanner"},
		Ban: transport.BanRule{After: 5, Within: time.Minute, For: 5 * time.Minute}}
}

// A flood of calls from addresses that belong to nobody: each is banned at its fifth, and hears nothing; the dialer, whatever it sends, is not.
func TestStrangersAreBanned(t *testing.T) {
	f := newFixture(t, wary)
	const strangers = 20
	var all []*remote
	for i := range strangers {
		r := newRemote(t, "stranger", fmt.Sprintf("127.0.12.%d", i+1))
		r.to = f.Addr("dialers")
		for n := range 6 {
			r.send(strings.ReplaceAll(f.invite(100*i+n+10, "", offer), dialerIP, "127.0.12.1"))
		}
		all = append(all, r)
	}
	for n := range 6 { // behind theirs in the same socket
		f.dialer.send(strings.Replace(f.invite(n+5000, "", offer), "CSeq: 102", "CSeq: no", 1))
		f.dialer.want("SIP/2.0 400")
	}
	for _, r := range all {
		_ = r.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, from, err := r.conn.ReadFromUDPAddrPort(make([]byte, 1500)); err == nil {
			t.Errorf("a stranger hears something from %s", from)
		}
	}
	bans := f.Bans()
	if len(bans) != strangers {
		t.Fatalf("%d banned, want %d", len(bans), strangers)
	}
	for _, b := range bans {
		if b.Why != transport.OffenceUnknown || b.Stream || b.Dropped != 1 || b.Until.Sub(b.Since) != 5*time.Minute {
			t.Errorf("%+v", b)
		}
	}
	if !f.LiftBan(bans[0].Who.Addr()) || len(f.Bans()) != strangers-1 {
		t.Error("not lifted")
	}
	f.answered(1)
}

// Who knows a dialog of ours is heard from wherever it sends.
func TestAnotherAddressInsideOfACall(t *testing.T) {
	f := newFixture(t, wary)
	ok, _ := f.answered(1)
	moved := newRemote(t, "moved", "127.0.12.1")
	moved.to = f.Addr("dialers")
	moved.send(strings.Replace(f.inDialog("BYE", 103, 1, ok), ok.header("Call-ID"), "another", 1))
	moved.send(f.inDialog("BYE", 103, 1, ok))
	moved.want("SIP/2.0 200")
	bye := f.carrier.want("BYE ")
	f.carrier.answer(bye, "200 OK", "", "", "")
	f.wantIdle(t)
}

func TestWhoIsExempt(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		wary(c)
		c.Table.Trunks[1].Sources = append(c.Table.Trunks[1].Sources, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8::/64"))
		phones := c.Listeners[0]
		phones.Name, phones.Role = "phones", transport.Phone
		phones.Sources = []netip.Prefix{netip.MustParsePrefix("127.0.13.0/24"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::/0")}
		c.Listeners = append(c.Listeners, phones)
	})
	for _, c := range []struct {
		what, addr string
		want       bool
	}{
		{"a dialer", dialerIP, true},
		{"a dialer's IPv4 in IPv6", "::ffff:" + dialerIP, true},
		{"a carrier's network", "2001:db8::7", true},
		{"whom only 0.0.0.0/0 names", "192.0.2.1", false},
		{"a phone's network", "10.0.0.1", false},
		{"a phone on this machine", "127.0.13.1", true},
		{"somebody else on this machine", "127.0.14.1", false},
		{"whom only ::/0 names", "::1", false},
	} {
		if got := f.Exempt(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// A reload that names an address takes from it again at once.
func TestReloadLiftsBans(t *testing.T) {
	f := newFixture(t, wary)
	r := newRemote(t, "stranger", "127.0.12.1")
	r.to = f.Addr("dialers")
	for n := range 5 {
		r.send(f.invite(n+10, "", offer))
	}
	f.dialer.send(f.invite(5000, "", offer))
	f.dialer.want("SIP/2.0 100")
	if len(f.Bans()) != 1 {
		t.Fatalf("banned: %+v", f.Bans())
	}
	cfg := f.state().cfg
	cfg.Table = cfg.Table.Adopt(&cfg.Table)
	dialer := *cfg.Table.Trunks[0]
	dialer.Sources = append(dialer.Sources, netip.MustParsePrefix("127.0.12.1/32"))
	cfg.Table.Trunks[0] = &dialer
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if len(f.Bans()) != 0 {
		t.Errorf("still banned: %+v", f.Bans())
	}
	r.send(strings.Replace(f.invite(1, "", offer), f.dialer.addr().String(), r.addr().String(), 1))
	r.want("SIP/2.0 100")
}

// office is a server that passes the REGISTERs of phones on, from wherever they come.
func office(t *testing.T) *fixture {
	return newFixture(t, local(func(c *Config) {
		wary(c)
		c.Accounts.Local = false
		for i := range c.Listeners {
			c.Listeners[i].Sources = nil
		}
	}))
}

// After a restart of callseal, or of their own router, phones that share an address ask for all sorts of things before they register anew. That
// locks none of them out, and whose call or subscription is gone hears of it; a scanner among them is banned all the same.
func TestOfficeAfterARestart(t *testing.T) {
	f := office(t)
	var phones []*telephone
	for i := range 6 {
		phones = append(phones, newTelephone(t, f, fmt.Sprint(101+i), "secret"))
	}
	old := func(p *telephone, method string) {
		t.Helper()
		p.seq++
		p.send(fmt.Sprintf("%s sip:x@%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport\nMax-Forwards: 70\nFrom: <sip:%s@%s>;tag=%s\n"+
			"To: <sip:x@%s>;tag=before\nCall-ID: old-%s\nCSeq: %d %s\n\n",
			method, serverIP, p.addr(), p.user, p.seq, p.user, serverIP, p.user, serverIP, p.user, p.seq, method))
		p.want("SIP/2.0 481")
	}
	for _, p := range phones {
		for _, method := range []string{"BYE", "INVITE", "UPDATE", "SUBSCRIBE"} {
			old(p, method)
		}
	}
	if bans := f.Bans(); len(bans) != 0 {
		t.Fatalf("banned for what belongs to old calls: %+v", bans)
	}
	for i, p := range phones {
		p.send(fmt.Sprintf("OPTIONS sip:%s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKo%d;rport\nMax-Forwards: 70\nFrom: <sip:%s@%s>;tag=o\n"+
			"To: <sip:%s>\nCall-ID: options-%d\nCSeq: 1 OPTIONS\n\n", serverIP, p.addr(), i, p.user, serverIP, serverIP, i))
	}
	f.judges(t, phones[0], false)
	if bans := f.Bans(); len(bans) != 1 || !bans[0].Door || bans[0].Why != transport.OffenceUnknown {
		t.Fatalf("banned: %+v", bans)
	}
	f.judges(t, phones[0], true)
	f.judges(t, phones[1], true)
	if bans := f.Bans(); len(bans) != 0 {
		t.Errorf("still banned: %+v", bans)
	}
}

// judges lets a phone show a password to the dialer, which takes it or does not.
func (f *fixture) judges(t *testing.T, p *telephone, right bool) {
	t.Helper()
	f.judgesAs(t, p, fmt.Sprintf("Authorization: Digest username=%q, realm=\"asterisk\", nonce=\"n\", uri=\"sip:x\", response=\"x\"\n", p.user), right)
}

func (f *fixture) judgesAs(t *testing.T, p *telephone, password string, right bool) {
	t.Helper()
	done := make(chan message, 1)
	go func() { // waited for below
		done <- p.ask("REGISTER", p.user, password, "", nil)
	}()
	req := f.dialer.want("REGISTER ")
	status, extra := "401 Unauthorized", "WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"n\"\n"
	if right {
		status, extra = "200 OK", "Contact: "+req.header("Contact")+"\n"
	}
	f.dialer.answer(req, status, "d", extra, "")
	wantStatus(t, <-done, status)
}

// Where nobody has registered, a phone with a wrong password is kept out and shuts out nobody; who guesses passwords of several loses the door too.
func TestTheDoorClosesForGuesses(t *testing.T) {
	f := office(t)
	one, another := newTelephone(t, f, "101", ""), newTelephone(t, f, "102", "")
	for range 5 {
		f.judges(t, one, false)
	}
	wantStatus(t, one.ask("REGISTER", "101", "", "", nil), "503 SBC heard too many wrong passwords")
	for range 6 {
		if bans := f.Bans(); len(bans) != 1 || !bans[0].Door || bans[0].Why != transport.OffenceDigest {
			t.Fatalf("banned: %+v", bans)
		}
		another.user = fmt.Sprint(another.user, "1")
		for range 2 { // the first of each may be a mistake
			if bans := f.Bans(); bans[0].Door {
				f.judges(t, another, false)
			}
		}
		if !f.Bans()[0].Door {
			return
		}
	}
	t.Errorf("banned: %+v", f.Bans())
}
