package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// living is a callseal that runs in this process from files of its own.
type living struct {
	*house
	dir, file string
	reloader  *reloader
	signals   chan os.Signal // SIGHUP
	log       *lockedLog
}

type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take gives what was written since the last take.
func (l *lockedLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// freePort is one that nothing has now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// certificate puts a new one and its key into the folder.
func (l *living) certificate(t *testing.T) (der []byte) {
	t.Helper()
	cert, key := newCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
	l.write(t, "callseal.pem", cert)
	l.write(t, "callseal.key", key)
	block, _ := pem.Decode(cert)
	return block.Bytes
}

func (l *living) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// read gives the configuration file.
func (l *living) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edit changes the configuration file in its place.
func (l *living) edit(t *testing.T, old, changed string) {
	t.Helper()
	text := l.read(t)
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in the file", old)
	}
	l.write(t, "callseal.yml", []byte(strings.ReplaceAll(text, old, changed)))
}

// live starts smallConfig on free ports. watched runs the reloader too.
func live(t *testing.T, watched bool) *living {
	t.Helper()
	dir := t.TempDir()
	l := &living{dir: dir, file: filepath.Join(dir, "callseal.yml"), signals: make(chan os.Signal, 1), log: &lockedLog{}}
	l.certificate(t)
	text := strings.Replace(smallConfig, "127.0.0.1:5071", fmt.Sprint("127.0.0.1:", freePort(t)), 1)
	l.write(t, "callseal.yml", []byte(text+fmt.Sprintf("admin: {listen: \"127.0.0.1:%d\"}\n", freePort(t))))
	cfg, rep, read, err := loadConfig(l.file)
	if err != nil || !rep.ok() {
		t.Fatal(err, rep)
	}
	log := slog.New(slog.NewTextHandler(l.log, nil))
	if l.house, err = assemble(cfg, log); err != nil {
		t.Fatal(err)
	}
	l.reloader = newReloader(l.house, cfg, l.file, read, runCmd{}.override, &slog.LevelVar{}, log)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	up := make(chan struct{})
	running.Go(func() {
		if err := l.run(ctx, func() { close(up) }); err != nil {
			t.Error(err)
		}
	})
	<-up
	if watched {
		running.Go(func() { l.reloader.run(ctx, l.signals) })
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		running.Wait()
	})
	return l
}

