package call

import (
	"fmt"
	"strings"
	"time"

	"callseal/media"
)

// audio says how the audio of one leg went: what came from its party and how
// well, what was sent to it, and how well that arrived where it said so.
// "rx 1500 258000B lost 3 late 0 dropped 0 jitter 1.2ms gap 60ms mos 4.37 tx
// 1498 257656B rtt 12.4ms far lost 0 jitter 0.4ms mos 4.41".
func audio(st media.SideStats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rx %d %dB lost %d late %d dropped %d", st.Received, st.ReceivedBytes, st.Heard.Lost, st.Heard.Late, st.Drops.Total())
	if st.Received > 0 {
		fmt.Fprintf(&b, " jitter %s gap %s%s", short(st.Heard.Jitter), short(st.Heard.LongestGap), score(st.Heard))
	}
	fmt.Fprintf(&b, " tx %d %dB", st.Sent, st.SentBytes)
	if st.RoundTrip > 0 {
		fmt.Fprintf(&b, " rtt %s", short(st.RoundTrip))
	}
	if st.Reported.Expected > 0 {
		fmt.Fprintf(&b, " far lost %d jitter %s%s", st.Reported.Lost, short(st.Reported.Jitter), score(st.Reported))
	}
	return b.String()
}

// short writes a duration to a tenth of a millisecond.
func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

func score(q media.Quality) string {
	if q.MOS == 0 {
		return ""
	}
	return fmt.Sprintf(" mos %.2f", q.MOS)
}
