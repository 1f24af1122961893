package main

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"callseal/signaling/transport"
)

// good parses a file that must be without fault or warning.
func good(t *testing.T, name string, files fileSystem) *Config {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg, rep, err := parseConfig(bytes.NewReader(text), files, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.errors)+len(rep.warnings) > 0 {
		var b strings.Builder
		_ = rep.write(&b, name)
		t.Fatal(b.String())
	}
	return cfg
}

// TestReferenceIsTheDefaults: what reference.yml gives as a default is what a
// file gets that leaves the key out.
func TestReferenceIsTheDefaults(t *testing.T) {
	files := goodFiles(t)
	reference, minimal := good(t, "reference.yml", files), good(t, "testdata/minimal.yml", files)
	reference.raw, minimal.raw = rawConfig{}, rawConfig{}
	for i := range reference.Signaling.Table.Trunks {
		a, b := reference.Signaling.Table.Trunks[i].Target.TLS, minimal.Signaling.Table.Trunks[i].Target.TLS
		if a != nil && b != nil && a.Roots.Equal(b.Roots) {
			a.Roots, b.Roots = nil, nil // pools hold functions too
		}
	}
	if !reflect.DeepEqual(reference, minimal) {
		t.Errorf("reference.yml:\n%+v\nminimal.yml:\n%+v", reference, minimal)
	}
}

// TestReferenceNamesEveryKey: the manual leaves nothing out.
func TestReferenceNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile("reference.yml")
	if err != nil {
		t.Fatal(err)
	}
	var raw rawConfig
	d := decode(text, &raw, &report{})
	named := map[string]bool{}
	for place := range d.lines {
		named[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(place, "")] = true
	}
	rewriters := regexp.MustCompile(`\.(in|out)\.(called|caller)`) // all four have the same keys
	for _, place := range places(reflect.TypeFor[rawConfig](), "") {
		place = rewriters.ReplaceAllString(place, ".in.called")
		// Carriers have the keys of dialers.
		if !named[place] && !named[strings.Replace(place, "carriers.", "dialers.", 1)] && !named[strings.Replace(place, "dialers.", "carriers.", 1)] {
			t.Errorf("reference.yml does not name %s", place)
		}
	}
}

// places are the keys of a raw type and of all that it holds.
func places(t reflect.Type, place string) (all []string) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		at := join(place, t.Field(i).Tag.Get("yaml"))
		all = append(append(all, at), places(t.Field(i).Type, at)...)
	}
	return all
}

// TestReferenceExplainsEveryKey: above a key stands what it is, and its
// default or that it has none.
func TestReferenceExplainsEveryKey(t *testing.T) {
	text, err := os.ReadFile("reference.yml")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`^ *(?:- )?([a-z_0-9]+):(.*)$`)
	explained := map[string]bool{}
	var comment string
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		if c, ok := strings.CutPrefix(trimmed, "#"); ok {
			comment += c
			continue
		}
		if m := key.FindStringSubmatch(line); m != nil {
			name, section := m[1], m[2] == "" && !strings.HasPrefix(line, "    ")
			hasDefault := regexp.MustCompile(`Default|Required|Example`).MatchString(comment)
			switch {
			case comment == "" && !explained[name]:
				t.Errorf("line %d: %s has no comment", i+1, name)
			case comment != "" && !section && !hasDefault:
				t.Errorf("line %d: %s has neither default nor Required", i+1, name)
			}
			explained[name] = true
		}
		comment = ""
	}
}

// TestDefaultsAreWhatTheyWere: a changed default is a changed contract.
func TestDefaultsAreWhatTheyWere(t *testing.T) {
	cfg := good(t, "testdata/minimal.yml", goodFiles(t))
	for _, row := range []struct {
		name      string
		got, want any
	}{
		{"admin.listen", cfg.Admin.String(), "127.0.0.1:9090"},
		{"drain.timeout", cfg.DrainTimeout, time.Hour},
		{"log.level", cfg.Log.Level.String(), "INFO"},
		{"media.ports", [2]uint16{cfg.Media.Ports.Min, cfg.Media.Ports.Max}, [2]uint16{20000, 29999}},
		{"limits.calls", cfg.Signaling.Limits.Calls, 2500},
		{"dialers.uri", cfg.Signaling.Table.Trunks[0].Target.Proto, transport.TLS},
		{"dialers.tls.server_name", cfg.Signaling.Table.Trunks[0].Target.TLS.ServerName, "dialer1.example.com"},
		{"carriers.uri", cfg.Signaling.Table.Trunks[2].Target.Port, uint16(0)},
		{"dialers.suites", len(cfg.Signaling.Table.Trunks[0].Suites), 1},
		{"listeners.suites", len(cfg.Signaling.Listeners[0].Suites), 6},
		{"plain hops", len(cfg.Hops), 4},
		{"certificates", len(cfg.Certificates), 3},
	} {
		if !reflect.DeepEqual(row.got, row.want) {
			t.Errorf("%s: %v, want %v", row.name, row.got, row.want)
		}
	}
}