// metric is a line of /metrics by its beginning.
func (l *living) metric(t *testing.T, name string) string {
	t.Helper()
	_, body := page(t, "http://"+l.admin.Addr().String()+"/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// What a reload changes, what it leaves to the next start, and what it says.
func TestReload(t *testing.T) {
	l := live(t, false)
	spare := freePort(t)
	for _, row := range []struct {
		name         string
		edit         func(*testing.T)
		changed      string // in the log
		waiting      string
		holds        func(*Config) bool
		stays        func(*Config) bool
		wantUnsealed int
	}{
		{"a limit", func(t *testing.T) {
			l.write(t, "callseal.yml", []byte(l.read(t)+"limits: {calls: 7}\n"))
		}, "changed=limits.calls", "", func(c *Config) bool { return c.Signaling.Limits.Calls == 7 }, nil, 0},
		{"a trunk's place", func(t *testing.T) { l.edit(t, `"sips:sip.telco.example"`, `"sips:sip2.telco.example"`) },
			"changed=carriers.telco.uri", "", func(c *Config) bool { return c.Signaling.Table.Trunks[1].Target.Host == "sip2.telco.example" }, nil, 0},
		{"a trunk more, in the clear", func(t *testing.T) {
			l.edit(t, "routes:", `  - {name: other, uri: "sip:192.0.2.1", media: off, plaintext: {accepted_by: ops, reason: old}}`+"\nroutes:")
		}, `changed="carriers.other added"`, "", func(c *Config) bool { return len(c.Hops) == 1 }, nil, 1},
		{"what waits", func(t *testing.T) {
			l.edit(t, "media: {address: 127.0.0.1}", `media: {address: 127.0.0.1, ports: "40000-40099", workers: 2}`)
			l.edit(t, "calls: 7", "calls: 8")
		}, "changed=limits.calls", `places="media.ports, media.workers"`, func(c *Config) bool { return c.Signaling.Limits.Calls == 8 },
			func(c *Config) bool { return c.Media.Ports.Min == 20000 && c.Media.Workers == 0 }, 1},
		{"a listener more", func(t *testing.T) {
			l.edit(t, "media: {", fmt.Sprintf("  - {name: telcos, role: carrier, address: \"tls://127.0.0.1:%d\"}\nmedia: {", spare))
		}, `changed="listeners.telcos added"`, `places="media.ports, media.workers"`, func(c *Config) bool { return len(c.Signaling.Listeners) == 2 }, nil, 1},
		{"what waits is taken back", func(t *testing.T) { l.edit(t, `, ports: "40000-40099", workers: 2`, "") },
			`msg="configuration unchanged"`, "", nil, nil, 1},
		{"a trunk less", func(t *testing.T) {
			text := regexp.MustCompile(`(?m)^ *- \{name: other.*\n`).ReplaceAllString(l.read(t), "")
			l.write(t, "callseal.yml", []byte(text))
		}, `changed="carriers.other removed"`, "", func(c *Config) bool { return len(c.Hops) == 0 }, nil, 0},
		{"the certificate", func(t *testing.T) { l.certificate(t) }, "callseal.pem, the file ", "", nil, nil, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.edit(t)
			l.reloader.reload("test", time.Now())
			log := l.log.take()
			if !strings.Contains(log, row.changed) {
				t.Errorf("log without %s:\n%s", row.changed, log)
			}
			if row.waiting != "" && !strings.Contains(log, row.waiting) || row.waiting == "" && strings.Contains(log, "at the next start") {
				t.Errorf("log, want %q waiting:\n%s", row.waiting, log)
			}
			cfg := l.config.Load()
			if row.holds != nil && !row.holds(cfg) || row.stays != nil && !row.stays(cfg) {
				t.Errorf("in effect: %+v", cfg)
			}
			if row.holds == nil && len(l.reloads.Load().Errors) > 0 {
				t.Error(l.reloads.Load().Errors)
			}
			if got := strings.Count(log, "plain hop accepted"); row.changed != `msg="configuration unchanged"` && got != row.wantUnsealed {
				t.Errorf("%d plain hops are told, want %d", got, row.wantUnsealed)
			}
		})
	}
	if got := l.metric(t, `callseal_config_reloads_total{outcome="changed"}`); got != "7" {
		t.Errorf("%s reloads counted", got)
	}
	c, err := tls.Dial("tcp", fmt.Sprint("127.0.0.1:", spare), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal("the listener that was added: ", err)
	}
	_ = c.Close()
}

// The token of the admin pages changes at once. Where it is taken away because
// they move, it goes when they do, at the next start.
func TestReloadOfTheToken(t *testing.T) {
	l := live(t, false)
	at := "http://" + l.admin.Addr().String() + "/metrics"
	l.write(t, "token", []byte("0123456789abcdef\n"))
	open := l.read(t)
	l.edit(t, "admin: {", "admin: {token_file: token, ")
	l.reloader.reload("test", time.Now())
	if status, _ := page(t, at); status != http.StatusUnauthorized {
		t.Errorf("%d with a token", status)
	}
	l.write(t, "callseal.yml", []byte(strings.Replace(open, "admin: {listen: \"127.0.0.1:", "admin: {listen: \"127.0.0.2:", 1)))
	l.reloader.reload("test", time.Now())
	if status, _ := page(t, at); status != http.StatusUnauthorized {
		t.Errorf("%d when they are about to move", status)
	}
	if log := l.log.take(); !strings.Contains(log, "places=admin.listen") {
		t.Error(log)
	}
	l.write(t, "callseal.yml", []byte(open))
	l.reloader.reload("test", time.Now())
	if status, _ := page(t, at); status != http.StatusOK {
		t.Errorf("%d without a token", status)
	}
}

// A file that cannot be used changes nothing, and is refused in the words of
// check-config.
func TestReloadOfABadFile(t *testing.T) {
	l := live(t, false)
	good := l.read(t)
	for _, row := range []struct{ name, text, want string }{
		{"not YAML", "tls: [", "not YAML"},
		{"two faults", strings.Replace(strings.Replace(good, "sips:sip.telco.example", "tel:5", 1), "name: dialers", "name: DIAL ERS!", 1), "carriers[0].uri"},
		{"no such certificate", strings.Replace(good, "callseal.pem", "gone.pem", 1), "no such file"},
		{"a route to nobody", strings.Replace(good, "to: [telco]", "to: [nobody]", 1), "nobody"},
		{"empty", "", "listeners: is missing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			was := l.config.Load()
			l.write(t, "callseal.yml", []byte(row.text))
			l.reloader.reload("test", time.Now())
			var printed bytes.Buffer
			if err := (checkConfigCmd{File: l.file}).Run(&printed); err == nil {
				t.Fatal("check-config finds nothing")
			}
			status := l.reloads.Load()
			var told []string
			for line := range strings.Lines(printed.String()) {
				if !strings.Contains(line, ": warning: ") {
					told = append(told, strings.TrimSpace(line))
				}
			}
			if !slices.Equal(status.Errors, told) || !strings.Contains(strings.Join(told, " "), row.want) {
				t.Errorf("errors %q, check-config prints %q", status.Errors, told)
			}
			if log := l.log.take(); strings.Count(log, "configuration refused") != len(told) {
				t.Errorf("%d errors, the log:\n%s", len(told), log)
			}
			if l.config.Load() != was {
				t.Error("something changed")
			}
			if code, body := page(t, "http://"+l.admin.Addr().String()+"/readyz"); code != http.StatusOK {
				t.Errorf("/readyz: %d %s", code, body)
			}
		})
	}
	l.write(t, "callseal.yml", []byte(strings.Replace(good, "127.0.0.1:", "192.0.2.1:", 1)))
	l.reloader.reload("test", time.Now())
	if status := l.reloads.Load(); len(status.Errors) != 1 || !strings.Contains(status.Errors[0], "listener dialers: cannot bind") {
		t.Errorf("errors %q of a foreign address", status.Errors)
	}
	if got := l.metric(t, `callseal_config_reloads_total{outcome="refused"}`); got != "6" {
		t.Errorf("%s refusals counted", got)
	}
	l.write(t, "callseal.yml", []byte(good))
	l.reloader.reload("test", time.Now())
	if status := l.reloads.Load(); len(status.Errors) != 0 {
		t.Errorf("errors %q of what was good at the start", status.Errors)
	}
}

