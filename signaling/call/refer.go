package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// REFER (RFC 3515): a remote wants its place in the call to be taken by
// somebody else. What becomes of that is the policy of its party. Relayed, it
// is the other leg's remote that does it, and tells by NOTIFY how it goes.

// maxReferrals bounds the REFERs of a call that are relayed and may still get a
// NOTIFY.
const maxReferrals = 8

// referral is a REFER that was relayed: NOTIFYs name it by the CSeq number that
// it had on their leg (RFC 3515 section 2.4.6).
type referral struct {
	from         side
	theirs, ours uint32
	first        bool // of its sender in this call: NOTIFYs need not name it
}

// refused is why a request cannot be done, as an answer to it.
type refused struct {
	code   int
	phrase string
	cause  string // label of the counter
}

// referred takes a REFER.
func (c *Call) referred(s side, tx *transport.ServerTx) {
	party := c.leg(s).party
	to, no := c.referTo(party, tx.Request())
	switch {
	case no != nil:
	case party.Transfer == trunk.Relay && c.machine.state != up:
		no = &refused{491, "SBC transfers answered calls only", "early"}
	case party.Transfer == trunk.Relay:
		no = c.relayRefer(s, tx, to)
	default:
		no = c.execute(s, tx, to)
	}
	if no != nil {
		c.turnDown(tx, no.code, no.phrase, no.cause)
	}
}

// referTo reads whom a REFER wants to be called. A Replaces in it still names
// the dialog that its sender has.
func (c *Call) referTo(party Party, req *sip.Request) (header.ReferTo, *refused) {
	if party.Transfer == trunk.Refuse {
		return header.ReferTo{}, &refused{403, "SBC takes no transfer from " + party.Name, "transfer"}
	}
	headers := req.GetHeaders("refer-to")
	if len(headers) != 1 { // RFC 3515 section 2.4.2
		return header.ReferTo{}, &refused{400, "REFER needs one Refer-To", "refer_to"}
	}
	to, err := header.ParseReferTo(headers[0].Value())
	if err != nil {
		return header.ReferTo{}, &refused{400, err.Error(), "refer_to"}
	}
	return to, nil
}

// replaced finds the dialog that a party means by Replaces, as the remote of
// its other leg knows it.
func (c *Call) replaced(r header.Replaces, of Party) (header.Replaces, Party, *refused) {
	other := c.house.Find(r.CallID, r.ToTag)
	if other == c {
		return header.Replaces{}, Party{}, &refused{400, "Replaces names the call that it comes in", "replaces"}
	}
	if other != nil {
		far, at, err := other.Replaced(r, of)
		if err == nil {
			return far, at, nil
		}
		if errors.Is(err, ErrNobody) {
			return header.Replaces{}, Party{}, &refused{403, "SBC cannot take the place of a call to a phone", "replaces"}
		}
	}
	return header.Replaces{}, Party{}, &refused{481, "Replaces names no call", "replaces"}
}

// relayRefer sends a REFER on to the other leg's remote.
func (c *Call) relayRefer(s side, tx *transport.ServerTx, to header.ReferTo) *refused {
	from, there := c.leg(s), c.leg(s.other())
	d := c.partner(s, tx.Request().From().Params.GetOr("tag", ""))
	switch {
	case d == nil:
		return &refused{481, "Call Transaction Does Not Exist", "no_dialog"}
	case c.passing >= maxPassed:
		return &refused{503, "SBC waits for " + there.party.Name, "pending"}
	}
	if to.Replaces != nil {
		far, at, no := c.replaced(*to.Replaces, from.party)
		if no != nil {
			return no
		}
		if !at.Is(there.party) {
			return &refused{403, "SBC cannot join " + there.party.Name + " and " + at.Name, "replaces"}
		}
		to.Replaces = &far
	}
	to.Number = c.way(there).Called(from.party.Rules().Came(to.Number))
	c.passing++
	o := c.passed(s, d, tx, tx.Request())
	o.Request.SetBody(nil) // a token of Referred-By (RFC 3892 section 2.3) would name X
	r := c.refers(s, tx.Request(), o.Request)
	complete := o.Prepare
	o.Prepare = func(req *sip.Request, f *transport.Flow) {
		complete(req, f)
		dressRefer(req, tx.Request(), to, there.party, f)
	}
	o.Each = func(res transport.Result) {
		if res.Err == nil && res.Response.IsProvisional() {
			return
		}
		if !c.box.put(func() { c.passing--; c.referAnswered(s, tx, r, res) }) {
			_ = tx.Respond(c.answer(tx.Request(), 481, "Call Transaction Does Not Exist")) // the call has ended meanwhile
		}
	}
	c.dispatch(there, d, o)
	return nil
}

// refers keeps what the NOTIFYs of a REFER need.
func (c *Call) refers(s side, theirs, ours *sip.Request) *referral {
	r := &referral{from: s, theirs: theirs.CSeq().SeqNo, ours: ours.CSeq().SeqNo}
	r.first = !c.hasReferred[s]
	c.hasReferred[s] = true
	if len(c.referrals) == maxReferrals {
		c.referrals = c.referrals[1:]
	}
	c.referrals = append(c.referrals, r)
	return r
}

