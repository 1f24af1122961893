package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"callseal/bench"
	"callseal/bench/show"
)

// outputs are the flags that say what becomes of a run's figures.
type outputs struct {
	JSON   string   `name:"json" placeholder:"FILE" help:"Write the figures to a file, as JSON."`
	Report string   `placeholder:"FILE" help:"Write a report with plots to a file, as one HTML page."`
	Each   string   `placeholder:"FILE" help:"Write each end of each call to a file when it is over: what was planned, what came, when and where; JSON, one line each."`
	SLO    show.SLO `name:"slo" placeholder:"LIST" help:"Objectives, like setup_p99<200ms,loss<0.01%,failures=0; exit status 2 when one is missed."`
}

// open gets ready to show the run and to write its files, so that a file that
// cannot be written is known before it. The run may be planned for 0: nobody
// knows.
func (o outputs) open(out io.Writer, scenario, target string, planned time.Duration) (*results, error) {
	calls, err := openCalls(o.Each)
	if err != nil {
		return nil, fmt.Errorf("--each: %w", err)
	}
	r := &results{calls: calls, slo: o.SLO, screen: show.NewScreen(show.Open(out, os.Getenv), scenario, target, planned)}
	for _, row := range []struct {
		flag, path string
		write      func(io.Writer, *bench.Record) error
	}{{"--json", o.JSON, show.WriteJSON}, {"--report", o.Report, show.WriteHTML}} {
		if row.path == "" {
			continue
		}
		f, err := create(row.path)
		if err != nil {
			r.drop()
			var cause *fs.PathError
			if errors.As(err, &cause) { // of a name that nobody has typed
				err = cause.Err
			}
			return nil, fmt.Errorf("%s: %s cannot be written: %w", row.flag, row.path, err)
		}
		f.write = row.write
		r.files = append(r.files, f)
	}
	r.screen.Begin()
	return r, nil
}

// results observes a run: it shows it, judges it at its end and writes its
// files. To be closed when the run is over, whether it came to its end or not.
type results struct {
	screen *show.Screen
	calls  *calls // nil without --each
	slo    show.SLO
	files  []*file
	record *bench.Record // nil until Done
	err    error         // of writing
}

// Sample shows one more second.
func (r *results) Sample(s bench.Sample) { r.screen.Sample(s) }

// Done judges the run, shows the summary and writes the files.
func (r *results) Done(record *bench.Record) {
	r.record = record
	r.slo.Judge(record)
	r.screen.Done(record)
	for _, f := range r.files {
		r.err = errors.Join(r.err, f.commit(record))
	}
	r.files = nil
	r.err = errors.Join(r.err, r.calls.commit())
}

// close is the run's error as one that has its exit status; runErr is why it
// could not run, or what had to hold and did not.
func (r *results) close(runErr error) error {
	r.drop()
	err := errors.Join(runErr, r.err)
	switch status := show.Status(r.record, err); {
	case status == show.StatusOK:
		return nil
	case err != nil:
		return err // status 1
	case status == show.StatusFailed:
		return statusError{status, "the run was not finished"}
	case status == show.StatusGenerator:
		return statusError{status, "the generator was the bottleneck: these figures are not the server's"}
	default:
		return statusError{status, "not all objectives were met"}
	}
}

// drop leaves nothing of files that were not written.
func (r *results) drop() {
	_ = r.calls.commit() // closed already, or nothing is to be written
	for _, f := range r.files {
		f.discard()
	}
	r.files = nil
}

// statusError ends the program with its status.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return e.text }

// ExitCode is the status, for kong.
func (e statusError) ExitCode() int { return e.status }

// file is written under another name at first: what stood there before stays
// until the run is over.
type file struct {
	*os.File
	path  string // where it goes; "" when it is there: a pipe or a device
	write func(io.Writer, *bench.Record) error
}

func create(path string) (*file, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, errors.New("it is a directory")
	} else if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &file{File: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	return &file{File: f, path: path}, nil
}

// commit writes the run, and puts the file into its place.
func (f *file) commit(record *bench.Record) error {
	err := f.write(f.File, record)
	if f.path == "" {
		return errors.Join(err, f.Close())
	}
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (f *file) discard() {
	_ = f.Close()
	if f.path != "" {
		_ = os.Remove(f.Name())
	}
}
