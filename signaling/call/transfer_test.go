package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Words of these ladders, beside those of machine_test.go and exchange_test.go:
//
//	refer-A#1       REFER of A;   C180 C200/c C200!/c C486   what its new leg says (C2: of the second REFER)
//	notified#1      X has answered the last NOTIFY;   past-bye#1   X hangs up after its place was taken
var transfers = []struct{ name, in, want string }{
	{"blind", "refer-A#1 C180 C200/c notified#1 BYE-B done-A done-A",
		"place#1 | notify#1-180 | ack-C#1/c take-A#1/c last#1-200 | bye-past#1 | 200-BYE-B bye-A"},
	{"by the callee", "refer-B#1 C200/c notified#1 done-B BYE-A done-B", "place#1 | ack-C#1/c take-B#1/c last#1-200 | bye-past#1 | 200-BYE-A bye-B/c"},
	{"X hangs up when it hears of it", "refer-A#1 C200/c past-bye#1 notified#1 BYE-A done-B",
		"place#1 | ack-C#1/c take-A#1/c last#1-200 | 200-BYE-A | 200-BYE-A bye-B/x"},
	{"busy", "refer-A#1 C486 notified#1 BYE-A done-B", "place#1 | last#1-486 | 200-BYE-A bye-B/x"},
	{"X hangs up while C rings", "refer-A#1 BYE-A C180 C200/c BYE-A done-B", "place#1 | 200-BYE-A part-A | ack-C#1/c take-A#1/c | 200-BYE-A bye-B/x"},
	{"X hangs up, C is busy", "refer-A#1 BYE-A C486 done-B", "place#1 | 200-BYE-A part-A | bye-B/x"},
	{"Y hangs up", "refer-A#1 BYE-B done-A C487", "place#1 | 200-BYE-B drop#1 last#1-487 bye-A"},
	{"Y hangs up, C answers", "refer-A#1 BYE-B done-A C200/c done-B", "place#1 | 200-BYE-B drop#1 last#1-487 bye-A | ack-C#1/c bye-C#1/c"},
	{"both hang up", "refer-A#1 BYE-A BYE-B C487", "place#1 | 200-BYE-A part-A | 200-BYE-B drop#1"},
	{"C says nothing to the CANCEL", "refer-A#1 BYE-B done-A drop-late", "place#1 | 200-BYE-B drop#1 last#1-487 bye-A | forsake#1"},
	{"C rings too long", "refer-A#1 place-late C487 BYE-A done-B", "place#1 | drop#1 last#1-408 | 200-BYE-A bye-B/x"},
	{"C rings too long for a Y that is alone", "refer-A#1 BYE-A place-late done-B C487", "place#1 | 200-BYE-A part-A | drop#1 bye-B/x"},
	{"unusable answer", "refer-A#1 C200!/c done-B BYE-A done-B", "place#1 | ack-C#1/c bye-C#1/c last#1-503 | 200-BYE-A bye-B/x"},
	{"C's forks", "refer-A#1 C200/c C200/d C200/c C200/d", "place#1 | ack-C#1/c take-A#1/c last#1-200 | ack-C#1/d bye-C#1/d | ack-C#1/c | ack-C#1/d"},
	{"two at once", "refer-A#1 refer-B#2", "place#1 | refuse-refer#2-491"},
	{"one after the other", "refer-A#1 C486 refer-B#2 C2-200/c", "place#1 | last#1-486 | place#2 | ack-C#2/c take-B#2/c last#2-200"},
	{"six", "refer-A#1 C486 refer-A#2 C2-486 refer-A#3 C3-486 refer-A#4 C4-486 refer-A#5 C5-486 refer-A#6",
		"place#1 | last#1-486 | place#2 | last#2-486 | place#3 | last#3-486 | place#4 | last#4-486 | place#5 | last#5-486 | refuse-refer#6-482"},
	{"after the end", "BYE-A refer-B#1 done-B", "200-BYE-A bye-B/x | refuse-refer#1-481"},
	{"X's offer was with Y", "refer-A#1 offer-A#7 C200/c asked-B=200 asked-B=200", "place#1 | ask-B#7 | ack-C#1/c refuse#7-487 cancel-ask-B take-A#1/c last#1-200 | ask-B"},
	{"Y's offer was with X", "refer-A#1 offer-B#7 BYE-A offer-B#8 C200/c offer-B#9", "place#1 | ask-A#7 | 200-BYE-A refuse#7-491 part-A | refuse#8-491 | ack-C#1/c take-A#1/c | ask-A#9"},
	{"what Y is owed waits for C", "refer-A#1 BYE-A owed-B C200/c", "place#1 | 200-BYE-A part-A | ack-C#1/c take-A#1/c ask-B"},
	{"longest call", "refer-A#1 length done-A done-B C487", "place#1 | drop#1 last#1-487 bye-A bye-B/x"},
}

