package signaling

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"callseal/signaling/auth"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

const roamerIP = "127.0.12.40"

// proving gives the dialer with an address an account, and adds one that is known by its password alone.
func proving(c *Config) {
	wary(c)
	c.Realm = "callseal"
	account := func(user string) trunk.Inbound {
		return trunk.Inbound{User: user, Keys: auth.NewKeys(user, c.Realm, auth.NewSecret("secret-"+user))}
	}
	c.Table.Trunks[0].Inbound = account("one")
	roamer := *c.Table.Trunks[0]
	roamer.Target.Trunk, roamer.Sources, roamer.Inbound = "roamer", nil, account("two")
	c.Table.Trunks = append(c.Table.Trunks, &roamer)
}

// dialerAt starts a dialer that answers challenges as user.
func dialerAt(t *testing.T, f *fixture, ip, user, password string) *telephone {
	p := newTelephone(t, f, user, password)
	p.remote = newRemote(t, user, ip)
	p.to = f.Addr("dialers")
	return p
}

// TestTrunkByPassword: a password says who calls from an address that is nobody's; at the address of a dialer that has one it has to be that
// dialer's, and one with an address is not taken from elsewhere.
func TestTrunkByPassword(t *testing.T) {
	f := newFixture(t, proving)
	for _, c := range []struct {
		ip, user, password, want string
	}{
		{roamerIP, "two", "secret-two", "486"},
		{dialerIP, "one", "secret-one", "486"},
		{dialerIP, "two", "secret-two", "401"},
		{roamerIP, "one", "secret-one", "401"},
		{roamerIP, "two", "secret-one", "401"},
		{roamerIP, "nobody", "secret-two", "401"},
	} {
		p := dialerAt(t, f, c.ip, c.user, c.password)
		p.user = fmt.Sprintf("%s%d", c.user, p.addr().Port()) // of the Call-ID
		if c.want == "486" {
			go func() { f.carrier.answer(f.carrier.want("INVITE "), "486 Busy Here", "c", "", "") }()
		}
		if m := p.proves("INVITE", "18005551212", "Content-Type: application/sdp\n", offer); !strings.HasPrefix(m.text, "SIP/2.0 "+c.want) {
			t.Errorf("%+v: %s", c, m.text)
		}
		f.wantIdle(t)
	}
	for verdict, want := range map[string]float64{"accepted": 2, "wrong": 4} {
		if n := testutil.ToFloat64(f.metrics.local.proofs.WithLabelValues(verdict)); n != want {
			t.Errorf("%v %s, want %v", n, verdict, want)
		}
	}
	if !f.Exempt(netip.MustParseAddr(roamerIP)) || f.Exempt(netip.MustParseAddr("127.0.12.41")) {
		t.Error("who has proven itself is not exempt, or somebody else is")
	}
}

