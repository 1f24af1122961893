package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Telephones register through callseal at an Asterisk, which asks for their password, calls them, and is called by them.

// phoneNumber is the telephone's account at every Asterisk.
const phoneNumber = "107"

// registered is a telephone that has registered through callseal.
type registered struct {
	*sbc
	dialer *asterisk
	front  netip.AddrPort // where the telephone reaches callseal
	line   *cutter        // between them
}

// startRegistered runs a dialer and a callseal for a telephone that reaches it through line.
func startRegistered(t *testing.T, ca *authority, version int) *registered {
	t.Helper()
	sbcAddr := address()
	r := &registered{line: startCutter(t, netip.AddrPortFrom(sbcAddr, 5061), phoneAddr)}
	r.front = netip.AddrPortFrom(r.line.addr, 5061)
	r.dialer = startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	r.sbc = startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: r.dialer.sip(), calls: true}},
		routes: []string{"phone dialer1"},
		phones: fmt.Sprintf("source: %s, auto_answer: true", address()),
		front:  r.line.addr,
	})
	return r
}

// baresip is its account at callseal.
func (r *registered) baresip(more string) string {
	return fmt.Sprintf("<sip:%s@%s;transport=tls>;auth_pass=%s;regint=60%s", phoneNumber, r.front, phoneSecret, more)
}

// linphone are the options of the same.
func (r *registered) linphone() []string { return linphoneAccount(phoneNumber, r.front, 60) }

// reachable waits until the dialer has asked the telephone, and it has answered.
func (r *registered) reachable(t *testing.T) {
	t.Helper()
	eventually(t, "the phone is registered", func() bool {
		return r.metric(t, "callseal_phones_registered", `transport="tls"`, `sealed="yes"`) == 1
	})
	eventually(t, "the dialer reaches the phone", func() bool { return r.dialer.reaches(phoneNumber) })
}

func TestPhonesRegisterAtAsterisk16(t *testing.T) { testPhonesRegister(t, 16) }

func TestPhonesRegisterAtAsterisk22(t *testing.T) { testPhonesRegister(t, 22) }

// telephone is either kind.
type telephone interface {
	dial(t *testing.T, number string, remote netip.AddrPort)
	hangup(t *testing.T)
	heard(t *testing.T) string
}

func testPhonesRegister(t *testing.T, version int) {
	needPeers(t)
	for _, row := range []struct {
		name  string
		calls bool // the telephone calls, else Asterisk does
		start func(*testing.T, *authority, *registered) telephone
	}{
		{"baresip is called", false, startBaresip},
		{"baresip calls", true, startBaresip},
		{"linphone is called", false, startLinphone},
		{"linphone calls", true, startLinphone},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			r := startRegistered(t, ca, version)
			p := row.start(t, ca, r)
			r.reachable(t)
			wire := listen(t, r.line.addr, r.addr, r.dialer.Addr)
			recording := "100"
			if row.calls {
				p.dial(t, "100", r.front)
			} else {
				recording = "agent"
				r.dialer.dial(t, recording, "79"+phoneNumber)
				if soft, ok := p.(*softphone); ok {
					soft.says(t, "Receiving new incoming call")
					soft.do(t, "answer")
				}
			}
			eventually(t, "the call is up", func() bool { return r.metric(t, "callseal_srtp_legs") == 2 })
			time.Sleep(3500 * time.Millisecond) // they talk
			p.hangup(t)
			r.idle(t)
			r.dialer.idle(t)
			wantTone(t, r.dialer.heard(t, recording), phoneTone, 2*time.Second)
			wantTone(t, p.heard(t), dialerTone, 2*time.Second)
			packets := wire.stop(t)
			wantSealed(t, between("phone to callseal", packets, phoneAddr, r.addr))
			wantSealed(t, with("callseal to dialer", packets, r.dialer.Addr))
		})
	}
}

func startBaresip(t *testing.T, ca *authority, r *registered) telephone {
	return startPhoneAs(t, ca, r.baresip(";answermode=auto"))
}

func startLinphone(t *testing.T, ca *authority, r *registered) telephone {
	return startSoftphone(t, ca, r.linphone()...)
}

