package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// probed is what `callseal probe --json` prints.
type probed struct {
	Usable bool `json:"usable"`
	Fault  *struct {
		Step, Cause, Advice string
	} `json:"fault"`
	Steps []struct {
		Step, Outcome, Says string
	} `json:"steps"`
}

// probe runs `callseal probe`, whose exit status says the same as its JSON.
func probe(t *testing.T, args ...string) (p probed, outcomes map[string]string) {
	t.Helper()
	out, err := exec.Command(callseal(t), append([]string{"probe", "--json"}, args...)...).Output()
	collected.add(t.Name()+" probe", string(out))
	if jsonErr := json.Unmarshal(out, &p); jsonErr != nil {
		t.Fatalf("%v: %v\n%s", err, jsonErr, out)
	}
	if p.Usable != (err == nil) || p.Usable != (p.Fault == nil) {
		t.Errorf("exit status %v, usable %v, fault %v", err, p.Usable, p.Fault)
	}
	outcomes = map[string]string{}
	for _, s := range p.Steps {
		outcomes[s.Step] = s.Outcome
		t.Log(s.Step, s.Outcome, s.Says)
	}
	return p, outcomes
}

// A probe finds a good Asterisk good, up to its audio, and says what is wrong with another.
func TestProbe(t *testing.T) {
	needPeers(t)
	const number = "600" // an echo
	for _, version := range []int{16, 22} {
		ca := newAuthority(t, "ca")
		addr, sbcAddr := address(), address()
		us := dialersOf(sbcAddr) // from where calls and probes come
		far := startAsterisk(t, "dialer1", addr, ca, asteriskConfig{Version: version, Remote: us, Sealed: true, Tone: dialerTone})
		deaf := startAsterisk(t, "deaf", address(), ca, asteriskConfig{Version: version, Remote: us, Sealed: true, PlainMedia: true, Tone: dialerTone})
		file := sbcConfig{
			trunks: []trunk{
				{role: "dialer", name: "dialer1", remote: far.sip(), calls: true},
				{role: "dialer", name: "misnamed", remote: far.sip(), serverName: "other.test"},
				{role: "dialer", name: "closed", remote: netip.AddrPortFrom(addr, 5999)},
				{role: "dialer", name: "deaf", remote: deaf.sip()},
				{role: "carrier", name: "account", remote: far.sip(), serverName: "dialer1.test",
					more: []string{"register: {user: '101'}", "auth: {password: " + phoneSecret + "}"}},
				{role: "carrier", name: "mistyped", remote: far.sip(), serverName: "dialer1.test",
					more: []string{"register: {user: '101'}", "auth: {password: not-" + phoneSecret + "}"}},
				{role: "carrier", name: "plain", remote: netip.AddrPortFrom(addr, 5060), plain: true},
			},
			routes: []string{"phone dialer1"},
		}.write(t, sbcAddr, address(), ca)
		t.Run(fmt.Sprintf("good %d", version), func(t *testing.T) {
			p, outcomes := probe(t, "--config", file, "--call", number, "dialer1")
			if !p.Usable {
				t.Fatalf("%+v", p.Fault)
			}
			for _, step := range []string{"connect", "tls", "validity", "chain", "name", "client_certificate", "options", "srtp", "media"} {
				// The certificates of these tests last for a day, and PJSIP asks for ours without insisting.
				mild := outcomes[step] == "warning" && (step == "validity" || step == "client_certificate")
				if outcomes[step] != "ok" && !mild {
					t.Errorf("%s: %s", step, outcomes[step])
				}
			}
		})
		for _, row := range []struct{ name, trunk, step, cause string }{
			{"a name that is not in its certificate", "misnamed", "name", "name_mismatch"},
			{"a port where nothing listens", "closed", "connect", "refused"},
		} {
			t.Run(row.name, func(t *testing.T) {
				p, _ := probe(t, "--config", file, row.trunk)
				if p.Fault == nil || p.Fault.Step != row.step || p.Fault.Cause != row.cause || p.Fault.Advice == "" {
					t.Errorf("%+v, want %s %s", p.Fault, row.step, row.cause)
				}
			})
		}
		t.Run("no SRTP there", func(t *testing.T) {
			p, _ := probe(t, "--config", file, "--call", number, "deaf")
			if version == 22 && (p.Fault == nil || p.Fault.Step != "srtp") { // chan_sip takes an offer of SRTP whatever it is set to
				t.Errorf("%+v, want a fault of srtp", p.Fault)
			}
		})
		if version == 16 { // whose configuration here has an account
			t.Run("an account", func(t *testing.T) {
				p, outcomes := probe(t, "--config", file, "account")
				if !p.Usable || outcomes["registration"] != "ok" {
					t.Errorf("%+v, registration %s", p.Fault, outcomes["registration"])
				}
				if out := far.rx("sip show peer 101"); !strings.Contains(out, "Addr->IP     : (null)") {
					t.Errorf("the probe left a registration behind:\n%s", out)
				}
			})
			t.Run("a password that is wrong", func(t *testing.T) {
				p, _ := probe(t, "--config", file, "mistyped")
				if p.Fault == nil || p.Fault.Step != "registration" || !strings.Contains(p.Fault.Advice, "password") {
					t.Errorf("%+v, want a fault of registration", p.Fault)
				}
			})
		}
		t.Run("an address without a configuration", func(t *testing.T) {
			p, _ := probe(t, "--ca", ca.file, "--server-name", "dialer1.test", far.sip().String())
			if !p.Usable {
				t.Errorf("%+v", p.Fault)
			}
		})
	}
}
