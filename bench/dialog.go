package bench

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/emiago/sipgo/sip"
)

// dialog is one leg's state (RFC 3261, section 12). Owned by the call's
// goroutine.
type dialog struct {
	id      string // Call-ID
	local   sip.FromHeader
	remote  sip.ToHeader
	target  sip.Uri // where requests go
	contact sip.Uri // where the other side sends its requests
	routes  []sip.Uri
	cseq    uint32 // of our last request
}

// token is a random word for tags, branches and Call-IDs.
func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// branch is a fresh transaction id (RFC 3261, section 8.1.1.7).
func branch() string { return sip.RFC3261BranchMagicCookie + token() }

// at is where the endpoint is reached over the link.
func (e *Endpoint) at(l *link) netip.AddrPort {
	if own := e.Addr(); own.IsValid() && !own.Addr().IsUnspecified() {
		return own
	}
	return l.local
}

// contactOn is the URI under which the endpoint is reached over the link.
func (e *Endpoint) contactOn(l *link) sip.Uri {
	at := e.at(l)
	return hostURI(e.cfg.User, at.Addr().String(), at.Port(), l.proto)
}

// callingDialog begins the dialog of a call that we place.
func (e *Endpoint) callingDialog(l *link, plan Plan, target Target) dialog {
	contact, number := e.contactOn(l), plan.Number
	if plan.From != "" {
		contact.User = plan.From
	}
	d := dialog{
		id: token() + token(), contact: contact, target: target.uri(number),
		local:  sip.FromHeader{Address: contact, Params: sip.NewParams()},
		remote: sip.ToHeader{Address: target.uri(number), Params: sip.NewParams()},
	}
	// RFC 3261, section 19.1.1: no transport parameter in From and To.
	d.local.Address.UriParams, d.remote.Address.UriParams = nil, nil
	d.local.Params.Add("tag", token())
	return d
}

// confirm takes over what the answer says of the other side (section 12.1.2).
func (d *dialog) confirm(res *sip.Response) error {
	d.remote = *res.To()
	if res.Contact() == nil {
		return fmt.Errorf("%w: 200 without Contact", ErrMessage)
	}
	d.target = res.Contact().Address
	d.routes = recordedRoutes(res)
	slices.Reverse(d.routes)
	return nil
}

// answeringDialog is the dialog of a call that came in (section 12.1.1). It
// puts our tag into the request's To, so that every response carries it.
func (e *Endpoint) answeringDialog(req *sip.Request, l *link) (dialog, error) {
	if req.Contact() == nil {
		return dialog{}, fmt.Errorf("%w: INVITE without Contact", ErrMessage)
	}
	req.To().Params.Add("tag", token())
	from, to := req.From(), req.To()
	return dialog{
		id: req.CallID().Value(), contact: e.contactOn(l), target: req.Contact().Address,
		local:  sip.FromHeader{DisplayName: to.DisplayName, Address: to.Address, Params: to.Params},
		remote: sip.ToHeader{DisplayName: from.DisplayName, Address: from.Address, Params: from.Params},
		routes: recordedRoutes(req),
	}, nil
}

func recordedRoutes(m sip.Message) []sip.Uri {
	var routes []sip.Uri
	for _, h := range m.GetHeaders("Record-Route") {
		if r, ok := h.(*sip.RecordRouteHeader); ok {
			routes = append(routes, r.Address)
		}
	}
	return routes
}

// request makes a request of this dialog with the given sequence number
// (section 12.2.1.1; routers are taken to be loose).
func (d *dialog) request(method sip.RequestMethod, cseq uint32, branch string, l *link) *sip.Request {
	req := sip.NewRequest(method, *d.target.Clone())
	via := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: sip.ASCIIToUpper(l.proto.String()),
		Host: d.contact.Host, Port: d.contact.Port, Params: sip.NewParams(),
	}
	via.Params.Add("branch", branch)
	req.AppendHeader(via)
	for _, r := range d.routes {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	maxForwards := sip.MaxForwardsHeader(70)
	callID := sip.CallIDHeader(d.id)
	local, remote := d.local, d.remote
	req.AppendHeader(&maxForwards)
	req.AppendHeader(&local)
	req.AppendHeader(&remote)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	if method == sip.INVITE {
		req.AppendHeader(&sip.ContactHeader{Address: d.contact})
	}
	req.AppendHeader(sip.NewHeader("User-Agent", "callseal-bench"))
	req.SetBody(nil)
	return req
}

// respond makes a response; body is SDP or nil.
func (d *dialog) respond(req *sip.Request, status int, phrase string, body []byte) []byte {
	res := sip.NewResponseFromRequest(req, status, phrase, body)
	if req.IsInvite() && status > 100 && status < 300 {
		res.AppendHeader(&sip.ContactHeader{Address: d.contact})
	}
	if body != nil {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	return []byte(res.String())
}
