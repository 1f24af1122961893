package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The ladders below read: what came in, then what goes out. Clocks and media
// are left out; TestEveryCallEndsClean looks at those.
var ladders = []struct {
	name string
	in   string
	want string
}{
	{"answered, A hangs up", "100 180 200/x ACK BYE-A done-B", "relay | ack/x relay | 200-BYE-A bye-B/x"},
	{"answered, B hangs up", "180 200/x ACK BYE-B done-A", "relay | ack/x relay | 200-BYE-B bye-A"},
	{"early media", "183 180 200/x ACK BYE-A done-B", "relay | relay | ack/x relay | 200-BYE-A bye-B/x"},
	{"answered at once", "200/x ACK", "ack/x relay"},
	{"busy", "180 486", "relay | relay"},
	{"rejected before ringing", "404", "relay"},
	{"B unreachable", "fail", "relay"},
	{"CANCEL after ringing", "180 CANCEL 487", "relay | refuse-487 cancel"},
	{"CANCEL before any answer: the transport holds it back", "CANCEL 100 487", "refuse-487 cancel"},
	{"CANCEL, and B never says anything but no", "CANCEL 486", "refuse-487 cancel"},
	{"CANCEL loses the race against 200", "180 CANCEL 200/x done-B", "relay | refuse-487 cancel | ack/x bye-B/x"},
	{"CANCEL before any answer loses it too", "CANCEL 200/x done-B", "refuse-487 cancel | ack/x bye-B/x"},
	{"CANCEL ignored by B", "180 CANCEL cancel-late", "relay | refuse-487 cancel | abandon"},
	{"CANCEL after the 200 does nothing", "200/x CANCEL ACK", "ack/x relay"},
	{"caller's connection lost while it rings", "180 LOST 487", "relay | refuse-487 cancel"},
	{"caller ends its early dialog by BYE", "180 BYE-A 487", "relay | 200-BYE-A refuse-487 cancel"},
	{"rings too long", "180 ring 487", "relay | refuse-503 cancel"},
	{"ACK lost: 200 repeated, then BYE both", "200/x repeat repeat ack-late done-A done-B", "ack/x relay | resend | resend | bye-A bye-B/x"},
	{"200 of B repeated: ACKed again", "200/x 200/x ACK 200/x", "ack/x relay | ack/x | ack/x"},
	{"another fork answers too: ACK and BYE", "200/x 200/y done-B ACK", "ack/x relay | ack/y bye-B/y"},
	{"another fork ended after the ACK, then hung up", "200/x 200/y ACK done-B BYE-A done-B", "ack/x relay | ack/y bye-B/y | 200-BYE-A bye-B/x"},
	{"another fork repeats its 200: one BYE", "200/x 200/y 200/y done-B ACK", "ack/x relay | ack/y bye-B/y | ack/y"},
	{"another fork's BYE ends nothing but itself", "200/x 200/y BYE-B/y ACK BYE-B/y done-B", "ack/x relay | ack/y bye-B/y | 200-BYE-B | 200-BYE-B"},
	{"180 after 200 is dropped", "200/x 180 ACK", "ack/x relay"},
	{"A hangs up before its ACK", "200/x BYE-A done-B", "ack/x relay | 200-BYE-A bye-B/x"},
	{"B hangs up before A's ACK: A's BYE waits", "200/x BYE-B ACK done-A", "ack/x relay | 200-BYE-B | bye-A"},
	{"B hangs up and A's ACK is lost", "200/x BYE-B ack-late done-A", "ack/x relay | 200-BYE-B | bye-A"},
	{"both hang up before A's ACK", "200/x BYE-B BYE-A", "ack/x relay | 200-BYE-B | 200-BYE-A"},
	{"BYEs cross", "200/x ACK BYE-A BYE-B done-B", "ack/x relay | 200-BYE-A bye-B/x | 200-BYE-B"},
	{"answer without SRTP", "200!/x done-B", "ack/x refuse-503 bye-B/x"},
	{"longest call", "200/x ACK length done-A done-B", "ack/x relay | bye-A bye-B/x"},
	{"shutdown while it rings", "180 end 487", "relay | refuse-503 cancel"},
	{"shutdown during the call", "200/x ACK end done-A done-B", "ack/x relay | bye-A bye-B/x"},
	{"the 200 waits for a PRACK", "183 200held/x released ACK BYE-A done-B", "relay | ack/x relay | 200-BYE-A bye-B/x"},
	{"CANCEL while the 200 waits", "183 200held/x CANCEL done-B", "relay | ack/x relay | refuse-487 bye-B/x"},
	{"BYE while the 200 waits", "183 200held/x BYE-A done-B", "relay | ack/x relay | 200-BYE-A refuse-487 bye-B/x"},
	{"BYE of B while the 200 waits", "183 200held/x BYE-B", "relay | ack/x relay | 200-BYE-B refuse-503"},
	{"the 200 waits for ever", "183 200held/x end done-B", "relay | ack/x relay | refuse-503 bye-B/x"},
	{"shutdown before the ACK", "200/x end done-B ACK done-A", "ack/x relay | bye-B/x | bye-A"},
}

