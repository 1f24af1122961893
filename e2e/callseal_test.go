package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// trunk is a dialer or carrier in callseal's configuration.
type trunk struct {
	role       string // dialer or carrier
	name       string
	remote     netip.AddrPort
	calls      bool     // may call callseal
	plain      bool     // UDP and RTP, accepted
	clear      bool     // RTP although TLS, likewise
	serverName string   // NAME.test when empty
	more       []string // further keys: "health: {}"
}

// sbcConfig is the configuration of one callseal.
type sbcConfig struct {
	trunks []trunk
	routes []string   // "dialer telco": from which role to which trunk; or in full, "{from: dialer, ...}"
	ports  string     // of media; "20000-20199" when empty
	limits string     // "session: 90s, silence: 0s"
	phones string     // "registrar: local, users: []"
	trust  string     // inside of the section of that name
	plain  netip.Addr // where phones may come from by UDP, without SRTP; none when it is not valid
	street string     // where phones come from by TLS; "127.0.0.1/32" when empty
	front  netip.Addr // where phones and dialers reach it, when that is not its own address
}

// sbc is a running callseal.
type sbc struct {
	*process
	addr  netip.Addr // its listeners and media
	admin string     // URL of its admin listener
}

// phones and dialersOf are where phones and dialers reach callseal.
func (s *sbc) phones() netip.AddrPort { return netip.AddrPortFrom(s.addr, 5061) }

func dialersOf(sbc netip.Addr) netip.AddrPort { return netip.AddrPortFrom(sbc, 5071) }

// startSBC runs callseal at the address with a certificate for sbc.test, until the test ends.
func startSBC(t *testing.T, addr netip.Addr, ca *authority, c sbcConfig) *sbc {
	t.Helper()
	adminAddr := address()
	file := c.write(t, addr, adminAddr, ca)
	out, err := exec.Command(callseal(t), "check-config", file).CombinedOutput()
	if err != nil {
		t.Fatalf("check-config: %v\n%s", err, out)
	}
	collected.add(t.Name()+" check-config", string(out))
	s := &sbc{addr: addr, admin: fmt.Sprintf("http://%s:9090", adminAddr)}
	s.process = start(t, "callseal", nil, callseal(t), "run", "--config", file)
	s.watch(t)
	return s
}

// watch waits until callseal is ready, and collects all that it wrote when the test ends.
func (s *sbc) watch(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		for _, page := range []string{"/metrics", "/healthz", "/readyz", "/api/v1/calls", "/api/v1/phones", "/api/v1/trunks", "/api/v1/bans", "/api/v1/config"} {
			if body, err := s.page(page); err == nil {
				collected.add(t.Name()+" "+page, body)
			} else {
				t.Errorf("%s: %v", page, err)
			}
		}
		s.end(t, syscall.SIGINT)
		if state := s.cmd.ProcessState; !state.Success() {
			t.Errorf("callseal ended with %v", state)
		}
		collected.add(t.Name()+" log", s.output(t))
		for line := range strings.Lines(s.output(t)) {
			refused := strings.Contains(line, `msg="configuration refused"`) || strings.Contains(line, `msg="the configuration stays as it was"`)
			if strings.Contains(line, "level=ERROR") && !refused || strings.Contains(line, "panic") {
				t.Errorf("callseal logs a fault of its own: %s", line)
			}
		}
	})
	eventually(t, "callseal is ready", func() bool {
		if s.ended() {
			t.Fatalf("callseal ended: %s", s.output(t))
		}
		_, err := s.page("/readyz")
		return err == nil
	})
}

