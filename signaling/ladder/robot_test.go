package ladder

import (
	"fmt"
	"strconv"
	"time"
)

// robot is a user agent that does what the rules ask of it, and beyond that what its dice say: it answers or does not, hangs up, changes the
// session, gives up. It repeats what the network may have lost.
type robot struct {
	*agent
	stage *stage
	words string // of the descriptions that it writes
	over  bool   // it has hung up, or was
}

// say does one line of a ladder. A line that cannot be done now is left out.
func (r *robot) say(line string, args ...any) *sent {
	s, err := readStep(r.name + " -> " + fmt.Sprintf(line, args...))
	if err != nil {
		panic(err) // a fault of this file
	}
	n := len(r.sent)
	p := r.player
	if err := r.send(s); err != nil || len(r.sent) == n {
		p.report.see(p.now(), fmt.Sprintf("%s: %v", s.text, err))
		return nil
	}
	m := r.sent[len(r.sent)-1]
	p.report.see(p.now(), show(r.name, "->", m.message))
	return m
}

// insist repeats a message at the distances of RFC 3261 until it has had its effect, over UDP, or over any transport where every is true.
func (r *robot) insist(m *sent, every bool, done func() bool) {
	if m == nil || r.stream && !every {
		return
	}
	pause, since := 500*time.Millisecond, time.Duration(0)
	var again func()
	again = func() {
		if done() {
			return
		}
		if since += pause; since >= 32*time.Second {
			return
		}
		_ = r.emit(m.raw, m.to, &step{words: map[string]string{}}) // a dead path is what it is
		pause = min(2*pause, 4*time.Second)
		r.stage.after(pause, again)
	}
	r.stage.after(pause, again)
}

// ask sends a request and sees it through.
func (r *robot) ask(line string, args ...any) *sent {
	m := r.say(line, args...)
	r.insist(m, false, func() bool { return len(m.finals) > 0 })
	return m
}

// react takes what came.
func (r *robot) react(in *received) {
	known := r.known[in.again()]
	words := map[string]string{}
	if known {
		words["again"] = ""
	}
	faults := r.take(in, &step{words: words})
	p := r.player
	p.report.see(in.at, show(r.name, "<-", in.message))
	if !r.stage.lossy { // what was lost explains gaps
		for _, f := range faults {
			r.stage.faults = append(r.stage.faults, fmt.Errorf("%s got %s: %s", r.name, in.kind(), f))
		}
	}
	switch {
	case in.code() != 0:
		r.heardAnswer(in)
	case known:
		r.repeat(in)
	default:
		r.heardRequest(in)
	}
}

// repeat answers a repeated request as before.
func (r *robot) repeat(in *received) {
	for i := len(r.sent) - 1; i >= 0; i-- {
		if m := r.sent[i]; m.to != nil && m.to.again() == in.again() && in.method() != "ACK" {
			_ = r.emit(m.raw, in, &step{words: map[string]string{}})
			return
		}
	}
}

// heardAnswer takes a response.
func (r *robot) heardAnswer(in *received) {
	_, method := in.cseq()
	if method != "INVITE" || in.code() < 200 || in.talk == nil {
		return
	}
	if in.code() >= 300 {
		if r.refused(in.talk) != nil {
			r.say("ACK")
		} else {
			r.again("ACK")
		}
		return
	}
	if r.stage.dice.next(20) == 19 {
		return // the ACK is lost
	}
	r.say("ACK %s", r.ackWords(in))
}

// ackWords makes the ACK answer where the 2xx has the offer.
func (r *robot) ackWords(in *received) string {
	if m := r.askedBy(in); m != nil && m.body == "" {
		return "sdp:" + r.words
	}
	return ""
}

func (r *robot) again(method string) {
	s, err := readStep(r.name + " -> " + method + " again")
	if err == nil {
		_ = r.send(s) // there may be none to repeat
	}
}

// heardRequest takes a request that is new.
func (r *robot) heardRequest(in *received) {
	switch in.method() {
	case "INVITE":
		if in.toTag() == "" {
			r.ring(in)
		} else {
			r.reinvited(in)
		}
	case "ACK":
		r.acknowledged(in)
	case "CANCEL":
		r.say("200 CANCEL")
		if inv := in.talk.invite; inv != nil && inv.final == 0 {
			r.finish(487)
		}
	case "BYE":
		r.over = true
		switch r.stage.dice.next(20) {
		case 19: // no answer
		case 18:
			r.say("481 BYE")
		default:
			r.say("200 BYE")
		}
	case "UPDATE":
		switch {
		case in.body == "":
			r.say("200 UPDATE")
		case r.stage.dice.next(8) == 7:
			r.say("491 UPDATE")
		default:
			r.say("200 UPDATE sdp:%s", r.words)
		}
	default:
		r.say("200 %s", in.method())
	}
}

