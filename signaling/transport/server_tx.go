package transport

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// ServerTx is a request received, with its server transaction (RFC 3261 section 17.2). Repetitions of the request and of its final response are
// dealt with inside. Its methods may be called from any goroutine.
//
//	new -> provisional* -> final -> (ACK of a non-2xx INVITE response) -> gone
//
// A transaction answered 2xx stays for 64*T1 and absorbs repeated INVITEs (RFC 6026 section 7.1). That state is ours: sipgo's machine would hold
// the request and the response for as long.
type ServerTx struct {
	endpoint *Endpoint
	lane     *lane
	key      string
	flow     *Flow
	wire     wire
	invite   bool
	done     chan struct{} // closed by forgetServer
	accepted atomic.Bool   // written under mu

	mu       sync.Mutex    // guards the rest; held while the machine writes, which never waits
	request  *sip.Request  // nil once released
	machine  *sip.ServerTx // nil once an INVITE is accepted
	trying   *sip.Response
	timer    *time.Timer   // of an INVITE: sends trying when nothing else was sent in time, or is timer L; of another request: ends it, see awaitAnswer
	last     *sip.Response // sent last by Respond
	answered bool          // anything was sent
	status   int           // of the final response, 0 before
	tag      string        // our To tag, once a response has shown it
	acked    bool          // the ACK of a final response above 299 has come
	canceled bool
}

// Request is the request as received. Its top Via has received and rport filled in. It belongs to the handler.
func (t *ServerTx) Request() *sip.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.request
}

// Release says that the handler does not need the request of an INVITE any more, which it has answered 2xx: Request is nil from now on.
func (t *ServerTx) Release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.machine == nil {
		t.request = nil
	}
}

// Flow is the path it came by.
func (t *ServerTx) Flow() *Flow { return t.flow }

// Done is closed when the transaction has ended: no response can be sent any more.
func (t *ServerTx) Done() <-chan struct{} { return t.done }

// Respond sends a response, which belongs to the transaction from now on. After a final response it fails with ErrAnswered, except that a 2xx
// to an INVITE may be repeated until its ACK comes (RFC 3261 section 13.3.1.4). It fails with ErrEnded when the transaction is over, and with
// what the flow says when nothing can be sent.
func (t *ServerTx) Respond(res *sip.Response) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over() {
		return ErrEnded
	}
	again := t.invite && t.status/100 == 2 && res.StatusCode/100 == 2
	if t.status != 0 && !again {
		return ErrAnswered
	}
	if t.last != res { // else the machine has it, and may be writing it for a repeated request
		setLength(res)
		t.last = res
	}
	if !again {
		t.stopTrying()
	}
	if to := res.To(); to != nil {
		if tag, ok := to.Params.Get("tag"); ok && res.StatusCode > 100 {
			t.tag = tag
		}
	}
	if res.StatusCode >= 200 {
		t.status = res.StatusCode
	}
	if t.invite && res.IsSuccess() {
		t.accept()
		return t.wire.WriteMsg(res)
	}
	return t.machine.Respond(res)
}

// accept takes an INVITE to the state accepted, unless it is there: for 64*T1 (timer L) it absorbs what is repeated. The caller holds mu.
func (t *ServerTx) accept() {
	m := t.machine
	if m == nil {
		return
	}
	t.machine, t.last = nil, nil
	t.accepted.Store(true)
	m.Terminate()
	t.timer = time.AfterFunc(sip.Timer_L, t.end)
}

// end ends the transaction in whatever state it is.
func (t *ServerTx) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over():
	case t.machine != nil:
		t.machine.Terminate()
	default:
		t.timer.Stop()
		t.lane.forgetServer(t)
	}
}

// Ignore lets a request go without an answer, and every repetition of it. A timer, or nothing at all, is what its client hears of it.
func (t *ServerTx) Ignore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over() || t.status != 0 {
		return
	}
	t.stopTrying()
	t.timer = time.AfterFunc(answerWithin, t.end)
}