// write makes the configuration file.
func (c sbcConfig) write(t *testing.T, addr, admin netip.Addr, ca *authority) string {
	t.Helper()
	advertise := ""
	if c.front.IsValid() {
		advertise = fmt.Sprintf(", advertise: %q", c.front)
	} else {
		c.front = addr
	}
	id := ca.issue(t, "sbc.test", c.front)
	var y strings.Builder
	fmt.Fprintf(&y, "tls: {certificate: %q, key: %q}\n", id.cert, id.key)
	fmt.Fprintf(&y, "admin: {listen: \"%s:9090\"}\n", admin)
	fmt.Fprintf(&y, "log: {level: debug}\n")
	fmt.Fprintf(&y, "limits: {%s}\n", c.limits)
	fmt.Fprintf(&y, "trust: {%s}\n", c.trust)
	fmt.Fprintf(&y, "listeners:\n")
	if c.street == "" {
		c.street = "127.0.0.1/32"
	}
	fmt.Fprintf(&y, "  - {name: phones, role: phone, address: \"tls://%s:5061\", sources: [%s]%s}\n", addr, c.street, advertise)
	if c.plain.IsValid() {
		fmt.Fprintf(&y, "  - {name: lab, role: phone, address: \"udp://%s:5060\", sources: [%s/32], media: off, plaintext: {accepted_by: ops, reason: a test}}\n", addr, c.plain)
	}
	fmt.Fprintf(&y, "  - {name: dialers, role: dialer, address: \"tls://%s:5071\"%s}\n", addr, advertise)
	fmt.Fprintf(&y, "  - {name: wan, role: carrier, address: \"udp://%s:5080\"}\n", addr)
	if c.ports == "" {
		c.ports = "20000-20199"
	}
	fmt.Fprintf(&y, "media: {address: %s, ports: %q}\n", addr, c.ports)
	for _, role := range []string{"dialer", "carrier"} {
		fmt.Fprintf(&y, "%ss:\n", role)
		for _, tr := range c.trunks {
			if tr.role == role {
				y.WriteString(tr.yaml(ca))
			}
		}
	}
	fmt.Fprintf(&y, "routes:\n")
	for _, route := range c.routes {
		if strings.HasPrefix(route, "{") {
			fmt.Fprintf(&y, "  - %s\n", route)
			continue
		}
		from, to, _ := strings.Cut(route, " ")
		fmt.Fprintf(&y, "  - {from: %s, to: [%s]}\n", from, to)
	}
	fmt.Fprintf(&y, "phones: {%s}\n", c.phones)
	return write(t, filepath.Join(t.ArtifactDir(), "callseal.yml"), y.String())
}

// yaml is the trunk's part of the configuration.
func (tr trunk) yaml(ca *authority) string {
	var y strings.Builder
	fmt.Fprintf(&y, "  - name: %s\n", tr.name)
	if tr.plain {
		fmt.Fprintf(&y, "    uri: \"sip:%s;transport=udp\"\n", tr.remote)
		fmt.Fprintf(&y, "    media: off\n")
		fmt.Fprintf(&y, "    plaintext: {accepted_by: \"ops\", reason: \"carrier has no TLS\"}\n")
	} else {
		name := tr.serverName
		if name == "" {
			name = tr.name + ".test"
		}
		fmt.Fprintf(&y, "    uri: \"sips:%s\"\n", tr.remote)
		if tr.clear {
			fmt.Fprintf(&y, "    media: off\n    plaintext: {accepted_by: \"ops\", reason: \"carrier has no SRTP\"}\n")
		} else {
			fmt.Fprintf(&y, "    media: required\n")
		}
		fmt.Fprintf(&y, "    tls: {ca: %q, server_name: %s}\n", ca.file, name)
	}
	for _, line := range tr.more {
		fmt.Fprintf(&y, "    %s\n", line)
	}
	if tr.calls {
		fmt.Fprintf(&y, "    sources: [%s/32]\n", tr.remote.Addr())
	}
	return y.String()
}

// page reads one page of the admin listener.
func (s *sbc) page(path string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(s.admin + path)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), nil
}

var metricLine = regexp.MustCompile(`(?m)^([a-z_]+)(\{.*\})? ([0-9.e+-]+)$`)

// metric adds up the samples of a metric that have all the labels, given as name="value".
func (s *sbc) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	body, err := s.page("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, m := range metricLine.FindAllStringSubmatch(body, -1) {
		if m[1] != name || !hasAll(m[2], labels) {
			continue
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		sum += value
	}
	return sum
}

func hasAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// logLine waits for a line of its log that holds all the texts.
func (s *sbc) logLine(t *testing.T, texts ...string) string {
	t.Helper()
	var found string
	eventually(t, fmt.Sprintf("callseal logs a line with %q", texts), func() bool {
		for line := range strings.Lines(s.output(t)) {
			if hasAll(line, texts) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// idle waits until it has no call.
func (s *sbc) idle(t *testing.T) {
	t.Helper()
	eventually(t, "callseal has no call", func() bool { return s.metric(t, "callseal_calls_active") == 0 })
}

// buildDir holds the binary, empty until build was called; TestMain removes it.
var buildDir string

// build makes the binary, once for the whole run.
var build = sync.OnceValues(func() (string, error) {
	var err error
	if buildDir, err = os.MkdirTemp("", "callseal-e2e"); err != nil {
		return "", err
	}
	binary := filepath.Join(buildDir, "callseal")
	out, err := exec.Command("go", "build", "-o", binary, "../cmd/callseal").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
})

// callseal is the path of the binary.
func callseal(t *testing.T) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatalf("callseal does not build: %v", err)
	}
	return binary
}