// ring answers an INVITE that begins a call, in its time.
func (r *robot) ring(in *received) {
	dice := r.stage.dice
	wait := time.Duration(0)
	for i := range dice.next(4) {
		wait += time.Duration(dice.next(5)) * time.Second
		line := [...]string{"180 INVITE tag:x", "183 INVITE tag:x sdp:" + r.words, "183 INVITE tag:y sdp:" + r.words, "180 INVITE tag:x rseq:" + strconv.Itoa(i+1)}[dice.next(4)]
		r.stage.after(wait, func() {
			if in.final == 0 {
				r.say("%s", line)
			}
		})
	}
	final := [...]int{200, 200, 200, 486, 503, 0}[dice.next(6)]
	wait += time.Duration(dice.next(6)) * time.Second
	r.stage.after(wait, func() {
		if in.final == 0 && final != 0 {
			r.finish(final)
		}
	})
	if dice.next(8) == 7 { // another fork answers too
		r.stage.after(wait+time.Second, func() {
			if in.final == 200 {
				r.confirm(r.say("200 INVITE tag:z sdp:%s", r.words))
			}
		})
	}
}

// finish gives the INVITE that begins a call its final answer.
func (r *robot) finish(code int) {
	if code == 200 {
		r.confirm(r.say("200 INVITE tag:x sdp:%s", r.words))
		return
	}
	m := r.say("%d INVITE tag:x", code)
	r.insist(m, false, func() bool { return m.acked })
}

// confirm repeats a 2xx until its ACK comes; when none does, the session ends (RFC 3261 section 13.3.1.4).
func (r *robot) confirm(m *sent) {
	r.insist(m, true, func() bool { return m.acked })
	if m == nil {
		return
	}
	r.stage.after(33*time.Second, func() {
		if !m.acked {
			r.stage.unacked(m)
			r.ask("BYE tag:%s", m.toTag())
		}
	})
}

// reinvited answers an offer inside the call.
func (r *robot) reinvited(in *received) {
	dice := r.stage.dice
	kind := dice.next(10)
	r.stage.after(time.Duration(dice.next(3))*700*time.Millisecond, func() {
		if in.final != 0 {
			return
		}
		switch kind {
		case 7:
			m := r.say("491 INVITE")
			r.insist(m, false, func() bool { return m.acked })
		case 8:
			m := r.say("488 INVITE")
			r.insist(m, false, func() bool { return m.acked })
		case 9: // no answer
		default:
			r.confirm(r.say("200 INVITE sdp:%s", r.words))
		}
	})
}

// acknowledged notes the ACK of an answer that was none of success. take has noted those of the 2xx.
func (r *robot) acknowledged(in *received) {
	seq, _ := in.cseq()
	for _, m := range r.sent {
		if n, method := m.cseq(); m.code() >= 300 && method == "INVITE" && n == seq && m.talk == in.talk {
			m.acked = true
		}
	}
}

// whim does something of its own accord inside the call.
func (r *robot) whim() {
	t := r.calls[1]
	if t == nil || t.last == nil || r.over || !t.last.up && !t.last.heard {
		return
	}
	dice := r.stage.dice
	switch dice.next(8) {
	case 0: // nothing
	case 1:
		r.hangUp()
	case 2:
		r.ask("OPTIONS")
	case 3:
		r.ask("INFO")
	case 4:
		r.words = [...]string{"sendonly", "inactive", "zero", "pcmu"}[dice.next(4)]
		r.reinvite("INVITE sdp:" + r.words)
	case 5:
		r.words = "port=" + strconv.Itoa(4500+2*dice.next(9))
		r.reinvite("INVITE sdp:" + r.words)
	case 6:
		r.reinvite("INVITE nosdp")
	case 7:
		r.ask("UPDATE sdp:%s can:update", r.words)
	}
}

// reinvite asks, unless an INVITE of its own is on its way.
func (r *robot) reinvite(line string) {
	if out := r.calls[1].out; out != nil && len(out.finals) == 0 {
		return
	}
	r.ask("%s", line)
}

func (r *robot) hangUp() {
	r.over = true
	r.ask("BYE")
}
