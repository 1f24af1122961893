package e2e

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The bench judges a server that answers by itself: an Asterisk 16 whose
// extension gives the audio back, over TLS and SRTP.
func TestBenchAgainstAsterisk16(t *testing.T) {
	needPeers(t)
	ca, from := newAuthority(t, "bench CA"), address()
	server := startAsterisk(t, "echo", address(), ca, asteriskConfig{
		Version: 16, Remote: netip.AddrPortFrom(from, 5061), Sealed: true, Tone: dialerTone,
	})
	program := filepath.Join(t.TempDir(), "callseal-bench")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/callseal-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, row := range []struct {
		name string
		args []string
		ok   bool
		want string
	}{
		{"smoke", []string{"smoke", "--number=600", "--tone"}, true, "5 calls, 5 answered"},
		{"registered callers", []string{"smoke", "--number=600", "--register", "--user=101", "--password=" + phoneSecret}, true, "5 calls, 5 answered"},
		{"wrong password", []string{"smoke", "--number=600", "--register", "--user=101", "--password=wrong"}, false, "REGISTER was answered 40"},
		// chan_sip drops what is under way under the old key; the bench counts it.
		{"hold and new keys", []string{"hold-rekey", "--number=600", "--calls=3", "--speed=4", "--duration=10s", "--slo=failures=0,loss<10%"}, true, "3 calls, 3 answered"},
		{"phones that register", []string{"register-storm", "--calls=3", "--rate=3", "--duration=3s", "--user=101", "--password=" + phoneSecret}, true, "3 registered"},
		{"connections at once", []string{"tls-storm", "--calls=50", "--duration=3s"}, true, "50 connected"},
		{"an extension that refuses", []string{"smoke", "--number=404"}, false, "404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := append([]string{"run"}, row.args...)
			args = append(args, "--target=sips:"+server.sip().String(), "--ca="+ca.file, "--server-name=echo.test",
				"--from="+netip.AddrPortFrom(from, 0).String())
			out, err := exec.Command(program, args...).CombinedOutput()
			if (err == nil) != row.ok || !strings.Contains(string(out), row.want) {
				t.Errorf("%v; want success %v and %q in:\n%s", err, row.ok, row.want, out)
			}
		})
	}
}
