package e2e

import (
	"encoding/json"
	"net/netip"
	"os"
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
	program := callsealBench(t)
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
		{"callers who must prove themselves", []string{"smoke", "--number=600", "--user=104", "--password=" + phoneSecret}, true, "5 calls, 5 answered"},
		{"callers with a wrong password", []string{"smoke", "--number=600", "--user=104", "--password=wrong"}, false, "5 x 403 Forbidden"},
		{"answerers that register", []string{"smoke", "--user=104", "--answer-user=101", "--answer-number=6101", "--answerers=3",
			"--calls=3", "--tone", "--password=" + phoneSecret}, true, "3 calls, 3 answered"},
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

// The bench finds a callseal in a running container by its name, and measures what it costs.
func TestBenchMeasuresAContainer(t *testing.T) {
	needPeers(t)
	program := callsealBench(t)
	e := startEngine(t)
	e.needGolangImage(t)
	const image = "callseal:e2e"
	e.buildImage(t, image)
	ca := newAuthority(t, "ca")
	sbcAddr, dialer, carrier := address(), address(), address()
	s, container := startContainer(t, e, image, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(dialer, 5061), calls: true},
			{role: "carrier", name: "telco", remote: netip.AddrPortFrom(carrier, 5061)},
		},
		routes: []string{"dialer telco"},
	})
	id := ca.issue(t, "telco.test", carrier)
	file := filepath.Join(t.TempDir(), "out.json")
	run := func(name string) (string, error) {
		cmd := exec.Command(program, "run", "smoke", "--tone", "--wire", "--target=sips:"+dialersOf(s.addr).String(), "--ca="+ca.file, "--server-name=sbc.test",
			"--from="+netip.AddrPortFrom(dialer, 0).String(), "--answer=tls://"+netip.AddrPortFrom(carrier, 5061).String(),
			"--certificate="+id.cert, "--key="+id.key, "--container="+name, "--json="+file)
		cmd.Env = append(os.Environ(), e.env(t)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(container); err != nil || !strings.Contains(out, "5 calls, 5 answered") || !strings.Contains(out, "The server used") {
		t.Errorf("%v\n%s", err, out)
	}
	var record struct {
		PerCall float64 `json:"cpu_per_call_ms"`
		Samples []struct {
			Server struct {
				CPU     float64 `json:"cpu_user_ms"`
				RSS     float64 `json:"rss_bytes"`
				Threads int
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, file)), &record); err != nil {
		t.Fatal(err)
	}
	last := record.Samples[len(record.Samples)-1].Server
	if record.PerCall <= 0 || last.CPU <= 0 || last.RSS < 10<<20 || last.RSS > 1<<30 || last.Threads < 4 {
		t.Errorf("cost %+v, %v ms of CPU per call", last, record.PerCall)
	}
	if out, err := run("nobody"); err == nil || !strings.Contains(out, "--container nobody: cannot be measured: docker says:") {
		t.Errorf("a container that is not there: %v\n%s", err, out)
	}
}

// callsealBench builds the bench.
func callsealBench(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "callseal-bench")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/callseal-bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
