package call

import (
	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// inDialog takes a request that carries our tag.
func (c *Call) inDialog(tx *transport.ServerTx) {
	if c.outsider(tx) {
		return
	}
	req := tx.Request()
	s, d := c.dialogOf(req)
	// Tags and Call-ID say whose request it is, not the address: carriers send
	// BYEs from machines that they never named, and one that is refused is a
	// call billed on. The door has to be that of the leg's role, though: nobody
	// on another listener can have learned the tags in an honest way.
	if d == nil || tx.Flow().Role() != c.leg(s).party.Role {
		c.turnDown(tx, 481, "Call Transaction Does Not Exist", "no_dialog")
		return
	}
	if err := d.Accept(req); err != nil {
		c.turnDown(tx, 500, "CSeq out of order", "cseq") // RFC 3261 section 12.2.2
		return
	}
	if s == sideB && req.Method != sip.BYE && c.machine.lostFork(d.ID().Remote) {
		c.turnDown(tx, 481, "Call Transaction Does Not Exist", "no_dialog")
		return
	}
	d.Learn(req)
	switch req.Method {
	case sip.BYE:
		c.hungUp(s, tx)
	case sip.INVITE, sip.UPDATE:
		c.follow(s, d, tx.Flow())
		c.offered(s, d, tx)
	case sip.PRACK:
		c.pracked(s, d, tx)
	case sip.INFO, sip.MESSAGE, sip.NOTIFY, sip.OPTIONS:
		c.pass(s, tx)
	case sip.REFER:
		c.referred(s, tx)
	case sip.SUBSCRIBE: // RFC 6665 section 4.5.2: a dialog of its own
		c.turnDown(tx, 403, "SBC takes subscriptions outside of calls", "method")
	default:
		c.turnDown(tx, 405, "Method Not Allowed", "method", sip.NewHeader("Allow", Allow))
	}
}

// follow takes over the path of a target refresh request (RFC 3261 section
// 12.2): a phone that lost its connection comes back on another. A fork that
// lost changes nothing.
func (c *Call) follow(s side, d *dialog.Dialog, f *transport.Flow) {
	if s == sideA || d == c.b.dialogs[c.fork] {
		c.leg(s).flow = f
	}
}

// dialogOf finds the side and the dialog that a request belongs to.
func (c *Call) dialogOf(req *sip.Request) (side, *dialog.Dialog) {
	remote := req.From().Params.GetOr("tag", "")
	if req.CallID().Value() == c.a.callID && req.To().Params.GetOr("tag", "") == c.a.tag {
		return sideA, c.a.dialogs[remote]
	}
	return sideB, c.b.dialogs[remote]
}

// hungUp takes a BYE. One of a fork that lost is only answered.
func (c *Call) hungUp(s side, tx *transport.ServerTx) {
	ev := event{kind: evBye, side: s}
	if s == sideB {
		ev.tag = tx.Request().From().Params.GetOr("tag", "")
	}
	if l := c.leg(s); !c.machine.lost(ev) {
		l.flow = tx.Flow()
		if !c.machine.departs(ev) {
			c.summary.hungUp(l.party, tx.Request())
		}
	}
	c.byeIn = tx
	c.feed(ev)
}

// ack acknowledges B's 2xx of this tag to the INVITE that began the call.
func (c *Call) ack(tag string) {
	if d, ok := c.b.dialogs[tag]; ok {
		c.sendAck(&c.b, d, c.inviteB.CSeq().SeqNo, header.CredentialsOf(c.inviteB))
	}
}
