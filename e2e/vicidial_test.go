package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// pasted is what `callseal vicidial` prints, as it goes into an Asterisk's files.
type pasted struct{ General, Account, Globals, Dialplan, Template string }

// paste asks callseal for everything. General is what an admin edits by hand, and where the files of this machine's Asterisk stand is the
// test's own; the rest stays as it was printed.
func paste(t *testing.T, config string, dialer netip.Addr, id identity, ca *authority) *pasted {
	t.Helper()
	part := func(name string) string {
		out, err := exec.Command(callseal(t), "vicidial", "--config", config, "--part", name).Output()
		if err != nil {
			t.Fatalf("callseal vicidial --part %s: %v", name, err)
		}
		collected.add(t.Name()+" vicidial "+name, string(out))
		return string(out)
	}
	general := strings.NewReplacer(
		"/etc/asterisk/callseal/asterisk.pem", id.both, "/etc/asterisk/callseal/ca.pem", ca.file, "0.0.0.0:", dialer.String()+":",
	).Replace(part("general"))
	account := strings.ReplaceAll(part("account"), "PASSWORD_OF_INBOUND_AUTH", phoneSecret) // which an admin writes there
	return &pasted{general, account, part("globals"), part("dialplan"), part("template")}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// logCalls stands in for the call log of VICIdial, which its dialplans ask by FastAGI at a fixed address before they dial: it listens and hangs up.
func logCalls(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:4577")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for r := bufio.NewScanner(c); r.Scan() && r.Text() != ""; { // what it is told of the call
			}
			_ = c.Close()
		}
	})
}

// What `callseal vicidial` prints works in a real Asterisk 16 as VICIdial writes it there: a campaign's prefix calls a carrier, a carrier
// reaches the inbound context, and a phone with the template registers and is called.
func TestVicidialPaste(t *testing.T) {
	needPeers(t)
	logCalls(t)
	ca := newAuthority(t, "ca")
	sbcAddr, dialerAddr, carrierAddr := address(), address(), address()
	config := sbcConfig{
		front: sbcAddr, // chan_sip knows the address by the common name of the certificate
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(dialerAddr, 5061), calls: true,
				more: []string{"inbound_auth: {user: \"dialer1\", password: \"" + phoneSecret + "\"}"}},
			{role: "carrier", name: "telco", remote: netip.AddrPortFrom(carrierAddr, 5060), plain: true, calls: true},
		},
		routes: []string{"phone dialer1", "dialer telco", "carrier dialer1"},
		phones: fmt.Sprintf("source: %s", address()),
	}
	file := config.write(t, sbcAddr, address(), ca)
	dialer := startAsterisk(t, "dialer1", dialerAddr, ca, asteriskConfig{
		Version: 16, Sealed: true, Tone: dialerTone, VICIdial: paste(t, file, dialerAddr, ca.issue(t, "dialer1.test", dialerAddr), ca),
	})
	carrier := startAsterisk(t, "telco", carrierAddr, ca, asteriskConfig{Version: 22, Remote: netip.AddrPortFrom(sbcAddr, 5080), Tone: carrierTone})
	s := startSBC(t, sbcAddr, ca, config)

	eventually(t, "the carrier entry is reachable", func() bool {
		dialer.rx("sip qualify peer sbc")
		return strings.Contains(dialer.rx("sip show peer sbc"), "Status       : OK")
	})
	t.Run("a campaign's prefix", func(t *testing.T) {
		dialer.dial(t, "agent", "78101")
		if status, cause := dialer.result(t, "h"); status != "ANSWER" || cause != 16 {
			t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want ANSWER 16", status, cause)
		}
		s.idle(t)
		wantTone(t, dialer.heard(t, "agent"), carrierTone, 2*time.Second)
		wantTone(t, carrier.heard(t, "101"), dialerTone, 2*time.Second)
		for _, secret := range shownAt(t, dialer, carrier) {
			t.Errorf("%q shows at the carrier", secret)
		}
		if n := s.metric(t, "callseal_digest_checks_total", `verdict="accepted"`); n < 1 {
			t.Errorf("the account entry brought the right password %v times", n)
		}
		s.logLine(t, "call ended", "from=dialer1/"+callerNumber, "to=telco/101", "outcome=answered", "TLS 1.3 + AES_CM_128_HMAC_SHA1_80")
	})
	t.Run("a call from outside", func(t *testing.T) {
		carrier.dial(t, "caller", "15550001")
		dialer.logs(t, "ARRIVED 15550001")
		eventually(t, "they talk", func() bool { return s.metric(t, "callseal_srtp_legs", `suite="AES_CM_128_HMAC_SHA1_80"`) == 1 })
		time.Sleep(3 * time.Second) // they talk
		carrier.hangup()
		s.idle(t)
		wantTone(t, dialer.heard(t, "15550001"), carrierTone, 2*time.Second)
		wantTone(t, carrier.heard(t, "caller"), dialerTone, 2*time.Second)
	})
	t.Run("a phone with the template", func(t *testing.T) {
		p := startPhoneAs(t, ca, fmt.Sprintf("<sip:101@%s;transport=tls>;auth_pass=%s;regint=60;answermode=auto", s.phones(), phoneSecret))
		eventually(t, "the phone is reachable", func() bool { return strings.Contains(dialer.rx("sip show peer 101"), "Status       : OK") })
		dialer.dial(t, "manager", "101")
		eventually(t, "they talk", func() bool { return s.metric(t, "callseal_srtp_legs") == 2 })
		time.Sleep(3 * time.Second) // they talk
		p.hangup(t)
		s.idle(t)
		dialer.idle(t)
		wantTone(t, dialer.heard(t, "manager"), phoneTone, 2*time.Second)
		wantTone(t, p.heard(t), dialerTone, 2*time.Second)
	})
}
