package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	containerUser = 65532
	containerMax  = 30 << 20 // bytes of the image
)

// Scenario 6: the image, built and run by a real Docker engine with nothing allowed, carries scenario 1.
func TestContainer(t *testing.T) {
	needPeers(t)
	e := startEngine(t)
	e.needGolangImage(t)
	const image = "callseal:e2e"
	e.buildImage(t, image)
	size, err := strconv.Atoi(e.inspect(t, image, "{{.Size}}"))
	if err != nil || size > containerMax {
		t.Errorf("the image has %d bytes, want at most %d (%v)", size, containerMax, err)
	}
	for _, row := range []struct {
		name, number string
		phoneEnds    bool
	}{{"the phone hangs up", "100", true}, {"Asterisk hangs up", "101", false}} {
		t.Run(row.name, func(t *testing.T) {
			ca := newAuthority(t, "ca")
			sbcAddr, dialerAddr := address(), address()
			dialer := startAsterisk(t, "dialer1", dialerAddr, ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
			s, container := startContainer(t, e, image, sbcAddr, ca, sbcConfig{
				trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
				routes: []string{"phone dialer1"},
			})
			eventually(t, "the container is healthy", func() bool { return e.inspect(t, container, "{{.State.Health.Status}}") == "healthy" })
			wantConfined(t, e.inspect(t, container, "{{.State.Pid}}"))
			phoneCall(t, startPhone(t, ca, s.phones()), s, dialer, row.number, row.phoneEnds)
		})
	}
}

// startContainer runs callseal in a container of its own, with the host's network, until the test ends.
func startContainer(t *testing.T, e *engine, image string, sbcAddr netip.Addr, ca *authority, c sbcConfig) (*sbc, string) {
	t.Helper()
	admin := address()
	file := c.write(t, sbcAddr, admin, ca)
	dir := filepath.Dir(file)
	own(t, ca.dir)
	name := fmt.Sprintf("callseal-e2e-%d", os.Getpid())
	s := &sbc{addr: sbcAddr, admin: fmt.Sprintf("http://%s:9090", admin)}
	s.process = start(t, "callseal", e.env(t), docker, "run", "--rm", "--name", name,
		"--network", "host", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--health-interval", "1s", "--env", "CALLSEAL_HEALTH_URL="+s.admin+"/healthz",
		"--volume", dir+":"+dir+":ro", image, "run", "--config", file)
	s.watch(t)
	return s, name
}

// own gives the files to the container's user.
func own(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Chown(file, containerUser, containerUser); err != nil {
			t.Fatal(err)
		}
	}
}

// wantConfined asserts what the kernel says of the process: a plain user, no capability, no new privileges, a seccomp filter.
func wantConfined(t *testing.T, pid string) {
	t.Helper()
	status := read(t, "/proc/"+pid+"/status")
	id := strconv.Itoa(containerUser)
	for _, want := range []string{
		"Uid:\t" + id + "\t" + id + "\t" + id + "\t" + id,
		"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("/proc/%s/status has no %q", pid, want)
		}
	}
}
