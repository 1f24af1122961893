package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"callseal/cmd/callseal/directory"
	"callseal/media"
	"callseal/signaling"
	"callseal/signaling/locate"
)

const metricsIntro = `# Metrics

Every metric of callseal's own on ` + "`/metrics`" + `; the Go runtime's and the process's stand beside them. Names and labels are an interface:
they change only with a line in the changelog. No label ever holds a number, a lead, a caller code or a Call-ID.
` + "`TestMetricsTable`" + ` holds this page and the program together.

| metric | labels | meaning |
|---|---|---|
`

// metricsOutro has ~ for a back quote.
const metricsOutro = `
## What a carrier is judged by

VICIdial's call types (~call_type~) are auto, manual, inbound, threeway, login, recall, monitor and other, by the beginning of the code that
it keeps in the caller's name; whatever comes from a carrier is inbound. For each carrier, over an hour:

| figure | PromQL |
|---|---|
| ASR, share of calls answered | ~sum by (carrier) (rate(callseal_calls_total{outcome="answered"}[1h])) / sum by (carrier) (rate(callseal_calls_total[1h]))~ |
| ACD, mean length of answered calls, seconds | ~sum by (carrier) (rate(callseal_call_talk_seconds_sum[1h])) / sum by (carrier) (rate(callseal_call_talk_seconds_count[1h]))~ |
| short calls, of at most 6 s (or le="12") | ~sum by (carrier) (rate(callseal_call_talk_seconds_bucket{le="6"}[1h])) / sum by (carrier) (rate(callseal_call_talk_seconds_count[1h]))~ |
| PDD, median time to ringing, seconds | ~histogram_quantile(0.5, sum by (carrier, le) (rate(callseal_call_setup_seconds_bucket[1h])))~ |
| calls that callseal itself failed | ~sum by (carrier) (rate(callseal_calls_total{origin="local"}[1h]))~ |
`

// A Desc shows what it is only as text.
var descText = regexp.MustCompile(`fqName: "(callseal_[a-z_]+)", help: "(.*?)", (?:unit: ".*?", )?constLabels: \{(?:([a-z]+)=.*?)?\}, variableLabels: \{(.*)\}\}`)

// TestMetricsTable: docs/metrics.md has a row for every metric, and none
// besides.
func TestMetricsTable(t *testing.T) {
	cfg := good(t, "reference.yml", goodFiles(t))
	reg, _ := newRegistry(func() *Config { return cfg })
	signaling.NewMetrics(reg)
	directory.NewMetrics(reg)
	locate.NewMetrics(reg)
	if _, err := media.NewMetrics(reg); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() { // ends with the registry
		reg.Describe(descs)
		close(descs)
	}()
	rows := map[string]bool{}
	for d := range descs {
		if m := descText.FindStringSubmatch(d.String()); m != nil {
			labels := strings.ReplaceAll(m[3]+m[4], ",", ", ") // no metric has both kinds
			rows[fmt.Sprintf("| `%s` | %s | %s |\n", m[1], labels, m[2])] = true
		}
	}
	if len(rows) < 20 {
		t.Fatalf("only %d metrics found", len(rows))
	}
	var want strings.Builder
	want.WriteString(metricsIntro)
	sorted := make([]string, 0, len(rows))
	for row := range rows {
		sorted = append(sorted, row)
	}
	slices.Sort(sorted)
	want.WriteString(strings.Join(sorted, "") + strings.ReplaceAll(metricsOutro, "~", "`"))
	page := filepath.Join("..", "..", "docs", "metrics.md")
	if *update {
		if err := os.WriteFile(page, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("%s is out of date: go test ./cmd/callseal -run TestMetricsTable -update", page)
	}
}
