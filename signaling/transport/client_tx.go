package transport

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// ClientTx is a request sent by Send, with its client transaction (RFC 3261 section 17.1).
//
//	waiting for a path -> sent -> provisional* -> final or Err -> (2xx again)* -> gone
//
// An INVITE answered 2xx stays for 64*T1, and passes on every further 2xx (RFC 6026 section 7.2). That state is ours: sipgo's machine would hold
// the request and the response for as long.
//
// Every field below out is owned by the lane.
type ClientTx struct {
	endpoint *Endpoint
	lane     *lane
	out      Outgoing
	callID   string

	branch      string
	key         string
	flow        *Flow
	wire        wire
	machine     *sip.ClientTx // nil before it is sent, and once an INVITE is accepted
	invite      bool
	accepted    atomic.Bool // written by the lane
	timerM      *time.Timer // once it is accepted
	sent        time.Time
	fresh       bool // flow was dialled for this request
	moved       int  // addresses at which nobody listened
	retried     bool // sent a second time, because a connection that had been idle was dead
	provisional bool
	done        bool         // the final response or Err was delivered
	status      int          // of the final response
	ack         *sip.Request // of a final response above 299, for its repetitions
	cancel      []sip.Header // what a CANCEL carries; waits for the first provisional response
	canceling   bool         // Cancel was called
	cancelSent  bool         // the CANCEL is on its way
	hush        atomic.Bool  // the INVITE, which nobody wants any more, is not repeated
	giveUp      *time.Timer  // after a CANCEL (RFC 3261 section 9.1)
	unwatch     func() bool  // stops watching the context; nil for a request without one
	silent      bool         // our own CANCEL: nobody is told
	prepared    bool         // Prepare was called and Via is set
}

// Send starts a client transaction (RFC 3261 section 17.1). It never blocks, and never fails by itself: what goes wrong, dialling included,
// arrives through o.Each. It adds Via with a fresh branch, and Content-Length. When ctx ends before the final response, Each gets its error
// and the transaction is gone, without a CANCEL.
//
// A request that was written to a connection which had been idle, and which died without any answer, is sent once more over a new one, with
// the same branch.
func (e *Endpoint) Send(ctx context.Context, o Outgoing) *ClientTx {
	t := &ClientTx{endpoint: e, out: o, branch: sip.GenerateBranchN(24), invite: o.Request.IsInvite()}
	if h := o.Request.CallID(); h != nil {
		t.callID = h.Value()
	}
	t.lane = e.lane(t.callID)
	if !t.lane.post(func() { t.launch(ctx) }) {
		t.fail(&Failure{Trunk: t.trunk(), Stage: StageClosed, Cause: CauseShutdown, Err: ErrClosed}) // Run has returned: no lane is left to race with
	}
	return t
}

// Cancel cancels an INVITE (RFC 3261 section 9.1): the CANCEL, with headers such as Reason added, leaves at once when a provisional response has
// come, else after the first one, and not at all when the final response is there. An INVITE that was not sent yet is not sent, and Each gets
// ErrCancelled. Each still gets the final response, usually 487; when none comes within 64*T1, a timeout. Only the first call counts.
// An INVITE that nothing was heard of is not sent again: a remote that was away shall not ring for a call that is over.
func (t *ClientTx) Cancel(headers ...sip.Header) {
	t.lane.post(func() {
		if t.canceling || t.done || !t.invite {
			return
		}
		t.canceling, t.cancel = true, headers
		switch {
		case t.machine == nil && !t.retried:
			t.fail(ErrCancelled)
		case t.provisional:
			t.sendCancel()
		default:
			t.hush.Store(true)
		}
	})
}

func (t *ClientTx) trunk() string {
	switch {
	case t.flow != nil && t.flow.trunk != "":
		return t.flow.trunk
	case t.out.Hop.Target != nil:
		return t.out.Hop.Target.Trunk
	default:
		return ""
	}
}

// launch watches the context and looks for a path, unless the request was cancelled already.
func (t *ClientTx) launch(ctx context.Context) {
	if t.done {
		return
	}
	if ctx.Done() != nil {
		t.unwatch = context.AfterFunc(ctx, func() { t.lane.post(func() { t.fail(ctx.Err()) }) })
	}
	t.endpoint.path(t.lane, t.out.Hop, t.start)
}

// path finds the flow of a hop and calls then from the lane; fresh says that it was dialled for this.
func (e *Endpoint) path(l *lane, h Hop, then func(f *Flow, fresh bool, err error)) {
	switch {
	case h.Name != "" && h.udp():
		e.look(h.Name, func(a netip.Addr) {
			h.Name = ""
			if a.IsValid() && (h.Flow == nil || h.Flow.socket.reaches(a)) {
				h.Addr = netip.AddrPortFrom(a, h.Port)
			}
			l.post(func() { e.path(l, h, then) }) // also where the name is known: an earlier request may wait in the lane
		})
	case h.Flow != nil && h.Flow.Alive():
		f := h.Flow
		if f.socket != nil && h.Addr.IsValid() {
			f = f.socket.flow(h.Addr, f.trunk)
		}
		then(f, false, nil)
	case h.Target != nil:
		e.pool.acquire(h.Target, h.Addr, func(f *Flow, fresh bool, err error) {
			l.post(func() { then(f, fresh, err) })
		})
	default:
		then(nil, false, &Failure{Trunk: flowTrunk(h.Flow), Stage: StageClosed, Cause: CauseNoPath, Err: ErrNoPath})
	}
}

