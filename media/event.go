package media

import "time"

// EventKind says what a session has to tell.
type EventKind uint8

// The kinds. All but the last two are about time after Answered.
const (
	EventFirstAudio EventKind = iota // the first RTP packet of Side's remote was delivered to the other side, After the answer
	EventOneWay                      // none was, for oneWayAfter since the answer or the end of a hold; Cause says why
	EventSilent                      // Side's remote sent nothing authentic for After; again each time that as much has passed
	EventLifetime                    // a key of Side's leg has served 7/8 of its life: new keys are wanted
	EventOutlived                    // the key of Side's remote has served longer than it may; its packets are still taken
)

// String returns a name of the kind.
func (k EventKind) String() string {
	switch k {
	case EventFirstAudio:
		return "first_audio"
	case EventOneWay:
		return "one_way"
	case EventSilent:
		return "silent"
	case EventLifetime:
		return "lifetime"
	case EventOutlived:
		return "outlived"
	}
	return "unknown"
}

// Event is one thing that a session tells to whom it was asked to Notify.
type Event struct {
	Kind  EventKind
	Side  Side          // whose remote it is about
	After time.Duration // EventFirstAudio, EventSilent
	Both  bool          // EventSilent: the other side's remote should send too, and has been silent for as long
	Cause OneWay        // EventOneWay
}

// OneWay is why nothing of a remote's audio reached the other side. Its names are label values and therefore API.
type OneWay uint8

// The causes.
const (
	OneWayNothing     OneWay = iota // not one packet came
	OneWayAfterHold                 // not one since the hold ended
	OneWayKey                       // the tags are wrong: another key than the one signalled
	OneWayRollover                  // the key is right, the rollover counter is not the one that a new stream has
	OneWayReplay                    // all packets were seen before
	OneWayPlain                     // RTP without protection on a sealed side
	OneWaySource                    // from addresses other than the signalled one
	OneWayNotRTP                    // only STUN, DTLS and the like, or broken packets
	OneWayUndelivered               // good packets came, and the other side could not be sent to
	oneWayCount
)

var oneWayNames = [oneWayCount]string{
	"nothing_came", "nothing_after_hold", "wrong_key", "rollover", "replay", "plain_rtp", "wrong_source", "not_rtp", "undelivered",
}

// String returns the label value of the cause.
func (o OneWay) String() string {
	if o >= oneWayCount {
		return "unknown"
	}
	return oneWayNames[o]
}
