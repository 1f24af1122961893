package show

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"math"

	"callseal/bench"
)

//go:embed report.html
var pageText string

//go:embed report.css
var pageStyle string

var page = template.Must(template.New("report").Parse(pageText))

// How many points a plot and a table of it have, about.
const (
	plotPoints = 600
	tableRows  = 30
)

// WriteHTML writes the run as one HTML page that needs nothing else: no
// script, no other file, nothing from the network. Passwords in the command
// line are left out.
func WriteHTML(w io.Writer, r *bench.Record) error {
	return page.Execute(w, view(r))
}

// pageView is what the page shows.
type pageView struct {
	Style      template.CSS
	Judgement  judgement
	Scenario   string
	Target     string
	Began      string
	Took       string
	SLO        []verdictView
	Faults     []string
	Notes      []string
	Tiles      []tile
	Seconds    int // in a point of the plots
	Plots      []plotView
	Codes      []codeCount
	CodesTitle string
	NoCodes    string
	Bars       template.HTML
	Spreads    []spreadView
	Facts      []tile
	Summary    []string
	Command    string
}

type verdictView struct {
	Text, Got string
	OK        bool
}

// tile is a figure with its name, and a note below.
type tile struct {
	Name, Figure, Note string
	Tone               tone
}

type spreadView struct {
	Title, About string
	Count        string
	Cells        []string // one of each of quantiles
}

type plotView struct {
	plot
	Picture template.HTML
	Empty   string
	Legend  []string
	Note    string
	Head    []string
	Rows    [][]string
}

func view(r *bench.Record) pageView {
	all, seconds := steps(r.Samples, plotPoints)
	rows, _ := steps(r.Samples, tableRows)
	v := pageView{
		Style: template.CSS(pageStyle), Judgement: judge(r), // our own
		Scenario: r.Scenario, Target: redactURI(r.Target), Took: lasted(r.Took),
		Faults: r.Faults, Notes: r.Notes, Tiles: tiles(r), Seconds: seconds, Codes: refusalsOf(r),
		Facts: facts(r), Summary: Summary(r), Command: shell(redact(r.Command)),
	}
	if !r.Began.IsZero() {
		v.Began = r.Began.UTC().Format("2 January 2006, 15:04:05 UTC")
	}
	v.CodesTitle = tradeOf(r).words("Calls without a 200, by final code")
	v.Bars = bars(v.CodesTitle, v.Codes)
	v.NoCodes = tradeOf(r).words("Every call got a 200.")
	if total(r) == 0 {
		v.NoCodes = "No call was placed."
	}
	for _, o := range r.SLO {
		v.SLO = append(v.SLO, verdictView{o.Text, got(o), o.OK})
	}
	for _, p := range plots {
		v.Plots = append(v.Plots, p.in(tradeOf(r)).view(all, rows))
	}
	for _, d := range distributions {
		if d.of(r).Count > 0 {
			v.Spreads = append(v.Spreads, d.view(r))
		}
	}
	return v
}

// tiles are the figures at the top.
func tiles(r *bench.Record) []tile {
	up, busiest, _ := peaks(r)
	trade := tradeOf(r)
	answered, failed := r.Calls[trade.done], r.Calls[failedCalls]
	all := []tile{
		{capital(trade.noun) + "s", grouped(total(r)), fmt.Sprintf("%s up at most", grouped(up)), neutral},
		{capital(trade.done), grouped(answered), shares.show(shareOf(r, trade.done)), neutral},
		{"Failed", grouped(failed), shares.show(shareOf(r, failedCalls)), toneOf(failed > 0, total(r) > 0)},
		{capital(trade.noun) + " rate", rates.show(rate(r)), fmt.Sprintf("%d in the busiest second", busiest), neutral},
		quantileTile("Set-up, p99", r.Setup),
		quantileTile("Audio latency, p99", r.Latency),
	}
	lossTile := tile{"Audio lost", "–", "no audio was due", neutral}
	if share, audible := lossPercent(r.Packets.Lost, r.Packets.Received); audible {
		of := fmt.Sprintf("%s of %s", grouped(r.Packets.Lost), counted(r.Packets.Sent, "packet"))
		lossTile = tile{"Audio lost", percent(share), of, toneOf(r.Packets.Lost > 0, true)}
	}
	return append(all,
		lossTile,
		quantileTile("Generator late, p99", r.Lateness))
}