// TestRegisteredPhoneIsCut: the connection of a telephone in a call is cut. Both are heard all the time, the telephone registers by another
// connection, and there it hears that the call has ended.
func TestRegisteredPhoneIsCut(t *testing.T) {
	needPeers(t)
	for _, version := range []int{16, 22} {
		t.Run(fmt.Sprintf("Asterisk %d", version), func(t *testing.T) {
			ca := newAuthority(t, "ca")
			r := startRegistered(t, ca, version)
			p := startPhoneAs(t, ca, r.baresip(";answermode=auto"))
			r.reachable(t)
			r.dialer.dial(t, "agent", "79"+phoneNumber)
			eventually(t, "the call is up", func() bool { return r.metric(t, "callseal_srtp_legs") == 2 })
			time.Sleep(time.Second) // they talk
			r.line.cut(t)
			eventually(t, "the phone is lost", func() bool { return r.metric(t, "callseal_phone_flows_lost_total") == 1 })
			began := time.Now()
			for deadline := began.Add(70 * time.Second); r.metric(t, "callseal_phone_registrations_total", `outcome="moved"`) == 0; {
				if time.Now().After(deadline) {
					t.Fatal("the phone does not come back")
				}
				time.Sleep(200 * time.Millisecond) // baresip looks at its registration once or twice a minute
			}
			r.reachable(t)
			time.Sleep(2 * time.Second) // they talk on
			talked := time.Since(began)
			r.dialer.hangup()
			eventually(t, "the phone hears the end", func() bool { return strings.Contains(p.output(t), "session closed") })
			r.idle(t)
			if n := r.metric(t, "callseal_byes_unanswered_total"); n != 0 {
				t.Errorf("callseal_byes_unanswered_total is %v, want 0", n)
			}
			wantTone(t, r.dialer.heard(t, "agent"), phoneTone, talked)
			wantTone(t, p.heard(t), dialerTone, talked)
		})
	}
}

// TestPhoneThatIsGone: a telephone that has lost its connection answers no OPTIONS, so that its dialer takes it for unreachable, and calls hear
// 480.
func TestPhoneThatIsGone(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	r := startRegistered(t, ca, 16)
	p := startPhoneAs(t, ca, r.baresip(";answermode=auto"))
	r.reachable(t)
	p.end(t, syscall.SIGKILL)
	eventually(t, "the dialer misses the phone", func() bool {
		return strings.Contains(r.dialer.rx("sip show peer "+phoneNumber), "Status       : UNREACHABLE")
	})
	if n := r.metric(t, "callseal_phone_options_unanswered_total", `cause="lost"`); n == 0 {
		t.Error("no OPTIONS was left without an answer")
	}
	if n := r.metric(t, "callseal_phones_registered"); n != 0 {
		t.Errorf("callseal_phones_registered is %v, want 0", n)
	}
}

// TestAgentLogsIn: VICIdial's login call tells the telephone to answer by itself, in the words that linphone's library reads; linphonec, which
// leaves the answer to its user, rings. A telephone that is set to answer does.
func TestAgentLogsIn(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	r := startRegistered(t, ca, 16)
	p := startSoftphone(t, ca, r.linphone()...)
	r.reachable(t)
	r.dialer.dial(t, "agent", "79"+phoneNumber)
	p.says(t, `Receiving new incoming call from "S2611260700001234567" <sip:8600051@`)
	for _, header := range []string{"Call-Info: <sip:" + r.line.addr.String() + ">;answer-after=0", "info=alert-autoanswer;delay=0", "Answer-Mode: Auto"} {
		eventually(t, "the phone reads "+header, func() bool { return strings.Contains(read(t, filepath.Join(p.dir, "log")), header) })
	}
	p.do(t, "answer")
	eventually(t, "the call is up", func() bool { return r.metric(t, "callseal_srtp_legs") == 2 })
	p.hangup(t)
	r.idle(t)
}

// TestManyPhonesRegister: after a power cut 500 telephones register at an Asterisk 16 within a minute, and again after callseal was restarted.
func TestManyPhonesRegister(t *testing.T) {
	needPeers(t)
	const phones = 500
	ca, sbcAddr, from, source := newAuthority(t, "ca"), address(), address(), address()
	config := asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone}
	for n := range phones {
		config.Phones = append(config.Phones, fmt.Sprint(2000+n))
	}
	dialer := startAsterisk(t, "dialer1", address(), ca, config)
	dialer.rx("sip set debug off") // what it writes would be what is measured
	program := callsealBench(t)
	for _, start := range []string{"power comes back", "callseal was restarted"} {
		t.Run(start, func(t *testing.T) {
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
				routes: []string{"phone dialer1"},
				phones: fmt.Sprintf("source: %s", source),
			})
			out, err := exec.Command(program, "run", "register-storm", "--user=2000", "--password="+phoneSecret, "--rate=10", "--duration=55s",
				"--target=sips:"+s.phones().String(), "--ca="+ca.file, "--server-name=sbc.test", "--from="+netip.AddrPortFrom(from, 0).String(),
				"--slo=failures=0,setup_p99<1s").CombinedOutput()
			t.Logf("%s", out)
			if err != nil || !strings.Contains(string(out), "500 registered") {
				t.Errorf("%v", err)
			}
			if n := s.metric(t, "callseal_phone_registrations_total", `outcome="registered"`); n != phones {
				t.Errorf("%v phones are registered, want %d", n, phones)
			}
		})
	}
}
