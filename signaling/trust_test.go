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
