package call

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Requests inside a call that are the remotes' own business: INFO (RFC 6086),
// MESSAGE (RFC 3428), NOTIFY and OPTIONS go to the other leg's remote, in its
// dialog, and its answer comes back. Whatever that is, the call goes on.

// maxPassed bounds the requests of a call that wait for the other leg's answer.
const maxPassed = 16

// pass sends a request of one leg's remote on to the other's.
func (c *Call) pass(s side, tx *transport.ServerTx) {
	to := c.leg(s.other())
	d := c.partner(s, tx.Request().From().Params.GetOr("tag", ""))
	told, known := c.retold(s, tx.Request())
	switch {
	case Describes(tx.Request()): // it would name our other side, and its keys
		c.turnDown(tx, 415, "SBC passes SDP in offers only", "content_type", sip.NewHeader("Accept", "*/*"))
		return
	case d == nil || !known || c.machine.state > up:
		c.turnDown(tx, 481, "Call Transaction Does Not Exist", "no_dialog")
		return
	case c.passing >= maxPassed:
		c.turnDown(tx, 503, "SBC waits for "+to.party.Name, "pending")
		return
	}
	c.passing++
	c.dispatch(to, d, c.passed(s, d, tx, told))
}

// partner is the other leg's dialog of one on side s, or nil: A's only one, or
// that of B which the call has, or is about to have.
func (c *Call) partner(s side, remote string) *dialog.Dialog {
	if s == sideB {
		if c.machine.winner != "" && remote != c.machine.winner {
			return nil // of a fork that lost
		}
		_, d := c.find(sideA, "")
		return d
	}
	for _, tag := range []string{c.machine.winner, c.fork} {
		if d := c.b.dialogs[tag]; d != nil {
			return d
		}
	}
	if len(c.b.dialogs) == 1 {
		for _, d := range c.b.dialogs {
			return d
		}
	}
	return nil
}

// passed makes the request for the other leg out of theirs, which came as tx:
// its own CSeq, the headers that cross, and the body as it is.
func (c *Call) passed(s side, d *dialog.Dialog, tx *transport.ServerTx, theirs *sip.Request) transport.Outgoing {
	to := c.leg(s.other())
	req := d.Request(theirs.Method)
	if m := theirs.MaxForwards(); m != nil {
		*req.MaxForwards() = *m - 1 // it is not 0: that was refused
	}
	req.AppendHeader(sip.NewHeader("User-Agent", c.house.UserAgent))
	req.SetBody(theirs.Body())
	way := c.way(to)
	return transport.Outgoing{
		Request: req,
		Hop:     to.hop(d),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			contact := f.Contact("")
			way.Host = contact.Host
			if req.Method == sip.NOTIFY || req.Method == sip.REFER { // RFC 6665 section 8.2.1, RFC 3515 section 2.2; INFO and MESSAGE must not have it
				req.AppendHeader(&sip.ContactHeader{Address: contact})
			}
			for _, h := range way.Cross(header.Message, theirs.Headers()) {
				req.AppendHeader(h)
			}
		},
		Each: func(r transport.Result) {
			if r.Err == nil && r.Response.IsProvisional() {
				return
			}
			if !c.box.put(func() { c.passing--; c.answerPassed(s, tx, r) }) {
				_ = tx.Respond(c.answer(tx.Request(), 481, "Call Transaction Does Not Exist")) // the call has ended meanwhile
			}
		},
	}
}

// answerPassed gives the answer of the other leg's remote to who asked.
func (c *Call) answerPassed(s side, tx *transport.ServerTx, r transport.Result) {
	from, to := c.leg(s), c.leg(s.other())
	res := Relayed(tx.Request(), r, to.party, c.way(from), c.house.UserAgent)
	c.house.Metrics.Relayed(from.party.Role, to.party.Role, tx.Request().Method, res.StatusCode)
	if err := tx.Respond(res); err != nil {
		c.house.Log.Debug("response not sent", "call", c.id, "leg", from.party.Name, "code", res.StatusCode, "error", err)
	}
}

// Relayed makes the answer to a request that was sent on to another remote, by:
// what that one said, or what no answer means. way leads to who asked.
//
// 408 and 481 speak of a dialog that who asked is no part of, and would end its
// own (RFC 3261 section 12.2.1.2); 408 is no answer to these methods anyway (RFC
// 4320 section 4.2). 3xx, 401 and 407 ask for what it cannot do. All become 503,
// which is also what our own faults are.
func Relayed(req *sip.Request, r transport.Result, by Party, way header.Way, server string) *sip.Response {
	code, phrase := 503, "SBC cannot reach "+by.Name
	var failure *transport.Failure
	var said *sip.Response
	switch {
	case errors.Is(r.Err, transport.ErrTooLarge):
		code, phrase = 513, "Message Too Large for "+by.Name
	case errors.As(r.Err, &failure):
		phrase = failure.Phrase()
	case r.Err != nil:
	case r.Response.StatusCode < 400 && r.Response.StatusCode >= 300:
		phrase = by.Name + " redirects and that is not followed"
	case r.Response.StatusCode == 401 || r.Response.StatusCode == 407:
		phrase = passwordPhrase(by)
	case r.Response.StatusCode == 408 || r.Response.StatusCode == 481:
		phrase = by.Name + " knows nothing of this call"
	default:
		said = r.Response
		code, phrase = said.StatusCode, said.Reason
	}
	res := sip.NewResponseFromRequest(req, code, header.Foreign(phrase), nil)
	res.AppendHeader(sip.NewHeader("Server", server))
	switch {
	case code == 405: // RFC 3261 section 21.4.6; not by the other remote, that is
		res.AppendHeader(sip.NewHeader("Allow", allowWithout(req.Method)))
	case req.Method == sip.OPTIONS:
		res.AppendHeader(sip.NewHeader("Allow", Allow))
		res.AppendHeader(sip.NewHeader("Supported", Supported))
	}
	if said == nil {
		return res
	}
	if !Describes(said) {
		res.SetBody(said.Body())
	}
	for _, h := range way.Cross(header.Reply, said.Headers()) {
		if len(res.Body()) > 0 || !header.OfBody(h.Name()) {
			res.AppendHeader(h)
		}
	}
	return res
}

// Describes tells whether a body has a session description in it, on its own or
// as a part (RFC 5621).
func Describes(msg sip.Message) bool {
	if len(msg.Body()) == 0 {
		return false
	}
	for _, h := range msg.GetHeaders("content-type") {
		kind := strings.ToLower(h.Value())
		if strings.Contains(kind, "application/sdp") || strings.Contains(kind, "multipart/") && bytes.Contains(bytes.ToLower(msg.Body()), []byte("application/sdp")) {
			return true
		}
	}
	return false
}

// allowWithout is Allow but for one method.
func allowWithout(method sip.RequestMethod) string {
	return strings.Join(slices.DeleteFunc(strings.Split(Allow, ", "), func(m string) bool { return m == string(method) }), ", ")
}

// turnDown refuses a request inside a dialog in our own words.
func (c *Call) turnDown(tx *transport.ServerTx, code int, phrase, cause string, headers ...sip.Header) {
	c.house.Refused(tx.Flow().Role(), cause)
	res := c.answer(tx.Request(), code, header.Phrase(phrase))
	for _, h := range headers {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		c.house.Log.Debug("response not sent", "call", c.id, "code", code, "error", err)
	}
}
