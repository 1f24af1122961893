package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Words of these ladders, beside those of machine_test.go:
//
//	offer-A#1     an INVITE of A with an offer that B has to know of; update-A#1 the same in an UPDATE
//	local-A#1     one that B has not to know of
//	early-A#1     one for which B cannot be asked yet
//	asked-B=488   B's final answer to our offer; 200! an unusable one, 200~ one that changes something, 481 B knows nothing
//	cancel-A#1    CANCEL of the INVITE
//	reack-A       the ACK of our 2xx to it; reack-A~ with an answer that changes something
//	owed-B        B has to be offered what A has
//	unheard       our offer has no answer in time
var exchanges = []struct{ name, in, want string }{
	{"hold", "offer-A#1 asked-B=200 reack-A", "ask-B#1 | answer#1"},
	{"hold by the callee", "offer-B#1 asked-A=200 reack-B", "ask-A#1 | answer#1"},
	{"an UPDATE needs no ACK", "update-A#1 asked-B=200 offer-B#2 asked-A=200", "ask-B#1 | answer#1 | ask-A#2 | answer#2"},
	{"a new address", "local-A#1 reack-A", "answer#1"},
	{"refused", "offer-A#1 asked-B=488", "ask-B#1 | relayed#1-488"},
	{"two at once from one side", "offer-A#1 offer-A#2 asked-B=200", "ask-B#1 | refuse#2-500 | answer#1"},
	{"before the ACK of the last", "local-A#1 offer-A#2 reack-A offer-A#3", "answer#1 | refuse#2-500 | ask-B#3"},
	{"crossing ours", "offer-A#1 offer-B#2 asked-B=200", "ask-B#1 | refuse#2-491 | answer#1"},
	{"met by one of theirs", "offer-A#1 asked-B=491 glare asked-B=200", "ask-B#1 | ask-B#1 | answer#1"},
	{"met by one of theirs, which comes", "offer-A#1 asked-B=491 offer-B#2 asked-A=200", "ask-B#1 | refuse#1-491 ask-A#2 | answer#2"},
	{"met by one of theirs, again and again", "offer-A#1 asked-B=491 glare asked-B=491 glare asked-B=491 glare asked-B=491",
		"ask-B#1 | ask-B#1 | ask-B#1 | ask-B#1 | relayed#1-491"},
	{"an unusable answer", "offer-A#1 asked-B=200! done-A done-B", "ask-B#1 | refuse#1-503 bye-A bye-B/x"},
	{"a remote that forgot the call", "offer-A#1 asked-B=481 done-A done-B", "ask-B#1 | refuse#1-503 bye-A bye-B/x"},
	{"withdrawn", "offer-A#1 cancel-A#1 asked-B=487", "ask-B#1 | refuse#1-487 cancel-ask-B"},
	{"withdrawn too late", "offer-A#1 cancel-A#1 asked-B=200 asked-B=200", "ask-B#1 | refuse#1-487 cancel-ask-B | ask-B"},
	{"withdrawn while we wait", "offer-A#1 asked-B=491 cancel-A#1 offer-A#2", "ask-B#1 | refuse#1-487 | ask-B#2"},
	{"BYE crossing it, from who offered", "offer-A#1 BYE-A asked-B=487 done-B", "ask-B#1 | 200-BYE-A refuse#1-487 bye-B/x"},
	{"BYE crossing it, from who was asked", "offer-A#1 BYE-B asked-B=487 done-A", "ask-B#1 | 200-BYE-B refuse#1-487 bye-A"},
	{"BYE instead of the ACK", "offer-A#1 asked-B=200 BYE-A done-B", "ask-B#1 | answer#1 | 200-BYE-A bye-B/x"},
	{"the ACK is lost", "local-B#1 repeat-B repeat-B confirm-late-B done-A done-B", "answer#1 | repeat-B | repeat-B | bye-A bye-B/x"},
	{"an offer after the BYE", "BYE-A offer-B#1 done-B", "200-BYE-A bye-B/x | refuse#1-481"},
	{"an answer in the ACK", "local-A#1 reack-A~ asked-B=200", "answer#1 | ask-B"},
	{"the answer to a refresh changes something", "owed-B asked-B=200~ asked-A=200", "ask-B | ask-A"},
	{"a refresh waits for its turn", "offer-A#1 owed-B asked-B=200 reack-A asked-B=200", "ask-B#1 | answer#1 | ask-B"},
	{"a refresh gives way", "owed-B asked-B=491 offer-B#1 asked-A=200 reack-B asked-B=200", "ask-B | ask-A#1 | answer#1 | ask-B"},
	{"never answered", "offer-A#1 unheard asked-B=487 offer-A#2", "ask-B#1 | refuse#1-504 cancel-ask-B | ask-B#2"},
	{"answered after we gave up", "offer-A#1 unheard asked-B=200 asked-B=200", "ask-B#1 | refuse#1-504 cancel-ask-B | ask-B"},
	{"two remotes that never agree", "owed-B asked-B=200~ asked-A=200~ asked-B=200~ asked-A=200~ asked-B=200~ offer-B#1",
		"ask-B | ask-A | ask-B | ask-A | ask-B | ask-A#1"},
	{"no way to ask", "early-A#1", "refuse#1-504"},
}

