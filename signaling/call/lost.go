package call

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/media"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// A connection that is lost ends no dialog (RFC 3261 section 12): people talk on, and what is to be said next goes by a new connection. But the
// remote may be dead. So it is asked at once, by OPTIONS over a new connection. Who does not know the call any more has ended it (section
// 12.2.1.2). Who cannot be reached and fell silent at the same moment has crashed; who cannot be reached but is heard is asked again.
const (
	crashAfter  = 500 * time.Millisecond // this long without audio, and without a connection: the remote has crashed
	talkedSince = time.Second            // its audio came within this long before
	probesEnd   = 16 * time.Second       // between the last two questions
)

// probe is what is known of a leg since it lost its connection.
type probe struct {
	side   side
	talked bool          // audio came until then
	pause  time.Duration // until the next question
	timer  *time.Timer   // stopped by stopProbes
}

// talking tells whether a state is one in which both legs have a dialog, and neither is being ended.
func talking(s state) bool { return s == answering || s == up }

// connectionLost takes the end of a connection in a call that was answered.
func (c *Call) connectionLost(f *transport.Flow) {
	for _, s := range [...]side{sideA, sideB} {
		l := c.leg(s)
		if l.flow != f || !talking(c.machine.state) || c.machine.left(s) {
			continue
		}
		c.house.Log.Info("connection lost in a call", "call", c.id, "leg", l.party.Name)
		p := &probe{side: s, pause: crashAfter, talked: time.Since(c.lastAudio(s)) < talkedSince}
		if old := c.probes[s]; old != nil && old.timer != nil {
			old.timer.Stop()
		}
		c.probes[s] = p
		c.probe(p)
	}
}

// lastAudio is when the last packet of a leg's audio came.
func (c *Call) lastAudio(s side) time.Time {
	if c.session == nil {
		return time.Time{}
	}
	stats := c.session.Stats()
	if s == sideB {
		return stats.Side[media.B].Last
	}
	return stats.Side[media.A].Last
}

// probe sends the question.
func (c *Call) probe(p *probe) {
	l, d := c.find(p.side, c.machine.winner)
	if d == nil || !talking(c.machine.state) {
		return
	}
	c.send(l, d, d.Request(sip.OPTIONS), func(r transport.Result) {
		if r.Err == nil && r.Response.IsProvisional() {
			return
		}
		c.box.put(func() {
			if c.probes[p.side] == p && talking(c.machine.state) {
				c.probed(p, l, r)
			}
		})
	})
}

// probeNow asks at once where a question is under way or waits for its time.
func (c *Call) probeNow(s side) {
	old := c.probes[s]
	if old == nil {
		return
	}
	if old.timer != nil {
		old.timer.Stop()
	}
	p := &probe{side: s, pause: crashAfter, talked: old.talked}
	c.probes[s] = p
	c.probe(p)
}

// probed takes what came of the question.
func (c *Call) probed(p *probe, l *leg, r transport.Result) {
	switch {
	case r.Err == nil && (r.Response.StatusCode == 481 || r.Response.StatusCode == 408): // RFC 3261 section 12.2.1.2
		c.lost(l, "SBC lost the call at "+l.party.Name)
	case r.Err == nil:
		l.flow = r.Flow
		c.probes[p.side] = nil
	default:
		p.timer = time.AfterFunc(p.pause, func() {
			c.box.put(func() {
				if c.probes[p.side] == p && talking(c.machine.state) {
					c.unreached(p, l)
				}
			})
		})
	}
}

// unreached judges a remote that could not be asked, or asks again.
func (c *Call) unreached(p *probe, l *leg) {
	heard := time.Since(c.lastAudio(p.side)) < crashAfter
	if p.talked && !heard && l.party.Phone == nil { // a phone loses both with its network, and comes back with another
		c.lost(l, "SBC lost "+l.party.Name)
		return
	}
	p.talked = p.talked || heard
	if p.pause *= 2; p.pause <= probesEnd { // then media's silence, or the next request, is left to find out
		c.probe(p)
	}
}

// lost ends a call of which one remote is gone.
func (c *Call) lost(l *leg, phrase string) {
	phrase = header.Phrase(phrase)
	c.house.Log.Warn("call ended: "+phrase, "call", c.id, "leg", l.party.Name)
	c.summary.end("callseal", phrase, originLocal)
	c.feed(event{kind: evEnd, fault: phrase})
}

// stopProbes stops what clocks are left.
func (c *Call) stopProbes() {
	for _, p := range c.probes {
		if p != nil && p.timer != nil {
			p.timer.Stop()
		}
	}
}
