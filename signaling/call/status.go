package call

import (
	"strings"
	"time"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/transport"
)

// Status is a call as it is now. It holds no number but a phone's extension.
type Status struct {
	ID       string
	State    string // calling, answering, up, cancelling, closing
	CallType string // what VICIdial's caller code says that it is for
	Since    time.Time
	Answered time.Time // zero: not yet
	A, B     LegStatus
}

// LegStatus is one leg of a Status.
type LegStatus struct {
	Role transport.Role
	// Name is the trunk's, or that of the listener of the phones.
	Name string
	// Extension is that of a phone that has registered, else "".
	Extension string
	// Signaling is the TLS version, or udp or tcp; "none" before there is any.
	Signaling string
	// Suite is the SRTP suite, "none" for RTP in the clear, "" before the two
	// agree.
	Suite string
	// Sealed: nothing of the leg is in the clear, neither signaling nor audio.
	Sealed bool
	// OneWay is why nothing of the leg was heard on the other, "" where it was.
	OneWay string
	Audio  media.SideStats
}

// Ask lets f have the call's status, from the call's goroutine; f must not
// wait. false: the call is over.
func (c *Call) Ask(f func(Status)) bool { return c.box.offer(func() { f(c.status()) }) }

func (c *Call) status() Status {
	var audio media.Stats
	if c.session != nil {
		audio = c.session.Stats()
	}
	s := &c.summary
	st := Status{ID: c.id, State: c.machine.state.String(), CallType: s.callType.String(), Since: s.start, Answered: s.answer}
	for _, side := range []side{sideA, sideB} {
		l := c.leg(side)
		leg := LegStatus{Role: l.party.Role, Name: l.party.Name, Signaling: l.signaling(), Audio: audio.Side[mediaSide(side)]}
		if l.party.Phone != nil {
			leg.Extension = l.party.Phone.AOR().User
		}
		if c.negotiation.ends[sideB].said != nil {
			leg.Suite = suiteName(c.negotiation.ends[side].key)
		}
		leg.Sealed = l.flow != nil && l.flow.TLS() != nil && (leg.Suite != plainSuite && leg.Suite != "" || leg.Suite == "" && l.party.Mode == sdp.Required)
		for _, fault := range s.oneWay {
			if cause, ours := strings.CutPrefix(fault, l.party.Name+":"); ours {
				leg.OneWay = cause
			}
		}
		if side == sideA {
			st.A = leg
		} else {
			st.B = leg
		}
	}
	return st
}
