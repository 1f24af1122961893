package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// Telephones behind two NATs, two of them behind the first, and one behind the second with the same private address, register over TLS. In
// calls from and to an Asterisk the first NAT gets another public address, and the second forgets its flows without a word: audio goes on,
// the telephones come back over new connections, and each side's BYE arrives.

func TestPhonesBehindNATAtAsterisk16(t *testing.T) { testPhonesBehindNAT(t, 16) }

func TestPhonesBehindNATAtAsterisk22(t *testing.T) { testPhonesBehindNAT(t, 22) }

// away is a telephone behind a NAT, and what it says and hears there.
type away struct {
	telephone
	at          place
	account     string
	nat         *router
	says, hears tone
	recording   string // at the Asterisk, of its call
	wire        *capture
	was         netip.AddrPort // its public address before that changed
}

// longestGap is for how long nobody may be without audio.
const longestGap = 2 * time.Second

func testPhonesBehindNAT(t *testing.T, version int) {
	needNAT(t)
	ca := newAuthority(t, "ca")
	first, second := startRouter(t), startRouter(t)
	sbcAddr := first.ours
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
		routes: []string{"phone dialer1"},
		phones: fmt.Sprintf("source: %s, expiry: {min: 10s, max: 10s}", address()),
		street: "198.18.0.0/15",
	})
	all := []*away{
		{at: first.plug(t), nat: first, account: phoneNumber, says: phoneTone},
		{at: first.plug(t), nat: first, account: "108", says: carrierTone},
		{at: second.plug(t), nat: second, account: "109", says: holdTone},
	}
	handsets := func(a *away, name string) *phone {
		return startHandset(t, ca, handset{name: name, at: a.at, says: a.says, account: fmt.Sprintf(
			"<sip:%s@%s;transport=tls>;auth_pass=%s;regint=10;answermode=auto", a.account, s.phones(), phoneSecret)})
	}
	soft := startSoftphoneAt(t, ca, all[1].at, all[1].says, linphoneAccount(all[1].account, s.phones(), 10)...)
	third := handsets(all[2], "third")
	all[0].telephone, all[1].telephone, all[2].telephone = handsets(all[0], "first"), soft, third
	eventually(t, "the phones are registered", func() bool { return s.metric(t, "callseal_phones_registered", `transport="tls"`, `sealed="yes"`) == 3 })
	for _, a := range all {
		eventually(t, "callseal knows where "+a.account+" is", func() bool { return s.whereIs(t, a.account).Addr() == a.nat.public })
		a.wire = listenOn(t, a.at, "eth0", a.at.addr)
	}
	wire := listen(t, dialer.Addr)
	for i, a := range all {
		a.hears = dialerTone
		if (i == 1) == (version == 16) {
			number := []string{"900", "900", "800"}[i]
			if a.recording = number; number == "800" {
				a.hears = earlyTone
			}
			a.dial(t, number, s.phones())
			continue
		}
		a.recording = "agent" + string(rune('a'+i))
		eventually(t, "the dialer reaches "+a.account, func() bool { return dialer.reaches(a.account) })
		dialer.dial(t, a.recording, "79"+a.account)
		if i == 1 {
			soft.says(t, "Receiving new incoming call")
			soft.do(t, "answer")
		}
	}
	eventually(t, "the calls are up", func() bool { return s.metric(t, "callseal_srtp_legs") == 6 })
	time.Sleep(2 * time.Second) // they talk
	for _, a := range all {
		a.was = s.whereIs(t, a.account)
	}
	first.renumber(t)
	second.forget(t)
	for _, a := range all {
		if p, ok := a.telephone.(*phone); ok { // baresip itself would wait for up to a minute after it has seen that its connection is gone
			p.command(t, "options", fmt.Sprintf("sip:%s@%s;transport=tls", a.account, s.phones()))
		}
	}
	began := time.Now()
	within(t, 2*patience, "the phones have registered over new connections", func() bool {
		return !slices.ContainsFunc(all, func(a *away) bool {
			is := s.whereIs(t, a.account)
			return is == a.was || is.Addr() != a.nat.public
		})
	})
	t.Logf("%v until all phones have registered again", time.Since(began).Round(time.Millisecond))
	time.Sleep(2 * time.Second) // they talk on
	talked := time.Since(began)
	all[0].hangup(t)
	all[1].hangup(t)
	eventually(t, "one call is left", func() bool { return s.metric(t, "callseal_calls_active") == 1 })
	dialer.hangup()
	s.idle(t)
	third.says(t, "session closed")
	dialer.idle(t)
	if n := s.metric(t, "callseal_byes_unanswered_total"); n != 0 {
		t.Errorf("callseal_byes_unanswered_total is %v, want 0", n)
	}
	packets := wire.stop(t)
	wantSealed(t, with("callseal to dialer", packets, dialer.Addr))
	wantGaps(t, "the dialer", packets, dialer.Addr, 3, talked)
	for _, a := range all {
		packets := a.wire.stop(t)
		wantSealed(t, with(a.account+" to callseal", packets, a.at.addr))
		wantGaps(t, a.account, packets, a.at.addr, 1, talked)
		wantTone(t, dialer.heard(t, a.recording), a.says, talked)
		wantTone(t, a.heard(t), a.hears, talked)
	}
}