func TestExchanges(t *testing.T) {
	for _, l := range exchanges {
		t.Run(l.name, func(t *testing.T) {
			m := machine{limits: limits{ring: time.Minute, length: time.Hour}}
			m.start()
			m.handle(event{kind: evSuccess, tag: "x"})
			m.handle(event{kind: evAck})
			climb(t, &m, l.in, l.want)
		})
	}
}

// TestExchangesBeforeTheAnswer: offers in early dialogs, and between the 200
// and its ACK.
func TestExchangesBeforeTheAnswer(t *testing.T) {
	for _, l := range []struct{ name, in, want string }{
		{"UPDATE while it rings", "183 update-B#1 asked-A=200 200/x ACK", "relay | ask-A#1 | answer#1 | ack/x relay"},
		{"UPDATE while it rings, and a CANCEL", "183 update-A#1 CANCEL fail", "relay | ask-B#1 | refuse#1-487 refuse-487 cancel"},
		{"UPDATE while it rings, and busy", "183 update-A#1 486", "relay | ask-B#1 | relay refuse#1-487"},
		{"the callee offers before the caller's ACK", "200/x offer-B#1 ACK offer-B#2", "ack/x relay | refuse#1-491 | ask-A#2"},
		{"a new address of the callee before the caller's ACK", "200/x local-B#1 ACK", "ack/x relay | answer#1"},
		{"after the end of one that rang", "CANCEL update-A#1", "refuse-487 cancel | refuse#1-487"},
	} {
		t.Run(l.name, func(t *testing.T) {
			m := machine{limits: limits{ring: time.Minute, length: time.Hour}}
			m.start()
			climb(t, &m, l.in, l.want)
		})
	}
}

func TestGlareDelay(t *testing.T) {
	for _, c := range []struct {
		to   side
		luck float64
		want time.Duration
	}{
		{sideA, 0, 0}, {sideA, 0.5, time.Second}, {sideA, 0.9999, 1990 * time.Millisecond},
		{sideB, 0, 2100 * time.Millisecond}, {sideB, 0.9999, 3990 * time.Millisecond},
	} {
		if got := glareDelay(c.to == sideB, c.luck); got != c.want {
			t.Errorf("to %v with %v: %v, want %v", c.to, c.luck, got, c.want)
		}
	}
}