func (t *ServerTx) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// stopTrying makes sure that no 100 follows; the caller holds mu.
func (t *ServerTx) stopTrying() {
	t.answered = true
	t.trying = nil
	if t.timer != nil {
		t.timer.Stop()
	}
}

// sendTrying sends 100 when the handler has sent nothing for 200 ms (RFC 3261 section 17.2.1). sipgo's own timer for this would read the
// request while the handler works on it, and a late 100 would replace the final response in its machine.
func (t *ServerTx) sendTrying() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answered || t.over() {
		return
	}
	res := t.trying
	t.stopTrying()
	_ = t.machine.Respond(res) // when this fails the machine ends itself
}

// flowClosed ends the transaction: there is no path for an answer.
func (t *ServerTx) flowClosed(error) { t.lane.post(t.end) }

// request takes a checked request (RFC 3261 section 17.2.3): a repetition goes to its transaction, anything new to the handler.
func (l *lane) request(req *sip.Request, f *Flow) {
	req.SetTransport(f.proto.Via())
	req.SetSource(f.remote.String())
	to := replyTo(req.Via(), f.remote)
	stampVia(req.Via(), f.remote)
	switch req.Method {
	case sip.ACK:
		l.ack(req, f)
		return
	case sip.CANCEL:
		l.cancel(req, f, to)
		return
	}
	key, err := serverKey(req)
	if err != nil {
		l.endpoint.metrics.refuse(badVia)
		return
	}
	if t := l.server(key); t != nil {
		t.repeated(req)
		return
	}
	l.begin(key, req, f, to)
}

// repeated takes a repetition of the request: what was said to it last is said again.
func (t *ServerTx) repeated(req *sip.Request) {
	t.mu.Lock()
	m := t.machine
	t.mu.Unlock()
	if m != nil { // else it was accepted
		_ = m.Receive(req) // fails for another method only, and the key holds the method
	}
}

func (l *lane) server(key string) *ServerTx {
	l.tables.Lock()
	defer l.tables.Unlock()
	return l.servers[key]
}

// begin starts a server transaction and shows it to the handler.
func (l *lane) begin(key string, req *sip.Request, f *Flow, to netip.AddrPort) {
	w := wire{l.endpoint, f, to}
	m := sip.NewServerTx(key, req, w, quiet)
	t := &ServerTx{endpoint: l.endpoint, lane: l, key: key, request: req, flow: f, wire: w, invite: req.IsInvite(), machine: m,
		done: make(chan struct{})}
	m.OnTerminate(func(string, error) {
		if !t.accepted.Load() {
			l.forgetServer(t)
		}
	})
	if f.conn != nil && !f.conn.carry(t) {
		return // the connection died while the request waited: nobody is left to answer
	}
	l.tables.Lock()
	l.servers[key] = t
	l.tables.Unlock()
	l.endpoint.metrics.asked.Inc()
	if err := m.Init(); err != nil {
		m.Terminate()
		return
	}
	if t.invite {
		_ = m.Receive(req) // a repetition before any response does nothing but stop sipgo's timer of the 100
		t.mu.Lock()
		t.trying = sip.NewResponseFromRequest(req, sip.StatusTrying, "Trying", nil)
		t.timer = time.AfterFunc(sip.Timer_1xx, t.sendTrying)
		t.mu.Unlock()
	}
	defer t.answerPanic()
	l.endpoint.handler.Request(t)
	t.awaitAnswer()
}

// awaitAnswer makes sure that a request other than INVITE does not stay for ever where nobody answers it. Its client has given up then, and must
// get no 408 (RFC 4320 section 4.2).
func (t *ServerTx) awaitAnswer() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.invite || t.answered {
		return
	}
	t.timer = time.AfterFunc(answerWithin, func() {
		t.mu.Lock()
		answered := t.answered
		t.mu.Unlock()
		if answered || t.over() {
			return
		}
		t.endpoint.metrics.refuse(unanswered)
		t.endpoint.log.Warn("request without an answer", "method", t.request.Method.String(), "listener", t.flow.listener, "remote", t.flow.remote)
		t.end()
	})
}