func TestLadders(t *testing.T) {
	for _, l := range ladders {
		t.Run(l.name, func(t *testing.T) {
			m := machine{limits: limits{ring: time.Minute, length: time.Hour}}
			m.start()
			climb(t, &m, l.in, l.want)
			if strings.Contains(l.in, "done-") && m.state != done && !strings.Contains(l.want, "ack/y bye-B/y") {
				t.Errorf("the call is not over: %v", m.state)
			}
		})
	}
}

func parseEvent(t *testing.T, word string) event {
	t.Helper()
	if ev, ok := parseExchange(t, word); ok {
		return ev
	}
	word, tag, _ := strings.Cut(word, "/")
	events := map[string]event{
		"200": {kind: evSuccess}, "200held": {kind: evSuccess, held: true}, "released": {kind: evReleased}, "200!": {kind: evSuccess, fault: "x answered without SRTP"}, "fail": {kind: evRejected},
		"CANCEL": {kind: evCancel}, "LOST": {kind: evLost}, "ACK": {kind: evAck}, "end": {kind: evEnd, fault: "SBC is shutting down"},
		"BYE-A": {kind: evBye, side: sideA}, "BYE-B": {kind: evBye, side: sideB},
		"done-A": {kind: evByeDone, side: sideA}, "done-B": {kind: evByeDone, side: sideB},
		"ring": {kind: evTimer, timer: ringTimer}, "repeat": {kind: evTimer, timer: retransmitTimer},
		"ack-late": {kind: evTimer, timer: ackTimer}, "cancel-late": {kind: evTimer, timer: cancelTimer},
		"length": {kind: evTimer, timer: lengthTimer},
	}
	if ev, ok := events[word]; ok {
		ev.tag = tag
		if tag == "" && word == "BYE-B" {
			ev.tag = "x" // who wins all ladders
		}
		return ev
	}
	var code int
	if _, err := fmt.Sscanf(word, "%d", &code); err != nil {
		t.Fatalf("no event %q", word)
	}
	if code < 200 {
		return event{kind: evProvisional, code: code}
	}
	return event{kind: evRejected, code: code}
}

// climb plays a ladder: the words of in are what happens, want is what can be
// heard of each that makes a sound.
func climb(t *testing.T, m *machine, in, want string) {
	t.Helper()
	var got []string
	for _, word := range strings.Fields(in) {
		if out := audible(m.handle(parseEvent(t, word))); out != "" {
			got = append(got, out)
		}
	}
	if have := strings.Join(got, " | "); have != want {
		t.Errorf("in   %s\ngot  %s\nwant %s", in, have, want)
	}
}

// audible writes the actions that somebody outside can hear.
func audible(actions []action) string {
	var out []string
	for _, a := range actions {
		switch a.op {
		case opRelay:
			out = append(out, "relay")
		case opRefuse:
			out = append(out, fmt.Sprintf("refuse-%d", a.code))
		case opResend:
			out = append(out, "resend")
		case opCancel:
			out = append(out, "cancel")
		case opAbandon:
			out = append(out, "abandon")
		case opAck:
			out = append(out, "ack/"+a.tag)
		case opBye:
			word := "bye-" + a.side.String()
			if a.side == sideB {
				word += "/" + a.tag
			}
			out = append(out, word)
		case opAnswerBye:
			out = append(out, "200-BYE-"+a.side.String())
		case opAsk, opCancelAsk, opAnswerOffer, opRefuseOffer, opRelayRefusal, opRepeat:
			out = append(out, audibleExchange(a))
		case opRefuseRefer, opPlace, opNotify, opNotifyLast, opAckTarget, opByeTarget, opDrop, opForsake, opTakeOver, opByePast, opPart:
			out = append(out, audibleTransfer(a))
		case opStart, opStop, opCloseMedia, opFinish:
		}
	}
	return strings.Join(out, " ")
}