// udp says whether the hop leads over UDP.
func (h Hop) udp() bool {
	if h.Flow != nil {
		return h.Flow.socket != nil
	}
	return h.Target != nil && h.Target.Proto == UDP
}

func flowTrunk(f *Flow) string {
	if f == nil {
		return ""
	}
	return f.trunk
}

// start sends the request over the flow that was found.
func (t *ClientTx) start(f *Flow, fresh bool, err error) {
	if t.done {
		return
	}
	if err != nil {
		t.fail(err)
		return
	}
	t.flow, t.fresh, t.sent = f, fresh, time.Now()
	t.wire = wire{t.endpoint, f, f.remote}
	req := t.out.Request
	t.prepare(f)
	if t.key, err = sip.ClientTxKeyMake(req); err != nil {
		t.fail(&Failure{Trunk: t.trunk(), Stage: StageWrite, Cause: CauseInvalid, Err: ErrMalformed})
		return
	}
	m := sip.NewClientTx(t.key, req, &hushed{wire: t.wire, hush: &t.hush}, quiet)
	m.OnTerminate(func(_ string, err error) {
		if t.accepted.Load() {
			return
		}
		t.forget(m.Key(), f)
		t.lane.post(func() { t.machineEnded(m, err) })
	})
	if f.conn != nil && !f.conn.carry(t) {
		t.retryOrFail(f.conn.failure())
		return
	}
	t.machine = m
	t.lane.tables.Lock()
	t.lane.clients[t.key] = t
	t.lane.tables.Unlock()
	t.endpoint.metrics.ours.Inc()
	if err := m.Init(); err != nil {
		failure := &Failure{Trunk: t.trunk(), Stage: StageWrite, Cause: classify(err), Err: err}
		if errors.Is(err, ErrFlow) && f.conn != nil {
			failure = f.conn.failure()
		}
		t.retryOrFail(failure)
	}
}

// prepare completes the request for the flow. When it is sent a second time only the Via's address changes: the branch must stay, by which
// the remote recognises a repetition.
func (t *ClientTx) prepare(f *Flow) {
	req := t.out.Request
	req.SetTransport(f.proto.Via())
	req.SetDestination(f.remote.String())
	switch {
	case t.silent: // a CANCEL has the Via of its INVITE
	case t.prepared:
		via := f.via(t.branch)
		*req.Via() = *via
	default:
		if t.out.Prepare != nil {
			t.out.Prepare(req, f)
		}
		req.PrependHeader(f.via(t.branch))
	}
	t.prepared = true
	setLength(req)
}

// receive takes a response that matches this transaction (RFC 3261 section 17.1.3).
func (t *ClientTx) receive(res *sip.Response, f *Flow) {
	if f.socket != nil && t.flow != nil {
		f = f.socket.flow(f.remote, t.flow.trunk)
	}
	switch {
	case t.machine == nil && t.timerM == nil || t.done && t.status == 0:
		t.endpoint.metrics.refuse(lateResponse)
	case t.status == 0:
		t.advance(res, f)
	case t.invite && t.status < 300 && res.IsSuccess(): // RFC 6026 section 7.2
		t.tell(Result{Response: res, Flow: f, Again: true})
	case t.invite && t.status >= 300 && res.StatusCode >= 300:
		// RFC 3261 section 17.1.1.2: any repetition is acknowledged. sipgo's machine would sleep for T2 first, and hold up the lane.
		_ = t.wire.WriteMsg(t.ack) // lost like any other ACK: the remote repeats
	default:
		t.endpoint.metrics.refuse(lateResponse)
	}
}

// advance gives a response to the machine, then to the sender.
func (t *ClientTx) advance(res *sip.Response, f *Flow) {
	if t.invite && res.IsSuccess() {
		t.accept()
	} else {
		feed(t.machine, res)
	}
	if res.IsProvisional() {
		t.provisional = true
		t.tell(Result{Response: res, Flow: f})
		if t.canceling && !t.cancelSent {
			t.sendCancel()
		}
		return
	}
	t.status = res.StatusCode
	t.finished()
	switch {
	case !t.invite:
		// RFC 3261 section 17.1.2.2 would keep it for timer K, to absorb repetitions; the lane drops those by itself.
		t.machine.Terminate()
	case t.status >= 300:
		t.ack = ackFor(t.out.Request, res)
	}
	t.tell(Result{Response: res, Flow: f})
}

