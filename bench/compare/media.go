package compare

import (
	"fmt"
	"io"
	"time"
)

// MediaRound is one measurement of one relay.
type MediaRound struct {
	Relay string
	Calls int
	Round int

	Took         time.Duration `json:"-"`
	Packets      uint64        // that the relay passed in that time
	User, System Micros        // of the relay in that time
	Idle, RSS    uint64        // bytes: before the calls, and with them

	P50, P99, P999 Micros // from one end to the other
	Max            Micros
	Sent, Lost     uint64 // in the whole round
	Unauthentic    uint64
	Changed, Same  uint64 // payloads: whether the relay re-encrypted them
	LatenessP99    Micros // of the bench itself
	BenchCore      float64
}

// lateLimit is from where on the bench disturbs what it measures.
const lateLimit Micros = 10_000

// Disturbed tells whether the bench itself could not keep its times.
func (r MediaRound) Disturbed() bool { return r.LatenessP99 > lateLimit }

// PerPacket is the CPU time of one relayed packet.
func (r MediaRound) PerPacket() float64 { return ratio(float64(r.User+r.System), float64(r.Packets)) }

// Core is the share of one core that the relay used.
func (r MediaRound) Core() float64 {
	return ratio(float64(r.User+r.System), float64(InMicros(r.Took)))
}

// PerCall is the memory of one call, in KiB.
func (r MediaRound) PerCall() float64 {
	return ratio((float64(r.RSS)-float64(r.Idle))/1024, float64(r.Calls))
}

// MediaSummary is one relay with one number of calls.
type MediaSummary struct {
	Relay         string
	Calls         int
	Rounds, Tried int     // that count, and all attempts
	LossDisturbed float64 // share lost in the attempts that do not count
	PerPacket     Spread  // µs
	Core          float64
	P50, P99      float64 // µs, medians
	P999          float64 // µs, median
	LossShare     float64 // of the rounds that count, together
	RSSPerCall    float64 // KiB, median
	Reencrypted   bool    // every payload
	Disturbed     bool    // no round in which the bench could keep its times
	ToRtpengine   float64 // ratio of the medians of PerPacket
	ToFloor       float64
}

// Media is the whole comparison.
type Media struct {
	Command string
	Began   time.Time
	Machine Machine
	Rounds  []MediaRound
	Summary []MediaSummary
}

// Names of the relays that the others are compared with.
const (
	Rtpengine = "rtpengine"
	Floor     = "floor"
)

type mediaKey struct {
	relay string
	calls int
}

// lossDisturbed is what was lost where the bench could not keep its times: the
// fault may be the machine's, the bench's or the relay's.
func lossDisturbed(rounds []MediaRound) float64 {
	var sent, lost uint64
	for _, r := range rounds {
		if r.Disturbed() {
			sent += r.Sent
			lost += r.Lost + r.Unauthentic
		}
	}
	return ratio(float64(lost), float64(sent))
}

// undisturbed leaves out the rounds that are worth little, unless that would be
// all of them.
func undisturbed(rounds []MediaRound) []MediaRound {
	var good []MediaRound
	for _, r := range rounds {
		if !r.Disturbed() {
			good = append(good, r)
		}
	}
	if len(good) == 0 {
		return rounds
	}
	return good
}

// Summarise fills Summary from Rounds.
func (m *Media) Summarise() {
	keys, groups := group(m.Rounds, func(r MediaRound) mediaKey { return mediaKey{r.Relay, r.Calls} })
	byCalls(keys, func(k mediaKey) int { return k.calls })
	m.Summary = nil
	cost := func(relay string, calls int) float64 {
		return spreadOf(groups[mediaKey{relay, calls}], MediaRound.PerPacket).Median
	}
	tried := map[mediaKey][]MediaRound{}
	for k, rounds := range groups {
		tried[k] = rounds
		groups[k] = undisturbed(rounds)
	}
	for _, k := range keys {
		rounds := groups[k]
		s := MediaSummary{
			Relay: k.relay, Calls: k.calls, Rounds: len(rounds), Tried: len(tried[k]),
			LossDisturbed: lossDisturbed(tried[k]),
			PerPacket:     spreadOf(rounds, MediaRound.PerPacket),
			Core:          spreadOf(rounds, MediaRound.Core).Median,
			P50:           spreadOf(rounds, func(r MediaRound) float64 { return float64(r.P50) }).Median,
			P99:           spreadOf(rounds, func(r MediaRound) float64 { return float64(r.P99) }).Median,
			P999:          spreadOf(rounds, func(r MediaRound) float64 { return float64(r.P999) }).Median,
			RSSPerCall:    spreadOf(rounds, MediaRound.PerCall).Median,
			Reencrypted:   true,
		}
		var sent, lost uint64
		for _, r := range rounds {
			s.Disturbed = s.Disturbed || r.Disturbed()
			sent += r.Sent
			lost += r.Lost + r.Unauthentic
			s.Reencrypted = s.Reencrypted && r.Same == 0 && r.Changed > 0
		}
		s.LossShare = ratio(float64(lost), float64(sent))
		s.ToRtpengine = ratio(s.PerPacket.Median, cost(Rtpengine, k.calls))
		s.ToFloor = ratio(s.PerPacket.Median, cost(Floor, k.calls))
		m.Summary = append(m.Summary, s)
	}
}

// WriteTable writes the summary for people.
func (m *Media) WriteTable(out io.Writer) error {
	rows := [][]string{{"relay", "calls", "µs/packet min", "median", "of rtpengine", "of floor", "core", "p50 µs", "p99 µs", "p99.9 µs", "loss", "KiB/call", "re-encrypted", "rounds", "loss in others"}}
	for _, s := range m.Summary {
		rows = append(rows, []string{
			s.Relay, fmt.Sprint(s.Calls), number(s.PerPacket.Min), number(s.PerPacket.Median),
			fmt.Sprintf("%.2f", s.ToRtpengine), fmt.Sprintf("%.2f", s.ToFloor), fmt.Sprintf("%.2f", s.Core),
			fmt.Sprintf("%.0f", s.P50), fmt.Sprintf("%.0f", s.P99), fmt.Sprintf("%.0f", s.P999), loss(s.LossShare), fmt.Sprintf("%.1f", s.RSSPerCall),
			map[bool]string{true: "yes", false: "no"}[s.Reencrypted], rounds(s), loss(s.LossDisturbed),
		})
	}
	return table(out, rows)
}

// rounds tells how many counted of how many attempts, and whether they are
// worth little.
func rounds(s MediaSummary) string {
	text := fmt.Sprintf("%d of %d", s.Rounds, s.Tried)
	if s.Disturbed {
		text += ", disturbed"
	}
	return text
}

func loss(share float64) string {
	if share == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3f %%", 100*share)
}

// WriteJSON writes all rounds for other programs.
func (m *Media) WriteJSON(out io.Writer) error { return writeJSON(out, m) }