func TestTransfers(t *testing.T) {
	for _, l := range transfers {
		t.Run(l.name, func(t *testing.T) {
			m := machine{limits: limits{ring: time.Minute, length: time.Hour}}
			m.start()
			m.handle(event{kind: evSuccess, tag: "x"})
			m.handle(event{kind: evAck})
			var got []string
			for _, word := range strings.Fields(l.in) {
				ev, ok := parseTransfer(word)
				if !ok {
					ev = parseEvent(t, word)
					if word == "BYE-B" {
						ev.tag = m.winner
					}
				}
				if out := audible(m.handle(ev)); out != "" {
					got = append(got, out)
				}
			}
			if have := strings.Join(got, " | "); have != l.want {
				t.Errorf("in   %s\ngot  %s\nwant %s", l.in, have, l.want)
			}
			if strings.Contains(l.in, "done-") && m.state != done {
				t.Errorf("the call is not over: %v", m.state)
			}
		})
	}
}

// TestTransferBeforeTheAnswer: there is nobody yet whose place can be taken.
func TestTransferBeforeTheAnswer(t *testing.T) {
	m := machine{}
	m.start()
	ev, _ := parseTransfer("refer-A#1")
	if got := audible(m.handle(ev)); got != "refuse-refer#1-491" {
		t.Errorf("while it rings: %s", got)
	}
}

// parseTransfer reads a word of these ladders.
func parseTransfer(word string) (event, bool) {
	head, ref, _ := strings.Cut(word, "#")
	ev := event{}
	_, _ = fmt.Sscan(ref, &ev.ask.ref) // 0 where there is none
	switch head {
	case "refer-A", "refer-B":
		ev.kind = evRefer
		if head == "refer-B" {
			ev.side = sideB
		}
		return ev, true
	case "notified":
		ev.kind = evNotified
		return ev, true
	case "past-bye":
		ev.kind = evPastBye
		return ev, true
	case "place-late":
		return event{kind: evTimer, timer: placeTimer}, true
	case "drop-late":
		return event{kind: evTimer, timer: dropTimer}, true
	}
	said, ok := strings.CutPrefix(word, "C")
	if !ok || said == "ANCEL" {
		return ev, false
	}
	ev.ask.ref = 1
	if number, rest, ok := strings.Cut(said, "-"); ok {
		_, _ = fmt.Sscan(number, &ev.ask.ref)
		said = rest
	}
	said, ev.tag, _ = strings.Cut(said, "/")
	if said, ok = strings.CutSuffix(said, "!"); ok {
		ev.fault = "no SDP"
	}
	_, _ = fmt.Sscan(said, &ev.code)
	switch {
	case ev.code < 200:
		ev.kind = evTargetRings
	case ev.code < 300:
		ev.kind = evTargetAnswers
	default:
		ev.kind = evTargetFails
	}
	return ev, true
}

func audibleTransfer(a action) string {
	ref := fmt.Sprintf("#%d", a.ref)
	switch a.op {
	case opRefuseRefer:
		return fmt.Sprintf("refuse-refer%s-%d", ref, a.code)
	case opPlace:
		return "place" + ref
	case opNotify:
		return fmt.Sprintf("notify%s-%d", ref, a.code)
	case opNotifyLast:
		return fmt.Sprintf("last%s-%d", ref, a.code)
	case opAckTarget:
		return "ack-C" + ref + "/" + a.tag
	case opByeTarget:
		return "bye-C" + ref + "/" + a.tag
	case opDrop:
		return "drop" + ref
	case opForsake:
		return "forsake" + ref
	case opTakeOver:
		return "take-" + a.side.String() + ref + "/" + a.tag
	case opByePast:
		return "bye-past" + ref
	default:
		return "part-" + a.side.String()
	}
}

// stage is what surrounds the transfers of the property test.
type stage struct {
	refers  map[int]bool // REFERs without an answer
	targets []*newcomer
	owner   [2]int // the C that has a side; 0: who was there at first
}

// newcomer is one C.
type newcomer struct {
	final    bool            // its INVITE has its final answer, or was given up
	answers  map[string]bool // tags that sent a 2xx
	owed     map[string]bool // those of them without an ACK
	taken    string          // the one that took X's place
	x        string          // X's dialog
	telling  bool            // the last NOTIFY is on its way
	finished bool            // it was sent
}

// key names the dialog that a side's remote has by this tag.
func (w *world) key(s side, tag string) string {
	if n := w.stage.owner[s]; n != 0 && (s == sideA || tag == w.stage.targets[n-1].taken) {
		return fmt.Sprintf("C%d/%s", n, w.stage.targets[n-1].taken)
	}
	return w.dialog(s, tag)
}

