package show

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Style is how text stands out (ECMA-48, SGR).
type Style string

// The few styles in use.
const (
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// Terminal is where a run is watched: a terminal whose last lines are drawn
// over, or a file or a pipe that takes plain lines. It belongs to one
// goroutine. Its writes are not checked: a run that cannot be seen still
// gives its exit status.
type Terminal struct {
	out   io.Writer
	size  func() (width, height int) // nil: not a terminal
	color bool
	drawn int // lines of the last frame
}

// Open looks at where out goes, and by getenv at TERM and NO_COLOR
// (no-color.org).
func Open(out io.Writer, getenv func(string) string) *Terminal {
	f, ok := out.(*os.File)
	if !ok || getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return NewTerminal(out, nil, false)
	}
	return NewTerminal(out, func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return 80, 24
		}
		return width, height
	}, getenv("NO_COLOR") == "")
}

// NewTerminal is a terminal of a size, which is asked for each frame and may
// change, in columns and lines; nil: not a terminal.
func NewTerminal(out io.Writer, size func() (width, height int), color bool) *Terminal {
	return &Terminal{out: out, size: size, color: color && size != nil}
}

// Live tells whether frames can be drawn.
func (t *Terminal) Live() bool { return t.size != nil }

// Paint sets the text in a style, where there are colours.
func (t *Terminal) Paint(s Style, text string) string {
	if !t.color || s == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Print writes lines that stay.
func (t *Terminal) Print(lines ...string) {
	t.drawn = 0
	_, _ = io.WriteString(t.out, strings.Join(lines, "\n")+"\n")
}

// Paragraph writes a text that stays: behind head, and in as many lines as the
// terminal's width needs, each but the first indented by head's columns.
func (t *Terminal) Paragraph(head, text string) {
	if !t.Live() {
		t.Print(head + text)
		return
	}
	width, _ := t.size()
	t.Print(wrap(head, text, width)...)
}

// leastWidth is a terminal's below which nothing is wrapped by us.
const leastWidth = 20

// wrap breaks a text between words. Styles must not span words; they take no
// columns.
func wrap(head, text string, width int) (lines []string) {
	indent := columns(head)
	if width < indent+leastWidth {
		return []string{head + text}
	}
	line, used := head, indent
	for i, word := range strings.Split(text, " ") {
		if n := columns(word); i == 0 {
			line, used = line+word, used+n
		} else if used+1+n > width {
			lines = append(lines, line)
			line, used = strings.Repeat(" ", indent)+word, indent+n
		} else {
			line, used = line+" "+word, used+1+n
		}
	}
	return append(lines, line)
}

// columns is how wide a text is, styles left out.
func columns(text string) (n int) {
	for text != "" {
		if strings.HasPrefix(text, "\x1b[") {
			_, text, _ = strings.Cut(text, "m")
			continue
		}
		_, size := utf8.DecodeRuneInString(text)
		text, n = text[size:], n+1
	}
	return n
}

// Draw writes lines over those of the last Draw. Lines and frames that do not
// fit are cut.
func (t *Terminal) Draw(lines []string) {
	width, height := t.size()
	var b strings.Builder
	if up := min(t.drawn, height-1); up > 0 {
		b.WriteString("\x1b[" + strconv.Itoa(up) + "A\r")
	}
	lines = lines[:min(len(lines), height-1)]
	for _, line := range lines {
		b.WriteString(cut(line, width) + "\x1b[K\n") // and clear the rest of the line
	}
	b.WriteString("\x1b[J") // and what a longer frame left
	_, _ = io.WriteString(t.out, b.String())
	t.drawn = len(lines)
}

// cut is the line in at most width columns; styles take none, and are ended.
func cut(line string, width int) string {
	columns, styled := 0, false
	for i := 0; i < len(line); {
		if strings.HasPrefix(line[i:], "\x1b[") {
			end := strings.IndexByte(line[i:], 'm')
			if end < 0 {
				return line[:i]
			}
			styled = line[i:i+end+1] != "\x1b[0m"
			i += end + 1
			continue
		}
		if columns == width {
			if styled {
				return line[:i] + "\x1b[0m"
			}
			return line[:i]
		}
		_, n := utf8.DecodeRuneInString(line[i:])
		i += n
		columns++
	}
	return line
}

// ticks are the heights of a sparkline.
var ticks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the last width values, from 0 to the highest of them; a gap
// where a value is NaN.
func sparkline(values []float64, width int) string {
	values = values[max(0, len(values)-max(0, width)):]
	top := 0.0
	for _, v := range values {
		if v > top { // never for NaN
			top = v
		}
	}
	line := make([]rune, 0, len(values))
	for _, v := range values {
		switch {
		case v != v:
			line = append(line, ' ')
		case v <= 0 || top == 0:
			line = append(line, ticks[0])
		default:
			line = append(line, ticks[min(len(ticks)-1, int(v/top*float64(len(ticks))))])
		}
	}
	return string(line)
}