// dressRefer writes what a REFER of ours says: whom to call, at the place where
// its recipient gets calls from us or, a phone, makes them; who wants it, by our
// own identity (RFC 3892); and no more NOTIFYs than asked for (RFC 4488).
func dressRefer(req, theirs *sip.Request, to header.ReferTo, recipient Party, f *transport.Flow) {
	contact := f.Contact("")
	place := contact
	if t := recipient.Trunk; t != nil {
		place = t.URI("")
	}
	req.AppendHeader(sip.NewHeader("Refer-To", to.At(strings.TrimPrefix(place.String(), "sip:"))))
	if theirs.GetHeader("referred-by") != nil {
		from := sip.Uri{Scheme: "sip", User: req.From().Address.User, Host: contact.Host}
		req.AppendHeader(sip.NewHeader("Referred-By", "<"+from.String()+">"))
	}
	if noSubscription(theirs) {
		req.AppendHeader(sip.NewHeader("Refer-Sub", "false"))
		req.AppendHeader(sip.NewHeader("Supported", "norefersub"))
	}
}

// noSubscription tells whether a REFER wants no NOTIFYs, or its 2xx promises
// none (RFC 4488 section 4).
func noSubscription(msg sip.Message) bool {
	for _, h := range msg.GetHeaders("refer-sub") {
		value, _, _ := strings.Cut(h.Value(), ";")
		return strings.EqualFold(strings.TrimSpace(value), "false")
	}
	return false
}

// referAnswered gives the answer to a relayed REFER to its sender.
func (c *Call) referAnswered(s side, tx *transport.ServerTx, r *referral, got transport.Result) {
	from, to := c.leg(s), c.leg(s.other())
	res := Relayed(tx.Request(), got, to.party, c.way(from), c.house.UserAgent)
	c.house.Metrics.Relayed(from.party.Role, to.party.Role, sip.REFER, res.StatusCode)
	if got.Err == nil {
		r.ours = got.Response.CSeq().SeqNo // another one where it was asked for a password
	}
	silent := res.IsSuccess() && noSubscription(got.Response)
	if silent {
		res.AppendHeader(sip.NewHeader("Refer-Sub", "false"))
	}
	if !res.IsSuccess() || silent {
		c.referrals = slices.DeleteFunc(c.referrals, func(x *referral) bool { return x == r })
	}
	c.answerRefer(from, tx, res)
}

// answerRefer sends the answer to a REFER; a 2xx carries a Contact (RFC 3515
// section 2.2).
func (c *Call) answerRefer(l *leg, tx *transport.ServerTx, res *sip.Response) {
	if res.IsSuccess() {
		res.AppendHeader(&sip.ContactHeader{Address: l.flow.Contact("")})
	}
	if err := tx.Respond(res); err != nil {
		c.house.Log.Debug("response not sent", "call", c.id, "leg", l.party.Name, "code", res.StatusCode, "error", err)
	}
}

// retold makes of a NOTIFY about a REFER what its sender is told: the REFER by
// its own number, and of the new call no more than its status. ok is false
// where there was no such REFER. Other requests stay as they are.
func (c *Call) retold(s side, theirs *sip.Request) (told *sip.Request, ok bool) {
	event := theirs.GetHeader("event")
	if theirs.Method != sip.NOTIFY || event == nil {
		return theirs, true
	}
	name, params, _ := strings.Cut(event.Value(), ";")
	if !strings.EqualFold(strings.TrimSpace(name), "refer") {
		return theirs, true
	}
	r := c.referralOf(s.other(), params)
	if r == nil {
		return nil, false
	}
	told = theirs.Clone()
	told.RemoveHeader("Event")
	told.RemoveHeader("Content-Type")
	told.AppendHeader(sip.NewHeader("Event", r.event()))
	told.SetBody(nil)
	if status, ok := header.Fragment(theirs.Body()); ok {
		told.AppendHeader(sip.NewHeader("Content-Type", sipfrag))
		told.SetBody([]byte(status + "\r\n"))
	}
	if dialog.Terminated(theirs) {
		c.referrals = slices.DeleteFunc(c.referrals, func(x *referral) bool { return x == r })
	}
	return told, true
}

// sipfrag is the body of a NOTIFY about a REFER (RFC 3420).
const sipfrag = "message/sipfrag;version=2.0"

// event names a REFER to its sender.
func (r *referral) event() string {
	if r.first {
		return "refer"
	}
	return fmt.Sprintf("refer;id=%d", r.theirs)
}

// referralOf finds the REFER of one side that a NOTIFY means; without a number
// it is the last.
func (c *Call) referralOf(from side, params string) *referral {
	id := ""
	for param := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(param, "="); strings.EqualFold(strings.TrimSpace(name), "id") {
			id = strings.TrimSpace(value)
		}
	}
	for _, r := range slices.Backward(c.referrals) {
		if r.from == from && (id == "" || id == fmt.Sprint(r.ours)) {
			return r
		}
	}
	return nil
}
