package call

import (
	"context"
	"log/slog"
	"slices"

	"callseal/media"
	"callseal/signaling/transport"
)

// watchMedia makes the session's events events of the call.
func (c *Call) watchMedia() {
	session := c.session
	session.Notify(func(e media.Event) {
		c.box.put(func() {
			if c.session == session { // not yet closed
				c.mediaEvent(e)
			}
		})
	})
}

// setMedia tells the relay about the remote of a leg, and where its signaling
// comes from: behind NAT its audio does too, whatever its SDP says.
func (c *Call) setMedia(s side, r media.Remote) error {
	if f := c.leg(s).flow; f != nil {
		r.From = f.Remote().Addr()
	}
	if s == sideB {
		return c.session.Set(media.B, r)
	}
	return c.session.Set(media.A, r)
}

// mediaEvent takes what the relay noticed about one leg's audio.
func (c *Call) mediaEvent(e media.Event) {
	l := c.leg(sideOf(e.Side))
	switch e.Kind {
	case media.EventFirstAudio:
		c.house.Metrics.clip(l.party, c.other(l).party, e.After)
	case media.EventOneWay:
		c.oneWay(l, e.Cause)
	case media.EventSilent:
		c.silent(sideOf(e.Side), e)
	case media.EventLifetime:
		c.house.Log.Info("an SRTP key is near the end of its life: a new one is offered", "call", c.id, "leg", l.party.Name)
		s := sideOf(e.Side)
		c.renew[s] = true
		c.feed(event{kind: evOwed, side: s})
	case media.EventOutlived:
		c.house.Log.Warn("an SRTP key is used beyond its lifetime: a new one was offered, and the remote did not answer with one of its own",
			"call", c.id, "leg", l.party.Name)
	}
}

func sideOf(s media.Side) side {
	if s == media.B {
		return sideB
	}
	return sideA
}

// oneWay notes that a leg is not heard on the other.
func (c *Call) oneWay(l *leg, cause media.OneWay) {
	c.house.Metrics.oneWay(l.party, cause)
	if fault := l.party.Name + ":" + cause.String(); !slices.Contains(c.summary.oneWay, fault) { // each hold that ends may show it again
		c.summary.oneWay = append(c.summary.oneWay, fault)
	}
	level := slog.LevelWarn
	if cause == media.OneWayNothing && l.party.Role == transport.Dialer {
		level = slog.LevelInfo // AMD, and whoever else waits for the callee to speak, sends nothing at first
	}
	c.house.Log.Log(context.Background(), level, "one-way audio: nothing of "+l.party.Name+" is heard", "call", c.id, "leg", l.party.Name,
		"cause", cause.String(), "advice", oneWayAdvice(l.party.Name, cause))
}

// oneWayAdvice says what the administrator may look at.
func oneWayAdvice(name string, cause media.OneWay) string {
	switch cause {
	case media.OneWayNothing:
		return "no packet of " + name + " came: look at firewalls and NAT between it and media.ports, and at media.advertise"
	case media.OneWayAfterHold:
		return name + " sends nothing since the hold ended: look at how it resumes a call"
	case media.OneWayKey:
		return name + " encrypts with another key than it signalled: its SRTP is at fault"
	case media.OneWayRollover:
		return name + " goes on with an old rollover counter under a new key: its SRTP is at fault"
	case media.OneWayReplay:
		return name + " sends packets that were sent before: look for a loop, or for a recorder that plays them back"
	case media.OneWayPlain:
		return name + " negotiated SRTP and sends RTP in the clear: its SRTP is at fault"
	case media.OneWaySource:
		return name + " sends from another address than it signalled: correct the address in its SDP (externip, media address)"
	case media.OneWayNotRTP:
		return name + " sends no RTP: switch ICE and DTLS off there"
	case media.OneWayUndelivered:
		return "the other leg gave no address for audio: look at the SDP that it sent"
	}
	return ""
}
