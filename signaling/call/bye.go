package call

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/transport"
)

// sendBye sends a BYE and calls over once nothing more can come of it. One
// that got no answer on a connection goes out once more: the transport has
// closed that connection if it was dead, and dials.
func (c *Call) sendBye(l *leg, d *dialog.Dialog, first bool, over func()) {
	req := d.Request(sip.BYE)
	for _, h := range c.summary.reasons(c.way(l)) {
		req.AppendHeader(h)
	}
	c.send(l, d, req, func(r transport.Result) {
		if r.Again || (r.Err == nil && r.Response.IsProvisional()) {
			return
		}
		c.box.put(func() {
			switch {
			case r.Err == nil:
				c.byeAnswered(l, r.Response)
			case first && l.party.Phone != nil:
				c.awaitPhone(byePatience, l, func() { c.sendBye(l, d, false, over) })
				return
			case first && r.Flow != nil && r.Flow.Proto().Stream() && l.party.Trunk != nil:
				c.sendBye(l, d, false, over)
				return
			default:
				c.house.Log.Warn("BYE without an answer", "call", c.id, "leg", l.party.Name, "error", r.Err)
				c.house.Metrics.byeLost(l.party)
			}
			over()
		})
	})
}

// A phone that lost its connection comes back by another one; until then it
// cannot be told that the call has ended.
const (
	byePatience = 16 * time.Second
	byePause    = 500 * time.Millisecond
)

// awaitPhone calls then once a phone can be reached, or when that takes too
// long.
func (c *Call) awaitPhone(left time.Duration, l *leg, then func()) {
	if left <= 0 || l.party.Phone.Flow() != nil {
		then()
		return
	}
	time.AfterFunc(byePause, func() { c.box.put(func() { c.awaitPhone(left-byePause, l, then) }) })
}

// byeAnswered notes an answer that leaves open whether the remote has ended
// the call, and bills it no longer. For us it is over (RFC 3261 section
// 15.1.1).
func (c *Call) byeAnswered(l *leg, res *sip.Response) {
	if res.IsSuccess() || res.StatusCode == 481 || res.StatusCode == 408 {
		return
	}
	c.house.Log.Warn("BYE refused", "call", c.id, "leg", l.party.Name, "code", res.StatusCode,
		"advice", "let "+l.party.Name+" take BYE in a dialog without more ado: it may bill the call on")
	c.house.Metrics.byeRefused(l.party)
}
