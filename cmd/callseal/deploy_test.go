package main

import (
	"bytes"
	"maps"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// yamlFile reads a file of deploy/ as YAML.
func yamlFile(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

// TestExampleIsGood: what people start from passes check-config without a
// warning, once its certificates exist.
func TestExampleIsGood(t *testing.T) {
	files := goodFiles(t)
	for name, file := range maps.Clone(files) {
		files["etc/callseal/tls/"+strings.TrimPrefix(name, "etc/callseal/")] = file
	}
	cfg := good(t, "../../deploy/callseal.example.yml", files)
	if len(cfg.Hops) != 1 || cfg.Hops[0].Name != "plain" {
		t.Errorf("plain hops %+v", cfg.Hops)
	}
}

// TestComposeIsLocked: nothing of the container's confinement is lost, and
// Docker waits longer for calls than callseal does.
func TestComposeIsLocked(t *testing.T) {
	services := yamlFile(t, "compose.yml")["services"].(map[string]any)
	for name, s := range services {
		s := s.(map[string]any)
		if s["read_only"] != true || s["cap_drop"].([]any)[0] != "ALL" || s["security_opt"].([]any)[0] != "no-new-privileges" {
			t.Errorf("%s may do too much", name)
		}
	}
	for _, v := range services["callseal"].(map[string]any)["volumes"].([]any) { // of a file in it a reload sees the first only
		if at := strings.Split(v.(string), ":"); strings.Contains(path.Base(at[1]), ".") {
			t.Errorf("%s is mounted as a single file", at[1])
		}
	}
	grace, err := yaml.Marshal(services["callseal"].(map[string]any)["stop_grace_period"])
	if err != nil || strings.TrimSpace(string(grace)) != "65m" || defaultDrainTimeout.Minutes() != 60 {
		t.Errorf("stop_grace_period %s, %v; drain.timeout %s", grace, err, defaultDrainTimeout)
	}
}

// TestPrometheusFindsUs: the target is where the admin pages are by default.
func TestPrometheusFindsUs(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	yamlFile(t, "prometheus.yml")
	if !bytes.Contains(text, []byte(`["`+defaultAdmin+`"]`)) {
		t.Errorf("%s is not among the targets", defaultAdmin)
	}
}

// TestDockerfile: the image runs as nobody in particular, with the file that
// compose.yml mounts.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"FROM scratch\n", "\nUSER 65532:65532\n", `CMD ["/callseal", "healthcheck"]`, `CMD ["run", "--config", "/etc/callseal/callseal.yml"]`,
	} {
		if !bytes.Contains(text, []byte(line)) {
			t.Errorf("the Dockerfile lacks %q", line)
		}
	}
}
