package ladder

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// take notes a message that came: which call it belongs to, what it says of the dialog, and what is wrong with it by the rules that hold for
// every message, whatever the script wants.
func (a *agent) take(r *received, s *step) (faults []string) {
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	known, came := a.known[r.again()]
	if !known || r.code() != 0 {
		a.got = append(a.got, r)
	}
	a.known[r.again()] = known || !s.is("ignored")
	if r.method() != "ACK" && (r.code() == 0 || r.code() >= 200) {
		fault(came == s.is("again"), "repeated: %v", came)
	}
	r.talk = a.callOf(r)
	t := r.talk
	fault(t != nil, "of no call that %s knows", a.name)
	fault(strings.HasPrefix(r.branch(), "z9hG4bK"), "branch %q", r.branch())
	if t == nil || s.is("ignored") || known && r.method() != "ACK" {
		return faults
	}
	if r.method() == "INVITE" && r.toTag() == "" && r.has("Authorization") { // of a call of its own, in the place of one that was challenged
		t.heard = nil
	}
	before := t.heard
	if l := lookAt(r.body); l != nil {
		fault(r.get("Content-Type") == "application/sdp", "Content-Type %q", r.get("Content-Type"))
		if before != nil { // RFC 3264 section 8
			fault(l.id == before.id, "another o= session")
			same := r.body == t.heardText
			fault(same && l.version == before.version || !same && l.version == before.version+1, "o= version %d after %d, description the same: %v",
				l.version, before.version, same)
		}
		t.heard, t.heardText = l, r.body
		if l.key != "" { // whoever else is told it could listen
			whose := a.player.keys[l.key]
			fault(whose == "" || whose == t.callID, "a key of another dialog")
			a.player.keys[l.key] = t.callID
		}
	}
	if r.code() != 0 {
		return append(faults, a.answered(r, t)...)
	}
	return append(faults, a.asked(r, t)...)
}

// callOf finds the call of a message by its Call-ID; an INVITE makes a new one.
func (a *agent) callOf(r *received) *talk {
	if m := a.askedBy(r); m != nil {
		return m.talk
	}
	highest := 0
	for n, t := range a.calls {
		if t.callID == r.get("Call-ID") {
			return t
		}
		highest = max(highest, n)
	}
	if r.code() != 0 || r.toTag() != "" {
		return nil
	}
	t, _ := a.talkOf(&step{words: map[string]string{"call": strconv.Itoa(highest + 1)}}) // cannot fail: a number
	t.callID = r.get("Call-ID")
	t.self, t.peer = r.get("To"), strings.Split(r.get("From"), ";tag=")[0]
	return t
}

// askedBy finds the request that a response answers.
func (a *agent) askedBy(r *received) *sent {
	for _, m := range a.sent {
		if r.code() != 0 && m.code() == 0 && m.branch() == r.branch() && m.get("CSeq") == r.get("CSeq") && m.get("Call-ID") == r.get("Call-ID") {
			return m
		}
	}
	return nil
}

// answered checks a response and keeps what it says.
func (a *agent) answered(r *received, t *talk) (faults []string) {
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	to := a.askedBy(r)
	if to == nil {
		return []string{"answers no request of " + a.name}
	}
	fault(r.get("From") == to.get("From"), "From %q of a request with %q", r.get("From"), to.get("From"))
	fault(r.code() == 100 || r.toTag() != "", "no To tag")
	if r.code() >= 200 {
		to.finals = append(to.finals, r)
	}
	_, method := r.cseq()
	if body := lookAt(to.body); body != nil && r.talk.heard != nil && r.body != "" && r.code() < 300 {
		faults = append(faults, fits(body, r.talk.heard)...)
	}
	if r.code() < 101 || r.code() >= 300 || method != "INVITE" && method != "UPDATE" {
		return faults
	}
	fault(r.has("Contact"), "no Contact in %s", r.kind())
	tag := r.toTag()
	d := t.dialogs[tag]
	if to.toTag() != "" {
		d = t.dialogWith(to.fromTag(), to.toTag())
	}
	if d == nil && method == "INVITE" {
		seq, _ := to.cseq()
		d = &dialog{local: r.fromTag(), remote: tag, localSeq: seq, contact: inside(to.get("Contact"))}
		d.routes = split(to.all("Record-Route"))
		t.dialogs[tag] = d
		fault(len(t.dialogs) == 1, "a second To tag for one call")
	}
	if d != nil {
		d.target = inside(r.get("Contact"))
		d.heard = d.heard || r.code() >= 200 && method == "INVITE"
		t.last = d
	}
	return faults
}

// fits checks an answer against its offer (RFC 3264 section 6).
func fits(offer, answer *look) (faults []string) {
	if len(offer.streams) != len(answer.streams) {
		return []string{fmt.Sprintf("%d m= lines answer %d", len(answer.streams), len(offer.streams))}
	}
	for i := range offer.streams {
		o, n := strings.Fields(offer.streams[i]), strings.Fields(answer.streams[i])
		if o[0] != n[0] || o[2] != n[2] {
			faults = append(faults, fmt.Sprintf("m=%s answers m=%s", answer.streams[i], offer.streams[i]))
		}
		if o[1] == "0" && n[1] != "0" {
			faults = append(faults, "a stream that was not offered is answered")
		}
	}
	return faults
}

