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
