package call

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"callseal/media"
	"callseal/signaling/transport"
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

// TestAudioMetrics: what is measured of a leg is counted by its trunk and direction; what is not known is not counted.
func TestAudioMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	dialer, carrier := Party{Role: transport.Dialer, Name: "dialer1"}, Party{Role: transport.Carrier, Name: "telco"}
	m.clip(dialer, carrier, 30*time.Millisecond)
	m.heard(dialer, media.SideStats{Received: 90, RoundTrip: 3 * time.Millisecond, Heard: media.Quality{Expected: 100, Lost: 10, Jitter: time.Millisecond, MOS: 3}})
	m.heard(carrier, media.SideStats{Reported: media.Quality{Expected: 100, MOS: 4.4}})
	m.oneWay(carrier, media.OneWayKey)
	m.silent(dialer)
	for name, want := range map[string]int{
		"callseal_answer_clip_seconds": 2, "callseal_audio_mos": 2, "callseal_audio_loss_ratio": 2, "callseal_audio_jitter_seconds": 2,
		"callseal_audio_packets_total": 4, "callseal_audio_bytes_total": 4, "callseal_audio_late_packets_total": 2, "callseal_audio_longest_gap_seconds": 1,
		"callseal_audio_round_trip_seconds": 1, "callseal_one_way_audio_total": 1, "callseal_silent_legs_total": 1,
	} {
		if got, err := testutil.GatherAndCount(reg, name); err != nil || got != want {
			t.Errorf("%s: %d series, %v, want %d", name, got, err, want)
		}
	}
	if got := testutil.ToFloat64(m.oneWayAudio.WithLabelValues("carrier", "telco", "wrong_key")); got != 1 {
		t.Errorf("one-way audio by wrong_key: %v", got)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
