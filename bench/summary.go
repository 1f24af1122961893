package bench

import (
	"fmt"
	"strings"
	"time"

	"callseal/bench/stream"
)

// Summary says in plain words what was measured. Nothing is claimed that was
// not: where a leg could be read, it says how much of it.
func (r Report) Summary() []string {
	lines := []string{fmt.Sprintf("%d calls in %v: %d answered, %d busy, %d cancelled, %d failed.",
		r.Planned, r.Elapsed.Round(100*time.Millisecond), r.Answered, r.Busy, r.Cancelled, r.Failed)}
	for party, leg := range r.Legs {
		lines = append(lines, fmt.Sprintf("The %s's leg: SIP over %s, %s.", r.Names[party], leg.Transport(), leg.Audio()))
	}
	m := r.Media()
	lines = append(lines, fmt.Sprintf("Audio: %d packets sent, %d arrived intact, %d lost (%.2f %%), %d clipped at the start of a call, %d not authentic.",
		m.Sent, m.Received, m.Lost, 100*r.Loss(), m.Clipped, m.Unauthentic))
	if m.Strange > 0 {
		lines = append(lines, fmt.Sprintf("%d packets came from somebody else on this network and were ignored.", m.Strange))
	}
	for party, leg := range r.Legs {
		lines = append(lines, fmt.Sprintf("One way to the %s: %s.", r.Names[party], leg.Latency))
	}
	lines = append(lines, r.readable(), r.heard(), r.changed())
	if late := r.Lateness(); late.P99 > stream.PacketTime {
		lines = append(lines, fmt.Sprintf("The bench itself was short of processor time: it sent late by %s. The figures above include that.", late))
	}
	return lines
}

// Lateness is how late the ends sent their packets, by the worse of the two.
func (s Snapshot) Lateness() Quantiles {
	a, b := s.Legs[Calling].Lateness, s.Legs[Answering].Lateness
	if a.P99 > b.P99 {
		return a
	}
	return b
}

// Transport is how SIP was carried, like "TLS 1.3" or "udp in the clear".
func (f Figures) Transport() string {
	switch {
	case f.TLS != "none":
		return f.TLS
	case f.Proto == TLS:
		return "TLS (no connection)"
	}
	return f.Proto.String() + " in the clear"
}

// Audio is the SRTP suite, or plain RTP.
func (f Figures) Audio() string {
	switch {
	case f.Media.Suite != 0:
		return "SRTP " + SuiteName(f.Media.Suite)
	case f.Media.Sent > 0:
		return "plain RTP"
	}
	return "no audio"
}

// String is the quantiles in ms.
func (q Quantiles) String() string {
	if q.Count == 0 {
		return "nothing measured"
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
	return fmt.Sprintf("p50 %s ms, p99 %s ms, longest %s ms", ms(q.P50), ms(q.P99), ms(q.Max))
}

// readable is the sentence about SIP on the wire.
func (r Report) readable() string {
	var open []string
	var total Wire
	tls := 0
	for party, leg := range r.Legs {
		total = total.Plus(leg.Wire)
		if leg.TLS != "none" {
			tls++
		}
		if leg.Wire.Readable > 0 {
			open = append(open, fmt.Sprintf("%d of %d on the %s's leg",
				leg.Wire.Readable, leg.Wire.BytesIn+leg.Wire.BytesOut, r.Names[party]))
		}
	}
	const what = "SIP bytes readable on the wire: "
	switch {
	case len(open) > 0:
		return what + strings.Join(open, ", ") + "."
	case tls == len(r.Legs):
		return fmt.Sprintf("%snone (TLS on both legs), %d bytes looked through.", what, total.BytesIn+total.BytesOut)
	}
	return fmt.Sprintf("%snone found in %d bytes.", what, total.BytesIn+total.BytesOut)
}

// heard is the sentence about audio on the wire.
func (r Report) heard() string {
	var open []string
	var total uint64
	for party, leg := range r.Legs {
		packets := leg.Media.Packets()
		total += packets
		if leg.Media.Readable > 0 {
			open = append(open, fmt.Sprintf("%d of %d on the %s's leg", leg.Media.Readable, packets, r.Names[party]))
		}
	}
	const what = "Audio packets readable on the wire: "
	if len(open) > 0 {
		return what + strings.Join(open, ", ") + "."
	}
	return fmt.Sprintf("%snone of %d.", what, total)
}

// changed is the sentence about what the server did with packets and keys.
func (r Report) changed() string {
	m := r.Media()
	text := fmt.Sprintf("Between the legs: of %d packets compared, %s had the same bytes on both", m.Same+m.Changed, count(int(m.Same)))
	if r.Keys > 0 {
		text += fmt.Sprintf("; %d SRTP keys, %s used twice", r.Keys, count(r.KeysReused))
	}
	return text + "."
}

func count(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}
