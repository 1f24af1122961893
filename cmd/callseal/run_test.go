package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// onFreePorts is smallConfig with ports that the kernel chooses, which a file
// may not say.
func onFreePorts(t *testing.T) *Config {
	t.Helper()
	cfg, rep, err := parseConfig(strings.NewReader(smallConfig), goodFiles(t), now)
	if err != nil || !rep.ok() {
		t.Fatal(err, rep)
	}
	free := netip.MustParseAddrPort("127.0.0.1:0")
	cfg.Admin = free
	for i := range cfg.Signaling.Listeners {
		cfg.Signaling.Listeners[i].Address = free
	}
	return cfg
}

func page(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestHouse runs every part, asks the admin pages, and ends them.
func TestHouse(t *testing.T) {
	h, err := assemble(onFreePorts(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if why := h.unready(); why == "" {
		t.Error("ready before it runs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	up, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- h.run(ctx, func() { close(up) }) }()
	select {
	case <-up:
	case err := <-done:
		t.Fatal(err)
	}
	at := "http://" + h.admin.Addr().String()

	if status, body := page(t, at+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %s", status, body)
	}
	_, metrics := page(t, at+"/metrics")
	// One of each part: all of them are in the registry.
	for _, name := range []string{"callseal_build_info", "callseal_media_sessions", "callseal_call_panics_total", "callseal_sip_panics_total"} {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("/metrics has no %s", name)
		}
	}

	if err := h.server.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if status, body := page(t, at+"/readyz"); status != http.StatusServiceUnavailable || body != "draining\n" {
		t.Errorf("/readyz while it drains: %d %s", status, body)
	}
	if status, _ := page(t, at+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while it drains: %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if h.unready() != "starting or stopping" {
		t.Error("ready after its end")
	}
}

// TestMetricsAfterCalls lints the metrics when calls have filled them: a
// labelled one shows nothing before.
func TestMetricsAfterCalls(t *testing.T) {
	d, err := demoCmd{Calls: 5, Duration: demoShortest, PlainCarrier: true}.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	d.run.Do(d.ctx)
	_, metrics := page(t, "http://"+d.server.admin.Addr().String()+"/metrics")
	http.DefaultClient.CloseIdleConnections()
	problems, err := promlint.New(strings.NewReader(metrics)).Lint()
	lint(t, problems, err)
	for _, name := range []string{"callseal_calls_total", "callseal_calls_active", "callseal_call_setup_seconds_count",
		"callseal_srtp_legs", "callseal_legs_in_the_clear", "callseal_media_packets_total", "callseal_plaintext_hops"} {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("/metrics has no %s", name)
		}
	}
}

func TestServeEndsBySignal(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			signals := make(chan os.Signal, 1)
			signals <- signal
			var log bytes.Buffer
			cfg := onFreePorts(t)
			cfg.Hops = []plainHop{{Name: "telco", AcceptedBy: "ops", Reason: "no TLS there"}}
			if err := serve(t.Context(), cfg, newLogger(&log, logConfig{}, slog.LevelInfo), signals, nil); err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"msg=listener name=dialers", "msg=trunk name=telco", "msg=route from=dialer to=telco",
				`msg="plain hop accepted" hop.name=telco`, `hop.accepted_by=ops hop.reason="no TLS there"`, "signal=" + signal.String(), "msg=stopped"} {
				if !strings.Contains(log.String(), part) {
					t.Errorf("%q is not in the log:\n%s", part, log.String())
				}
			}
		})
	}
}

func TestServeNamesTheAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	cfg := onFreePorts(t)
	cfg.Signaling.Listeners[0].Address = netip.MustParseAddrPort(taken.Addr().String())
	err = serve(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "dialers") {
		t.Errorf("error %v does not name the listener", err)
	}
}

func TestServeRefusesAForeignMediaAddress(t *testing.T) {
	cfg := onFreePorts(t)
	cfg.Signaling.Media.V4 = netip.MustParseAddr("192.0.2.1") // RFC 5737: nobody has it
	err := serve(t.Context(), cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "media.address ") || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("error %v", err)
	}
}
