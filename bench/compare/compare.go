// Package compare sets what several servers cost against each other. It only
// calculates and writes; who measures hands in the rounds.
package compare

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Machine is where it was measured.
type Machine struct {
	Processor string
	Cores     int
	Kernel    string
	Pinned    bool       // the server to one core, the bench to the others
	Load      [2]float64 // average of the last minute, before and after
}

// String is one line.
func (m Machine) String() string {
	pinned := "nothing pinned"
	if m.Pinned {
		pinned = "server pinned to one core, bench to the others"
	}
	return fmt.Sprintf("%s, %d cores, Linux %s; %s; load before %.1f, after %.1f",
		m.Processor, m.Cores, m.Kernel, pinned, m.Load[0], m.Load[1])
}

// Micros is a duration that JSON shows as microseconds.
type Micros float64

// InMicros converts, with parts of a microsecond.
func InMicros(d time.Duration) Micros { return Micros(float64(d) / float64(time.Microsecond)) }

// Document is a comparison that is over.
type Document interface {
	WriteTable(io.Writer) error // for people
	WriteJSON(io.Writer) error  // for other programs
}

// Spread is the lowest and the middle one of several measurements.
type Spread struct{ Min, Median float64 }

// spreadOf picks one value out of each round.
func spreadOf[T any](rounds []T, value func(T) float64) Spread {
	if len(rounds) == 0 {
		return Spread{}
	}
	all := make([]float64, len(rounds))
	for i, r := range rounds {
		all[i] = value(r)
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (all[len(all)/2-1] + middle) / 2
	}
	return Spread{Min: all[0], Median: middle}
}

// ratio is 0 when there is nothing to compare with.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// group puts the rounds of one key together, in order of their first round.
func group[T any, K comparable](rounds []T, by func(T) K) (keys []K, groups map[K][]T) {
	groups = map[K][]T{}
	for _, r := range rounds {
		k := by(r)
		if _, known := groups[k]; !known {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], r)
	}
	return keys, groups
}

// table writes rows of equal length as Markdown, in columns that also a
// terminal shows straight.
func table(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	for i, row := range rows {
		if _, err := fmt.Fprintf(w, "| %s\t|\n", strings.Join(row, "\t| ")); err != nil {
			return err
		}
		if i == 0 {
			rule := make([]string, len(row))
			for j := range rule {
				rule[j] = "---"
			}
			if _, err := fmt.Fprintf(w, "| %s\t|\n", strings.Join(rule, "\t| ")); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

// writeJSON writes a value for other programs.
func writeJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// number has as many digits as tell something.
func number(f float64) string {
	switch {
	case f == 0:
		return "-"
	case f < 1:
		return fmt.Sprintf("%.2f", f)
	case f < 100:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// byCalls sorts keys of any kind by a number.
func byCalls[K any](keys []K, calls func(K) int) {
	slices.SortStableFunc(keys, func(a, b K) int { return cmp.Compare(calls(a), calls(b)) })
}
