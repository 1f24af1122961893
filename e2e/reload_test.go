package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// reloads is how many there are under load.
const reloads = 100

// A house of VICIdial calls through callseal, agents whose calls last, while its configuration is reloaded a hundred times: certificates,
// trunks, listeners, limits, and files that are no good. No call and no packet is lost, and no handshake fails.
func TestReloadUnderLoad(t *testing.T) {
	needPeers(t)
	ca, sbcAddr, dialer, carrier := newAuthority(t, "ca"), address(), address(), address()
	config := sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: netip.AddrPortFrom(dialer, 5061), calls: true},
			{role: "carrier", name: "telco", remote: netip.AddrPortFrom(carrier, 5061)},
		},
		routes: []string{"dialer telco"},
		ports:  "20000-21999",
	}
	s := startSBC(t, sbcAddr, ca, config)
	file := filepath.Join(t.ArtifactDir(), "callseal.yml")
	base := strings.Replace(read(t, file), "level: debug", "level: info", 1)
	client, telco := ca.issue(t, "client.test", sbcAddr), ca.issue(t, "telco.test", carrier)

	load := exec.Command(callsealBench(t), "run", "vicidial-s", "--speed=10", "--rate=8", "--duration=25s", "--target=sips:"+dialersOf(sbcAddr).String(),
		"--ca="+ca.file, "--server-name=sbc.test", "--from="+netip.AddrPortFrom(dialer, 0).String(),
		"--answer=tls://"+netip.AddrPortFrom(carrier, 5061).String(), "--certificate="+telco.cert, "--key="+telco.key, "--slo=failures=0,loss<0.1%")
	report := write(t, filepath.Join(t.ArtifactDir(), "bench.log"), "")
	out, err := os.OpenFile(report, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	load.Stdout, load.Stderr = out, out
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- load.Wait() }() // waited for below
	eventually(t, "the agents' calls are up", func() bool { return s.metric(t, "callseal_calls_active") > 20 })

	stop := make(chan struct{})
	var shaking sync.WaitGroup
	shaking.Go(func() { s.shake(t, ca, stop) })
	began := time.Now()
	for n := range reloads {
		s.change(t, ca, file, base, client, n)
		time.Sleep(150 * time.Millisecond) // over as many seconds of calls that begin and end
	}
	took := time.Since(began)
	close(stop)
	shaking.Wait()
	up := s.metric(t, "callseal_calls_active")
	err = <-over
	collected.add(t.Name()+" bench", read(t, report))
	t.Logf("%d reloads in %s, %v calls up then\n%s", reloads, took.Round(time.Millisecond), up, read(t, report))
	if err != nil {
		t.Errorf("the bench: %v", err)
	}
	if up < 20 {
		t.Error("the load was over before the reloads")
	}
	if changed := s.metric(t, "callseal_config_reloads_total", `outcome="changed"`); changed < reloads*8/10 {
		t.Errorf("%v reloads changed something", changed)
	}
	// With the calls go the connections that only they used.
	eventually(t, "one connection to the carrier is left", func() bool {
		return s.metric(t, "callseal_calls_active") == 0 && s.metric(t, "callseal_connections", `role="carrier"`) <= 1
	})
}

// change makes the n-th change, asks for a reload, and waits until it has taken effect, or has been refused.
func (s *sbc) change(t *testing.T, ca *authority, file, base string, client identity, n int) {
	t.Helper()
	text := fmt.Sprintf("%s# %d\n", base, n)
	edit := func(old, changed string) { text = strings.Replace(text, old, changed, 1) }
	var serial string
	switch n % 6 {
	case 0:
		serial = serialOf(t, ca.issue(t, "sbc.test", s.addr)) // into the same files
	case 1:
		edit("name: telco\n", fmt.Sprintf("name: telco\n    limits: {calls: %d}\n", 1000+n))
	case 2:
		edit("carriers:\n", "carriers:\n  - {name: other, uri: \"sips:192.0.2.1\", tls: {server_name: other.test}}\n")
	case 3:
		edit("server_name: telco.test", fmt.Sprintf("server_name: telco.test, certificate: %q, key: %q", client.cert, client.key)) // another connection
	case 4:
		edit("listeners:\n", fmt.Sprintf("listeners:\n  - {name: more, role: carrier, address: \"tls://%s:%d\"}\n", s.addr, 6000+n))
	case 5:
		edit("routes:\n", "roots:\n")
	}
	write(t, file, text)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	want := hex.EncodeToString(sum[:])
	began := time.Now()
	eventually(t, fmt.Sprintf("change %d is read", n), func() bool {
		got := s.configuration(t)
		if n%6 == 5 {
			return got.Version != want && strings.Contains(strings.Join(got.Errors, " "), "roots: unknown key")
		}
		return got.Version == want && len(got.Errors) == 0 && (serial == "" || s.serial(t, ca) == serial)
	})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("change %d took %s", n, took)
	}
}

type configuration struct {
	Version string
	Errors  []string
}

func (s *sbc) configuration(t *testing.T) (c configuration) {
	t.Helper()
	body, err := s.page("/api/v1/config")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func serialOf(t *testing.T, id identity) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(id.cert, id.key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.String()
}

// serial is that of the certificate that a dialer sees.
func (s *sbc) serial(t *testing.T, ca *authority) string {
	t.Helper()
	state, err := s.handshake(ca)
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

func (s *sbc) handshake(ca *authority) (tls.ConnectionState, error) {
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	c, err := tls.Dial("tcp", dialersOf(s.addr).String(), &tls.Config{RootCAs: roots, ServerName: "sbc.test"})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState(), nil
}

// shake makes one handshake after the other until stop is closed. None may fail.
func (s *sbc) shake(t *testing.T, ca *authority, stop <-chan struct{}) {
	n, failed := 0, 0
	for ; ; n++ {
		select {
		case <-stop:
			t.Logf("%d handshakes, %d failed", n, failed)
			return
		case <-time.After(10 * time.Millisecond): // leave the machine to the calls
		}
		if _, err := s.handshake(ca); err != nil {
			failed++
			t.Errorf("handshake %d: %v", n, err)
		}
	}
}
