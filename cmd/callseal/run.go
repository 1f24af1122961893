package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"callseal/cmd/callseal/directory"
	"callseal/cmd/callseal/web"
	"callseal/media"
	"callseal/signaling"
	"callseal/signaling/call"
	"callseal/signaling/locate"
)

// runCmd is `callseal run`.
type runCmd struct {
	Config    string `required:"" placeholder:"FILE" help:"The configuration file."`
	LogLevel  string `enum:",debug,info,warn,error" default:"" help:"Overrides log.level: debug, info, warn or error."`
	LogFormat string `enum:",text,json" default:"" help:"Overrides log.format: text or json."`
}

// Run takes and places calls until it is told to stop.
func (c runCmd) Run(output) error {
	cfg, rep, read, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	if !rep.ok() {
		return rejectConfig(os.Stderr, c.Config, rep)
	}
	c.override(&cfg.Log)
	level := &slog.LevelVar{}
	level.Set(cfg.Log.Level)
	log := newLogger(os.Stderr, cfg.Log, level)
	for _, w := range rep.warnings {
		log.Warn("configuration", "place", w.place, "warning", w.what, "advice", w.fix)
	}
	// Two: a second signal must not be lost while the first is handled.
	signals, reloads := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)
	return serve(context.Background(), cfg, log, signals, func(ctx context.Context, h *house) {
		newReloader(h, cfg, c.Config, read, c.override, level, log).run(ctx, reloads)
	})
}

// override puts the flags over the file.
func (c runCmd) override(l *logConfig) {
	if c.LogLevel != "" {
		_ = l.Level.UnmarshalText([]byte(c.LogLevel)) // kong lets only levels through
	}
	if c.LogFormat != "" {
		l.JSON = c.LogFormat == "json"
	}
}

// checkConfigCmd is `callseal check-config`.
type checkConfigCmd struct {
	File string `arg:"" help:"The configuration file."`
}

// Run prints every error and warning and fails if there is an error.
func (c checkConfigCmd) Run(out output) error {
	_, rep, _, err := loadConfig(c.File)
	if err != nil {
		return err
	}
	if !rep.ok() {
		return rejectConfig(out, c.File, rep)
	}
	if err := rep.write(out, c.File); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: good (warnings: %d)\n", c.File, len(rep.warnings))
	return err
}

func rejectConfig(out io.Writer, file string, rep *report) error {
	if err := rep.write(out, file); err != nil {
		return err
	}
	return fmt.Errorf("%s cannot be used (errors: %d, warnings: %d)", file, len(rep.errors), len(rep.warnings))
}

func newLogger(out io.Writer, c logConfig, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}

// house is the parts of a callseal, built and bound, not yet running.
type house struct {
	relay   *media.Relay
	server  *signaling.Server
	admin   *web.Server
	phones  *directory.Directory
	names   *locate.Resolver
	metrics *reloadMetrics
	reloads atomic.Pointer[reloadStatus]
	config  atomic.Pointer[Config] // that is in effect
	up      atomic.Bool            // every part runs
}

// assemble makes the parts and binds their sockets; run must follow.
func assemble(cfg *Config, log *slog.Logger) (*house, error) {
	h := &house{}
	if err := haveMediaAddresses(&cfg.Signaling); err != nil {
		return nil, err
	}
	if cfg.Signaling.Limits.Memory > 0 {
		limitMemory(cfg.Signaling.Limits.Memory)
	}
	h.config.Store(cfg)
	h.reloads.Store(&reloadStatus{Loaded: time.Now(), Tried: time.Now()})
	reg, reloads := newRegistry(h.config.Load)
	h.metrics = reloads
	mediaMetrics, err := media.NewMetrics(reg)
	if err != nil {
		return nil, err
	}
	relayed := cfg.Media
	relayed.Log, relayed.Metrics = log, mediaMetrics
	if h.relay, err = media.New(relayed); err != nil {
		return nil, err
	}
	h.names = newResolver(func() dnsConfig { return h.config.Load().DNS }, log, locate.NewMetrics(reg))
	cfg.Signaling.Resolver = h.names
	if h.server, err = signaling.New(cfg.Signaling, call.NewRelay(h.relay), log, signaling.NewMetrics(reg)); err != nil {
		return nil, err
	}
	h.phones = directory.New(directory.Config{Read: cfg.Directory, Dialer: h.server.DialerAt, Deliver: h.server.SetAccounts,
		Log: log, Metrics: directory.NewMetrics(reg)})
	h.admin, err = web.New(web.Config{Listen: cfg.Admin, Access: cfg.Access, Metrics: reg, API: api{h}, Unready: h.unready, Log: log})
	return h, err
}

// limitMemory makes the collector keep its garbage within what reference.yml
// says of limits.memory.
func limitMemory(m uint64) {
	if m == 0 {
		debug.SetMemoryLimit(math.MaxInt64)
		return
	}
	debug.SetMemoryLimit(int64(m + m/3))
}

