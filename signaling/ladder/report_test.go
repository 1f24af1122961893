package ladder

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// report is the ladder that was wanted beside the one that was seen.
type report struct {
	message *message // the one that was wrong

	mu   sync.Mutex // guards rows
	rows []row
}

type row struct {
	want string
	seen []string
}

func (r *report) want(s *step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row{want: s.text})
}

func (r *report) see(at time.Duration, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		r.rows = append(r.rows, row{})
	}
	last := &r.rows[len(r.rows)-1]
	last.seen = append(last.seen, fmt.Sprintf("%8.3fs %s", at.Seconds(), text))
}

// show writes a message in a script's words.
func show(agent, arrow string, m *message) string {
	words := []string{agent, arrow, m.kind()}
	if m.code() != 0 && m.code() != 200 {
		words = append(words, `"`+m.phrase()+`"`)
	}
	if t := m.toTag(); t != "" {
		words = append(words, "tag:"+t)
	}
	if l := lookAt(m.body); l != nil {
		words = append(words, l.String())
	}
	for _, name := range []string{"Reason", "Retry-After", "RSeq", "RAck", "Session-Expires"} {
		if v := m.get(name); v != "" {
			words = append(words, name+": "+v)
		}
	}
	return strings.Join(words, " ")
}

// column is how wide the wanted ladder is written.
const column = 46

// String draws both ladders; what was still to come stands alone on the left.
func (r *report) String(rest []*step) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.rows
	for _, s := range rest {
		rows = append(rows, row{want: s.text})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s | %s\n", column, "WANTED", "SEEN")
	for _, row := range rows {
		left := strings.Split(row.want, "\n")
		for i := range max(len(left), len(row.seen)) {
			l, s := "", ""
			if i < len(left) {
				l = left[i]
			}
			if i < len(row.seen) {
				s = row.seen[i]
			}
			fmt.Fprintf(&b, "%-*s | %s\n", column, l, s)
		}
	}
	if r.message != nil {
		fmt.Fprintf(&b, "\nthe message that is wrong:\n%s\n", inlineForm.ReplaceAllString(r.message.raw, "inline:(a key)"))
	}
	return b.String()
}

var inlineForm = regexp.MustCompile(`inline:[^|\s]+`)
