package e2e

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"testing"
)

// sippMessages is where sipp writes what it sends and receives.
func sippMessages(t *testing.T) string { return filepath.Join(t.ArtifactDir(), "sipp.messages") }

// sippScenario is a scenario of testdata.
func sippScenario(name string) string { return filepath.Join("testdata/sipp", name) }

// startSipp runs one call of a scenario.
func startSipp(t *testing.T, scenario string, local netip.AddrPort, args ...string) *process {
	t.Helper()
	command, all := privately(filepath.Join(peersDir(), "sid/root"), "usr/bin/sipp",
		"-sf", scenario, "-m", "1", "-i", local.Addr().String(), "-p", strconv.Itoa(int(local.Port())),
		"-nostdin", "-timeout", "30s", "-trace_msg", "-message_file", sippMessages(t))
	p := start(t, "sipp", []string{"OPENSSL_CONF=/dev/null", "TERM=dumb"}, command, append(all, args...)...)
	t.Cleanup(func() { attach(t, sippMessages(t)) })
	return p
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