// TestWhoIsChallenged: strangers are asked at the listener of a role only where one of that role is known by its password alone, and for what may
// begin something; wrong passwords lead to a ban.
func TestWhoIsChallenged(t *testing.T) {
	f := newFixture(t, proving)
	for n := range 5 {
		guesser := dialerAt(t, f, "127.0.12.41", "two", "guess") // a client would answer at once the second time
		guesser.user = fmt.Sprintf("guess%d", n)
		wantStatus(t, guesser.proves("MESSAGE", "1", "", ""), "401")
	}
	for ip, send := range map[string]func(*remote){
		"127.0.12.42": func(r *remote) { // not for what begins nothing
			for n := range 5 {
				r.send(strings.ReplaceAll(f.invite(n+10, "", ""), "INVITE", "BYE"))
			}
		},
		"127.0.12.43": func(r *remote) { // not at the carriers' listener
			r.to = f.Addr("carriers")
			for n := range 5 {
				r.send(f.invite(n+20, "", offer))
			}
		},
		"127.0.12.44": func(r *remote) { // not who scans
			for n := range 5 {
				r.send(strings.Replace(f.invite(n+30, "", offer), "Asterisk-secret-version", "friendly-scanner", 1))
			}
		},
	} {
		r := newRemote(t, "stranger", ip)
		r.to = f.Addr("dialers")
		send(r)
		probe := f.dialer
		if r.to == f.Addr("carriers") {
			probe = f.carrier
		}
		probe.to = r.to
		probe.send(strings.Replace(f.invite(5000, "", offer), "CSeq: 102", "CSeq: no", 1)) // behind theirs
		probe.want("SIP/2.0 400")
		_ = r.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, _, err := r.conn.ReadFromUDPAddrPort(make([]byte, 1500)); err == nil {
			t.Errorf("%s hears something", ip)
		}
	}
	want := map[string]transport.Offence{"127.0.12.41/32": transport.OffenceDigest, "127.0.12.42/32": transport.OffenceUnknown, "127.0.12.43/32": transport.OffenceUnknown,
		"127.0.12.44/32": transport.OffenceScanner}
	for _, b := range f.Bans() {
		if want[b.Who.String()] != b.Why {
			t.Errorf("%s is banned for %s", b.Who, b.Why)
		}
		delete(want, b.Who.String())
	}
	if len(want) > 0 {
		t.Errorf("not banned: %v", want)
	}
}

// TestStrangersAtTheRoamersListener: a flood of strangers is told 503 and not 403, since one of them may be a dialer; who has proven to be one
// is not counted among them.
func TestStrangersAtTheRoamersListener(t *testing.T) {
	f := newFixture(t, proving)
	p := dialerAt(t, f, roamerIP, "two", "secret-two")
	go func() { f.carrier.answer(f.carrier.want("INVITE "), "486 Busy Here", "c", "", "") }()
	wantStatus(t, p.proves("INVITE", "18005551212", "Content-Type: application/sdp\n", offer), "486")
	f.strangers.set(0.001) // too few for one
	stranger := dialerAt(t, f, "127.0.12.45", "stranger", "x")
	m := stranger.ask("INVITE", "18005551212", "", "", nil)
	wantStatus(t, m, "503 SBC call rate limit reached")
	if m.header("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantStatus(t, p.ask("INVITE", "18005551213", "", "", nil), "401")
}

// TestReloadOfAnAccount: a challenge outlives a reload, an account that was taken out does not.
func TestReloadOfAnAccount(t *testing.T) {
	f := newFixture(t, proving)
	p := dialerAt(t, f, roamerIP, "two", "secret-two")
	x := p.client.Begin()
	answerTo(t, x, p.ask("MESSAGE", "18005551212", "", "", x))
	cfg := f.state().cfg
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	go func() { f.carrier.answer(f.carrier.want("MESSAGE "), "200 OK", "c", "", "") }()
	wantStatus(t, p.ask("MESSAGE", "18005551212", "", "", x), "200")
	cfg.Table.Trunks = append([]*trunk.Trunk{}, cfg.Table.Trunks[:len(cfg.Table.Trunks)-1]...)
	cfg.Trust.Drop = false
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, p.ask("MESSAGE", "18005551212", "", "", x), "403 SBC does not know this address")
}

// TestRoamed: an address is forgotten after its time, and no more are kept than may be.
func TestRoamed(t *testing.T) {
	var r roamed
	now := time.Now()
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
	for n := range maxRoamed + 1 {
		r.add(at(n), now)
	}
	if len(r.last) != maxRoamed || r.at(at(maxRoamed), now) {
		t.Errorf("%d are kept", len(r.last))
	}
	if mapped := netip.AddrFrom16(at(0).As16()); !r.at(mapped, now.Add(roamedFor)) || r.at(at(0), now.Add(roamedFor+1)) {
		t.Error("not forgotten in time")
	}
	r.add(at(maxRoamed), now.Add(roamedFor+1))
	if len(r.last) != 1 {
		t.Errorf("%d are left", len(r.last))
	}
}
