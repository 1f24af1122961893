package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := (versionCmd{}).Run(&out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "callseal ") || !strings.Contains(got, "go1.") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestHealthcheck(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		err    error
	}{{"well", 200, nil}, {"ill", 500, errUnhealthy}, {"draining", 503, errUnhealthy}} {
		t.Run(row.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(row.status) }))
			defer s.Close()
			if err := (healthcheckCmd{URL: s.URL}).Run(nil); !errors.Is(err, row.err) {
				t.Errorf("%v, want %v", err, row.err)
			}
		})
	}
	sealed := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer sealed.Close()
	if err := (healthcheckCmd{URL: sealed.URL}).Run(nil); err != nil {
		t.Errorf("over TLS: %v", err)
	}
	if err := (healthcheckCmd{URL: "http://127.0.0.1:1/healthz"}).Run(nil); err == nil {
		t.Error("nobody listens, but all is well")
	}
}

// onDisk writes a configuration and its files, valid today.
func onDisk(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	cert, key := newCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour))
	for name, data := range map[string][]byte{"callseal.pem": cert, "callseal.key": key, "c.yml": []byte(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "c.yml")
}

const smallConfig = `tls: {certificate: callseal.pem, key: callseal.key}
listeners:
  - {name: dialers, role: dialer, address: "tls://127.0.0.1:5071"}
media: {address: 127.0.0.1}
dialers:
  - {name: dialer1, uri: "sips:dialer1.example.com", sources: [127.0.0.11]}
carriers:
  - {name: telco, uri: "sips:sip.telco.example"}
routes:
  - {from: dialer, to: [telco]}
`

func TestCheckConfig(t *testing.T) {
	for _, row := range []struct {
		name, config string
		out          []string // parts of what is printed
		bad          bool
	}{
		{"good", smallConfig, []string{"c.yml: good (warnings: 0)\n"}, false},
		{"warning", strings.Replace(smallConfig, "[127.0.0.11]", "[0.0.0.0/0]", 1), []string{"c.yml:6: warning: ", "good (warnings: 1)"}, false},
		{"errors", strings.ReplaceAll(smallConfig, "callseal.", "x."), []string{
			`c.yml:1: tls.certificate: no such file "x.pem": `, `c.yml:1: tls.key: no such file "x.key": `}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			err := checkConfigCmd{File: onDisk(t, row.config)}.Run(&out)
			if (err != nil) != row.bad {
				t.Errorf("error %v", err)
			}
			for _, part := range row.out {
				if !strings.Contains(out.String(), part) {
					t.Errorf("%q is not in\n%s", part, out.String())
				}
			}
		})
	}
	if err := (checkConfigCmd{File: "no such file"}).Run(nil); err == nil {
		t.Error("a missing file is good")
	}
}

func TestRunRefusesBadConfig(t *testing.T) {
	if err := (runCmd{Config: "no such file"}).Run(nil); err == nil {
		t.Error("runs without a file")
	}
}

func TestLogger(t *testing.T) {
	for _, row := range []struct {
		name          string
		file          logConfig
		level, format string
		want          string
	}{
		{"from the file", logConfig{Level: slog.LevelWarn}, "", "", "level=WARN msg=warn\n"},
		{"flags win", logConfig{Level: slog.LevelWarn}, "error", "json", ""},
		{"json", logConfig{Level: slog.LevelWarn, JSON: true}, "", "", `"level":"WARN","msg":"warn"}` + "\n"},
		{"text by flag", logConfig{JSON: true}, "info", "text", "level=WARN msg=warn\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			runCmd{LogLevel: row.level, LogFormat: row.format}.override(&row.file)
			newLogger(&out, row.file, row.file.Level).Warn("warn")
			if got := out.String(); !strings.HasSuffix(got, row.want) || (row.want == "" && got != "") {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
