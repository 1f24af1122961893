package bench

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"callseal/bench/stream"
)

// Report is a run that is over.
type Report struct {
	Snapshot
	Ends [2][]Result // by Party
}

// Demands are what a run is held to.
type Demands struct {
	Sealed  [2]bool // legs on which nothing may be readable
	MaxLoss float64 // share of the packets, 0 to 1
}

// Media sums up both ends.
func (s Snapshot) Media() Media {
	return s.Legs[Calling].Media.plus(s.Legs[Answering].Media)
}

// Loss is the share of packets that never came, both directions.
func (s Snapshot) Loss() float64 {
	m := s.Media()
	if m.Lost+m.Received == 0 {
		return 0
	}
	return float64(m.Lost) / float64(m.Lost+m.Received)
}

// Connect is the time from INVITE to 200 over the time the answerer let it
// ring: what the server and the network added. The longest of the run.
func (r Report) Connect() (longest time.Duration) {
	for _, result := range r.Ends[Calling] {
		if result.Connect > 0 {
			longest = max(longest, result.Connect-result.Ring)
		}
	}
	return longest
}

// Faults says in sentences what did not go as planned; none means all is
// well.
func (r Report) Faults(d Demands) []string {
	var faults []string
	if missing := r.Planned - len(r.Ends[Calling]); missing > 0 {
		faults = append(faults, fmt.Sprintf("%d of %d calls were not placed", missing, r.Planned))
	}
	for party, results := range r.Ends {
		faults = append(faults, callFaults(r.Names[party], results)...)
	}
	faults = append(faults, r.audioFaults(d)...)
	for party, sealed := range d.Sealed {
		if sealed {
			faults = append(faults, r.sealFaults(Party(party))...)
		}
	}
	return faults
}

// callFaults groups the failed calls of one end by what failed.
func callFaults(end string, results []Result) []string {
	groups := make(map[string]int)
	for _, result := range results {
		switch {
		case result.Err != nil:
			groups[result.Err.Error()]++
		case !result.OK():
			groups[fmt.Sprintf("planned %v, got %v", result.Outcome, result.Got)]++
		case result.Got == Answered && result.Audio >= stream.PacketTime && result.Media.Received == 0:
			groups["no audio arrived"]++
		}
	}
	var faults []string
	for _, text := range slices.Sorted(maps.Keys(groups)) {
		faults = append(faults, fmt.Sprintf("%d of %d calls failed at the %s: %s", groups[text], len(results), end, text))
	}
	return faults
}

func (r Report) audioFaults(d Demands) []string {
	var faults []string
	m := r.Media()
	if loss := r.Loss(); loss > d.MaxLoss {
		faults = append(faults, fmt.Sprintf("%d audio packets were lost (%.2f %%)", m.Lost, 100*loss))
	}
	for _, row := range []struct {
		count uint64
		what  string
	}{
		{m.Duplicated, "arrived twice"},
		{m.Unauthentic, "failed authentication or were altered"},
		{m.Foreign, "belonged to another call"},
	} {
		if row.count > 0 {
			faults = append(faults, fmt.Sprintf("%d audio packets %s", row.count, row.what))
		}
	}
	return faults
}

// sealFaults says what of a leg could be read.
func (r Report) sealFaults(party Party) []string {
	var faults []string
	leg := r.Legs[party]
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf("the %s's leg is not sealed: ", r.Names[party])+fmt.Sprintf(format, args...))
		}
	}
	add(leg.TLS == "none" && leg.Wire.BytesIn > 0, "SIP without TLS")
	add(leg.Wire.Readable > 0, "%d bytes of SIP could be read on the wire", leg.Wire.Readable)
	add(leg.Media.Suite == 0 && leg.Media.Sent > 0, "audio without SRTP")
	add(leg.Media.Readable > 0, "%d audio packets could be read on the wire", leg.Media.Readable)
	add(leg.Media.Same > 0, "%d packets had the same bytes on both legs", leg.Media.Same)
	add(r.KeysReused > 0, "%d SRTP keys were used twice", r.KeysReused)
	return faults
}