// world is what surrounds a machine in the property test: it knows which
// events can happen at all, and keeps count of what the machine owes.
type world struct {
	t       *rapid.T
	m       machine
	running map[clock]bool
	finals  int             // final answers to A's INVITE
	ok      bool            // the final answer was a 200
	owedAck map[string]bool // 2xx that wait for an ACK
	byesOut map[side]int    // our BYEs without an answer
	ended   map[string]bool // dialogs that got or sent a BYE: "A", "B/tag"
	offers  map[int]bool    // offers inside the call that have no final answer
	asked   [2]bool         // our offers that have none
	lastRef int
	answers map[string]bool // tags that sent a 2xx
	open    bool            // media
	over    bool

	stage        stage
	winnerBefore string // the machine's, before the event
}

func (w *world) feed(ev event) {
	if ev.kind == evSuccess {
		w.owedAck[ev.tag] = true
		w.answers[ev.tag] = true
	}
	if ev.kind == evBye {
		w.ended[w.key(ev.side, ev.tag)] = true
	}
	w.winnerBefore = w.m.winner
	if ev.kind == evReleased {
		w.finals++
		w.ok = true
	}
	for _, a := range w.m.handle(ev) {
		w.note(ev, a)
	}
	for tag := range w.owedAck {
		if w.m.state != done {
			w.t.Fatalf("2xx of %s is not ACKed in state %v", tag, w.m.state)
		}
	}
}

func (w *world) dialog(s side, tag string) string {
	if s == sideA {
		return "A"
	}
	return "B/" + tag
}

func (w *world) note(ev event, a action) {
	switch a.op {
	case opRelay:
		if ev.kind != evProvisional && !ev.held {
			w.finals++
			w.ok = ev.kind == evSuccess
		}
	case opRefuse:
		w.finals++
	case opAck:
		delete(w.owedAck, a.tag)
	case opBye:
		w.byesOut[a.side]++
		key := w.key(a.side, a.tag)
		if w.ended[key] && (a.side == sideA || w.stage.owner[a.side] != 0) {
			w.t.Fatalf("%s gets a BYE after its own", key)
		}
		w.ended[key] = true
	case opStart:
		w.running[clock{a.timer, a.side}] = true
	case opStop:
		delete(w.running, clock{a.timer, a.side})
	case opCloseMedia:
		w.open = false
	case opFinish:
		w.over = true
	case opAsk:
		if w.asked[a.side] {
			w.t.Fatalf("%v is asked twice at once", a.side)
		}
		w.asked[a.side] = true
	case opAnswerOffer, opRefuseOffer, opRelayRefusal:
		if !w.offers[a.ref] {
			w.t.Fatalf("offer %d is answered twice", a.ref)
		}
		delete(w.offers, a.ref)
	case opRefuseRefer, opPlace, opNotify, opNotifyLast, opAckTarget, opByeTarget, opDrop, opForsake, opTakeOver, opByePast, opPart:
		w.noteTransfer(a)
	case opResend, opCancel, opAbandon, opAnswerBye, opCancelAsk, opRepeat:
	}
}

// TestEveryCallEndsClean: for any order of events, A's INVITE gets exactly one
// final answer, every 2xx is ACKed, every confirmed dialog is ended by one
// side, the media are closed, and the call ends.
func TestEveryCallEndsClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, m: machine{limits: limits{ring: time.Minute, length: time.Hour}}, running: map[clock]bool{}, owedAck: map[string]bool{},
			offers: map[int]bool{}, byesOut: map[side]int{}, ended: map[string]bool{}, answers: map[string]bool{}, open: true,
			stage: stage{refers: map[int]bool{}},
		}
		for _, a := range w.m.start() {
			w.note(event{}, a)
		}
		final := false
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			if ev, ok := w.draw(&final); ok && w.m.state != done {
				w.feed(ev)
			}
		}
		w.settle()
	})
}

