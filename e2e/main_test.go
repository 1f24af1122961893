// Package e2e tests callseal against real peers: Asterisk 16 and 22, baresip, sipp and Docker.
//
// Every party has a loopback address of its own, so that a capture on lo tells the legs apart, and a tone of its own, so that a
// recording proves who was heard. The peers come from e2e/peers/install.sh; without them the tests are skipped, unless
// CALLSEAL_REQUIRE_PEERS=1 makes that a failure.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, then looks through all that callseal wrote meanwhile for secrets.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // two are enough for the tests that last for minutes, which mostly wait
		panic(err)
	}
	code := m.Run()
	fmt.Println(collected.summary())
	if err := collected.sweep(); err != nil {
		fmt.Fprintf(os.Stderr, "--- FAIL: sweep for secrets\n%v\n", err)
		code = max(code, 1)
	}
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintf(os.Stderr, "--- FAIL: goroutines left\n%v\n", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// peersDir is where e2e/peers/install.sh keeps its peers.
func peersDir() string {
	if dir := os.Getenv("CALLSEAL_CACHE"); dir != "" {
		return filepath.Join(dir, "peers")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "callseal", "peers")
}

// peersMissing says why the peers cannot be used, nil when they can.
func peersMissing() error {
	if os.Getuid() != 0 {
		return errors.New("captures need root")
	}
	if _, err := os.Stat(filepath.Join(peersDir(), "stamp")); err != nil {
		return err
	}
	for _, command := range []string{"baresip", "tcpdump"} {
		if _, err := exec.LookPath(command); err != nil {
			return err
		}
	}
	return nil
}

// needPeers skips the test when the peers are not installed, or fails it where they are required.
func needPeers(t *testing.T) {
	t.Helper()
	err := peersMissing()
	if err == nil {
		return
	}
	if os.Getenv("CALLSEAL_REQUIRE_PEERS") == "1" {
		t.Fatalf("peers not installed: run e2e/peers/install.sh (%v)", err)
	}
	t.Skipf("peers not installed: run e2e/peers/install.sh (%v)", err)
}
