package e2e

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An Asterisk as a carrier that wants to be registered with, and asks for a password for every call.

func TestRegisteredAtAsterisk16(t *testing.T) { testRegisteredAt(t, 16) }

func TestRegisteredAtAsterisk22(t *testing.T) { testRegisteredAt(t, 22) }

// accounts are what the carrier's configuration says of callseal, and the user by which it registers.
var accounts = map[int]struct {
	user    string
	options []string
}{
	16: {"sbc", []string{"type = friend", "host = dynamic", "secret = " + phoneSecret, "insecure = no"}},
	22: {"107", []string{"auth = 107", "aors = 107", "rewrite_contact = yes"}},
}

func testRegisteredAt(t *testing.T, version int) {
	t.Parallel()
	needPeers(t)
	for _, row := range []struct {
		name  string
		plain bool
	}{{"TLS and SRTP", false}, {"UDP and RTP", true}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := startRegisteredHouse(t, version, row.plain, phoneSecret)
			h.wantRegistered(t)

			// A call to the carrier, which asks for the password at INVITE.
			h.dialer.dial(t, "agent", "101")
			if status, cause := h.dialer.result(t, "101"); status != "ANSWER" || cause != 16 {
				t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want ANSWER 16", status, cause)
			}
			h.sbc.idle(t)
			wantTone(t, h.dialer.heard(t, "agent"), carrierTone, 2*time.Second)
			if n := h.sbc.metric(t, "callseal_challenges_total", `name="telco"`, `outcome="answered"`); n < 1 {
				t.Error("the carrier has not asked for a password")
			}

			// A call from the carrier, to where callseal has registered: nothing else tells callseal whose it is.
			h.carrier.dial(t, "caller", "101")
			if status, _ := h.carrier.result(t, "101"); status != "ANSWER" {
				t.Errorf("the call from the carrier: %s", status)
			}
			h.sbc.idle(t)
			wantTone(t, h.carrier.heard(t, "caller"), dialerTone, 2*time.Second)

			h.carrier.restart(t)
			if !row.plain { // over UDP only the next refresh tells
				h.wantRegistered(t)
				h.carrier.dial(t, "again", "100")
				eventually(t, "the carrier reaches callseal again", func() bool { return h.sbc.metric(t, "callseal_calls_active") == 1 })
				h.carrier.hangup()
				h.sbc.idle(t)
			}
		})
	}
}

func TestWrongPasswordAtAsterisk(t *testing.T) {
	t.Parallel()
	for _, version := range []int{16, 22} {
		t.Run("Asterisk "+map[int]string{16: "16", 22: "22"}[version], func(t *testing.T) {
			t.Parallel()
			needPeers(t)
			h := startRegisteredHouse(t, version, false, "no-such-secret")
			h.sbc.logLine(t, "registration failed", "trunk=telco", "advice=")
			if n := h.sbc.metric(t, "callseal_trunk_registered", `trunk="telco"`); n != 0 {
				t.Errorf("callseal_trunk_registered is %v", n)
			}
			if strings.Contains(h.sbc.output(t), "no-such-secret") {
				t.Error("the log shows the password")
			}
			h.dialer.dial(t, "agent", "101")
			if status, _ := h.dialer.result(t, "101"); status != "CONGESTION" && status != "CHANUNAVAIL" {
				t.Errorf("DIALSTATUS %s", status)
			}
			h.sbc.idle(t)
		})
	}
}

// TestConnectionOfRegistrationIsCut: callseal registers anew at once, and is reached.
func TestConnectionOfRegistrationIsCut(t *testing.T) {
	t.Parallel()
	needPeers(t)
	ca, sbcAddr, carrierAddr := newAuthority(t, "ca"), address(), address()
	line := startCutter(t, netip.AddrPortFrom(carrierAddr, 5061), sbcAddr)
	carrier := startAsterisk(t, "telco", carrierAddr, ca, asteriskConfig{
		Version: 22, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: true, Tone: carrierTone, Options: accounts[22].options})
	h := joinRegistered(t, ca, sbcAddr, carrier, netip.AddrPortFrom(line.addr, 5061), 22, false, phoneSecret)
	h.wantRegistered(t)
	line.cut(t)
	h.sbc.logLine(t, "connection of a registration lost")
	eventually(t, "callseal registers anew", func() bool {
		return h.sbc.metric(t, "callseal_trunk_registrations_total", `outcome="registered"`) >= 2
	})
	h.carrier.dial(t, "again", "100")
	eventually(t, "the carrier reaches callseal again", func() bool { return h.sbc.metric(t, "callseal_calls_active") == 1 })
	h.carrier.hangup()
	h.sbc.idle(t)
}

