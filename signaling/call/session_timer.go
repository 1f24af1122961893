package call

import (
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Session timers (RFC 4028) end at us, each leg with its own: a refresh that
// keeps one leg alive says nothing about the other.

// refreshRetry is how long a refresh waits that could not be sent or was
// refused for a reason that passes.
const refreshRetry = 10 * time.Second

// arm starts a leg's session timer anew, after each 2xx to an INVITE or UPDATE
// (RFC 4028 section 10).
func (c *Call) arm(s side, t dialog.Timer) {
	c.timer[s] = t
	refresh, expire := clock{refreshTimer, s}, clock{expireTimer, s}
	c.stop(refresh)
	c.stop(expire)
	if t.Interval == 0 {
		return
	}
	if t.Ours {
		c.after(refresh, t.Due(), func() { c.refresh(s, true) })
		c.after(expire, t.Interval, func() { c.expired(s) })
		return
	}
	c.after(expire, t.Due(), func() { c.expired(s) })
}

// expired ends a call one of whose remotes was not heard of in time.
func (c *Call) expired(s side) {
	name := c.leg(s).party.Name
	c.summary.end(name, "session timer expired", originOf(c.leg(s).party))
	c.feed(event{kind: evEnd, fault: header.Phrase(name + " let the session expire")})
}

// refresh tells a remote that the call is still there, and asks whether it is
// there for the remote: by UPDATE, which leaves the session alone, where the
// remote takes it, else by the offer that is in force. first tells that the
// remote has not just refused one because of its interval.
func (c *Call) refresh(s side, first bool) {
	if c.machine.state != up {
		c.refreshLater(s)
		return
	}
	l, d := c.find(s, c.fork)
	if d == nil || !d.Allows(sip.UPDATE) {
		c.refreshLater(s) // unless this one succeeds
		c.feed(event{kind: evOwed, side: s})
		return
	}
	req := d.Request(sip.UPDATE)
	c.timerHeaders(req, s)
	c.send(l, d, req, func(r transport.Result) {
		if r.Err == nil && r.Response.IsProvisional() {
			return
		}
		c.box.put(func() { c.refreshed(s, d, r, first) })
	})
}

func (c *Call) refreshLater(s side) {
	c.after(clock{refreshTimer, s}, refreshRetry, func() { c.refresh(s, true) })
}

// refreshed takes the answer to a refresh without SDP.
func (c *Call) refreshed(s side, d *dialog.Dialog, r transport.Result, first bool) {
	switch {
	case r.Err != nil:
		c.house.Log.Warn("session refresh not answered", "call", c.id, "leg", c.leg(s).party.Name, "error", r.Err)
		c.refreshLater(s) // until the session expires
	case r.Response.IsSuccess():
		d.Refresh(r.Response.Contact())
		t := dialog.TakeTimer(r.Response)
		if t.Interval == 0 {
			t = c.timer[s] // it forgot to say: we go on as before
		}
		c.arm(s, t)
	case r.Response.StatusCode == 422 && first:
		c.least[s] = dialog.MinSE(r.Response)
		c.refresh(s, false)
	case r.Response.StatusCode == 481 || r.Response.StatusCode == 408:
		c.expired(s)
	default:
		c.refreshLater(s)
	}
}

// timerHeaders are what a request of ours says of session timers (RFC 4028
// section 7.1).
func (c *Call) timerHeaders(req *sip.Request, s side) { c.sessionHeaders(req, c.timer[s], c.least[s]) }

// sessionHeaders is that for a leg with timer t, zero for none yet, whose remote
// wants no session shorter than least.
func (c *Call) sessionHeaders(req *sip.Request, t dialog.Timer, least time.Duration) {
	tags := "timer"
	if req.Method == sip.INVITE && req.To().Params.GetOr("tag", "") == "" {
		tags = Supported
	}
	req.AppendHeader(sip.NewHeader("Supported", tags))
	interval, refresher := max(c.house.Session, least), ""
	if t.Interval > 0 {
		interval = max(t.Interval, least)
		refresher = ";refresher=uas"
		if t.Ours {
			refresher = ";refresher=uac"
		}
	}
	if c.house.Session == 0 && t.Interval == 0 {
		return
	}
	req.AppendHeader(sip.NewHeader("Session-Expires", fmt.Sprintf("%d%s", int(interval.Seconds()), refresher)))
	req.AppendHeader(minSE(max(dialog.MinSession, least)))
}

// timerAnswer puts a session timer into a 2xx of ours.
func (c *Call) timerAnswer(res *sip.Response, t dialog.Timer) {
	if t.Interval == 0 {
		return
	}
	value, required := t.Header()
	res.AppendHeader(sip.NewHeader("Session-Expires", value))
	if required {
		res.AppendHeader(sip.NewHeader("Require", "timer"))
	}
}

func minSE(least time.Duration) sip.Header {
	return sip.NewHeader("Min-SE", fmt.Sprint(int(least.Seconds())))
}