// reload puts another configuration into effect, but for what the restarts
// name. After an error all is as it was.
func (h *house) reload(cfg *Config) error {
	if err := haveMediaAddresses(&cfg.Signaling); err != nil {
		return err
	}
	if err := h.server.Reload(cfg.Signaling); err != nil {
		return err
	}
	if was := h.config.Load().Signaling.Limits.Memory; was != cfg.Signaling.Limits.Memory {
		limitMemory(cfg.Signaling.Limits.Memory)
	}
	h.relay.SetSilence(cfg.Media.Silence)
	h.phones.Use(cfg.Directory)
	h.names.Tune(cfg.DNS.Timeout, cfg.DNS.Stale)
	h.admin.SetAccess(cfg.Access)
	h.config.Store(cfg)
	return nil
}

// haveMediaAddresses fails for an address that this machine does not have:
// otherwise every call would.
func haveMediaAddresses(c *signaling.Config) error {
	all := []netip.Addr{c.Media.V4, c.Media.V6}
	for _, t := range c.Table.Trunks {
		all = append(all, t.Audio.Bind)
	}
	for _, l := range c.Listeners {
		all = append(all, l.Audio.Bind)
	}
	for _, addr := range all {
		if !addr.IsValid() {
			continue
		}
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			return fmt.Errorf("media.address or a media_address: %w: give an address of this machine, and as advertise the one that others reach", err)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// unready says why no call would be taken.
func (h *house) unready() string {
	switch {
	case !h.up.Load():
		return "starting or stopping"
	case h.server.Draining():
		return "draining"
	}
	return ""
}

// run runs the parts until ctx ends, and calls up when they all do. The end
// comes in the opposite order: first the server, which ends its calls, then
// the relay under them, last the admin pages, which show it.
func (h *house) run(ctx context.Context, up func()) error {
	defer h.names.Close()
	defer h.up.Store(false)
	return runTasks(ctx, []namedTask{{"admin", h.admin}, {"media", h.relay}, {"signaling", h.server}, {"phones", h.phones}}, func() {
		h.up.Store(true)
		up()
	})
}

// serve is callseal from its start to its end, which a signal brings. watch,
// unless it is nil, reloads the house until its context ends.
func serve(ctx context.Context, cfg *Config, log *slog.Logger, signals <-chan os.Signal, watch func(context.Context, *house)) error {
	logConfiguration(log, cfg)
	h, err := assemble(cfg, log)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var g errgroup.Group
	g.Go(func() error {
		defer end()
		return h.run(ctx, func() { log.Info("ready", "admin", h.admin.Addr().String()) })
	})
	g.Go(func() error {
		defer end()
		awaitEnd(ctx, signals, h.server.Drain, func() time.Duration { return h.config.Load().DrainTimeout }, log)
		return nil
	})
	if relaxCollector() {
		g.Go(func() error {
			newTidier(h.server.Remembered, log).run(ctx)
			return nil
		})
	}
	if watch != nil {
		g.Go(func() error {
			watch(ctx, h)
			return nil
		})
	}
	err = g.Wait()
	log.Info("stopped")
	return err
}

// awaitEnd returns when the process shall end. SIGTERM drains: no new calls,
// and the end comes with the last call or after timeout. A second one, or
// SIGINT at any time, ends at once; the calls still up get their BYE then.
func awaitEnd(ctx context.Context, signals <-chan os.Signal, drain func(context.Context) error, longest func() time.Duration, log *slog.Logger) {
	var timeout time.Duration
	select {
	case <-ctx.Done():
		return
	case s := <-signals:
		if s == os.Interrupt {
			log.Info("stopping at once", "signal", s.String())
			return
		}
		timeout = longest()
		log.Info("draining: no new calls", "signal", s.String(), "timeout", timeout.String())
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	drained := make(chan error, 1) // so that the sender never waits
	go func() { drained <- drain(ctx) }()
	select {
	case err := <-drained:
		switch {
		case err == nil:
			log.Info("drained: no call is left")
		case errors.Is(err, context.DeadlineExceeded):
			log.Warn("drain.timeout is over, calls are still up", "timeout", timeout.String())
		}
	case s := <-signals:
		log.Info("stopping at once", "signal", s.String())
		cancel()
		if err := <-drained; err != nil {
			log.Debug("drain was cut short", "error", err)
		}
	}
}

// logConfiguration says what this process will do, and every hop that can be
// read on the wire.
func logConfiguration(log *slog.Logger, cfg *Config) {
	v := buildVersion()
	log.Info("callseal starts", "version", v.Version, "revision", v.Revision, "go", v.Go)
	for _, l := range cfg.Signaling.Listeners {
		log.Info("listener", "name", l.Name, "role", l.Role.String(), "proto", l.Proto.String(), "address", l.Address.String(), "advertise", l.Advertise)
	}
	for _, t := range cfg.Signaling.Table.Trunks {
		log.Info("trunk", "name", t.Name(), "role", t.Role().String(), "proto", t.Target.Proto.String(),
			"host", t.Target.Host, "port", t.Target.Port, "media", t.Media.String())
	}
	for _, r := range cfg.Signaling.Table.Routes {
		log.Info("route", routeAttrs(r)...)
	}
	for _, h := range cfg.Hops {
		log.Warn("plain hop accepted", "hop", h)
	}
}