func toneOf(wrong, tried bool) tone {
	switch {
	case wrong:
		return bad
	case tried:
		return good
	}
	return neutral
}

func quantileTile(name string, p bench.Percentiles) tile {
	if p.Count == 0 {
		return tile{name, "–", "not measured", neutral}
	}
	return tile{name, elapsed(p.P99), "half within " + elapsed(p.P50), neutral}
}

// facts are the figures that have no plot.
func facts(r *bench.Record) []tile {
	p := r.Packets
	var all []tile
	for _, row := range []struct {
		name  string
		count uint64
		wrong bool
	}{
		{"Packets sent", p.Sent, false}, {"Arrived intact", p.Received, false}, {"Lost", p.Lost, true}, {"Arrived twice", p.Duplicated, true},
		{"Out of order", p.Reordered, true}, {"Of another call", p.Foreign, true}, {"Not authentic", p.Unauthentic, true},
		{"Clipped at the start of a call", p.Clipped, false}, {"Dropped at the generator's own sockets", p.Overflowed, true},
	} {
		if p.Sent+p.Received == 0 {
			break
		}
		all = append(all, tile{Name: row.name, Figure: grouped(row.count), Tone: warn(row.wrong && row.count > 0)})
	}
	if r.Tone != nil {
		all = append(all, tile{Name: "Streams with a wrong tone", Figure: fmt.Sprintf("%s of %s", grouped(r.Tone.Wrong), grouped(r.Tone.Checked)), Tone: warn(r.Tone.Wrong > 0)})
	}
	if r.Wire != nil {
		all = append(all, tile{Name: "Captured packets that were readable", Figure: fmt.Sprintf("%s of %s", grouped(r.Wire.Readable), grouped(r.Wire.Packets)), Tone: warn(r.Wire.Readable > 0)})
	}
	if r.CPUPerCall > 0 {
		all = append(all, tile{Name: "Server CPU per call", Figure: elapsed(r.CPUPerCall)})
	}
	if r.CPUPerPacket > 0 {
		all = append(all, tile{Name: "Server CPU per packet", Figure: elapsed(r.CPUPerPacket)})
	}
	if r.RSSPerCall > 0 {
		all = append(all, tile{Name: "Server memory per call", Figure: size(r.RSSPerCall)})
	}
	if cores := generatorCores(r); cores > 0 {
		all = append(all, tile{Name: "Cores used by the generator", Figure: decimal(cores)})
	}
	return all
}

func warn(on bool) tone {
	if on {
		return bad
	}
	return neutral
}

func (d distribution) view(r *bench.Record) spreadView {
	p := d.of(r)
	v := spreadView{Title: d.title, About: tradeOf(r).words(d.about), Count: grouped(p.Count)}
	for _, q := range quantiles {
		v.Cells = append(v.Cells, decimal(milliseconds(q.of(p))))
	}
	return v
}

// view is the plot and its table.
func (p plot) view(all, rows []step) plotView {
	v := plotView{plot: p, Picture: p.svg(all)}
	low, high, ok := p.extent(all)
	if !ok {
		v.Empty = p.empty
		return v
	}
	if y := newScale(low, high, p.times()); y.log {
		v.Note = "The scale is logarithmic."
	} else if high == 0 {
		v.Note = "Zero throughout."
	}
	v.Head = []string{"s"}
	for _, l := range p.lines {
		v.Head = append(v.Head, l.name)
		if len(p.lines) > 1 {
			v.Legend = append(v.Legend, l.name)
		}
	}
	for _, s := range rows {
		row := []string{trim(s.at)}
		for _, l := range p.lines {
			cell := "–"
			if value := l.of(s); !math.IsNaN(value) {
				cell = decimal(value)
			}
			row = append(row, cell)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}
