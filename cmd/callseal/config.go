package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"callseal/cmd/callseal/directory"
	"callseal/cmd/callseal/web"
	"callseal/media"
	"callseal/signaling"
	"callseal/signaling/transport"
)

// Config is a validated configuration file: everything named in it exists,
// and what it holds can be handed on as it is.
type Config struct {
	Signaling    signaling.Config
	Media        media.Config // without Log and Metrics
	Admin        netip.AddrPort
	Access       *web.Access // to the admin pages
	Log          logConfig
	DrainTimeout time.Duration
	DNS          dnsConfig
	// Certificates are all certificates that the file names; their expiry is
	// published.
	Certificates []namedCertificate
	// Directory is where phones are read from; nil: nowhere.
	Directory *directory.Reading
	// Hops are the hops accepted in the clear.
	Hops []plainHop

	raw rawConfig // what was read, to tell what another file changes
}

type logConfig struct {
	Level slog.Level
	JSON  bool
}

// The defaults that are this command's own; reference.yml has all of them.
const (
	defaultAdmin        = "127.0.0.1:9090"
	defaultDrainTimeout = time.Hour
	defaultMinVersion   = "1.2"
	defaultPorts        = "20000-29999"
	defaultRest         = 30 * time.Second
	defaultCoalesce     = time.Millisecond
	defaultMedia        = "required"
	userAgent           = "callseal"
)

// loadConfig reads and validates a configuration file. The error says only
// that the file could not be read; the report says what is wrong in it. read
// are the files that were opened, with the configuration file first.
func loadConfig(file string) (cfg *Config, rep *report, read *readFiles, err error) {
	read = &readFiles{dirFiles: dirFiles(filepath.Dir(file))}
	text, err := read.ReadFile(filepath.Base(file))
	if err != nil {
		return nil, nil, read, err
	}
	cfg, rep, err = parseConfig(bytes.NewReader(text), read, time.Now())
	return cfg, rep, read, err
}

// loader turns raw types into a Config, and collects what is wrong.
type loader struct {
	*decoder
	files fileSystem
	now   time.Time
	raw   rawConfig
	cfg   Config
	// The certificate of our listeners, or nil, and the TLS version they ask for.
	own        *tls.Certificate
	minVersion uint16
}

// parseConfig reads, checks and converts a configuration. It does not stop at
// the first fault; the Config may be used only if the report is ok. now is
// what the validity of certificates is checked against.
func parseConfig(r io.Reader, files fileSystem, now time.Time) (*Config, *report, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, err
	}
	l := &loader{files: files, now: now, raw: rawDefaults()}
	rep := &report{}
	l.decoder = decode(text, &l.raw, rep)
	l.cfg.raw = l.raw
	if len(text) > 0 && len(l.lines) == 0 && !rep.ok() {
		return nil, rep, nil // not YAML at all: the rest would only repeat it
	}
	l.general()
	l.admin()
	l.identity()
	l.media()
	l.listeners()
	l.failover()
	l.trunks()
	l.shownTo()
	l.limits()
	l.trust()
	l.dns()
	l.routes()
	l.phoneDirectory()
	l.registrations()
	l.unused()
	return &l.cfg, rep, nil
}

func rawDefaults() rawConfig {
	return rawConfig{
		TLS:       rawIdentity{MinVersion: defaultMinVersion},
		Admin:     rawAdmin{Listen: defaultAdmin},
		Log:       rawLog{Level: "info", Format: "text"},
		Trust:     defaultTrust(),
		DNS:       defaultDNS(),
		Drain:     rawDrain{Timeout: defaultDrainTimeout},
		Signaling: rawSignaling{DSCP: transport.DefaultDSCP},
		Phones:    rawPhonesDefaults(),
		Media:     rawMedia{Ports: defaultPorts, Rest: defaultRest, Coalesce: defaultCoalesce, DSCP: media.DefaultDSCP},
		Failover:  rawFailover{Silent: signaling.DefaultSilent},
		Limits: rawLimits{
			Ring:                  signaling.DefaultRing,
			Duration:              signaling.DefaultDuration,
			Silence:               media.DefaultSilence,
			Session:               signaling.DefaultSession,
			ConnectionsPerAddress: transport.DefaultPerAddress,
			Connections:           transport.DefaultTotal,
		},
	}
}

