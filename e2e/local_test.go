package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// account is a baresip account that registers, and answers by itself.
func account(user, password string, remote netip.AddrPort) string {
	return fmt.Sprintf("<sip:%s@%s;transport=tls>;auth_user=%s;auth_pass=%s;regint=60;answermode=auto",
		user, remote, user, password)
}

// TestLocalRegistrar: callseal knows the phones' passwords by VICIdial's database, and registers them at their dialers, two of them for a phone
// with an alias; calls come from both, and go to one; a phone that is gone is taken off there, and a database that is gone changes nothing.
func TestLocalRegistrar(t *testing.T) {
	needPeers(t)
	ca := newAuthority(t, "ca")
	sbcAddr := address()
	collected.secret(phoneSecret, "the phones' password")
	var dialers []*asterisk
	var trunks []trunk
	for _, name := range []string{"dialer1", "dialer2"} {
		d := startAsterisk(t, name, address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
		dialers = append(dialers, d)
		trunks = append(trunks, trunk{role: "dialer", name: name, remote: d.sip(), calls: true})
	}
	db := startMariaDB(t)
	db.do(t, vicidial()...)
	db.do(t, addPhone("101", dialers[0].Addr, "101a", phoneSecret), addPhone("104", dialers[1].Addr, "104b", phoneSecret),
		addPhone("102", dialers[0].Addr, "102", phoneSecret), "INSERT INTO phones_alias SET alias_id = 'agent1', logins_list = '101a,104b'")
	s := startSBC(t, sbcAddr, ca, sbcConfig{trunks: trunks, routes: []string{"phone dialer1"}, phones: "registrar: local, " + db.yaml(t)})
	s.logLine(t, "phones read", "accounts=4")

	p := startPhoneNamed(t, ca, "agent", account("agent1", phoneSecret, s.phones()))
	lines := func(state, dialer string) float64 {
		return s.metric(t, "callseal_phone_lines", `state="`+state+`"`, `dialer="`+dialer+`"`)
	}
	eventually(t, "the phone is registered at both dialers", func() bool { return lines("registered", "dialer1") == 1 && lines("registered", "dialer2") == 1 })
	for i, peer := range []string{"101", "104"} {
		if out := dialers[i].rx("sip show peer " + peer); !strings.Contains(out, "agent1-cs-") {
			t.Errorf("dialer%d does not know the phone as %s:\n%s", i+1, peer, out)
		}
	}
	for i, peer := range []string{"101", "104"} {
		if out := dialers[i].rx("channel originate SIP/" + peer + " extension 101@called"); strings.Contains(out, "ailed") {
			t.Fatal(out)
		}
		dialers[i].logs(t, "ENDED cause")
		s.idle(t)
		wantTone(t, dialers[i].heard(t, "101"), phoneTone, 2*time.Second)
	}
	p.dial(t, "100", s.phones()) // by the first line
	eventually(t, "the call is up", func() bool { return s.metric(t, "callseal_srtp_legs") == 2 })
	time.Sleep(2500 * time.Millisecond) // they talk
	p.hangup(t)
	dialers[0].logs(t, "ENDED cause")
	wantTone(t, dialers[0].heard(t, "100"), phoneTone, time.Second)

	db.stop(t)
	other := startPhoneNamed(t, ca, "other", account("102", phoneSecret, s.phones()))
	eventually(t, "a phone registers without the database", func() bool { return lines("registered", "dialer1") == 2 })
	wrong := startPhoneNamed(t, ca, "wrong", account("104", "not the password", s.phones()))
	s.logLine(t, "password refused", "verdict=wrong")
	wrong.end(t, syscall.SIGTERM)

	p.end(t, syscall.SIGKILL)
	eventually(t, "the phone is taken off at its dialers", func() bool { return lines("registered", "dialer1") == 1 && lines("registered", "dialer2") == 0 })
	eventually(t, "dialer2 knows that", func() bool { return strings.Contains(dialers[1].rx("sip show peer 104"), "Addr->IP     : (null)") })
	other.end(t, syscall.SIGTERM)
	eventually(t, "the other one is taken off, too", func() bool { return lines("registered", "dialer1") == 0 })
}