// startRegisteredHouse is a house whose carrier is registered with.
func startRegisteredHouse(t *testing.T, version int, plain bool, password string) house {
	t.Helper()
	ca, sbcAddr := newAuthority(t, "ca"), address()
	carrier := startAsterisk(t, "telco", address(), ca, asteriskConfig{
		Version: version, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: !plain, Tone: carrierTone, Options: accounts[version].options})
	return joinRegistered(t, ca, sbcAddr, carrier, carrier.sip(), version, plain, password)
}

func joinRegistered(t *testing.T, ca *authority, sbcAddr netip.Addr, carrier *asterisk, at netip.AddrPort, version int, plain bool, password string) house {
	t.Helper()
	h := house{ca: ca, carrier: carrier}
	h.dialer = startAsterisk(t, "dialer1", address(), ca, asteriskConfig{
		Version: 22, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone, Ring: 10})
	h.sbc = startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: h.dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: at, plain: plain, more: []string{
				"register: {user: \"" + accounts[version].user + "\", extension: \"" + callerNumber + "\", expires: 1m}",
				"auth: {password: \"" + password + "\"}",
			}},
		},
		routes: []string{"dialer telco", "carrier dialer1"},
	})
	return h
}

// wantRegistered waits until callseal is registered.
func (h house) wantRegistered(t *testing.T) {
	t.Helper()
	eventually(t, "callseal is registered", func() bool {
		return h.sbc.metric(t, "callseal_trunk_registered", `trunk="telco"`) == 1
	})
}

// restart ends an Asterisk and starts it again, as it was.
func (a *asterisk) restart(t *testing.T) {
	t.Helper()
	a.end(t, syscall.SIGTERM)
	command, args := a.command("-C", a.Dir+"/etc/asterisk.conf", "-f")
	a.process = start(t, a.name+"-again", []string{"OPENSSL_CONF=/dev/null"}, command, args...)
	eventually(t, a.name+" is up", func() bool { return strings.Contains(a.rx("core waitfullybooted"), "fully booted") })
}

// TestRegistrar: sipp asks for more than Asterisk does.
func TestRegistrar(t *testing.T) {
	t.Parallel()
	needPeers(t)
	for _, row := range []struct {
		name, scenario string
		registered     float64
		outcomes       []string
		log            string
	}{
		{"too brief and two passwords", "registrar.xml", 1, []string{"too_brief", "registered"}, "msg=registered"},
		{"forbidden", "forbidden.xml", 0, []string{"forbidden"}, "registration failed: 403 Account blocked"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ca, sbcAddr, carrier := newAuthority(t, "ca"), address(), netip.AddrPortFrom(address(), 5060)
			sipp := startSipp(t, sippScenario(row.scenario), carrier)
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{{role: "carrier", name: "telco", remote: carrier, plain: true, more: []string{
					"register: {user: \"107\", extension: \"107\", expires: 1m}", "auth: {user: bob, password: hunter2}"}}},
				routes: []string{"dialer telco"},
			})
			sipp.wantSuccess(t)
			s.logLine(t, row.log, "trunk=telco")
			for _, outcome := range row.outcomes {
				if n := s.metric(t, "callseal_trunk_registrations_total", `outcome="`+outcome+`"`); n != 1 {
					t.Errorf("%v attempts are %s, want 1", n, outcome)
				}
			}
			if n := s.metric(t, "callseal_trunk_registered", `trunk="telco"`); n != row.registered {
				t.Errorf("callseal_trunk_registered is %v", n)
			}
		})
	}
}