// general reads the sections that concern the process: log, drain, signaling.
func (l *loader) general() {
	l.cfg.Signaling.UserAgent = userAgent
	if err := l.cfg.Log.Level.UnmarshalText([]byte(l.raw.Log.Level)); err != nil {
		l.fail("log.level", fault{quote(l.raw.Log.Level) + " is no level", "write debug, info, warn or error"})
	}
	if f := l.raw.Log.Format; f != "text" && f != "json" {
		l.fail("log.format", fault{quote(f) + " is no format", "write text or json"})
	}
	l.cfg.Log.JSON = l.raw.Log.Format == "json"
	l.dscp("signaling.dscp", l.raw.Signaling.DSCP)
	l.cfg.Signaling.Network = transport.Kernel(l.raw.Signaling.DSCP)
	l.span("drain.timeout", l.raw.Drain.Timeout, 0, 7*24*time.Hour)
	l.cfg.DrainTimeout = l.raw.Drain.Timeout
}

// limits reads the section of that name. It comes after media, because a call
// takes four media ports.
func (l *loader) limits() {
	r := l.raw.Limits
	carried := portCount(l.cfg.Media.Ports) / portsPerCall
	switch {
	case r.Calls < 0:
		l.fail("limits.calls", fault{strconv.Itoa(r.Calls) + " is negative", "write how many calls may be up at once"})
	case r.Calls == 0:
		r.Calls = min(signaling.DefaultCalls, carried)
	case r.Calls > carried && carried > 0:
		l.warn("limits.calls", fault{fmt.Sprintf("media.ports carries %d calls, not %d", carried, r.Calls),
			fmt.Sprintf("give media.ports %d ports, four a call", r.Calls*portsPerCall)})
	}
	if r.SetupsPerSecond < 0 {
		l.fail("limits.setups_per_second", fault{strconv.Itoa(r.SetupsPerSecond) + " is negative", "write how many calls may begin per second, or 0"})
	}
	memory := l.size("limits.memory", r.Memory)
	l.span("limits.ring", r.Ring, time.Second, time.Hour)
	l.span("limits.duration", r.Duration, time.Second, 7*24*time.Hour)
	if r.Silence != 0 {
		l.span("limits.silence", r.Silence, time.Second, time.Hour)
	}
	l.cfg.Media.Silence = r.Silence
	if r.Session != 0 {
		l.span("limits.session", r.Session, signaling.MinSession, 24*time.Hour)
	}
	if r.ConnectionsPerAddress < 1 {
		l.fail("limits.connections_per_address", fault{strconv.Itoa(r.ConnectionsPerAddress) + " lets nobody in", "write at least 1"})
	}
	if r.Connections < r.ConnectionsPerAddress {
		l.fail("limits.connections", fault{fmt.Sprintf("%d is less than connections_per_address (%d)", r.Connections, r.ConnectionsPerAddress),
			"write the connections of all addresses together"})
	}
	silent := l.cfg.Signaling.Limits.Silent
	l.cfg.Signaling.Limits = signaling.Limits{Silent: silent, Calls: r.Calls, Ring: r.Ring, Duration: r.Duration, Session: r.Session,
		Setups: r.SetupsPerSecond, Memory: memory}
	l.cfg.Signaling.Transport = transport.Limits{PerAddress: r.ConnectionsPerAddress, Total: r.Connections}
}

func (l *loader) span(place string, d, least, most time.Duration) {
	if d < least || d > most {
		l.fail(place, fault{d.String() + " is out of bounds", fmt.Sprintf("write %s to %s", least, most)})
	}
}

// leastMemory is what callseal needs to run at all.
const leastMemory = 64 << 20

// size reads an amount of memory in octets: "512MiB", "2GiB", or 0.
func (l *loader) size(place, text string) uint64 {
	if text == "0" || text == "" {
		return 0
	}
	for unit, factor := range map[string]uint64{"MiB": 1 << 20, "GiB": 1 << 30} {
		number, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 20)
		if err == nil && n*factor >= leastMemory {
			return n * factor
		}
	}
	l.fail(place, fault{quote(text) + " is no amount of memory", "write like 512MiB or 2GiB, at least 64MiB, or 0 for no limit"})
	return 0
}

func quote(s string) string { return strconv.Quote(s) }

// longestName keeps room for the name in a SIP reason phrase of 50 characters.
const longestName = 24

// name checks what is used in log lines, metric labels and SIP phrases.
func (l *loader) name(place, name string) {
	bad := strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_.-") != ""
	switch {
	case name == "":
		l.fail(place, fault{"is missing", "give a short name, it appears in logs and metrics"})
	case bad || len(name) > longestName:
		l.fail(place, fault{quote(name) + " is no name", fmt.Sprintf("use at most %d letters, digits, dots, - and _", longestName)})
	}
}
