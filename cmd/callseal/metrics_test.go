package main

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// lint fails for every metric that promlint objects to.
func lint(t *testing.T, problems []promlint.Problem, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestProcessMetrics(t *testing.T) {
	cfg := good(t, "reference.yml", goodFiles(t))
	reg, _ := newRegistry(func() *Config { return cfg })
	problems, err := testutil.GatherAndLint(reg)
	lint(t, problems, err)
	for name, want := range map[string]int{
		"callseal_build_info":                 1,
		"callseal_plaintext_hops":             4, // lab, telco, and two of phones
		"callseal_config_reloads_total":       3,
		"callseal_certificate_expiry_seconds": 3, // ours, dialer1's CA and client certificate
		"go_goroutines":                       1,
		"process_open_fds":                    1,
	} {
		if got, err := testutil.GatherAndCount(reg, name); err != nil || got != want {
			t.Errorf("%s: %d series, %v, want %d", name, got, err, want)
		}
	}
}

func TestCertificateGauge(t *testing.T) {
	at := now
	cfg := &Config{Certificates: []namedCertificate{{"tls.certificate", now.Add(24 * time.Hour)}}}
	g := &configCollector{func() *Config { return cfg }, func() time.Time { return at }}
	for _, row := range []struct {
		name  string
		after time.Duration
		want  float64
	}{{"a day left", 0, 86400}, {"an hour left", 23 * time.Hour, 3600}, {"expired", 25 * time.Hour, -3600}} {
		at = now.Add(row.after)
		if got := testutil.ToFloat64(g); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}
