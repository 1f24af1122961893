package call

import (
	"testing"
	"time"

	"callseal/media"
)

func TestAudioOfALeg(t *testing.T) {
	for _, row := range []struct {
		name string
		st   media.SideStats
		want string
	}{
		{"nothing came", media.SideStats{}, "rx 0 0B lost 0 late 0 dropped 0 tx 0 0B"},
		{"no reports", media.SideStats{
			Received: 1500, ReceivedBytes: 258000, Sent: 1498, SentBytes: 257656,
			Heard: media.Quality{Expected: 1503, Lost: 3, Late: 1, Jitter: 1234 * time.Microsecond, LongestGap: 60 * time.Millisecond, MOS: 4.371},
		}, "rx 1500 258000B lost 3 late 1 dropped 0 jitter 1.2ms gap 60ms mos 4.37 tx 1498 257656B"},
		{"a short call with reports", media.SideStats{
			Received: 20, ReceivedBytes: 3440, Sent: 20, SentBytes: 3440, RoundTrip: 12345 * time.Microsecond,
			Heard: media.Quality{Expected: 20}, Reported: media.Quality{Expected: 20, Lost: 2, Jitter: 400 * time.Microsecond},
		}, "rx 20 3440B lost 0 late 0 dropped 0 jitter 0s gap 0s tx 20 3440B rtt 12.3ms far lost 2 jitter 400µs"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := audio(row.st); got != row.want {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
		})
	}
}