// answerPanic answers 503 for a handler that panicked, and lets the panic go on to where it is counted.
func (t *ServerTx) answerPanic() {
	p := recover()
	if p == nil {
		return
	}
	_ = t.Respond(sip.NewResponseFromRequest(t.request, sip.StatusServiceUnavailable, "Internal fault", nil)) // may be answered already
	panic(p)
}

func (l *lane) forgetServer(t *ServerTx) {
	l.tables.Lock()
	if !t.over() {
		close(t.done)
	}
	if l.servers[t.key] == t {
		delete(l.servers, t.key)
		l.endpoint.metrics.asked.Dec()
	}
	l.tables.Unlock()
	if t.flow.conn != nil {
		t.flow.conn.release(t)
	}
}

// ack takes an ACK. That of a response above 299 has the INVITE's branch and ends the transaction (RFC 3261 section 17.2.1); that of a 2xx has
// a branch of its own (section 13.2.2.4), though not with RFC 2543 clients.
func (l *lane) ack(req *sip.Request, f *Flow) {
	var t *ServerTx
	if key, err := serverKey(req); err == nil {
		t = l.server(key)
	}
	if t == nil {
		l.endpoint.handler.Ack(req, f)
		return
	}
	t.mu.Lock()
	status, repeated := t.status, t.acked
	t.acked = t.acked || status >= 300
	t.mu.Unlock()
	switch {
	case status >= 200 && status < 300:
		l.endpoint.handler.Ack(req, f)
	case status < 200 || repeated:
		l.endpoint.metrics.refuse(strayAck)
	default:
		_ = t.machine.Receive(req) // fails for another method only
		select {                   // the machine hands the ACK on from a goroutine that waits for a taker
		case <-t.machine.Acks():
		case <-t.machine.Done():
		}
	}
}

// cancel takes a CANCEL (RFC 3261 section 9.2). It is answered without a transaction of its own: a repeated one is answered again.
func (l *lane) cancel(req *sip.Request, f *Flow, to netip.AddrPort) {
	var t *ServerTx
	if key, err := inviteKey(req); err == nil {
		t = l.server(key)
	}
	if t == nil || t.flow.remote.Addr() != f.remote.Addr() { // RFC 3261 section 22.1: only who sent the INVITE may cancel it
		l.endpoint.metrics.refuse(strayCancel)
		l.answer(req, f, to, sip.StatusCallTransactionDoesNotExists, "Call Does Not Exist", "")
		return
	}
	t.mu.Lock()
	tag, handle := t.tag, t.status == 0 && !t.canceled
	t.canceled = true
	if tag == "" && t.request != nil { // "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the same"
		tag, _ = t.request.To().Params.Get("tag")
	}
	t.mu.Unlock()
	l.answer(req, f, to, sip.StatusOK, "OK", tag)
	if handle {
		l.endpoint.handler.Cancel(t, req)
	}
}

// answer sends a stateless response; an empty tag makes one that repetitions share.
func (l *lane) answer(req *sip.Request, f *Flow, to netip.AddrPort, status int, phrase, tag string) {
	if tag == "" {
		tag = statelessTag(req.CallID().Value(), req.From().Value())
	}
	if !req.To().Params.Has("tag") {
		req.To().Params.Add("tag", tag)
	}
	res := sip.NewResponseFromRequest(req, status, phrase, nil)
	if l.endpoint.server != "" {
		res.AppendHeader(sip.NewHeader("Server", l.endpoint.server))
	}
	_ = (wire{l.endpoint, f, to}).WriteMsg(res) // a CANCEL over UDP is repeated; on a dead connection nobody waits
}
