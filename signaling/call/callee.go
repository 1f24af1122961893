package call

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Where the routes have several parties for C, they are asked one after the
// other, by the rules of the call itself (attempts.go).

// callee is one party that is asked to be C.
type callee struct {
	leg    *leg
	invite *sip.Request
	theirs *sip.Request        // whose headers cross in it: those of the call
	waits  bool                // for its turn at its trunk
	tx     *transport.ClientTx // nil before it is asked
	cancel context.CancelFunc  // likewise
	least  bool                // it wanted a longer session, and was asked again
	hearing
	offered bool // it has said SDP: it is too late for another party

	negotiation *negotiation // of C and Y
	offer       *offering
	forks       map[string]agreed // what each To tag of C answered
	answers     map[string]dialog.Timer
	said        *sdp.Description // what Y had said when C was offered it
}

// nextCallee makes C the next party whose limits let it in. The error is why the
// last one is not; nothing has changed then but that they were tried.
func (c *Call) nextCallee(p *placement) error {
	err := errNobody
	for len(p.waiting) > 0 {
		t := &callee{forks: make(map[string]agreed), answers: make(map[string]dialog.Timer)}
		t.leg = &leg{party: p.waiting[0], callID: token(16), tag: token(16), dialogs: make(map[string]*dialog.Dialog)}
		p.waiting = p.waiting[1:]
		if err = c.calleeRoom(p, t); err == nil {
			if err = c.prepare(p, t); err == nil {
				p.callee = t
				return nil
			}
			t.leg.permit.Release()
		}
		if len(p.waiting) > 0 {
			c.house.Metrics.failedOver(t.leg.party, whyNot(err))
		}
	}
	return err
}

// errNobody: there is no other party.
var errNobody = errors.New("nobody else to ask")

// notAsked labels a party that nothing could be offered to.
const notAsked = "media"

// whyNot is the metrics' label of why a party was not asked.
func whyNot(err error) string {
	if limited := (*trunk.Limited)(nil); errors.As(err, &limited) {
		return limited.Limit.String()
	}
	return notAsked
}

// calleeRoom takes a place at a party's trunk; a phone has room.
func (c *Call) calleeRoom(p *placement, t *callee) (err error) {
	if t.leg.party.Trunk == nil {
		return nil
	}
	t.leg.permit, t.waits, err = c.house.Desk.Ask(t.leg.party.Trunk, p.to, func() {
		c.box.put(func() { c.itsTurn(p, t) })
	})
	return err
}

// itsTurn asks a C that waited for that, unless it was dropped meanwhile.
func (c *Call) itsTurn(p *placement, t *callee) {
	if t.waits = false; p.callee == t && p.number > 0 && !p.dropped {
		c.inviteTarget(p)
	}
}

// errElsewhere: a leg's ports stay where they are, and C's media address is
// another one.
var errElsewhere = errors.New("the trunk has another media address than the leg whose place it would take")