// parseExchange reads a word of these ladders.
func parseExchange(t *testing.T, word string) (event, bool) {
	t.Helper()
	name, rest, _ := strings.Cut(word, "-")
	s := sideA
	if strings.HasPrefix(rest, "B") {
		s = sideB
	}
	var ref int
	if _, number, ok := strings.Cut(rest, "#"); ok {
		if _, err := fmt.Sscan(number, &ref); err != nil {
			t.Fatalf("no reference in %q", word)
		}
	}
	ask := question{ref: ref, invite: name != "update", local: name == "local", ready: name != "early"}
	switch name {
	case "offer", "update", "local", "early":
		return event{kind: evOffer, side: s, ask: ask}, true
	case "cancel":
		return event{kind: evWithdrawn, side: s, ask: ask}, ref != 0
	case "reack":
		return event{kind: evConfirmed, side: s, changed: strings.HasSuffix(rest, "~")}, true
	case "owed":
		return event{kind: evOwed, side: s}, true
	case "unheard":
		return event{kind: evTimer, timer: askTimer}, true
	case "glare":
		return event{kind: evTimer, timer: glareTimer}, true
	case "repeat":
		return event{kind: evTimer, timer: repeatTimer, side: s}, rest != ""
	case "confirm":
		return event{kind: evTimer, timer: confirmTimer, side: sideB}, true
	case "asked":
		ev := event{kind: evAsked, side: s}
		if _, err := fmt.Sscanf(rest[2:], "%d", &ev.code); err != nil {
			t.Fatalf("no code in %q", word)
		}
		ev.changed, ev.dead = strings.HasSuffix(rest, "~"), ev.code == 481
		if strings.HasSuffix(rest, "!") || ev.dead {
			ev.fault = "x is at fault"
		}
		return ev, true
	}
	return event{}, false
}

func audibleExchange(a action) string {
	ref := ""
	if a.ref != 0 {
		ref = fmt.Sprintf("#%d", a.ref)
	}
	switch a.op {
	case opAsk:
		return "ask-" + a.side.String() + ref
	case opCancelAsk:
		return "cancel-ask-" + a.side.String()
	case opAnswerOffer:
		return "answer" + ref
	case opRefuseOffer:
		return fmt.Sprintf("refuse%s-%d", ref, a.code)
	case opRelayRefusal:
		return fmt.Sprintf("relayed%s-%d", ref, a.code)
	default:
		return "repeat-" + a.side.String()
	}
}

// drawExchange picks an event of an offer inside the call that can happen now.
func (w *world) drawExchange(k kind) (event, bool) {
	s := rapid.SampledFrom([]side{sideA, sideB}).Draw(w.t, "side")
	ev := event{kind: k, side: s}
	switch k {
	case evOffer:
		w.lastRef++
		ev.ask = question{ref: w.lastRef, invite: rapid.Bool().Draw(w.t, "invite"), local: rapid.Bool().Draw(w.t, "local"), ready: rapid.Bool().Draw(w.t, "ready")}
		if w.m.state == done || s == sideB && len(w.answers) == 0 && w.m.state != calling {
			return event{}, false
		}
		w.offers[w.lastRef] = true
		return ev, true
	case evAsked:
		if !w.asked[s] {
			return event{}, false
		}
		w.asked[s] = false
		ev.code = rapid.SampledFrom([]int{200, 200, 488, 491, 487, 481}).Draw(w.t, "code")
		ev.dead, ev.changed, ev.luck = ev.code == 481, rapid.Bool().Draw(w.t, "changed"), rapid.Float64Range(0, 0.99).Draw(w.t, "luck")
		if ev.dead || rapid.IntRange(0, 9).Draw(w.t, "fault") == 0 {
			ev.fault = "x is at fault"
		}
		return ev, true
	case evWithdrawn:
		ev.ask = question{ref: rapid.IntRange(1, 10).Draw(w.t, "ref")}
		return ev, w.offers[ev.ask.ref]
	case evConfirmed:
		ev.changed = rapid.Bool().Draw(w.t, "changed")
		return ev, w.m.unacked[s]
	default:
		return ev, w.m.state == up
	}
}
