package transport

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sendCancel sends the CANCEL in a transaction of its own.
func (t *ClientTx) sendCancel() {
	t.cancelSent = true
	// RFC 3261 section 9.1: without a final response within 64*T1 the client considers the request cancelled.
	t.giveUp = time.AfterFunc(sip.Timer_B, func() {
		t.lane.post(func() {
			if !t.done {
				t.fail(&Failure{Trunk: t.trunk(), Stage: StageTimeout, Cause: CauseTimeout, Err: sip.ErrTransactionTimeout})
			}
		})
	})
	c := &ClientTx{endpoint: t.endpoint, lane: t.lane, callID: t.callID, silent: true, branch: t.branch,
		out: Outgoing{Request: cancelFor(t.out.Request, t.cancel), Hop: Hop{Flow: t.flow}}}
	c.start(t.flow, false, nil)
}

// cancelFor makes the CANCEL of an INVITE (RFC 3261 section 9.1).
func cancelFor(invite *sip.Request, headers []sip.Header) *sip.Request {
	c := derived(invite, sip.CANCEL, invite.To())
	for _, h := range headers {
		c.AppendHeader(h)
	}
	return c
}

// ackFor makes the ACK of a response above 299 (RFC 3261 section 17.1.1.3): the To is the response's.
func ackFor(invite *sip.Request, res *sip.Response) *sip.Request {
	to := res.To()
	if to == nil {
		to = invite.To()
	}
	return derived(invite, sip.ACK, to)
}

// derived makes a request that shares an INVITE's branch.
func derived(invite *sip.Request, method sip.RequestMethod, to *sip.ToHeader) *sip.Request {
	r := sip.NewRequest(method, *invite.Recipient.Clone())
	r.AppendHeader(invite.Via().Clone())
	sip.CopyHeaders("Route", invite, r)
	forwards := sip.MaxForwardsHeader(70)
	r.AppendHeader(&forwards)
	r.AppendHeader(sip.HeaderClone(invite.From()))
	r.AppendHeader(sip.HeaderClone(to))
	r.AppendHeader(sip.HeaderClone(invite.CallID()))
	r.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: method})
	setLength(r)
	return r
}

// SendAck sends the ACK of a 2xx (RFC 3261 section 13.2.2.4): a request without transaction, with a branch of its own. What goes wrong is counted
// and logged; the remote repeats its 2xx and so asks again. Sent before a later Send of the same Call-ID, it leaves before it.
func (e *Endpoint) SendAck(req *sip.Request, to Hop) {
	callID := ""
	if h := req.CallID(); h != nil {
		callID = h.Value()
	}
	l := e.lane(callID)
	l.post(func() {
		e.path(l, to, func(f *Flow, _ bool, err error) {
			if err == nil {
				req.SetTransport(f.proto.Via())
				req.PrependHeader(f.via(sip.GenerateBranchN(24)))
				setLength(req)
				err = wire{e, f, f.remote}.WriteMsg(req)
			}
			if err != nil {
				e.ackLost(to, err)
			}
		})
	})
}

func (e *Endpoint) ackLost(to Hop, err error) {
	t := ClientTx{out: Outgoing{Hop: to}, flow: to.Flow}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Trunk: t.trunk(), Stage: StageWrite, Cause: classify(err), Err: err}
	}
	e.failed(t.role(), f)
}
