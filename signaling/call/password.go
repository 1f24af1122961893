package call

import (
	"context"
	"errors"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/dialog"
	"callseal/signaling/transport"
)

// Challenges of trunks (401, 407) are answered here, with what the trunk knows
// us by: the other leg never hears of them. The request goes out again in the
// same dialog, with the next CSeq number (RFC 3261 section 22.2).

// challenged tells whether a trunk asks for a password.
func challenged(r transport.Result) bool {
	return r.Err == nil && (r.Response.StatusCode == 401 || r.Response.StatusCode == 407)
}

// answers takes a challenge to a request of ours, and tells whether it is to be
// sent again.
func (h *House) answers(to Party, x *auth.Exchange, res *sip.Response) bool {
	err := x.Answer(res)
	h.Metrics.challenged(to, auth.Label(err))
	switch {
	case err == nil:
		return true
	case errors.Is(err, auth.ErrRefused):
		h.Log.Warn("password refused", "leg", to.Name, "method", string(res.CSeq().MethodName), "error", err,
			"advice", "compare user, auth user and password of "+to.Name+" with its instructions")
	case errors.Is(err, auth.ErrNoCredentials):
		h.Log.Warn("password asked for", "leg", to.Name, "method", string(res.CSeq().MethodName), "advice", "add auth: {user, password_file} to "+to.Name)
	default:
		h.Log.Warn("challenge not answered", "leg", to.Name, "method", string(res.CSeq().MethodName), "error", err,
			"advice", "ask "+to.Name+" for digest with MD5 or SHA-256 and qop auth")
	}
	return false
}

// passwordPhrase is what the other leg hears of a challenge that was not
// answered.
func passwordPhrase(p Party) string {
	if p.Trunk != nil && !p.Trunk.Credentials.IsZero() {
		return p.Name + " refuses our password"
	}
	return p.Name + " asks for a password"
}

// secretsOf answers a trunk's challenges to requests that are sent for p; nil
// where there is nothing to answer with, or p answers them itself.
func (p Party) secretsOf(to Party) *auth.Client {
	if p.Through {
		return nil
	}
	return to.secrets()
}

// sendAck acknowledges a 2xx in a dialog; shown are the credentials of its
// INVITE.
func (c *Call) sendAck(l *leg, d *dialog.Dialog, seq uint32, shown []sip.Header) {
	ack := d.Ack(seq)
	for _, h := range shown {
		ack.AppendHeader(h)
	}
	c.house.Endpoint.SendAck(ack, l.hop(d))
}

// dispatch sends a request in a dialog, again where its trunk asks for a
// password.
func (c *Call) dispatch(l *leg, d *dialog.Dialog, o transport.Outgoing) {
	inCall := func(f func()) {
		if !c.box.put(f) { // the call is over, and the dialog the lane's
			f()
		}
	}
	c.house.signed(l.party, l.secrets.Begin(), o, inCall, func(o *transport.Outgoing) {
		o.Request.CSeq().SeqNo, o.Hop = d.Next(), l.hop(d)
	})
}

// Ask sends a request that is part of no dialog, of one party to another, again
// where its trunk asks for a password.
func (h *House) Ask(from, to Party, o transport.Outgoing) {
	h.signed(to, from.secretsOf(to).Begin(), o, direct, func(o *transport.Outgoing) { o.Request.CSeq().SeqNo++ })
}

// signed sends a request for an exchange, and once more for each challenge that
// is answered, after renew has given it the next CSeq number. Its Each hears
// of what comes after that only, and as renew by way of run.
func (h *House) signed(to Party, x *auth.Exchange, o transport.Outgoing, run func(func()), renew func(*transport.Outgoing)) {
	if x == nil {
		h.Endpoint.Send(context.Background(), o)
		return
	}
	again := o
	again.Request = o.Request.Clone() // before Prepare adds to it
	x.Sign(o.Request)
	o.Each = func(r transport.Result) {
		if !challenged(r) {
			again.Each(r)
			return
		}
		run(func() {
			if !h.answers(to, x, r.Response) {
				again.Each(r)
				return
			}
			renew(&again)
			h.signed(to, x, again, run, renew)
		})
	}
	h.Endpoint.Send(context.Background(), o)
}