// noteTransfer keeps count of what a transfer's action does.
func (w *world) noteTransfer(a action) {
	st := &w.stage
	if a.op == opRefuseRefer || a.op == opPlace {
		if !st.refers[a.ref] {
			w.t.Fatalf("REFER %d is answered twice", a.ref)
		}
		delete(st.refers, a.ref)
		if a.op == opPlace {
			st.targets = append(st.targets, &newcomer{answers: map[string]bool{}, owed: map[string]bool{}})
		}
		return
	}
	if a.op == opPart || a.op == opTakeOver {
		w.asked[a.side] = false // what its remote still answers is nobody's business
	}
	if a.op == opPart {
		return
	}
	c := st.targets[a.ref-1]
	name := fmt.Sprintf("C%d/%s", a.ref, a.tag)
	switch a.op {
	case opNotify, opNotifyLast:
		if c.finished {
			w.t.Fatalf("X hears of transfer %d after its end", a.ref)
		}
		c.telling, c.finished = a.op == opNotifyLast, a.op == opNotifyLast
	case opAckTarget:
		delete(c.owed, a.tag)
	case opByeTarget, opByePast:
		if a.op == opByePast {
			name = c.x
		}
		if w.ended[name] {
			w.t.Fatalf("%s gets a second BYE, or one after its own", name)
		}
		w.ended[name] = true
		w.byesOut[sideA]++
	case opForsake:
		c.final = true
	case opTakeOver:
		if c.taken != "" || w.open && w.m.state != up {
			w.t.Fatalf("place taken twice, or in state %v", w.m.state)
		}
		tag := ""
		if a.side == sideB {
			tag = w.winnerBefore
		}
		c.x = w.key(a.side, tag)
		c.taken = a.tag
		st.owner[a.side] = a.ref
	default:
	}
}

// drawTransfer picks an event of a transfer that can happen now.
func (w *world) drawTransfer(k kind) (event, bool) {
	st := &w.stage
	if w.m.state == done {
		return event{}, false
	}
	ev := event{kind: k, side: rapid.SampledFrom([]side{sideA, sideB}).Draw(w.t, "side")}
	if k == evRefer {
		w.lastRef++
		ev.ask.ref = w.lastRef
		if w.m.left(ev.side) || ev.side == sideB && w.m.winner == "" && w.m.state != calling {
			return event{}, false
		}
		st.refers[w.lastRef] = true
		return ev, true
	}
	if len(st.targets) == 0 {
		return event{}, false
	}
	ev.ask.ref = rapid.IntRange(1, len(st.targets)).Draw(w.t, "C")
	c := st.targets[ev.ask.ref-1]
	switch k {
	case evTargetRings:
		ev.code = 180
		return ev, !c.final
	case evTargetAnswers:
		ev.tag = rapid.SampledFrom([]string{"c", "d"}).Draw(w.t, "fork")
		if c.final && len(c.answers) == 0 {
			return event{}, false
		}
		if !c.answers[ev.tag] && rapid.IntRange(0, 4).Draw(w.t, "fault") == 0 {
			ev.fault = "no SDP"
		}
		c.final, c.answers[ev.tag], c.owed[ev.tag] = true, true, true
		return ev, true
	case evTargetFails:
		ev.code = 486
		was := c.final
		c.final = true
		return ev, !was
	case evNotified:
		was := c.telling
		c.telling = false
		return ev, was
	default: // evPastBye
		if c.taken == "" || w.ended[c.x] && rapid.Bool().Draw(w.t, "no crossing") {
			return event{}, false
		}
		w.ended[c.x] = true
		return ev, true
	}
}

// settleTransfers lets what is left of transfers come to its end. It tells
// whether something was.
func (w *world) settleTransfers() bool {
	for i, c := range w.stage.targets {
		switch {
		case c.telling:
			c.telling = false
			w.feed(event{kind: evNotified, ask: question{ref: i + 1}})
			return true
		case !c.final && w.m.state == closing:
			c.final = true
			w.feed(event{kind: evTargetFails, code: 487, ask: question{ref: i + 1}})
			return true
		}
	}
	return false
}

// transfersEnded: every 2xx of a C was ACKed and its dialog ended, every X that
// lost its place too, every REFER answered.
func (w *world) transfersEnded() {
	if len(w.stage.refers) > 0 {
		w.t.Fatalf("REFERs are left without an answer: %v", w.stage.refers)
	}
	for i, c := range w.stage.targets {
		if !c.final {
			w.t.Fatalf("the INVITE of C%d is left behind", i+1)
		}
		if len(c.owed) > 0 {
			w.t.Fatalf("no ACK of C%d's %v", i+1, c.owed)
		}
		for tag := range c.answers {
			if name := fmt.Sprintf("C%d/%s", i+1, tag); !w.ended[name] {
				w.t.Fatalf("%s is left open", name)
			}
		}
		if c.taken != "" && !w.ended[c.x] {
			w.t.Fatalf("%s, whose place was taken, is left open", c.x)
		}
	}
}
