package show

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The geometry of a plot. Its height is in CSS pixels; its width is whatever
// there is: what has text or round corners is placed by percentages, and only
// the lines are stretched, in a box of this width.
const (
	plotHeight = 180
	boxWidth   = 1000
)

// svg draws the plot.
func (p plot) svg(all []step) template.HTML {
	low, high, ok := p.extent(all)
	if !ok {
		return ""
	}
	y := newScale(low, high, p.times())
	last := all[len(all)-1].at
	x := timeScale(last)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" role="img" width="100%%" height="%d" aria-labelledby="%s-title %s-desc">`, plotHeight+36, p.ID, p.ID)
	fmt.Fprintf(&b, `<title id="%s-title">%s, %s</title><desc id="%s-desc">%s</desc>`,
		p.ID, escape(p.Title), escape(p.Unit), p.ID, escape(p.describe(all)))
	for _, v := range y.Ticks {
		at := plotHeight * (1 - y.at(v))
		fmt.Fprintf(&b, `<line class="grid" x1="0" x2="100%%" y1="%s" y2="%s"/>`, coordinate(at), coordinate(at))
		fmt.Fprintf(&b, `<text class="y" x="-8" y="%s" dy=".32em">%s</text>`, coordinate(at), escape(tickText(v)))
	}
	for _, t := range x.Ticks {
		at := 100 * x.at(t)
		fmt.Fprintf(&b, `<line class="tick" x1="%s%%" x2="%s%%" y1="%d" y2="%d"/>`, coordinate(at), coordinate(at), plotHeight, plotHeight+5)
		fmt.Fprintf(&b, `<text class="x" x="%s%%" y="%d">%s</text>`, coordinate(at), plotHeight+18, timeText(t, last))
	}
	fmt.Fprintf(&b, `<text class="unit" x="100%%" y="%d">%s</text>`, plotHeight+33, timeUnit(last))
	fmt.Fprintf(&b, `<svg width="100%%" height="%d" viewBox="0 0 %d %d" preserveAspectRatio="none" overflow="visible">`, plotHeight, boxWidth, plotHeight)
	for i, l := range p.lines {
		b.WriteString(l.path(i, all, x, y))
	}
	b.WriteString(`</svg></svg>`)
	return template.HTML(b.String()) // every text in it went through escape
}

func escape(text string) string { return template.HTMLEscapeString(text) }

// coordinate is a number with as many digits as can be seen.
func coordinate(v float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// path draws one line: a piece for every stretch without a gap, a dot for a
// point alone.
func (l line) path(index int, all []step, x, y scale) string {
	var stroke, area, dots strings.Builder
	for _, piece := range l.pieces(all) {
		for i, s := range piece {
			letter := "L"
			if i == 0 {
				letter = "M"
			}
			px, py := coordinate(boxWidth*x.at(s.at)), coordinate(plotHeight*(1-y.at(l.of(s))))
			fmt.Fprintf(&stroke, "%s%s %s", letter, px, py)
			fmt.Fprintf(&area, "%s%s %s", letter, px, py)
		}
		if len(piece) == 1 {
			fmt.Fprintf(&dots, "M%s %sh0", coordinate(boxWidth*x.at(piece[0].at)), coordinate(plotHeight*(1-y.at(l.of(piece[0])))))
		}
		fmt.Fprintf(&area, "L%s %dL%s %dZ", coordinate(boxWidth*x.at(piece[len(piece)-1].at)), plotHeight, coordinate(boxWidth*x.at(piece[0].at)), plotHeight)
	}
	if stroke.Len() == 0 {
		return ""
	}
	text := ""
	if index == 0 && !y.log {
		text = fmt.Sprintf(`<path class="area" d="%s"/>`, area.String())
	}
	text += fmt.Sprintf(`<path class="line line%d" vector-effect="non-scaling-stroke" d="%s"/>`, index, stroke.String())
	if dots.Len() > 0 { // a line without length, thick and with round ends
		text += fmt.Sprintf(`<path class="line dot line%d" vector-effect="non-scaling-stroke" d="%s"/>`, index, dots.String())
	}
	return text
}

// pieces are the stretches without gaps.
func (l line) pieces(all []step) (out [][]step) {
	var piece []step
	for _, s := range all {
		if math.IsNaN(l.of(s)) {
			if len(piece) > 0 {
				out = append(out, piece)
			}
			piece = nil
			continue
		}
		piece = append(piece, s)
	}
	if len(piece) > 0 {
		out = append(out, piece)
	}
	return out
}

// describe says in sentences what the picture shows.
func (p plot) describe(all []step) string {
	var sentences []string
	for _, l := range p.lines {
		low, high, ok := l.extent(all)
		if !ok {
			sentences = append(sentences, fmt.Sprintf("%s: nothing measured.", l.name))
			continue
		}
		peak := 0.0
		for _, s := range all {
			if l.of(s) == high {
				peak = s.at
				break
			}
		}
		sentences = append(sentences, fmt.Sprintf("%s: from %s to %s, highest after %s s.", l.name, decimal(low), decimal(high), trim(peak)))
	}
	return strings.Join(sentences, " ")
}

// The geometry of the bars.
const (
	barRow    = 44
	barHeight = 14
)

// bars draws how often each final code came: the planned ones pale, the
// failures strong.
func bars(title string, codes []codeCount) template.HTML {
	if len(codes) == 0 {
		return ""
	}
	most := 0
	var words []string
	for _, c := range codes {
		most = max(most, c.Count)
		words = append(words, fmt.Sprintf("%s: %s, not planned %s.", c.Name(), grouped(c.Count), grouped(c.Failed)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="bars" role="img" width="100%%" height="%d" aria-labelledby="codes-title codes-desc">`, barRow*len(codes))
	fmt.Fprintf(&b, `<title id="codes-title">%s</title><desc id="codes-desc">%s</desc>`, escape(title), escape(strings.Join(words, " ")))
	for i, c := range codes {
		top := barRow * i
		width := 100 * float64(c.Count) / float64(most)
		fmt.Fprintf(&b, `<text class="code" x="0" y="%d">%s</text>`, top+14, escape(c.Name()))
		fmt.Fprintf(&b, `<text class="count" x="100%%" y="%d">%s</text>`, top+14, barCount(c))
		fmt.Fprintf(&b, `<rect class="planned" x="0" y="%d" width="%s%%" height="%d" rx="2"/>`, top+20, coordinate(max(width, 0.5)), barHeight)
		if c.Failed > 0 {
			fmt.Fprintf(&b, `<rect class="failed" x="0" y="%d" width="%s%%" height="%d" rx="2"/>`,
				top+20, coordinate(max(100*float64(c.Failed)/float64(most), 0.5)), barHeight)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // every text in it went through escape
}

func barCount(c codeCount) string {
	switch c.Failed {
	case 0:
		return grouped(c.Count)
	case c.Count:
		return grouped(c.Count) + " failed"
	}
	return fmt.Sprintf("%s, %s failed", grouped(c.Count), grouped(c.Failed))
}
