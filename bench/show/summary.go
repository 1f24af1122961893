package show

import (
	"fmt"
	"strings"

	"callseal/bench"
)

// Summary says in plain words what was measured, a sentence or two a line.
// Nothing is claimed that was not measured. Objectives and faults are not in
// it.
func Summary(r *bench.Record) []string {
	lines := []string{calls(r)}
	for _, line := range []string{load(r), refused(r), setUp(r), audio(r), clip(r), heard(r), wire(r), cost(r), generator(r)} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return append(lines, r.Notes...)
}

func calls(r *bench.Record) string {
	text := fmt.Sprintf("%s in %s: %s", title(r.Scenario, r.Target), lasted(r.Took), counted(total(r), tradeOf(r).noun))
	for _, outcome := range outcomes(r) {
		text += fmt.Sprintf(", %s %s", grouped(r.Calls[outcome]), outcome)
	}
	return text + "."
}

func load(r *bench.Record) string {
	up, started, _ := peaks(r)
	if started == 0 {
		return ""
	}
	return fmt.Sprintf("Up to %s at once; %s started a second, %d in the busiest.", counted(up, tradeOf(r).noun), decimal(rate(r)), started)
}

func refused(r *bench.Record) string {
	var parts []string
	for _, c := range refusalsOf(r) {
		part := fmt.Sprintf("%s x %s", grouped(c.Count), c.Name())
		switch {
		case c.Failed == 0:
			part += " (as planned)"
		case c.Failed < c.Count:
			part += fmt.Sprintf(" (%s of them not planned)", grouped(c.Failed))
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return tradeOf(r).words("Calls without a 200") + ": " + strings.Join(parts, ", ") + "."
}

func setUp(r *bench.Record) string {
	if r.Setup.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s.", tradeOf(r).until, spread(r.Setup))
}

func audio(r *bench.Record) string {
	p := r.Packets
	if p.Sent == 0 {
		return ""
	}
	share, _ := lossPercent(p.Lost, p.Received)
	text := fmt.Sprintf("Audio: %s sent, %s arrived intact, %s lost (%s)",
		counted(p.Sent, "packet"), grouped(p.Received), grouped(p.Lost), percent(share))
	for _, row := range []struct {
		count uint64
		what  string
	}{
		{p.Duplicated, "arrived twice"}, {p.Reordered, "out of order"}, {p.Foreign, "of another call"},
		{p.Unauthentic, "not authentic"}, {p.Clipped, "clipped at the start of a call"},
		{p.Overflowed, "dropped at the generator's own sockets"},
	} {
		if row.count > 0 {
			text += fmt.Sprintf(", %s %s", grouped(row.count), row.what)
		}
	}
	return fmt.Sprintf("%s. One way: %s; jitter: %s.", text, spread(r.Latency), spread(r.Jitter))
}

func clip(r *bench.Record) string {
	if r.ClipCaller.Count+r.ClipAnswerer.Count == 0 {
		return ""
	}
	return fmt.Sprintf("From 200 to the first packet heard: by the caller %s; by the answerer %s.", spread(r.ClipCaller), spread(r.ClipAnswerer))
}

func heard(r *bench.Record) string {
	switch {
	case r.Tone == nil || r.Tone.Checked == 0:
		return ""
	case r.Tone.Wrong == 0:
		return fmt.Sprintf("The tone was right in all of %s.", counted(r.Tone.Checked, "stream"))
	}
	return fmt.Sprintf("The tone was wrong in %s of %s.", grouped(r.Tone.Wrong), counted(r.Tone.Checked, "stream"))
}

func wire(r *bench.Record) string {
	switch {
	case r.Wire == nil || r.Wire.Packets == 0:
		return ""
	case r.Wire.Readable == 0:
		return fmt.Sprintf("On the wire nothing was readable in %s.", counted(r.Wire.Packets, "captured packet"))
	}
	return fmt.Sprintf("On the wire %s of %s were readable.", grouped(r.Wire.Readable), counted(r.Wire.Packets, "captured packet"))
}

func cost(r *bench.Record) string {
	var parts []string
	if r.CPUPerCall > 0 {
		parts = append(parts, elapsed(r.CPUPerCall)+" of CPU per call")
	}
	if r.CPUPerPacket > 0 {
		parts = append(parts, elapsed(r.CPUPerPacket)+" of CPU per packet")
	}
	if r.RSSPerCall > 0 {
		parts = append(parts, size(r.RSSPerCall)+" of memory per call")
	}
	if _, _, rss := peaks(r); rss > 0 {
		parts = append(parts, "at most "+size(rss)+" in all")
	}
	if len(parts) == 0 {
		return ""
	}
	return "The server used " + strings.Join(parts, ", ") + "."
}

func generator(r *bench.Record) string {
	if r.Lateness.Count == 0 {
		return ""
	}
	text := fmt.Sprintf("The generator was late against its own plan: %s", spread(r.Lateness))
	if cores := generatorCores(r); cores > 0 {
		text += fmt.Sprintf("; it used %s of a core", decimal(cores))
	}
	return text + "."
}

// generatorCores is the generator's own CPU time as a share of one core; 0: not
// known.
func generatorCores(r *bench.Record) float64 {
	if r.Took <= 0 {
		return 0
	}
	return r.GeneratorCPU.Seconds() / r.Took.Seconds()
}
