package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server until the test ends.
func start(t *testing.T, unready func() string) *Server {
	t.Helper()
	return startWith(t, Config{Unready: unready})
}

// startWith fills in what a configuration leaves out.
func startWith(t *testing.T, c Config) *Server {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "answer", Help: "To it all."}, func() float64 { return 42 }))
	c.Listen, c.Metrics, c.Log = netip.MustParseAddrPort("127.0.0.1:0"), reg, slog.New(slog.DiscardHandler)
	if c.Unready == nil {
		c.Unready = func() string { return "" }
	}
	if c.Access == nil {
		c.Access = NewAccess("", nil)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func get(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
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

func TestPages(t *testing.T) {
	var why atomic.Value
	why.Store("")
	s := start(t, func() string { return why.Load().(string) })
	for _, row := range []struct {
		name, method, path, unready string
		status                      int
		body                        string
	}{
		{"well", "GET", "/healthz", "", 200, "ok"},
		{"well while it drains", "GET", "/healthz", "draining", 200, "ok"},
		{"ready", "GET", "/readyz", "", 200, "ready"},
		{"not ready", "GET", "/readyz", "draining", 503, "draining"},
		{"metrics", "GET", "/metrics", "", 200, "answer 42"},
		{"HEAD", "HEAD", "/healthz", "", 200, ""},
		{"nothing is written", "POST", "/metrics", "", 405, ""},
		{"no profiling", "GET", "/debug/pprof/", "", 404, ""},
		{"no root", "GET", "/", "", 404, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			why.Store(row.unready)
			status, body := get(t, row.method, "http://"+s.Addr().String()+row.path)
			if status != row.status || !strings.Contains(body, row.body) {
				t.Errorf("%d %q, want %d %q", status, body, row.status, row.body)
			}
		})
	}
}

func TestAddressInUse(t *testing.T) {
	s := start(t, nil)
	if _, err := New(Config{Listen: s.Addr()}); err == nil || !strings.HasPrefix(err.Error(), "admin.listen: ") {
		t.Errorf("error %v", err)
	}
}

// TestEndWithRequestUnderWay: a client that never finishes its request does
// not keep the process.
func TestEndWithRequestUnderWay(t *testing.T) {
	s, err := New(Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Access: NewAccess("", nil), Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(shutdownTimeout + 10*time.Second):
		t.Fatal("still runs")
	}
}
