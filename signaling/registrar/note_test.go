package registrar

import (
	"fmt"
	"testing"
	"time"
)

// A phone that tries again and again, and a scanner that tries every name, do not
// fill the log.
func TestNotes(t *testing.T) {
	var n notes
	now := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	if !n.due("101", now) || n.due("101", now.Add(noteEvery-time.Second)) || !n.due("101", now.Add(noteEvery)) {
		t.Error("a phone has not one line in ten minutes")
	}
	now = now.Add(time.Hour)
	written := 0
	for i := range 3 * noteMax {
		if n.due(fmt.Sprint("scan", i), now.Add(time.Duration(i)*time.Millisecond)) {
			written++
		}
	}
	if most := noteBurst * (3*noteMax/1000 + 1); written < noteBurst || written > most {
		t.Errorf("%d lines for a scan of %d names, want at most %d", written, 3*noteMax, most)
	}
	if len(n.last) > noteMax {
		t.Errorf("%d phones are remembered", len(n.last))
	}
}
