// Package ladder plays call scenarios against the whole signaling server, on a network and a clock in memory. It has tests only.
//
// A scenario is a ladder that people can read. It stands in testdata, one file of many scenarios per subject, and is run by TestLadders:
//
//	A -> INVITE                      agent A (the dialer) sends; an INVITE has SDP unless it says nosdp
//	B <- INVITE sdp:pcmu             the next message that agent B (the carrier) gets; what is named must be so
//	B -> 180 tag:x                   an answer to the last request that is open, with this To tag
//	A <- 180
//	B -> 200 tag:x sdp:pcmu
//	B <- ACK tag:x
//	A <- 200 INVITE "OK"             code, method, phrase
//	A -> ACK
//	wait 2s                          nothing at all may come meanwhile
//	A -> BYE
//	    Reason: Q.850;cause=16       indented: headers; when expected, * stands for anything, a ! in front for absence
//	A <- 200 BYE
//	B <- BYE
//	    Reason: Q.850;cause=16
//	B -> 200 BYE
//
// Every message has to be listed, but for 100 Trying, and comes at once: where it takes time the line says in:500ms or in:2.1s..4s. A message
// that comes again says so. At the end the player looks whether anything is left: see close_test.go.
//
// Words of a line that sends: call:2 (another call), tag:x, sdp:..., nosdp, again (the same octets once more), lost (on the way), cseq:7,
// branch:x, totag:x, fromtag:x, callid:x (rules broken on purpose), over:new (a new connection), from:D (another machine's socket),
// fresh (no part of the dialog), unanswered (no answer is to come), can:update,100rel,timer (what the agent says that it knows), rseq:1 (sent reliably), frag:486
// (a message/sipfrag body that says so, and much more).
// Words of a line that expects: call:2, tag:x (ours, in To or From), sdp:..., nosdp, again, in:..., cseq:7, same and new of key and version,
// frag:486 (a message/sipfrag body that says so, and nothing more), ignored (the agent does not take note), over:new (it came by a connection that was not there before).
// In a header {digest:INVITE:user:password:00000001} answers the last challenge that the agent got, with that count.
// Other lines: see verbs in verbs_test.go, and abbreviated below.
package ladder

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// step is one line of a ladder.
type step struct {
	line    int
	text    string
	verb    string // "send", "expect", or the first word of the line
	agent   string
	what    string // method or code
	of      string // the method that a code answers, "" for any
	phrase  string // "" for any
	words   map[string]string
	headers []header // a value of "!" wants the header to be absent
	args    []string // of other verbs
}

func (s *step) is(word string) bool { _, ok := s.words[word]; return ok }

// words that a line may have.
var (
	sendWords   = []string{"call", "tag", "sdp", "nosdp", "again", "lost", "cseq", "branch", "totag", "fromtag", "callid", "over", "from", "fresh", "rseq", "to", "frag", "can", "unanswered"}
	expectWords = []string{"call", "tag", "sdp", "nosdp", "again", "in", "cseq", "ignored", "over", "at", "frag"}
)

// readScript takes a ladder apart.
func readScript(text string) ([]*step, error) {
	var steps []*step
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if i := strings.Index(line, " # "); i >= 0 {
			line = line[:i]
		}
		if line = strings.TrimRight(line, " \t"); line == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(steps) == 0 {
				return nil, fmt.Errorf("line %d: a header without a message", n)
			}
			last := steps[len(steps)-1]
			if err := last.header(strings.TrimSpace(line)); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		for _, line := range abbreviated(line) {
			s, err := readStep(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", n, line, err)
			}
			s.line = n
			steps = append(steps, s)
		}
	}
	return steps, nil
}

// abbreviated spells out the lines that stand for the beginning and the end of a call that goes well: "up", and "down", and for a
// REGISTER that goes well: "registers". What else stands on the line of up is said by both agents.
func abbreviated(line string) []string {
	first, words, _ := strings.Cut(line, " ")
	switch first {
	case "up":
		return []string{"A -> INVITE " + words, "B <- INVITE", "B -> 200 " + words, "B <- ACK", "A <- 200", "A -> ACK"}
	case "registers":
		return []string{"C -> REGISTER " + words, "A <- REGISTER", "A -> 200", "C <- 200 REGISTER"}
	case "down":
		return []string{"A -> BYE", "A <- 200 BYE", "B <- BYE", "B -> 200 BYE"}
	}
	return []string{line}
}

func (s *step) header(line string) error {
	s.text += "\n    " + line
	if name, ok := strings.CutPrefix(line, "!"); ok {
		s.headers = append(s.headers, header{name, "!"})
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%q is no header", line)
	}
	s.headers = append(s.headers, header{strings.TrimSpace(name), strings.TrimSpace(value)})
	return nil
}

func readStep(line string) (*step, error) {
	s := &step{text: line, words: map[string]string{}}
	phrase := ""
	if i := strings.IndexByte(line, '"'); i >= 0 && strings.Contains(line, "<-") {
		rest := line[i+1:]
		j := strings.IndexByte(rest, '"')
		if j < 0 {
			return nil, fmt.Errorf("no end of the phrase")
		}
		phrase = rest[:j]
		line = line[:i] + rest[j+1:]
	}
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[1] != "->" && fields[1] != "<-" {
		s.verb, s.args = fields[0], fields[1:]
		if verbs[s.verb] == nil && s.verb != "set" {
			return nil, fmt.Errorf("no such verb: %s", s.verb)
		}
		return s, nil
	}
	s.agent, s.what, s.phrase = fields[0], fields[2], phrase
	allowed := sendWords
	s.verb = "send"
	if fields[1] == "<-" {
		allowed, s.verb = expectWords, "expect"
	}
	for i, f := range fields[3:] {
		name, value, _ := strings.Cut(f, ":")
		if i == 0 && name == strings.ToUpper(name) && value == "" {
			s.of = f
			continue
		}
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("no such word: %s", f)
		}
		s.words[name] = value
	}
	return s, nil
}

// span reads in: 500ms is exact, 2.1s..4s a range.
func span(s string) (least, most time.Duration, err error) {
	from, to, ranged := strings.Cut(s, "..")
	if least, err = time.ParseDuration(from); err != nil || !ranged {
		return least, least, err
	}
	most, err = time.ParseDuration(to)
	return least, most, err
}
