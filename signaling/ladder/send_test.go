package ladder

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// send does one line that sends.
func (a *agent) send(s *step) error {
	t, err := a.talkOf(s)
	if err != nil {
		return err
	}
	if s.is("again") {
		return a.resend(s, t)
	}
	if code, err := strconv.Atoi(s.what); err == nil {
		return a.respond(s, t, code)
	}
	return a.ask(s, t)
}

// talkOf gives the call that a line belongs to, a new one where there is none.
func (a *agent) talkOf(s *step) (*talk, error) {
	n := 1
	if v := s.words["call"]; v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			return nil, err
		}
	}
	if t := a.calls[n]; t != nil {
		return t, nil
	}
	t := &talk{number: n, callID: fmt.Sprintf("call%d-%s@%s", n, a.name, a.addr.Addr()), tag: fmt.Sprintf("%s%d", strings.ToLower(a.name), n),
		self: fmt.Sprintf("<sip:7275551234@%s>", a.addr.Addr()), peer: fmt.Sprintf("<sip:18005551212@%s>", a.server.Addr()), dialogs: map[string]*dialog{}}
	if a.name == "A" {
		t.self = `"V1234567890123456789" ` + t.self
	}
	a.calls[n] = t
	return t, nil
}

// resend puts the last message of a kind on the wire again.
func (a *agent) resend(s *step, t *talk) error {
	for i := len(a.sent) - 1; i >= 0; i-- {
		m := a.sent[i]
		if m.talk == t && (m.method() == s.what || m.kind() == s.what+" "+s.of || s.of == "" && strconv.Itoa(m.code()) == s.what) {
			m.lost = m.lost && s.is("lost")
			if s.is("lost") {
				return nil
			}
			return a.emit(m.raw, m.to, s)
		}
	}
	return fmt.Errorf("%s has not sent %s yet", a.name, s.what)
}

// ask sends a request.
func (a *agent) ask(s *step, t *talk) error {
	method := s.what
	d := t.dialogBy(s.words["tag"])
	if s.is("fresh") {
		d = nil
	}
	a.requests++
	m := &message{start: fmt.Sprintf("%s sip:18005551212@%s SIP/2.0", method, a.server)}
	branch := fmt.Sprintf("z9hG4bK%s%d", strings.ToLower(a.name), a.requests)
	seq := 1
	from, to := t.self+";tag="+t.tag, t.peer
	var routes []string
	switch {
	case method == "REGISTER":
		to = t.self
		a.registers++
		seq = a.registers
	case method == "CANCEL" || method == "ACK" && a.refused(t) != nil:
		invite := a.refused(t)
		if method == "CANCEL" {
			invite = t.out
		}
		if invite == nil {
			return fmt.Errorf("%s has sent no INVITE", a.name)
		}
		branch = invite.branch()
		seq, _ = invite.cseq()
		m.start = method + " " + invite.uri() + " SIP/2.0"
		from, to, routes = invite.get("From"), invite.get("To"), invite.all("Route")
		if method == "ACK" {
			to = invite.finals[len(invite.finals)-1].get("To")
			invite.acked = true
		}
	case d != nil:
		from, to = t.self+";tag="+d.local, t.peer+";tag="+d.remote
		m.start = fmt.Sprintf("%s %s SIP/2.0", method, d.target)
		if method == "ACK" {
			if t.out != nil {
				seq, _ = t.out.cseq()
			}
		} else {
			d.localSeq++
			seq = d.localSeq
		}
	}
	if v := s.words["cseq"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return err
		}
		seq = n
	}
	if v := s.words["branch"]; v != "" {
		branch = "z9hG4bK" + v
	}
	m.add("Via", fmt.Sprintf("SIP/2.0/%s %s;branch=%s;rport", a.transport(), a.addr, branch))
	for _, r := range routes {
		m.add("Route", r)
	}
	m.add("Max-Forwards", "70")
	m.add("From", from)
	m.add("To", to)
	m.add("Call-ID", t.callID)
	m.add("CSeq", fmt.Sprintf("%d %s", seq, method))
	if !slices.Contains([]string{"ACK", "BYE", "CANCEL"}, method) {
		m.add("Contact", a.contact())
	}
	able(s, m)
	var offer *look
	if method == "ACK" || method == "PRACK" {
		offer = t.heard
	}
	if err := a.describe(s, t, m, offer, method == "INVITE"); err != nil {
		return err
	}
	if code, err := strconv.Atoi(s.words["frag"]); err == nil {
		m.body = fmt.Sprintf("SIP/2.0 %d %s\r\nContact: %s\r\n", code, phrases[code], a.contact())
		m.add("Content-Type", "message/sipfrag;version=2.0")
	}
	if err := a.override(s, m); err != nil {
		return err
	}
	return a.record(s, t, d, m)
}