// accept takes an INVITE to the state accepted, for 64*T1 (timer M).
func (t *ClientTx) accept() {
	key, f := t.key, t.flow
	t.accepted.Store(true)
	t.drop()
	t.out.Request, t.out.Prepare = nil, nil
	t.timerM = time.AfterFunc(sip.Timer_M, func() { t.forget(key, f) })
}

// feed runs the machine for one response. Receive does not return before somebody has read Responses, where that response comes out again.
func feed(m *sip.ClientTx, res *sip.Response) {
	fed := make(chan struct{})
	go func() { // waited for right below
		defer close(fed)
		m.Receive(res)
	}()
	for {
		select {
		case <-m.Responses():
		case <-fed:
			return
		}
	}
}

// tell passes a result to the sender.
func (t *ClientTx) tell(r Result) {
	if t.out.Each != nil && !t.silent {
		t.out.Each(r)
	}
}

// finished marks the end of what the sender waits for.
func (t *ClientTx) finished() {
	t.done = true
	if t.unwatch != nil {
		t.unwatch()
	}
	if t.giveUp != nil {
		t.giveUp.Stop()
	}
}

// fail ends the transaction with an error, unless the sender has its final response already.
func (t *ClientTx) fail(err error) {
	told := t.done
	t.finished()
	t.drop()
	if told {
		return
	}
	var f *Failure
	if errors.As(err, &f) && !t.silent {
		t.endpoint.failed(t.role(), f)
	}
	t.tell(Result{Flow: t.flow, Err: err})
}

func (t *ClientTx) role() Role {
	if t.flow != nil {
		return t.flow.role
	}
	if t.out.Hop.Target != nil {
		return t.out.Hop.Target.Role
	}
	return 0
}

// drop ends the machine, or what took its place, if there is one.
func (t *ClientTx) drop() {
	if t.timerM != nil {
		t.timerM.Stop()
		t.forget(t.key, t.flow)
	}
	if m := t.machine; m != nil {
		t.machine = nil
		m.Terminate()
	}
}

// forget takes the transaction out of the tables. It is called by whoever ended the machine: a timer, or the lane.
func (t *ClientTx) forget(key string, f *Flow) {
	t.lane.tables.Lock()
	if t.lane.clients[key] == t {
		delete(t.lane.clients, key)
		t.endpoint.metrics.ours.Dec()
	}
	t.lane.tables.Unlock()
	if f.conn != nil {
		f.conn.release(t)
	}
}

// machineEnded: the machine ended by itself, by a timer or because a repetition could not be written.
func (t *ClientTx) machineEnded(m *sip.ClientTx, err error) {
	if t.machine != m {
		return // we ended it
	}
	t.machine = nil
	if t.done {
		return
	}
	failure := &Failure{Trunk: t.trunk(), Stage: StageTimeout, Cause: CauseTimeout, Err: sip.ErrTransactionTimeout}
	if errors.Is(err, sip.ErrTransactionTransport) {
		failure = &Failure{Trunk: t.trunk(), Stage: StageWrite, Cause: classify(err), Err: err}
	}
	if !t.silent { // a CANCEL's INVITE runs out at the same moment, and is to hear of the time, not of the connection
		t.timedOut()
	}
	t.fail(failure)
}

// timedOut draws the consequence for the path: a connection on which nothing at all was heard since is dead, and a UDP trunk's next request
// shall try another of its addresses.
func (t *ClientTx) timedOut() {
	if c := t.flow.conn; c != nil {
		if c.heard.Load() < t.sent.UnixNano() && c.flow.trunk != "" {
			t.endpoint.pool.unreached(t.flow)
			c.end(transactionTimeout, sip.ErrTransactionTimeout)
		}
		return
	}
	t.endpoint.pool.unreached(t.flow)
}

// flowClosed is called when the connection dies, from its goroutine.
func (t *ClientTx) flowClosed(err error) {
	t.lane.post(func() {
		if t.machine == nil || t.done {
			return
		}
		t.retryOrFail(err)
	})
}

// retryOrFail sends the request again over a new connection when the old one had been idle, so that nothing says the remote has seen it.
func (t *ClientTx) retryOrFail(err error) {
	h := t.out.Hop
	var failure *Failure
	if !errors.As(err, &failure) || failure.Stage != StageClosed {
		t.fail(err)
		return
	}
	if t.fresh || t.retried || t.provisional || t.silent || t.canceling || h.Target == nil || t.flow == nil || !t.flow.proto.Stream() {
		t.fail(err)
		return
	}
	t.retried = true
	t.drop()
	t.endpoint.path(t.lane, Hop{Target: h.Target, Addr: h.Addr}, t.start)
}

// failed counts a failure and writes one line about it per minute and trunk.
func (e *Endpoint) failed(r Role, f *Failure) {
	e.metrics.trunkFailure(r, f)
	if e.notes.due("trunk "+f.Trunk+f.Stage.String()+f.Cause.String(), time.Now()) {
		e.log.Warn("request not delivered", "trunk", f.Trunk, "stage", f.Stage.String(), "cause", f.Cause.String(), "error", f.Err, "change", f.Advice())
	}
}
