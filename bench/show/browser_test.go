package show

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"callseal/bench"
)

// chromium runs a browser without a screen on the page and gives what it
// prints.
func chromium(t *testing.T, page string, width, height int, flags ...string) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium here: apt-get install chromium")
	}
	if testing.Short() {
		t.Skip("a browser takes seconds; not with -short")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--no-first-run", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), fmt.Sprintf("--window-size=%d,%d", width, height)}, flags...)
	cmd := exec.CommandContext(ctx, path, append(args, "file://"+page)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return out.String()
}

// measure is the script of the page around the report: the report itself has
// none, and its policy would run none. It looks at the report in a frame of
// exactly the wanted width, which a window could not be made to have.
const measure = `<!DOCTYPE html><body style="margin:0">
<iframe id="report" style="border:0;width:%dpx;height:900px" srcdoc="%s"></iframe><pre id="measured"></pre>
<script>
addEventListener("load", () => {
  const doc = document.getElementById("report").contentDocument, width = doc.documentElement.clientWidth;
  const inScroller = e => e.closest(".scroll, details:not([open])");
  const outside = [], overlaps = [];
  for (const e of doc.body.querySelectorAll("*")) {
    const box = e.getBoundingClientRect();
    if (box.width && !inScroller(e) && (box.right > width + 0.5 || box.left < -0.5)) outside.push(e.nodeName + " " + e.textContent.slice(0, 40));
  }
  for (const svg of doc.querySelectorAll("svg[role=img]")) {
    const boxes = [...svg.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
      if (p.left < q.right && q.left < p.right && p.top + 2 < q.bottom && q.top + 2 < p.bottom) overlaps.push(a + " / " + b);
    }));
  }
  const plots = [...doc.querySelectorAll("svg[role=img]")].map(svg => ({
    title: svg.querySelector("title").textContent,
    width: svg.getBoundingClientRect().width,
    drawn: Math.max(0, ...[...svg.querySelectorAll(".line, rect")].map(e => e.getBoundingClientRect().width)),
    color: [...svg.querySelectorAll(".line, rect")].map(e => getComputedStyle(e).stroke + getComputedStyle(e).fill).join(),
  }));
  document.getElementById("measured").textContent = JSON.stringify({
    width, scroll: doc.scrollingElement.scrollWidth, outside, overlaps, plots,
    back: getComputedStyle(doc.body).backgroundColor, empty: doc.querySelectorAll(".empty").length,
  });
});
</script>`

// look is what that script found.
type look struct {
	Width, Scroll     int
	Outside, Overlaps []string
	Back              string
	Empty             int
	Plots             []struct {
		Title        string
		Width, Drawn float64
		Color        string
	}
}

func lookAt(t *testing.T, r *bench.Record, width int, flags ...string) (l look) {
	t.Helper()
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, fmt.Appendf(nil, measure, width, html.EscapeString(pageOf(t, r))), 0o600); err != nil {
		t.Fatal(err)
	}
	dom := chromium(t, page, max(width, 600), 900, append(flags, "--dump-dom")...)
	_, rest, _ := strings.Cut(dom, `<pre id="measured">`)
	text, _, found := strings.Cut(rest, "</pre>")
	if !found {
		t.Fatalf("nothing was measured: %.300s", dom)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(text)), &l); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return l
}

// The report in a browser: every plot is drawn over its width, nothing stands
// out of the page, no label lies upon another.
func TestReportInABrowser(t *testing.T) {
	for _, row := range []struct {
		name         string
		record       *bench.Record
		width        int
		plots, empty int
		drawn        float64 // share of the width that each plot's longest line has at least
	}{
		{"busy at 1280", judged(busy(), "setup_p99<200ms,loss<0.01%,failures=0"), 1280, 9, 0, 0.85},
		{"busy at 390", judged(busy(), "setup_p99<200ms,loss<0.01%,failures=0"), 390, 9, 0, 0.85},
		{"long at 390", long(), 390, 7, 2, 0.85},
		{"tiny at 390", tiny(), 390, 3, 7, 0},
		{"empty at 390", &bench.Record{}, 390, 0, 10, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := lookAt(t, row.record, row.width)
			if l.Width != row.width || l.Scroll != row.width {
				t.Errorf("the page is %d wide in a frame of %d; want %d", l.Scroll, l.Width, row.width)
			}
			if len(l.Outside) > 0 {
				t.Errorf("stands out of the page: %q", l.Outside)
			}
			if len(l.Overlaps) > 0 {
				t.Errorf("labels upon each other: %q", l.Overlaps)
			}
			if len(l.Plots) != row.plots || l.Empty != row.empty {
				t.Errorf("%d plots and %d without figures; want %d and %d", len(l.Plots), l.Empty, row.plots, row.empty)
			}
			for _, p := range l.Plots {
				if p.Width < 0.6*float64(row.width)/float64(1+row.width/1000) || p.Drawn < row.drawn*p.Width {
					t.Errorf("%s: %v of %v px are drawn", p.Title, p.Drawn, p.Width)
				}
			}
		})
	}
}

func TestReportInLightAndDark(t *testing.T) {
	light := lookAt(t, busy(), 1280, "--blink-settings=preferredColorScheme=1")
	dark := lookAt(t, busy(), 1280, "--blink-settings=preferredColorScheme=0")
	if a, b := brightness(t, light.Back), brightness(t, dark.Back); a < 200 || b > 60 {
		t.Errorf("the background is %s in the light and %s in the dark", light.Back, dark.Back)
	}
	for i := range light.Plots {
		if light.Plots[i].Color == dark.Plots[i].Color {
			t.Errorf("%s has the same colours in the light and in the dark", light.Plots[i].Title)
		}
	}
}

// brightness is the mean of rgb(R, G, B).
func brightness(t *testing.T, color string) int {
	t.Helper()
	sum := 0
	for part := range strings.SplitSeq(strings.Trim(color, "rgb()"), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			t.Fatalf("no colour: %q", color)
		}
		sum += n
	}
	return sum / 3
}

// The page itself, without a script around it, is painted: its plots in their
// colours.
func TestReportIsPainted(t *testing.T) {
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.png")
	if err := os.WriteFile(page, []byte(pageOf(t, busy())), 0o600); err != nil {
		t.Fatal(err)
	}
	chromium(t, page, 1280, 2600, "--blink-settings=preferredColorScheme=1", "--screenshot="+picture)
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	shot, err := png.Decode(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	pixels := map[[3]uint32]int{}
	bounds := shot.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			r, g, b, _ := shot.At(x, y).RGBA()
			pixels[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for name, color := range map[string][3]uint32{"first line": {0x1f, 0x5f, 0xd0}, "second line": {0xb4, 0x47, 0x0c}, "failures": {0xb3, 0x16, 0x1f}} {
		if pixels[color] < 300 {
			t.Errorf("%s: %d pixels of its colour", name, pixels[color])
		}
	}
}