// asked checks a request and keeps what it says.
func (a *agent) asked(r *received, t *talk) (faults []string) {
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	seq, method := r.cseq()
	fault(method == r.method(), "CSeq %q", r.get("CSeq"))
	hops, err := strconv.Atoi(r.get("Max-Forwards"))
	fault(err == nil && hops > 0 && hops <= 70, "Max-Forwards %q", r.get("Max-Forwards"))
	if method == "INVITE" || method == "UPDATE" {
		fault(r.has("Contact"), "no Contact in %s", method)
	}
	if method == "CANCEL" || method == "ACK" && a.answerOf(t.invite) >= 300 {
		if t.invite == nil {
			return append(faults, "no INVITE for it")
		}
		invited, _ := t.invite.cseq()
		fault(r.branch() == t.invite.branch() && seq == invited && r.uri() == t.invite.uri(), "not with branch, CSeq and URI of its INVITE")
		return faults
	}
	if method == "INVITE" {
		t.invite = r
	}
	if r.toTag() == "" {
		return faults
	}
	d := t.dialogBy(r.toTag())
	if d == nil || r.fromTag() != d.remote {
		return append(faults, fmt.Sprintf("of no dialog of %s", a.name))
	}
	fault(r.uri() == d.contact, "request-URI %s, want the Contact %s", r.uri(), d.contact)
	fault(slices.Equal(split(r.all("Route")), d.routes), "Route %q, want %q", r.all("Route"), d.routes)
	switch method {
	case "ACK":
		a.acked(r, d)
		return faults
	case "BYE":
		for _, old := range a.got[:len(a.got)-1] { // one that had no answer, or a challenge, may be followed by another
			asked := old.final == 0 || old.final == 401 || old.final == 407
			fault(old.method() != "BYE" || old.toTag() != d.local || old.talk != t || asked, "a second BYE")
		}
		d.byeGot++
	case "INVITE", "UPDATE":
		d.target = inside(r.get("Contact"))
	}
	fault(seq > d.remoteSeq, "CSeq %d after %d", seq, d.remoteSeq) // RFC 3261 section 12.2.1.1
	d.remoteSeq = seq
	return faults
}

// answerOf is the final code that the agent gave a request.
func (a *agent) answerOf(r *received) int {
	if r == nil {
		return 0
	}
	return r.final
}

// acked notes the ACK of a 2xx of this dialog.
func (a *agent) acked(r *received, d *dialog) {
	seq, _ := r.cseq()
	for _, m := range a.sent {
		n, method := m.cseq()
		if m.code()/100 == 2 && method == "INVITE" && n == seq && m.toTag() == d.local {
			m.acked = true
		}
	}
}

// meets tells what of a line is not so.
func (a *agent) meets(r *received, s *step, before *look) (faults []string) {
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	want := s.what
	if _, method := r.cseq(); r.code() != 0 && s.of != "" {
		fault(method == s.of, "it answers %s", method)
	}
	fault(want == r.method() || want == strconv.Itoa(r.code()), "%s came, not %s", r.kind(), want)
	fault(s.phrase == "" || s.phrase == r.phrase(), "phrase %q, want %q", r.phrase(), s.phrase)
	if v := s.words["tag"]; v != "" {
		fault(r.toTag() == v || r.fromTag() == v, "tags %q and %q, want %q", r.toTag(), r.fromTag(), v)
	}
	if v := s.words["call"]; v != "" {
		fault(r.talk != nil && strconv.Itoa(r.talk.number) == v, "it is of another call")
	} else {
		fault(r.talk == nil || r.talk.number == 1, "it is of another call than 1")
	}
	if v := s.words["cseq"]; v != "" {
		seq, _ := r.cseq()
		fault(strconv.Itoa(seq) == v, "CSeq %d, want %s", seq, v)
	}
	if v := s.words["frag"]; v != "" {
		code, _ := strconv.Atoi(v)
		fault(r.get("Content-Type") == "message/sipfrag;version=2.0" && r.body == fmt.Sprintf("SIP/2.0 %s %s\r\n", v, phrases[code]),
			"the body is %q (%s)", r.body, r.get("Content-Type"))
	}
	l := lookAt(r.body)
	switch {
	case s.is("nosdp"):
		fault(r.body == "", "a body came")
	case s.is("sdp") && l == nil:
		fault(false, "no session description")
	case s.is("sdp"):
		if err := l.matches(s.words["sdp"], before); err != nil {
			faults = append(faults, err.Error())
		}
	}
	a.player.mu.Lock()
	if r.link != nil {
		fault(!s.is("over") || !r.link.seen, "it came by a connection that was there before")
		r.link.seen = true
	}
	a.player.mu.Unlock()
	if v := s.words["at"]; v != "" {
		fault(r.machine == v, "it came to %s, not to %s", r.machine, v)
	}
	for _, h := range s.headers {
		value, err := a.player.fill(a, h.value)
		if err != nil {
			return append(faults, err.Error())
		}
		got := strings.Join(r.all(h.name), ", ")
		if value == "!" {
			fault(!r.has(h.name), "there is a %s: %s", h.name, got)
			continue
		}
		fault(r.has(h.name) && glob(value, got), "%s is %q, want %q", h.name, got, value)
	}
	return faults
}

// glob matches a text with * for anything.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(text)
}
