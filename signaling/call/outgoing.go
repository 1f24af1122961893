package call

import (
	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Outgoing makes the request to a party that begins what theirs, a request of
// another leg, asks for. What it carries of theirs are the two numbers and, once
// its path is known (Prepare), what header lets cross; every identifier is our
// own.
func Outgoing(theirs *sip.Request, to Party, way header.Way, callID, tag, userAgent string) *sip.Request {
	uri := to.uri(way.Called(theirs.Recipient.User))
	req := sip.NewRequest(theirs.Method, uri)
	if to.Phone != nil {
		for _, uri := range to.Phone.Path() {
			req.AppendHeader(&sip.RouteHeader{Address: uri})
		}
	}
	maxForwards := sip.MaxForwardsHeader(dialog.MaxForwards)
	if m := theirs.MaxForwards(); m != nil && *m > 0 {
		maxForwards = *m - 1 // RFC 7332: a B2BUA keeps counting
	}
	req.AppendHeader(&maxForwards)
	req.AppendHeader(way.FromOf(theirs, tag))
	req.AppendHeader(&sip.ToHeader{Address: to.to(uri, theirs, way), Params: sip.NewParams()})
	id := sip.CallIDHeader(callID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: theirs.Method})
	req.AppendHeader(sip.NewHeader("User-Agent", userAgent))
	return req
}

// Complete fills in what depends on the path of a request that Outgoing made:
// our host, and the headers that cross. It gives our Contact.
func Complete(req *sip.Request, f *transport.Flow, way header.Way, kind header.Kind, theirs *sip.Request) sip.Uri {
	contact := f.Contact(req.From().Address.User)
	header.AtHost(req.From(), contact.Host)
	way.Host = contact.Host
	if way.To != transport.Phone {
		way.Dialled, way.Asked = req.Recipient.User, theirs.Recipient.User
	}
	for _, h := range way.Cross(kind, theirs.Headers()) {
		req.AppendHeader(h)
	}
	return contact
}
