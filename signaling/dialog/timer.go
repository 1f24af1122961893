package dialog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// MinSession is the shortest session interval that is taken (RFC 4028 section
// 5: it may not be below 90 s).
const MinSession = 90 * time.Second

// Timer is a leg's session timer (RFC 4028): after Interval without a refresh
// the session is over. The zero value is none.
type Timer struct {
	Interval time.Duration
	Ours     bool // the refreshes are ours to send
}

// Due is how long after a refresh something has to be done: our own refresh at
// half of the interval, or the end of a session that the remote has let
// expire, a little before (RFC 4028 section 10).
func (t Timer) Due() time.Duration {
	if t.Ours {
		return t.Interval / 2
	}
	return t.Interval - min(32*time.Second, t.Interval/3)
}

// sessionExpires reads "1800;refresher=uac".
func sessionExpires(msg sip.Message) (interval time.Duration, refresher string, ok bool) {
	value, ok := firstValue(msg, "session-expires")
	if !ok {
		return 0, "", false
	}
	text, params, _ := strings.Cut(value, ";")
	interval, ok = seconds(text)
	for param := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(param, "="); strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return interval, refresher, ok
}

func firstValue(msg sip.Message, header string) (string, bool) {
	headers := msg.GetHeaders(header)
	if len(headers) == 0 {
		return "", false
	}
	return headers[0].Value(), true
}

func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}

// MinSE is the interval below which a message's sender does not go (RFC 4028
// section 5).
func MinSE(msg sip.Message) time.Duration {
	if value, ok := firstValue(msg, "min-se"); ok {
		text, _, _ := strings.Cut(value, ";")
		if least, ok := seconds(text); ok {
			return max(least, MinSession)
		}
	}
	return MinSession
}

// TooSmall tells whether a request asks for a session interval that we may
// refuse with 422 (RFC 4028 section 9): shorter than MinSession, from a UAC
// that knows what a 422 is.
func TooSmall(req *sip.Request) bool {
	interval, _, ok := sessionExpires(req)
	return ok && interval < MinSession && Lists(req, "supported", "timer")
}

// AnswerTimer is the timer that our 2xx to a request sets up (RFC 4028 section
// 9, table 2): what the request asks for, or want where its sender knows
// session timers. zero want asks for none. was is the timer in force: who
// refreshes does not change unasked.
func AnswerTimer(req *sip.Request, want time.Duration, was Timer) Timer {
	interval, refresher, asked := sessionExpires(req)
	knows := Lists(req, "supported", "timer") || Lists(req, "require", "timer")
	switch {
	case !asked && (!knows || want == 0):
		return Timer{}
	case !asked:
		interval = max(want, MinSE(req))
	case interval < MinSession: // from one that does not know session timers: a proxy on the way asks
		interval = MinSession
	}
	t := Timer{Interval: interval}
	switch {
	case !knows, refresher == "uas":
		t.Ours = true
	case refresher == "uac":
	default:
		t.Ours = was.Interval == 0 || was.Ours
	}
	return t
}

// Header is the Session-Expires of our 2xx; required tells whether Require:
// timer goes with it: where the remote has to refresh (RFC 4028 section 9).
func (t Timer) Header() (value string, required bool) {
	if t.Ours {
		return fmt.Sprintf("%d;refresher=uas", int(t.Interval.Seconds())), false
	}
	return fmt.Sprintf("%d;refresher=uac", int(t.Interval.Seconds())), true
}

// TakeTimer is the timer that a 2xx to our request set up (RFC 4028 section
// 7.2).
func TakeTimer(res *sip.Response) Timer {
	interval, refresher, ok := sessionExpires(res)
	if !ok || interval == 0 {
		return Timer{}
	}
	return Timer{Interval: max(interval, MinSession), Ours: refresher != "uas"}
}
