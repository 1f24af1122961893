package e2e

import (
	"crypto/md5"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The accounts of these tests: 50 whose passwords nobody guesses, and one that sipvicious is told, so that it can be seen to work.
const (
	firstAccount, lastAccount = 1001, 1050
	weakAccount, weakPassword = 1060, "letmein"
)

// guarded is a callseal with them; its phones come from an address by UDP.
func guarded(t *testing.T, lab netip.Addr, trust string) *sbc {
	t.Helper()
	var users []string
	for n := firstAccount; n <= lastAccount; n++ {
		password := fmt.Sprintf("bench-%x", md5.Sum(fmt.Appendf(nil, "account %d", n)))
		collected.secret(password, "a phone's password")
		users = append(users, fmt.Sprintf("{extension: %d, password: %s}", n, password))
	}
	users = append(users, fmt.Sprintf("{extension: %d, password: %s}", weakAccount, weakPassword))
	return startSBC(t, address(), newAuthority(t, "ca"), sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(address(), 5061), calls: true}},
		routes: []string{"phone dialer1"},
		phones: "registrar: local, users: [" + strings.Join(users, ", ") + "]",
		plain:  lab,
		trust:  trust,
	})
}

// sipvicious runs one of its programs, whose packets leave from 127.0.0.1, and gives what it prints.
func sipvicious(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s %q:\n%s", program, args, out)
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return string(out)
}

var foundAccount = regexp.MustCompile(`\|\s*(10[0-6]\d)\s*\|`)

// TestSipvicious: neither from an address that is nobody's nor from one of phones does sipvicious find an account or a password.
func TestSipvicious(t *testing.T) {
	needPeers(t)
	words := []string{"1001", "password", "test", "secret", "12345", "asterisk", "letmein0"}
	for i := range 200 {
		words = append(words, fmt.Sprintf("guess%d", i))
	}
	for _, row := range []struct {
		name    string
		lab     netip.Addr
		methods []string // that svwar tries
	}{{"a stranger", address(), []string{"REGISTER"}}, {"an address of phones", phoneAddr, []string{"REGISTER", "INVITE"}}} {
		t.Run(row.name, func(t *testing.T) {
			s := guarded(t, row.lab, "")
			target := fmt.Sprintf("udp://%s:5060", s.addr)
			guesses := write(t, filepath.Join(t.ArtifactDir(), "words"), strings.Join(words, "\n")+"\n")
			if out := sipvicious(t, "svmap", s.addr.String()); row.lab != phoneAddr && strings.Contains(out, s.addr.String()+":5060 |") {
				t.Error("svmap finds callseal")
			}
			for _, method := range row.methods {
				out := sipvicious(t, "svwar", "--force", "-t", "0.005", "-m", method, "-e", fmt.Sprintf("%d-%d", firstAccount-5, weakAccount+5), target)
				if found := foundAccount.FindAllString(out, -1); len(found) > 0 && len(found) < lastAccount-firstAccount { // all of them, of which some do not exist, is none
					t.Errorf("svwar finds %q by %s", found, method)
				}
			}
			found := write(t, filepath.Join(t.ArtifactDir(), "found"), "first\n"+weakPassword+"\nlast\n")
			if out := sipvicious(t, "svcrack", "-t", "0.002", "-u", fmt.Sprint(weakAccount), "-d", found, target); !strings.Contains(out, weakPassword) {
				t.Errorf("svcrack does not find the password that it is told: it has not worked\n%s", out)
			}
			for _, n := range []int{firstAccount, lastAccount} {
				if out := sipvicious(t, "svcrack", "-t", "0.002", "-u", fmt.Sprint(n), "-d", guesses, target); foundAccount.MatchString(out) {
					t.Errorf("svcrack finds a password of %d", n)
				}
			}
			if n := s.metric(t, "callseal_password_locks_total", `of="account"`); n != 2 {
				t.Errorf("%v accounts were locked for the guesses of svcrack, want both", n)
			}
			if n := s.metric(t, "callseal_digest_checks_total", `verdict="wrong"`); n < 10 || n > 20 {
				t.Errorf("svcrack could try %v passwords, want five of each account", n)
			}
		})
	}
}

// prober asks callseal by UDP, one request at a time.
type prober struct {
	t    *testing.T
	conn *net.UDPConn
	n    int
}

func (p *prober) ask(user, authorization string) (string, time.Duration) {
	p.n++
	from := p.conn.LocalAddr()
	req := fmt.Sprintf("REGISTER sip:callseal SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKprobe%d\r\nFrom: <sip:%s@callseal>;tag=%d\r\nTo: <sip:%s@callseal>\r\n"+
		"Call-ID: probe%d\r\nCSeq: 1 REGISTER\r\nContact: <sip:%s@%s>\r\n%sContent-Length: 0\r\n\r\n", from, p.n, user, p.n, user, p.n, user, from, authorization)
	begin := time.Now()
	if _, err := p.conn.Write([]byte(req)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 8192)
	_ = p.conn.SetReadDeadline(begin.Add(patience))
	n, err := p.conn.Read(buf)
	took := time.Since(begin)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasPrefix(string(buf[:n]), "SIP/2.0 401") {
		p.t.Fatalf("%s", buf[:n])
	}
	return string(buf[:n]), took
}

var nonce = regexp.MustCompile(`nonce="([^"]*)"`)

// probe tries a wrong password, and gives how long the refusal took.
func (p *prober) probe(user string) time.Duration {
	challenge, _ := p.ask(user, "")
	given := nonce.FindStringSubmatch(challenge)
	_, took := p.ask(user, fmt.Sprintf("Authorization: Digest username=%q, realm=\"asterisk\", nonce=%q, uri=\"sip:callseal\", "+
		"response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"x\"\r\n", user, given[1]))
	return took
}

// TestTimingOfUnknownPhones: how long a refusal takes does not tell whether there is such a phone.
func TestTimingOfUnknownPhones(t *testing.T) {
	needPeers(t)
	s := guarded(t, phoneAddr, "ban: {after: 0}") // the prober would be locked out
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(phoneAddr, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.addr, 5060)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	p := &prober{t: t, conn: conn}
	const probes = 2000
	var known, unknown []time.Duration
	for i := range probes / 2 {
		known = append(known, p.probe(fmt.Sprint(firstAccount+i%(lastAccount-firstAccount+1))))
		unknown = append(unknown, p.probe(fmt.Sprint(5000+i%50)))
	}
	slices.Sort(known)
	slices.Sort(unknown)
	a, b := known[len(known)/2], unknown[len(unknown)/2]
	t.Logf("%d probes: median %s for known phones, %s for unknown ones, gap %s", probes, a, b, (a - b).Abs())
	if gap := (a - b).Abs(); gap > 50*time.Microsecond {
		t.Errorf("a refusal takes %s for known phones and %s for unknown ones: the gap is %s", a, b, gap)
	}
}
