package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"
)

// output is where a subcommand prints what it was asked for.
type output interface{ io.Writer }

// versionCmd prints what this binary was built from.
type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run(out output) error {
	_, err := fmt.Fprintln(out, buildVersion())
	return err
}

// revision is set by the linker where the build sees no repository, as in the
// container image.
var revision = "unknown"

// build is what the tool chain recorded about this binary.
type build struct {
	Version, Revision, Go string
}

func (b build) String() string {
	return fmt.Sprintf("callseal %s (revision %s, %s)", b.Version, b.Revision, b.Go)
}

// buildVersion reads the build information that the Go tool chain embeds.
// What it does not tell is "unknown".
func buildVersion() build {
	b := build{Version: "unknown", Revision: revision, Go: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version, b.Go = info.Main.Version, info.GoVersion
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Version += "+modified"
		}
	}
	return b
}

// healthTimeout bounds one health check, all told.
const healthTimeout = 3 * time.Second

// healthcheckCmd is the container's health check: the image has no shell and
// no HTTP client but this binary.
type healthcheckCmd struct {
	URL string `name:"url" default:"http://127.0.0.1:9090/healthz" env:"CALLSEAL_HEALTH_URL" help:"The health address of the admin listener; https where it has admin.tls."`
}

// Run fails unless the address answers 200.
func (c healthcheckCmd) Run(output) error {
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	// A connection of its own, past any proxy. On this machine the certificate
	// need not name 127.0.0.1.
	addr, err := netip.ParseAddr(req.URL.Hostname())
	here := err == nil && addr.IsLoopback()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: here}}}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s answered %s", errUnhealthy, c.URL, resp.Status)
	}
	return nil
}

var errUnhealthy = errors.New("not healthy")