// draw picks an event that can happen now.
func (w *world) draw(final *bool) (event, bool) {
	tag := rapid.SampledFrom([]string{"x", "y"}).Draw(w.t, "tag")
	switch k := rapid.SampledFrom([]kind{evProvisional, evSuccess, evRejected, evCancel, evLost, evAck, evBye, evByeDone, evTimer, evEnd, evOffer, evOffer, evAsked, evAsked, evWithdrawn, evConfirmed, evOwed, evReleased,
		evRefer, evTargetRings, evTargetAnswers, evTargetAnswers, evTargetFails, evNotified, evPastBye}).Draw(w.t, "kind"); k {
	case evProvisional:
		return event{kind: k, tag: tag, code: rapid.SampledFrom([]int{100, 180, 183}).Draw(w.t, "code")}, !*final
	case evSuccess:
		fault := rapid.SampledFrom([]string{"", "", "no SRTP"}).Draw(w.t, "fault")
		allowed := !*final || len(w.answers) > 0
		if w.stage.owner[sideB] != 0 { // of a B that is not in the call any more: see stray
			return event{}, false
		}
		*final = true
		return event{kind: k, tag: tag, fault: fault, held: fault == "" && w.m.state == calling && rapid.Bool().Draw(w.t, "held")}, allowed
	case evRejected:
		allowed := !*final
		*final = true
		return event{kind: k, code: 486}, allowed
	case evAck:
		return event{kind: k}, w.ok
	case evReleased:
		return event{kind: k}, w.m.held
	case evBye:
		s := rapid.SampledFrom([]side{sideA, sideB}).Draw(w.t, "side")
		if s == sideB && w.m.winner != "" && rapid.Bool().Draw(w.t, "winner") {
			tag = w.m.winner
		}
		return event{kind: k, side: s, tag: tag}, s == sideA || w.answers[tag] && w.stage.owner[s] == 0 || w.stage.owner[s] != 0 && tag == w.m.winner
	case evByeDone:
		s := rapid.SampledFrom([]side{sideA, sideB}).Draw(w.t, "side")
		if w.byesOut[s] == 0 {
			return event{}, false
		}
		w.byesOut[s]--
		return event{kind: k, side: s}, true
	case evTimer:
		c := clock{
			rapid.SampledFrom([]timer{ringTimer, retransmitTimer, ackTimer, cancelTimer, lengthTimer, glareTimer, repeatTimer, confirmTimer, askTimer, placeTimer, dropTimer}).Draw(w.t, "timer"),
			rapid.SampledFrom([]side{sideA, sideB}).Draw(w.t, "side"),
		}
		ran := w.running[c]
		delete(w.running, c)
		return event{kind: k, timer: c.timer, side: c.side}, ran
	case evRefer, evTargetRings, evTargetAnswers, evTargetFails, evNotified, evPastBye:
		return w.drawTransfer(k)
	case evOffer, evAsked, evWithdrawn, evConfirmed, evOwed:
		return w.drawExchange(k)
	default:
		return event{kind: k, fault: "SBC is shutting down"}, true
	}
}

// settle lets time pass: clocks run out, BYEs are answered, until the call is
// over.
func (w *world) settle() {
	for range 50 {
		if w.m.state == done {
			break
		}
		switch {
		case w.m.held:
			w.feed(event{kind: evEnd, fault: "no PRACK came"})
		case w.byesOut[sideA] > 0:
			w.byesOut[sideA]--
			w.feed(event{kind: evByeDone, side: sideA})
		case w.byesOut[sideB] > 0:
			w.byesOut[sideB]--
			w.feed(event{kind: evByeDone, side: sideB})
		case w.settleTransfers():
		default:
			for _, timer := range []timer{cancelTimer, ackTimer, ringTimer, lengthTimer} {
				if c := (clock{timer: timer}); w.running[c] {
					delete(w.running, c)
					w.feed(event{kind: evTimer, timer: timer})
					break
				}
			}
		}
	}
	switch {
	case w.m.state != done || !w.over:
		w.t.Fatalf("the call does not end: %v", w.m.state)
	case w.finals != 1:
		w.t.Fatalf("A's INVITE got %d final answers", w.finals)
	case w.open:
		w.t.Fatal("media are left open")
	case len(w.offers) > 0:
		w.t.Fatalf("offers inside the call are left without an answer: %v", w.offers)
	case len(w.running) > 0:
		w.t.Fatalf("clocks are left running: %v", w.running)
	case w.ok && !w.ended["A"]:
		w.t.Fatal("A's dialog is left open")
	}
	w.transfersEnded()
	for tag := range w.answers {
		if !w.ended["B/"+tag] {
			w.t.Fatalf("B's dialog %s is left open", tag)
		}
	}
}
