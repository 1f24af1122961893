package compare

import (
	"fmt"
	"io"
	"time"
)

// SIPRound is one measurement of one server.
type SIPRound struct {
	Server string
	Round  int

	// At the stated rate.
	Rate          float64 // calls a second that were asked for
	Calls, Failed int     // that were answered; that were not
	User, System  Micros  // of the server from the first INVITE to the last BYE
	P50, P99, Max Micros  // INVITE to 180
	Idle, RSS     uint64  // bytes: before the calls, and right after the last one

	// As fast as it goes.
	Capacity   float64 // calls a second, INVITE to BYE
	ServerCore float64 // how busy the server was then; 1 is one core
	BenchCore  float64 // and the bench
}

// PerCall is the CPU time of one call, INVITE to BYE.
func (r SIPRound) PerCall() float64 { return ratio(float64(r.User+r.System), float64(r.Calls)) }

// SIPSummary is one server.
type SIPSummary struct {
	Server      string
	Rounds      int
	PerCall     Spread  // µs
	P50, P99    float64 // µs, medians
	Failed      int
	Capacity    float64 // median
	BenchBound  bool    // the bench was busier than the server while Capacity was measured
	RSS         float64 // MiB, median
	ToKamailio  float64 // ratio of the medians of PerCall
	RateOfCalls float64
}

// SIP is the whole comparison.
type SIP struct {
	Command string
	Began   time.Time
	Machine Machine
	Rounds  []SIPRound
	Summary []SIPSummary
}

// Kamailio is the server that the others are compared with.
const Kamailio = "kamailio"

// Summarise fills Summary from Rounds.
func (s *SIP) Summarise() {
	keys, groups := group(s.Rounds, func(r SIPRound) string { return r.Server })
	s.Summary = nil
	yard := spreadOf(groups[Kamailio], SIPRound.PerCall).Median
	for _, k := range keys {
		rounds := groups[k]
		one := SIPSummary{
			Server: k, Rounds: len(rounds), RateOfCalls: rounds[0].Rate,
			PerCall:  spreadOf(rounds, SIPRound.PerCall),
			P50:      spreadOf(rounds, func(r SIPRound) float64 { return float64(r.P50) }).Median,
			P99:      spreadOf(rounds, func(r SIPRound) float64 { return float64(r.P99) }).Median,
			Capacity: spreadOf(rounds, func(r SIPRound) float64 { return r.Capacity }).Median,
			RSS:      spreadOf(rounds, func(r SIPRound) float64 { return float64(r.RSS) / (1 << 20) }).Median,
		}
		one.BenchBound = spreadOf(rounds, func(r SIPRound) float64 { return r.BenchCore - r.ServerCore }).Median > 0
		one.ToKamailio = ratio(one.PerCall.Median, yard)
		for _, r := range rounds {
			one.Failed += r.Failed
		}
		s.Summary = append(s.Summary, one)
	}
}

// WriteTable writes the summary for people.
func (s *SIP) WriteTable(out io.Writer) error {
	rows := [][]string{{"server", "ms CPU/call min", "median", "of Kamailio", "calls/s", "p50 ms", "p99 ms", "failed", "most calls/s", "RSS MiB"}}
	for _, one := range s.Summary {
		most := fmt.Sprintf("%.0f", one.Capacity)
		if one.BenchBound && one.Capacity > 0 {
			most = "> " + most
		}
		rows = append(rows, []string{
			one.Server, fmt.Sprintf("%.2f", one.PerCall.Min/1000), fmt.Sprintf("%.2f", one.PerCall.Median/1000),
			fmt.Sprintf("%.2f", one.ToKamailio), number(one.RateOfCalls),
			fmt.Sprintf("%.1f", one.P50/1000), fmt.Sprintf("%.1f", one.P99/1000), fmt.Sprint(one.Failed), most, number(one.RSS),
		})
	}
	return table(out, rows)
}

// WriteJSON writes all rounds for other programs.
func (s *SIP) WriteJSON(out io.Writer) error { return writeJSON(out, s) }