// record remembers a request and sends it.
func (a *agent) record(s *step, t *talk, d *dialog, m *message) error {
	m.raw = m.encode()
	out := &sent{message: m, lost: s.is("lost"), cut: s.is("unanswered"), talk: t}
	a.sent = append(a.sent, out)
	switch m.method() {
	case "INVITE":
		t.out = out
		if d == nil {
			t.caller = true
			t.callID = m.get("Call-ID")
		}
		fallthrough
	case "UPDATE":
		if d != nil {
			d.contact = inside(m.get("Contact"))
		}
	case "BYE":
		if d != nil && !out.lost {
			d.byeSent++
		}
	}
	if out.lost {
		return nil
	}
	return a.emit(m.raw, nil, s)
}

// refused is the last INVITE of a call that was refused and has no ACK yet, or nil.
func (a *agent) refused(t *talk) *sent {
	for _, m := range slices.Backward(a.sent) {
		if n := len(m.finals); m.talk == t && m.method() == "INVITE" && !m.acked && n > 0 && m.finals[n-1].code() >= 300 {
			return m
		}
	}
	return nil
}

// describe puts the session description in; offer is the one that it answers, or nil.
func (a *agent) describe(s *step, t *talk, m *message, offer *look, usual bool) error {
	if s.is("nosdp") || !s.is("sdp") && !usual {
		return nil
	}
	d, err := readDescription(s.words["sdp"])
	if err != nil {
		return err
	}
	if d.key == "" && a.player.sealed[a.name] && !strings.Contains(s.words["sdp"], "plain") {
		d.key = "k1"
	}
	if d.key != "" && suites[d.suite].octets == 0 {
		return fmt.Errorf("no suite %s", d.suite)
	}
	if offer != nil { // RFC 4568 section 5.1.2: the tag is the offer's
		d.tag = offer.tags[suites[d.suite].name]
	}
	body := d.write(a.name, a.addr.Addr(), t.number, 1)
	if t.said != body { // RFC 3264 section 8
		t.version++
	}
	t.said = body
	m.body = d.write(a.name, a.addr.Addr(), t.number, t.version)
	m.add("Content-Type", "application/sdp")
	return nil
}

// able writes what the agent says that it knows.
func able(s *step, m *message) {
	if !s.is("can") {
		return
	}
	methods, tags := "INVITE, ACK, CANCEL, BYE, OPTIONS", []string{}
	for word := range strings.SplitSeq(s.words["can"], ",") {
		switch word {
		case "update":
			methods += ", UPDATE"
		case "100rel":
			methods += ", PRACK"
			tags = append(tags, word)
		default:
			tags = append(tags, word)
		}
	}
	m.add("Allow", methods)
	if len(tags) > 0 {
		m.add("Supported", strings.Join(tags, ", "))
	}
}

// override replaces and adds the headers that the script names.
func (a *agent) override(s *step, m *message) error {
	once := map[string]bool{}
	if to := s.words["to"]; to != "" {
		to, err := a.player.fill(a, to)
		if err != nil {
			return err
		}
		m.start = m.method() + " " + to + " SIP/2.0"
	}
	for _, h := range s.headers {
		value, err := a.proofs(h.value, m.uri())
		if err == nil {
			value, err = a.player.fill(a, value)
		}
		if err != nil {
			return err
		}
		name := strings.ToLower(h.name)
		switch {
		case value == "!":
			m.set(h.name, "")
		case m.has(h.name) && !once[name]:
			m.set(h.name, value)
		default:
			m.add(h.name, value)
		}
		once[name] = true
	}
	for word, set := range map[string]func(v string){
		"totag":   func(v string) { m.set("To", retag(m.get("To"), v)) },
		"fromtag": func(v string) { m.set("From", retag(m.get("From"), v)) },
		"callid":  func(v string) { m.set("Call-ID", v) },
	} {
		if v := s.words[word]; v != "" {
			v, err := a.player.fill(a, v)
			if err != nil {
				return err
			}
			set(v)
		}
	}
	return nil
}

