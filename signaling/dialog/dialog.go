// Package dialog is one leg's dialog as RFC 3261 section 12 draws it: tags,
// sequence numbers, route set and remote target. It is pure: no sockets, no
// clock, no randomness of its own.
package dialog

import (
	"fmt"

	"github.com/emiago/sipgo/sip"
)

// ID names a dialog (RFC 3261 section 12): Local is our own tag.
type ID struct {
	CallID, Local, Remote string
}

// MaxForwards is what a request that we originate starts with (RFC 3261
// section 8.1.1.6).
const MaxForwards = 70

// Dialog is one leg. It is owned by one goroutine.
type Dialog struct {
	callID string
	// local and remote are our own and the other party's From or To: URI and
	// display name as the INVITE carried them, and the tag.
	local, remote party

	localSeq  uint32
	remoteSeq uint32 // 0: none seen yet

	routes []sip.Uri
	target sip.Uri

	allow, supported []string // what the remote said that it can do; nil before it has
	reliable         uint32   // RSeq of its last reliable provisional response (RFC 3262)
}

type party struct {
	display string
	uri     sip.Uri
	tag     string
}

// Answering makes the dialog of a leg that called us, from its INVITE and the
// tag that our responses carry (RFC 3261 section 12.1.1). RFC 2543 lets the
// caller leave Contact out: From is its target then. A Contact that is no URI
// is ErrNoContact.
func Answering(invite *sip.Request, tag string) (*Dialog, error) {
	target := invite.From().Address
	if contact := invite.Contact(); contact != nil {
		target = contact.Address
	}
	if target.Wildcard || target.Host == "" {
		return nil, fmt.Errorf("INVITE: %w", ErrNoContact)
	}
	d := &Dialog{
		callID:    invite.CallID().Value(),
		local:     partyOf(invite.To().DisplayName, invite.To().Address, tag),
		remote:    partyOf(invite.From().DisplayName, invite.From().Address, invite.From().Params.GetOr("tag", "")),
		remoteSeq: invite.CSeq().SeqNo,
		target:    *target.Clone(),
	}
	// RFC 3261 section 12.1.1: the UAS keeps the Record-Route in order.
	for _, h := range invite.GetHeaders("record-route") {
		if rr, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	d.Learn(invite)
	return d, nil
}

// Calling makes the dialog that a response with a To tag opens on a leg that
// we called (RFC 3261 section 12.1.2). Each To tag is a dialog of its own. A
// 2xx without one, of an RFC 2543 remote, is taken too; other responses are
// ErrNoTag then.
func Calling(invite *sip.Request, res *sip.Response) (*Dialog, error) {
	tag := res.To().Params.GetOr("tag", "")
	if tag == "" && !res.IsSuccess() {
		return nil, fmt.Errorf("%d: %w", res.StatusCode, ErrNoTag)
	}
	d := &Dialog{
		callID:   invite.CallID().Value(),
		local:    partyOf(invite.From().DisplayName, invite.From().Address, invite.From().Params.GetOr("tag", "")),
		remote:   partyOf(invite.To().DisplayName, invite.To().Address, tag),
		localSeq: invite.CSeq().SeqNo,
		target:   *invite.Recipient.Clone(),
	}
	d.Update(res)
	return d, nil
}

// Update takes over what a later response of the same To tag changes: the
// route set, which a 2xx recomputes (RFC 3261 section 13.2.2.4), and the
// remote target.
func (d *Dialog) Update(res *sip.Response) {
	// RFC 3261 section 12.1.2: the UAC keeps the Record-Route reversed.
	rr := res.GetHeaders("record-route")
	if len(rr) > 0 || res.IsSuccess() { // a provisional response may leave it out
		d.routes = d.routes[:0]
	}
	for i := len(rr) - 1; i >= 0; i-- {
		if h, ok := rr[i].(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *h.Address.Clone())
		}
	}
	d.Refresh(res.Contact())
	d.Learn(res)
}