// prepare writes C's INVITE: the caller of the call, the number that X named,
// and what Y has as the offer.
func (c *Call) prepare(p *placement, t *callee) error {
	n := &negotiation{ends: c.negotiation.ends, random: rand.Reader}
	y := &n.ends[p.side.other()]
	local := c.negotiation.ends[p.side].local
	bind, show := c.mediaAddress(t.leg.party, t.leg.party.speaks6())
	if rtp, _ := c.session.Local(mediaSide(p.side)); bind != rtp.Addr() {
		return errElsewhere
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails (Go 1.24)
	n.ends[p.side] = endOf(t.leg.party)
	n.ends[p.side].local = endpoint{show, local.RTP, local.RTCP}.local(id)
	t.said = y.said
	y.stream.Direction = unheld(y.stream.Direction, c.negotiation.ends[p.side].stream.Direction)
	var err error
	if t.offer, err = n.refresh(p.side, false); err != nil {
		return err
	}
	t.negotiation = n
	t.theirs = c.inA.Request().Clone()
	t.theirs.Recipient.User = p.to
	t.theirs.RemoveHeader("Identity") // RFC 8224: it is signed for another number
	t.theirs.RemoveHeader("Replaces")
	t.theirs.SetBody(nil)
	req := Outgoing(t.theirs, t.leg.party, c.wayTo(t), t.leg.callID, t.leg.tag, c.house.UserAgent)
	req.AppendHeader(sip.NewHeader("Allow", Allow))
	c.sessionHeaders(req, dialog.Timer{}, 0)
	if p.replaces.at.Reachable() {
		req.AppendHeader(sip.NewHeader("Replaces", header.Clean(p.replaces.dialog.String())))
		req.AppendHeader(sip.NewHeader("Require", "replaces")) // else it would ring a second time
	}
	setSDP(req, t.offer.body)
	t.invite = req
	return nil
}

// unheld is what Y would say to C, where its direction was only the answer to
// X's hold.
func unheld(y, x sdp.Direction) sdp.Direction {
	sends := y == sdp.SendRecv || y == sdp.SendOnly || x == sdp.SendOnly || x == sdp.Inactive
	receives := y == sdp.SendRecv || y == sdp.RecvOnly || x == sdp.RecvOnly || x == sdp.Inactive
	switch {
	case sends && receives:
		return sdp.SendRecv
	case sends:
		return sdp.SendOnly
	case receives:
		return sdp.RecvOnly
	}
	return sdp.Inactive
}

// wayTo is that of what C is told, which are the words of the call's caller.
func (c *Call) wayTo(t *callee) header.Way {
	return c.house.Way(c.caller, t.leg.party)
}

func mediaSide(s side) media.Side {
	if s == sideB {
		return media.B
	}
	return media.A
}

// knowCallee lets requests in C's dialog find the call.
func (c *Call) knowCallee(t *callee) {
	c.keys = append(c.keys, t.leg.key())
	c.house.Enter(c, t.leg.key())
}

// watchCallee watches that C says something where there is another party.
func (c *Call) watchCallee(p *placement) {
	t := p.callee
	c.watchSilence(&t.hearing, t.leg.party.Trunk, len(p.waiting), func() bool { return p.callee == t && !p.dropped },
		func() { c.otherCallee(p, "silent", nil) })
}

// goesOn takes what C said last, or that it is out of reach. It tells whether
// another party is asked because of it.
func (c *Call) goesOn(p *placement, r transport.Result) bool {
	why := p.fails(r)
	return why != "" && c.otherCallee(p, why, r.Response)
}

// otherCallee asks another party in the place of C, which failed for this
// reason, with said as its final answer where it gave one. It tells whether
// there was one.
func (c *Call) otherCallee(p *placement, why string, said *sip.Response) bool {
	past := p.callee
	if p.dropped || past.offered || len(p.waiting) == 0 || c.session == nil {
		return false
	}
	if err := c.nextCallee(p); err != nil {
		c.house.Log.Info("no other party takes a transfer", "call", c.id, "error", err)
		return false
	}
	if said != nil {
		status := c.targetRefusal(past, said)
		p.verdict = &status
	}
	c.house.Metrics.failedOver(past.leg.party, why)
	c.house.Log.Info("transfer goes on to another party", "call", c.id, "from", past.leg.party.Name, "cause", why, "to", p.leg.party.Name)
	c.stop(clock{timer: silentTimer})
	past.tx.Cancel() // does nothing to an INVITE that has its answer
	past.leg.permit.Release()
	clear(past.leg.dialogs) // what is still said in one is for isPast, and a late 2xx gets its BYE
	c.attempts.past = append(c.attempts.past, &attempt{to: past.leg.party, left: past.leg, invite: past.invite})
	c.knowCallee(p.callee)
	if !p.waits {
		c.inviteTarget(p)
	}
	return true
}
