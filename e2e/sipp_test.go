package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sippMessages is where sipp writes what it sends and receives.
func sippMessages(t *testing.T) string { return filepath.Join(t.ArtifactDir(), "sipp.messages") }

// sippScenario is a scenario of testdata.
func sippScenario(name string) string { return filepath.Join("testdata/sipp", name) }

// startSipp runs one call of a scenario. It waits for the socket of one over UDP: the kernel would tell callseal that nobody listens there.
func startSipp(t *testing.T, scenario string, local netip.AddrPort, args ...string) *process {
	t.Helper()
	command, all := privately(filepath.Join(peersDir(), "sid/root"), "usr/bin/sipp",
		"-sf", scenario, "-m", "1", "-i", local.Addr().String(), "-p", strconv.Itoa(int(local.Port())),
		"-nostdin", "-timeout", "30s", "-trace_msg", "-message_file", sippMessages(t))
	p := start(t, "sipp", []string{"OPENSSL_CONF=/dev/null", "TERM=dumb"}, command, append(all, args...)...)
	t.Cleanup(func() { attach(t, sippMessages(t)) })
	if !slices.Contains(args, "l1") {
		eventually(t, "sipp listens", func() bool { return p.ended() || listensOverUDP(t, local) })
	}
	return p
}

// listensOverUDP tells whether there is a socket at an IPv4 address.
func listensOverUDP(t *testing.T, at netip.AddrPort) bool {
	t.Helper()
	sockets, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	a := at.Addr().As4()
	return strings.Contains(string(sockets), fmt.Sprintf(" %02X%02X%02X%02X:%04X ", a[3], a[2], a[1], a[0], at.Port()))
}

// wantSuccess waits until sipp has ended with the scenario played as written.
func (p *process) wantSuccess(t *testing.T) {
	t.Helper()
	eventually(t, p.name+" ends", p.ended)
	if !p.cmd.ProcessState.Success() {
		t.Errorf("%s: %v", p.name, p.cmd.ProcessState)
	}
}

// sippTLS are the arguments for one TLS connection with a certificate of the authority.
func sippTLS(t *testing.T, ca *authority, remote netip.AddrPort) []string {
	t.Helper()
	id := ca.issue(t, "sipp.test", phoneAddr)
	return []string{"-t", "l1", "-tls_cert", id.cert, "-tls_key", id.key, "-tls_ca", ca.file, remote.String()}
}