// shown is the certificate that the listener shows.
func (l *living) shown(t *testing.T) []byte {
	t.Helper()
	c, err := tls.Dial("tcp", l.server.Addr("dialers").String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].Raw
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	begin := time.Now()
	for !holds() {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(20 * time.Millisecond) // nobody tells when the kernel has told the watcher
	}
	t.Logf("%s: after %s", what, time.Since(begin).Round(time.Millisecond))
}

// Files are read again however they are changed.
func TestFilesAreWatched(t *testing.T) {
	l := live(t, true)
	limit := func(n int) func() bool {
		return func() bool { return l.config.Load().Signaling.Limits.Calls == n }
	}
	l.write(t, "callseal.yml", []byte(l.read(t)+"limits: {calls: 7}\n"))
	eventually(t, "written in its place", limit(7))

	l.write(t, "callseal.yml.new", []byte(strings.Replace(l.read(t), "calls: 7", "calls: 8", 1)))
	if err := os.Rename(l.file+".new", l.file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another file renamed over it", limit(8))

	want := l.certificate(t)
	eventually(t, "a new certificate", func() bool { return bytes.Equal(l.shown(t), want) })

	l.write(t, "callseal.yml", []byte("tls: ["))
	eventually(t, "a bad file", func() bool { return len(l.reloads.Load().Errors) == 1 })
	if !limit(8)() {
		t.Error("it changed something")
	}
	l.write(t, "callseal.yml", []byte("limits: [")) // still bad
	l.signals <- syscall.SIGHUP
	eventually(t, "a signal", func() bool { return strings.Contains(l.log.take(), "cause=hangup") })
}

// Kubernetes mounts files as links into a folder, and puts another folder
// behind the link.
func TestKubernetesIsWatched(t *testing.T) {
	l := live(t, false)
	mount := t.TempDir()
	version := func(n int) {
		t.Helper()
		dir := filepath.Join(mount, fmt.Sprintf("..v%d", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"callseal.yml", "callseal.pem", "callseal.key"} {
			data, err := os.ReadFile(filepath.Join(l.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if name == "callseal.yml" {
				data = fmt.Appendf(data, "limits: {calls: %d}\n", n)
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(dir, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version(1)
	for _, name := range []string{"callseal.yml", "callseal.pem", "callseal.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, rep, read, err := loadConfig(filepath.Join(mount, "callseal.yml"))
	if err != nil || !rep.ok() {
		t.Fatal(err, rep)
	}
	r := l.reloader
	r.file, r.tried, r.applied = filepath.Join(mount, "callseal.yml"), read, read
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx, nil) })
	defer running.Wait()
	defer cancel()
	for n := 2; n < 5; n++ {
		version(n)
		eventually(t, "another folder behind the link", func() bool { return l.config.Load().Signaling.Limits.Calls == n })
	}
}

// TestReferenceSaysWhatWaitsForAStart: reference.yml marks the keys of which a
// change needs a restart, and no others.
func TestReferenceSaysWhatWaitsForAStart(t *testing.T) {
	text, err := os.ReadFile("reference.yml")
	if err != nil {
		t.Fatal(err)
	}
	d := decode(text, &rawConfig{}, &report{})
	lines := strings.Split(string(text), "\n")
	var marked, want []string
	for place, line := range d.lines {
		comment := ""
		for i := line - 2; i >= 0 && strings.HasPrefix(strings.TrimSpace(lines[i]), "#"); i-- {
			comment = strings.TrimLeft(lines[i], " #") + " " + comment
		}
		if strings.Contains(comment, "Changes take effect at the next start.") {
			marked = append(marked, place)
		}
	}
	for _, row := range restarts {
		want = append(want, row.place)
	}
	slices.Sort(marked)
	slices.Sort(want)
	if !slices.Equal(marked, want) {
		t.Errorf("reference.yml marks %q, the program keeps %q", marked, want)
	}
}

// A change is named by its place, and never with a value.
func TestChanges(t *testing.T) {
	was := rawConfig{Carriers: []rawTrunk{{Name: "a", URI: "sip:1"}, {Name: "b", TLS: &rawClientTLS{Key: "secret1"}}, {Name: "c"}}}
	is := rawConfig{Carriers: []rawTrunk{{Name: "c"}, {Name: "b", TLS: &rawClientTLS{Key: "secret2"}}, {Name: "d"}}}
	is.Dialers = []rawTrunk{}
	is.Admin.Listen = "x"
	got := changes(&was, &is)
	want := []string{"admin.listen", "carriers.a removed", "carriers.b.tls.key", "carriers.d added", "carriers in another order"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The same file read twice has the same trunks, whatever stands in it: what is
// kept for them outlives a reload.
func TestUnchangedTrunksStay(t *testing.T) {
	files := goodFiles(t)
	for _, name := range []string{"reference.yml", "testdata/minimal.yml", "../../deploy/callseal.example.yml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		read := func() *Config {
			cfg, _, err := parseConfig(bytes.NewReader(text), files, now)
			if err != nil {
				t.Fatal(err)
			}
			return cfg
		}
		was, is := read(), read()
		kept := is.Signaling.Table.Adopt(&was.Signaling.Table)
		for i, tr := range kept.Trunks {
			if tr != was.Signaling.Table.Trunks[i] {
				t.Errorf("%s: %s is taken for another", name, tr.Name())
			}
		}
		if got := changes(&was.raw, &is.raw); len(got) > 0 {
			t.Errorf("%s: %q is taken for a change", name, got)
		}
	}
}