// retag puts another tag into From or To.
func retag(value, tag string) string {
	head, _, _ := strings.Cut(value, ";tag=")
	return head + ";tag=" + tag
}

// respond answers the request that the line means.
func (a *agent) respond(s *step, t *talk, code int) error {
	r := a.open(s, t)
	if r == nil {
		return fmt.Errorf("%s has no request to answer", a.name)
	}
	_, method := r.cseq()
	m := &message{start: fmt.Sprintf("SIP/2.0 %d %s", code, phrases[code])}
	for _, v := range r.all("Via") {
		m.add("Via", v)
	}
	for _, v := range r.all("Record-Route") {
		m.add("Record-Route", v)
	}
	m.add("From", r.get("From"))
	to := r.get("To")
	tag := s.words["tag"]
	switch {
	case r.toTag() != "":
	case tag != "":
		to += ";tag=" + tag
	case code > 100:
		to += ";tag=" + t.tag
	}
	m.add("To", to)
	m.add("Call-ID", r.get("Call-ID"))
	m.add("CSeq", r.get("CSeq"))
	refreshing := method == "INVITE" || method == "UPDATE"
	if refreshing && code > 100 && code < 300 {
		m.add("Contact", a.contact())
	}
	if method == "REGISTER" && code == 200 && r.has("Contact") && r.get("Expires") != "0" {
		m.add("Contact", r.get("Contact"))
	}
	able(s, m)
	if v := s.words["rseq"]; v != "" {
		m.add("Require", "100rel")
		m.add("RSeq", v)
	}
	if err := a.describe(s, t, m, lookAt(r.body), method == "INVITE" && code/100 == 2); err != nil {
		return err
	}
	if err := a.override(s, m); err != nil {
		return err
	}
	m.raw = m.encode()
	out := &sent{message: m, lost: s.is("lost"), talk: t, to: r}
	a.sent = append(a.sent, out)
	if code >= 200 && r.final == 0 {
		r.final = code
	}
	if refreshing && code > 100 && code < 300 {
		a.opens(t, out)
	}
	if out.lost {
		return nil
	}
	return a.emit(m.raw, r, s)
}

// open finds the request that a response answers: the last of its method, or the last that has no final answer.
func (a *agent) open(s *step, t *talk) *received {
	var last *received
	for _, r := range a.got {
		if r.code() != 0 || r.talk != t || r.method() == "ACK" || s.of != "" && r.method() != s.of {
			continue
		}
		if last == nil || r.final == 0 || last.final != 0 {
			last = r
		}
	}
	return last
}

// opens keeps the dialog that a response to the server's INVITE makes, or makes sure of.
func (a *agent) opens(t *talk, out *sent) {
	tag := out.toTag()
	if _, method := out.cseq(); method == "UPDATE" || out.to.toTag() != "" { // in a dialog already
		if d := t.dialogBy(tag); d != nil {
			d.contact = inside(out.get("Contact"))
		}
		return
	}
	d := t.dialogs[tag]
	if d == nil {
		seq, _ := out.cseq()
		d = &dialog{local: tag, remote: out.fromTag(), remoteSeq: seq, target: inside(out.to.get("Contact"))}
		t.dialogs[tag] = d
	}
	d.contact = inside(out.get("Contact"))
	d.routes = d.routes[:0]
	for _, r := range slices.Backward(split(out.all("Record-Route"))) { // RFC 3261 section 12.1.2
		d.routes = append(d.routes, r)
	}
	if out.code() >= 200 {
		d.up = true
	}
	if t.last == nil || out.code() >= 200 && !t.last.up {
		t.last = d
	}
}

// split lists the values of headers that may stand many in one line. No URI of these tests has a comma.
func split(values []string) []string {
	var out []string
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			out = append(out, strings.TrimSpace(one))
		}
	}
	return out
}

var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 183: "Session Progress", 199: "Early Dialog Terminated", 200: "OK", 202: "Accepted",
	300: "Multiple Choices", 302: "Moved Temporarily", 305: "Use Proxy", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 407: "Proxy Authentication Required", 408: "Request Timeout", 415: "Unsupported Media Type", 420: "Bad Extension",
	421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error",
	501: "Not Implemented", 503: "Service Unavailable", 504: "Server Time-out", 580: "Precondition Failure", 600: "Busy Everywhere", 603: "Decline",
}