// Refresh takes over the Contact of a target refresh request or its 2xx (RFC
// 3261 section 12.2); nil changes nothing.
func (d *Dialog) Refresh(contact *sip.ContactHeader) {
	if contact != nil && !contact.Address.Wildcard && contact.Address.Host != "" { // tel: and the like lead nowhere
		d.target = *contact.Address.Clone()
	}
}

// ID names the dialog.
func (d *Dialog) ID() ID {
	return ID{CallID: d.callID, Local: d.local.tag, Remote: d.remote.tag}
}

// Accept checks the sequence number of an in-dialog request (RFC 3261 section
// 12.2.2). A number below the last one is ErrOutOfOrder, which is answered
// 500. ACK and CANCEL carry their INVITE's number and are not checked.
func (d *Dialog) Accept(req *sip.Request) error {
	if req.Method == sip.ACK || req.Method == sip.CANCEL {
		return nil
	}
	seq := req.CSeq().SeqNo
	if seq < d.remoteSeq {
		return fmt.Errorf("CSeq %d after %d: %w", seq, d.remoteSeq, ErrOutOfOrder)
	}
	d.remoteSeq = seq
	return nil
}

// Request makes the next in-dialog request (RFC 3261 section 12.2.1.1),
// without Via, Contact and body.
func (d *Dialog) Request(method sip.RequestMethod) *sip.Request {
	return d.request(method, d.Next())
}

// Next takes the sequence number of the next request, for one that is sent
// again.
func (d *Dialog) Next() uint32 {
	d.localSeq++
	return d.localSeq
}

// Ack makes the ACK of a 2xx to the INVITE with this sequence number: a request
// of its own that carries the same one (RFC 3261 section 13.2.2.4).
func (d *Dialog) Ack(seq uint32) *sip.Request {
	return d.request(sip.ACK, seq)
}

func (d *Dialog) request(method sip.RequestMethod, seq uint32) *sip.Request {
	recipient, routes := d.path()
	req := sip.NewRequest(method, recipient)
	for i := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: routes[i]})
	}
	maxForwards := sip.MaxForwardsHeader(MaxForwards)
	req.AppendHeader(&maxForwards)
	req.AppendHeader(&sip.FromHeader{DisplayName: d.local.display, Address: d.local.uri, Params: d.local.params()})
	req.AppendHeader(&sip.ToHeader{DisplayName: d.remote.display, Address: d.remote.uri, Params: d.remote.params()})
	callID := sip.CallIDHeader(d.callID)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	return req
}

// path gives the request-URI and the Route headers for the present route set.
func (d *Dialog) path() (sip.Uri, []sip.Uri) {
	if len(d.routes) == 0 {
		return requestURI(d.target), nil
	}
	first := d.routes[0]
	if first.UriParams.Has("lr") {
		return requestURI(d.target), d.routes
	}
	// RFC 3261 section 12.2.1.1, strict routing: the first route becomes the
	// request-URI, the remote target the last Route.
	routes := make([]sip.Uri, 0, len(d.routes))
	routes = append(routes, d.routes[1:]...)
	routes = append(routes, *d.target.Clone())
	return requestURI(first), routes
}

// requestURI strips what may not stand in a request-URI (RFC 3261 section
// 19.1.1, table 1).
func requestURI(u sip.Uri) sip.Uri {
	u = *u.Clone()
	u.Headers = nil
	if u.UriParams != nil {
		u.UriParams = u.UriParams.Remove("method")
	}
	return u
}

// NextHop is the URI whose host the next request has to reach: the first
// route, or the remote target (RFC 3261 section 8.1.2).
func (d *Dialog) NextHop() sip.Uri {
	if len(d.routes) > 0 {
		return d.routes[0]
	}
	return d.target
}

func partyOf(display string, uri sip.Uri, tag string) party {
	return party{display: display, uri: *uri.Clone(), tag: tag}
}

func (p party) params() sip.HeaderParams {
	params := sip.NewParams()
	if p.tag != "" { // an RFC 2543 party has none
		params.Add("tag", p.tag)
	}
	return params
}
