package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
)

// reloader takes what changed in the configuration file, or in a file that it
// names, into the running house. Its goroutine is run's.
type reloader struct {
	house    *house
	file     string
	override func(*logConfig) // the flags
	level    *slog.LevelVar
	log      *slog.Logger

	started *Config    // what the process began with
	applied *readFiles // the files that are in effect
	tried   *readFiles // those of the latest attempt
}

// reloadStatus is how the latest attempts went.
type reloadStatus struct {
	Sum     string    // SHA-256 of the configuration file that is in effect
	Loaded  time.Time // when it took effect
	Tried   time.Time // when it, or a later one, was looked at
	Errors  []string  // why that does not take effect; nil: it does
	Restart []string  // places of changes that wait for a restart
}

// newReloader makes one for a house that was made of cfg, of the files in read.
func newReloader(h *house, cfg *Config, file string, read *readFiles, override func(*logConfig), level *slog.LevelVar, log *slog.Logger) *reloader {
	r := &reloader{house: h, file: file, override: override, level: level, log: log, started: cfg, applied: read, tried: read}
	now := time.Now()
	r.house.reloads.Store(&reloadStatus{Sum: r.sum(), Loaded: now, Tried: now})
	h.metrics.loaded(now)
	return r
}

// sum is the SHA-256 of the configuration file in effect, as sha256sum prints
// it.
func (r *reloader) sum() string {
	sum := r.applied.files[0].sum
	return hex.EncodeToString(sum[:])
}

// run reloads on signals and when files change, until ctx ends.
func (r *reloader) run(ctx context.Context, signals <-chan os.Signal) {
	w := newWatcher(r.log)
	defer w.close()
	w.watch(r.tried.paths())
	w.run(ctx, signals, func() bool { return r.tried.changed() }, func(cause string) {
		r.reload(cause, time.Now())
		w.watch(r.tried.paths())
	})
}

// reload reads everything anew. What is wrong with it leaves everything as it
// is.
func (r *reloader) reload(cause string, now time.Time) {
	cfg, rep, read, err := loadConfig(r.file)
	r.tried = read
	switch {
	case err != nil:
		r.refuse(cause, now, []problem{{fault: fault{what: err.Error()}}})
		return
	case !rep.ok():
		rep.sort()
		r.refuse(cause, now, rep.errors)
		return
	}
	was := r.house.config.Load()
	r.override(&cfg.Log)
	changed, waiting := r.compare(was, cfg, read)
	if len(changed)+len(changes(&was.raw, &cfg.raw)) > 0 {
		if err := r.house.reload(cfg); err != nil {
			r.refuse(cause, now, []problem{{fault: fault{what: err.Error()}}})
			return
		}
	}
	r.level.Set(cfg.Log.Level)
	r.applied = read
	status := &reloadStatus{Sum: r.sum(), Loaded: now, Tried: now, Restart: waiting}
	if len(changed) == 0 {
		status.Loaded = r.house.reloads.Load().Loaded
	}
	r.house.reloads.Store(status)
	r.tell(cause, rep, changed, waiting, now)
}

// compare names what takes effect and what waits for a restart, and puts the
// values that are in effect back into cfg for the latter.
func (r *reloader) compare(was, cfg *Config, read *readFiles) (changed, waiting []string) {
	waits := func(place string) bool {
		return slices.ContainsFunc(restarts, func(row restart) bool { return row.place == place })
	}
	for _, place := range changes(&r.started.raw, &cfg.raw) {
		if waits(place) {
			waiting = append(waiting, place)
		}
	}
	for _, row := range restarts {
		row.keep(cfg, was)
	}
	for _, place := range changes(&was.raw, &cfg.raw) {
		if !waits(place) {
			changed = append(changed, place)
		}
	}
	for _, f := range read.files[1:] {
		if f.sum != r.applied.sum(f.path) {
			changed = append(changed, "the file "+f.path)
		}
	}
	return changed, waiting
}

// restart is a key whose value the process takes at its start only.
type restart struct {
	place string
	keep  func(cfg, was *Config)
}

// restarts are all such keys; reference.yml says so at each.
var restarts = []restart{
	{"admin.listen", keepAccess},
	{"admin.tls", func(*Config, *Config) {}}, // there or not: keepAccess
	{"log.format", func(c, was *Config) { c.Log.JSON = was.Log.JSON }},
	{"signaling.dscp", func(c, was *Config) { c.Signaling.Network = was.Signaling.Network }},
	{"media.ports", func(c, was *Config) { c.Media.Ports = was.Media.Ports }},
	{"media.workers", func(c, was *Config) { c.Media.Workers = was.Media.Workers }},
	{"media.coalesce", func(c, was *Config) { c.Media.Grid = was.Media.Grid }},
	{"media.rest", func(c, was *Config) { c.Media.Rest = was.Media.Rest }},
	{"media.dscp", func(c, was *Config) { c.Media.DSCP = was.Media.DSCP }},
}

// refuse says why nothing changes.
func (r *reloader) refuse(cause string, now time.Time, problems []problem) {
	status := *r.house.reloads.Load()
	status.Tried, status.Errors = now, nil
	for _, p := range problems {
		status.Errors = append(status.Errors, p.text(r.file, ""))
	}
	r.house.reloads.Store(&status)
	r.house.metrics.reloaded("refused")
	for _, p := range problems {
		r.log.Error("configuration refused", "file", r.file, "line", p.line, "place", p.place, "error", p.what, "advice", p.fix)
	}
	r.log.Error("the configuration stays as it was", "cause", cause, "errors", len(problems), "in_effect_since", status.Loaded.Format(time.RFC3339))
}

// tell says what has changed.
func (r *reloader) tell(cause string, rep *report, changed, waiting []string, now time.Time) {
	outcome := "changed"
	if len(changed) == 0 {
		outcome = "unchanged"
	}
	r.house.metrics.reloaded(outcome)
	r.house.metrics.loaded(now)
	for _, w := range rep.warnings {
		r.log.Warn("configuration", "place", w.place, "warning", w.what, "advice", w.fix)
	}
	if len(waiting) > 0 {
		r.log.Warn("a change takes effect at the next start", "places", enumerate(waiting))
	}
	if len(changed) == 0 {
		r.log.Info("configuration unchanged", "cause", cause)
		return
	}
	r.log.Info("configuration reloaded", "cause", cause, "changed", enumerate(changed))
	for _, h := range r.house.config.Load().Hops {
		r.log.Warn("plain hop accepted", "hop", h)
	}
}

// longestList bounds a log line.
const longestList = 40

func enumerate(list []string) string {
	if len(list) <= longestList {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:longestList], ", "), len(list)-longestList)
}
