package call

import (
	"errors"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Wanted is what the route table is asked about a request of a party for a
// number.
func Wanted(from Party, f *transport.Flow, req *sip.Request, number string) trunk.Wanted {
	w := trunk.Wanted{Role: from.Role, Name: from.Name, Listener: f.Listener(), Number: number}
	if h := req.GetHeader(trunk.CarrierHeader); h != nil {
		w.Carrier = h.Value()
	}
	return w
}

// Unrouted says in a status line's words why a request of a party goes nowhere.
func Unrouted(from Party, err error) string {
	if unknown := (*trunk.UnknownCarrier)(nil); errors.As(err, &unknown) {
		return header.Phrase("SBC knows no carrier " + unknown.Name)
	}
	return header.Phrase("SBC has no route for " + from.Name)
}

// Onward is where a request may go, who is to be asked first before the others,
// and the number to ask them for. There is at least one.
type Onward struct {
	Parties []Party
	Number  string
}

// ToTrunks is what the route table has found.
func ToTrunks(choice trunk.Choice) Onward {
	o := Onward{Number: choice.Number}
	for _, t := range choice.Trunks {
		o.Parties = append(o.Parties, TrunkParty(t))
	}
	return o
}

// Elsewhere is what is left of it once its first party has failed with r, which
// came of a request outside of calls: the others, if the request was not heard,
// or the party said 503 (RFC 3263 section 4.3). It is never said twice: who may
// have got it, and does not answer, is the last one. ok is false where nobody is
// left to ask.
func (o Onward) Elsewhere(h *House, method sip.RequestMethod, r transport.Result) (rest Onward, ok bool) {
	if len(o.Parties) < 2 {
		return o, false
	}
	why := unsaid(r)
	if why == "" {
		return o, false
	}
	from, to := o.Parties[0], o.Parties[1]
	h.Metrics.failedOver(from, why)
	h.Log.Info("request goes on to another party", "method", string(method), "from", from.Name, "cause", why, "to", to.Name)
	return Onward{Parties: o.Parties[1:], Number: o.Number}, true
}

// unsaid names why a party did not take note of a request; "" is that it may
// have.
func unsaid(r transport.Result) string {
	if r.Err == nil {
		if r.Response.StatusCode == 503 {
			return "503"
		}
		return ""
	}
	var f *transport.Failure
	if !errors.As(r.Err, &f) || f.Stage > transport.StageWrite {
		return ""
	}
	return unreachable(r.Err)
}

// Along gives the call the others that it may go to, and the number that they
// are asked for. It is called before Run.
func (c *Call) Along(o Onward) { c.onward = o }

// asks is A's INVITE with the number that B is asked for.
func (c *Call) asks() *sip.Request {
	if c.onward.Parties == nil {
		return c.inA.Request()
	}
	return Numbered(c.inA.Request(), c.onward.Number)
}

// Numbered is a request for another number, or itself where that is its own.
func Numbered(req *sip.Request, number string) *sip.Request {
	if req.Recipient.User == number {
		return req
	}
	other := req.Clone()
	other.Recipient.User = number
	return other
}