// TestNATIsKeptOpen: a telephone over UDP says nothing by itself, and its router forgets after 28 s what it does not hear of; callseal's
// questions keep the way to the telephone open. In the clear, too, audio finds it again when the router forgets in a call.
func TestNATIsKeptOpen(t *testing.T) {
	t.Parallel()
	needNAT(t)
	const account, memory = "104", 28 * time.Second
	ca, nat := newAuthority(t, "ca"), startRouter(t)
	nat.set(t, "netfilter/nf_conntrack_udp_timeout", int(memory.Seconds()))
	nat.set(t, "netfilter/nf_conntrack_udp_timeout_stream", int(memory.Seconds()))
	sbcAddr, at := nat.ours, nat.plug(t)
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
		routes: []string{"phone dialer1"},
		phones: fmt.Sprintf("source: %s", address()),
		plain:  nat.public,
	})
	p := startHandset(t, ca, handset{name: "phone", at: at, plain: true, account: fmt.Sprintf(
		"<sip:%s@%s:5060;transport=udp>;auth_pass=%s;regint=300;answermode=auto", account, sbcAddr, phoneSecret)})
	eventually(t, "the phone is registered", func() bool { return s.metric(t, "callseal_phones_registered", `transport="udp"`) == 1 })
	was := s.whereIs(t, account)
	idle := listenOn(t, at, "eth0", at.addr)
	time.Sleep(memory + 10*time.Second) // the kernel forgets by the real clock
	asked := 0
	for _, packet := range idle.stop(t) {
		switch text := string(packet.payload); {
		case packet.from.Addr() != at.addr:
		case strings.HasPrefix(text, "SIP/2.0 200"):
			asked++
		default:
			t.Errorf("the phone keeps its NAT open by itself: %.40q", text)
		}
	}
	if asked == 0 {
		t.Error("the phone was not asked for longer than its NAT remembers")
	}
	if flows := nat.flows(t, "udp"); !strings.Contains(flows, fmt.Sprintf("dport=%d ", was.Port())) {
		t.Errorf("the NAT has forgotten port %d:\n%s", was.Port(), flows)
	}
	heard, wire := listenOn(t, at, "eth0", at.addr), listen(t, dialer.Addr)
	dialer.dial(t, "agent", "79"+account)
	eventually(t, "the call is up", func() bool {
		return s.metric(t, "callseal_srtp_legs") == 2 && s.metric(t, "callseal_legs_in_the_clear") > 0
	})
	time.Sleep(1500 * time.Millisecond) // they talk
	nat.forget(t)
	began := time.Now()
	time.Sleep(3 * time.Second) // they talk on
	talked := time.Since(began)
	p.hangup(t)
	s.idle(t)
	dialer.idle(t)
	wantGaps(t, "the phone", heard.stop(t), at.addr, 1, talked)
	wantGaps(t, "the dialer", wire.stop(t), dialer.Addr, 1, talked)
	wantTone(t, dialer.heard(t, "agent"), phoneTone, talked)
	wantTone(t, p.heard(t), dialerTone, talked)
}

// wantGaps asserts that so many streams of audio came to an address, each for at least that long, and without a gap of which people would
// speak.
func wantGaps(t *testing.T, who string, packets []packet, to netip.Addr, streams int, talked time.Duration) {
	t.Helper()
	found := leg{packets: packets}.gaps(to)
	if len(found) != streams {
		t.Errorf("%d streams of audio came to %s, want %d", len(found), who, streams)
	}
	for port, g := range found {
		t.Logf("%d packets of audio came to %s at port %d, at most %v apart", g.packets, who, port.Port(), g.longest.Round(time.Millisecond))
		if g.longest > longestGap || time.Duration(g.packets)*20*time.Millisecond < talked {
			t.Errorf("%d packets of audio came to %s within %v, once none for %v", g.packets, who, talked, g.longest)
		}
	}
}

// linphoneAccount are the options of one.
func linphoneAccount(account string, remote netip.AddrPort, expires int) []string {
	return []string{
		"[proxy_0]",
		fmt.Sprintf("reg_proxy=<sip:%s;transport=tls>", remote),
		fmt.Sprintf("reg_identity=<sip:%s@%s>", account, remote),
		fmt.Sprintf("reg_expires=%d", expires),
		"reg_sendregister=1",
		"publish=0",
		"[auth_info_0]",
		"username=" + account,
		"passwd=" + phoneSecret,
	}
}

// whereIs gives the address from which a telephone has registered.
func (s *sbc) whereIs(t *testing.T, extension string) netip.AddrPort {
	t.Helper()
	body, err := s.page("/api/v1/phones")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Phones []struct {
			Extension string
			Address   string
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Phones {
		if p.Extension == extension {
			return netip.MustParseAddrPort(p.Address)
		}
	}
	return netip.AddrPort{}
}

// reaches tells whether it takes a telephone for reachable.
func (a *asterisk) reaches(account string) bool {
	if a.Version == 16 {
		return strings.Contains(a.rx("sip show peer "+account), "Status       : OK")
	}
	for line := range strings.Lines(a.rx("pjsip show contacts")) {
		if strings.Contains(line, " "+account+"/") && strings.Contains(line, " Avail ") {
			return true
		}
	}
	return false
}
