package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// When a changed file is read.
const (
	// settleAfter is how long all folders must be quiet first: a certificate and
	// its key are two files, and an editor writes more than once.
	settleAfter = 300 * time.Millisecond
	// settleMost bounds that in a folder that is never quiet.
	settleMost = 1500 * time.Millisecond
	// lookEvery is how often the files are looked at all the same: the kernel
	// tells nothing of network file systems, nor of a file that is mounted into
	// a container by itself.
	lookEvery = 5 * time.Second
)

// watcher says when files may have changed. It watches their folders, not
// them: editors and Kubernetes put another file, or another folder behind a
// symbolic link, in their place. Its methods are called by one goroutine.
type watcher struct {
	log     *slog.Logger
	kernel  *fsnotify.Watcher // nil where the system has none left: then lookEvery alone is left
	folders map[string]bool   // that are watched
	timer   *time.Timer       // runs while something is unsettled
	since   time.Time         // of the first event that is unsettled; zero: none
}

func newWatcher(log *slog.Logger) *watcher {
	w := &watcher{log: log, folders: map[string]bool{}, timer: time.NewTimer(time.Hour)}
	w.timer.Stop()
	var err error
	if w.kernel, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("changed files are noticed late: the kernel does not tell of them", "every", lookEvery.String(), "error", err)
	}
	return w
}

// close ends it.
func (w *watcher) close() {
	w.timer.Stop()
	if w.kernel != nil {
		_ = w.kernel.Close() // nobody listens any more
	}
}

// watch watches the folders of these files, and no others. Of a symbolic link
// that is also the folder that it leads to.
func (w *watcher) watch(files []string) {
	if w.kernel == nil {
		return
	}
	wanted := map[string]bool{}
	for _, file := range files {
		wanted[filepath.Dir(file)] = true
		if real, err := filepath.EvalSymlinks(file); err == nil {
			wanted[filepath.Dir(real)] = true
		}
	}
	for folder := range w.folders {
		if !wanted[folder] {
			_ = w.kernel.Remove(folder) // it may be gone itself
			delete(w.folders, folder)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(wanted)) {
		// Again and again: a folder may have been put in the place of another.
		if err := w.kernel.Add(folder); err != nil {
			w.log.Debug("folder not watched", "folder", folder, "error", err)
			continue
		}
		w.folders[folder] = true
	}
}

// run calls reload for every signal, and when the files have changed and no
// more changes seem to come, until ctx ends.
func (w *watcher) run(ctx context.Context, signals <-chan os.Signal, changed func() bool, reload func(cause string)) {
	var events <-chan fsnotify.Event
	var errors <-chan error
	if w.kernel != nil {
		events, errors = w.kernel.Events, w.kernel.Errors
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	if changed() { // between reading and watching
		w.stir(time.Now())
	}
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			reload(s.String())
		case e := <-events:
			if e.Op != fsnotify.Chmod {
				w.stir(time.Now())
			}
		case err := <-errors:
			w.log.Debug("the kernel lost track of changed files", "error", err)
			w.stir(time.Now())
		case <-look.C:
			if changed() {
				w.stir(time.Now())
			}
		case <-w.timer.C:
			w.since = time.Time{}
			if changed() {
				reload("changed files")
			}
		}
	}
}

// stir notes an event: the folders are not quiet.
func (w *watcher) stir(now time.Time) {
	if w.since.IsZero() {
		w.since = now
	}
	w.timer.Reset(max(0, min(settleAfter, w.since.Add(settleMost).Sub(now))))
}
