package call

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// A remote that sends neither audio nor RTCP may be dead, or a phone that is muted and suppresses silence, for a whole shift. Where the other
// remote is heard somebody may be listening, so the silent one is asked, by OPTIONS in the dialog (RFC 3261 section 11): who is there answers.
// Where neither is heard there is nobody.

// answersWithin is how long it has for that: with limits.silence of 30 s a dead leg's call is over after 35.
const answersWithin = 4 * time.Second

// silence is a question to a silent leg.
type silence struct {
	leg   *leg
	tag   string // our own in it: another remote may take the leg's place meanwhile
	since time.Duration
}

// silent takes that a leg has been silent for as long as it may.
func (c *Call) silent(s side, e media.Event) {
	l, d := c.find(s, c.machine.winner)
	if c.silences[s] != nil || !talking(c.machine.state) || c.machine.left(s) {
		return
	}
	q := &silence{leg: l, tag: l.tag, since: e.After}
	if e.Both || d == nil {
		c.dead(q)
		return
	}
	c.silences[s] = q
	mine := func() bool { return c.silences[s] == q && talking(c.machine.state) && l.tag == q.tag }
	c.after(clock{quietTimer, s}, answersWithin, func() {
		if mine() {
			c.dead(q)
		}
	})
	c.send(l, d, d.Request(sip.OPTIONS), func(r transport.Result) {
		if r.Err == nil && r.Response.IsProvisional() {
			return
		}
		c.box.put(func() {
			if !mine() {
				return
			}
			c.stop(clock{quietTimer, s})
			c.silences[s] = nil
			c.quietAnswer(q, r)
		})
	})
}

// quietAnswer takes what a silent remote says. Every answer shows that it is there, but for one that knows no such call (RFC 3261 section
// 12.2.1.2).
func (c *Call) quietAnswer(q *silence, r transport.Result) {
	if r.Err != nil || r.Response.StatusCode == 481 || r.Response.StatusCode == 408 {
		c.dead(q)
		return
	}
	c.house.Metrics.alive(q.leg.party)
	c.house.Log.Info("silent leg answers: the call goes on", "call", c.id, "leg", q.leg.party.Name, "silence", q.since.Truncate(time.Second).String(),
		"code", r.Response.StatusCode)
}

// dead ends a call of which one leg is dead.
func (c *Call) dead(q *silence) {
	name := q.leg.party.Name
	phrase := header.Phrase("SBC no audio from " + name)
	c.house.Metrics.silent(q.leg.party)
	c.house.Log.Warn("call ended: "+phrase, "call", c.id, "leg", name, "silence", q.since.Truncate(time.Second).String())
	c.summary.end("callseal", phrase, originLocal)
	c.feed(event{kind: evEnd, fault: phrase})
}
