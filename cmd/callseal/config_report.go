package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// fault is what is wrong with one value and what to write instead.
type fault struct {
	what, fix string
}

// problem is a fault at its place in the file.
type problem struct {
	fault
	line  int // 1-based; 0 when there is no line to point at
	place string
}

// report is all that is wrong with a configuration file: with an error it is
// not used, with warnings it is.
type report struct {
	errors   []problem
	warnings []problem
}

// ok tells whether the configuration can be used.
func (r *report) ok() bool { return len(r.errors) == 0 }

// write prints the report in the order of the file, errors first, every line
// with the name of the file.
func (r *report) write(out io.Writer, file string) error {
	r.sort()
	for _, part := range []struct {
		problems []problem
		kind     string
	}{{r.errors, ""}, {r.warnings, "warning: "}} {
		for _, p := range part.problems {
			if _, err := fmt.Fprintln(out, p.text(file, part.kind)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sort puts the problems into the order of the file.
func (r *report) sort() {
	for _, problems := range [][]problem{r.errors, r.warnings} {
		slices.SortStableFunc(problems, func(a, b problem) int { return a.line - b.line })
	}
}

// text is `FILE:LINE: PLACE: what is wrong: what to do`.
func (p problem) text(file, kind string) string {
	var b strings.Builder
	b.WriteString(file)
	if p.line > 0 {
		fmt.Fprintf(&b, ":%d", p.line)
	}
	b.WriteString(": " + kind)
	if p.place != "" {
		b.WriteString(p.place + ": ")
	}
	b.WriteString(p.what)
	if p.fix != "" {
		b.WriteString(": " + p.fix)
	}
	return b.String()
}
