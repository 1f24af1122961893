package show

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"callseal/bench"
)

var update = flag.Bool("update", false, "write the golden files anew")

func noEnvironment(string) string { return "" }

// play shows a run where there is no terminal: the samples from one to
// another, and its end.
func play(r *bench.Record, from, to int) string {
	var out bytes.Buffer
	s := NewScreen(Open(&out, noEnvironment), r.Scenario, r.Target, 0)
	s.Begin()
	for _, sample := range r.Samples[from:to] {
		s.Sample(sample)
	}
	s.Done(r)
	return out.String()
}

// frame shows a run in a terminal and keeps the frame after the last of the
// samples.
func frame(r *bench.Record, samples, width int, color bool) string {
	s := NewScreen(NewTerminal(&bytes.Buffer{}, func() (int, int) { return width, 24 }, color), r.Scenario, r.Target, busyPlanned)
	for _, sample := range r.Samples[:samples] {
		s.Sample(sample)
	}
	lines := s.frame()
	for i, line := range lines {
		lines[i] = strings.TrimRight(cut(line, width), " ")
	}
	return strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "\x1b", "ESC")
}

// TestGolden holds what people and programs read: -update writes it anew.
func TestGolden(t *testing.T) {
	const file = "testdata/golden.txtar"
	archive := &txtar.Archive{}
	if !*update {
		var err error
		if archive, err = txtar.ParseFile(file); err != nil {
			t.Fatal(err)
		}
	}
	interrupted := tiny()
	interrupted.Calls, interrupted.Faults = nil, []string{"127.0.0.1:5060: server unreachable: connection refused"}
	broken := tiny()
	broken.Calls, broken.BrokenOff = map[string]int{"stopped": 4, "failed": 1}, "127.0.0.1:5060: server unreachable: INVITE got no response"
	found := tiny()
	found.Notes = []string{"The knee is at 40 calls a second."}
	rows := []struct{ name, got string }{
		{"plain/busy", play(judged(busy(), "setup_p99<200ms,loss<0.01%,failures=0"), 26, 40)},
		{"plain/tiny", play(tiny(), 0, 1)},
		{"plain/notes", play(found, 0, 1)},
		{"plain/empty", play(&bench.Record{}, 0, 0)},
		{"plain/unreachable", play(interrupted, 0, 0)},
		{"plain/broken", play(broken, 0, 1)},
		{"plain/storm", play(storm(), 0, 2)},
		{"plain/generator", strings.Join(Summary(bound()), "\n") + "\n" + judge(bound()).Headline + ". " + judge(bound()).Why + "\n"},
		{"frame/100", frame(busy(), 45, 100, false)},
		{"frame/60", frame(busy(), 45, 60, false)},
		{"frame/20", frame(busy(), 45, 20, false)},
		{"frame/color", frame(busy(), 45, 80, true)},
		{"frame/over", frame(busy(), 61, 80, false)},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if strings.Contains(row.got, "hunter2") {
				t.Errorf("shows a password:\n%s", row.got)
			}
			if *update {
				archive.Files = append(archive.Files, txtar.File{Name: row.name, Data: []byte(row.got)})
				return
			}
			if i >= len(archive.Files) || archive.Files[i].Name != row.name {
				t.Fatalf("%s is not the file %d of %s: use -update", row.name, i, file)
			}
			if want := string(archive.Files[i].Data); row.got != want {
				t.Errorf("got:\n%s\nwant:\n%s", row.got, want)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, row := range []struct {
		name, head, text string
		width            int
		want             string
	}{
		{"fits", "  ", "a few words", 40, "  a few words"},
		{"exactly", "", "twenty columns, just", 20, "twenty columns, just"},
		{"indented", "  - ", "one of a hundred packets came late", 24, "  - one of a hundred\n    packets came late"},
		{"styles take no room", "", "\x1b[31mBroken off.\x1b[0m It is red, it is", 24, "\x1b[31mBroken off.\x1b[0m It is red,\nit is"},
		{"a long word", "", "see /a/very/long/path/of/a/file now", 20, "see\n/a/very/long/path/of/a/file\nnow"},
		{"too narrow", "    ", "a few words and some", 10, "    a few words and some"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := strings.Join(wrap(row.head, row.text, row.width), "\n"); got != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}

func TestDrawGoesOverTheLastFrame(t *testing.T) {
	for _, row := range []struct {
		name          string
		width, height int
		want          string
	}{
		{"fits", 10, 10, "abc\x1b[K\nde\x1b[K\n\x1b[J" + "\x1b[2A\rf\x1b[K\n\x1b[J"},
		{"too narrow", 2, 10, "ab\x1b[K\nde\x1b[K\n\x1b[J" + "\x1b[2A\rf\x1b[K\n\x1b[J"},
		{"too low", 10, 2, "abc\x1b[K\n\x1b[J" + "\x1b[1A\rf\x1b[K\n\x1b[J"},
		{"one line", 10, 1, "\x1b[J" + "\x1b[J"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			terminal := NewTerminal(&out, func() (int, int) { return row.width, row.height }, false)
			terminal.Draw([]string{"abc", "de"})
			terminal.Draw([]string{"f"})
			if out.String() != row.want {
				t.Errorf("got %q; want %q", out.String(), row.want)
			}
		})
	}
}

func TestCut(t *testing.T) {
	for _, row := range []struct {
		line  string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"äöü", 2, "äö"}, {"abc", 0, ""},
		{"\x1b[31mabc\x1b[0mdef", 2, "\x1b[31mab\x1b[0m"},
		{"\x1b[31mabc\x1b[0mdef", 4, "\x1b[31mabc\x1b[0md"},
		{"ab\x1b[3", 9, "ab"},
	} {
		if got := cut(row.line, row.width); got != row.want {
			t.Errorf("cut(%q, %d) = %q; want %q", row.line, row.width, got, row.want)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"bench --password=x y", "bench --password=REDACTED y"},
		{"bench --auth-password x --secret -v", "bench --auth-password REDACTED --secret -v"},
		{"bench --TOKEN x", "bench --TOKEN REDACTED"},
		{"bench --target=sips:joe:pw@host:5061", "bench --target=sips:joe:REDACTED@host:5061"},
		{"bench sip:joe@host:5060 tls://127.0.0.1:6061", "bench sip:joe@host:5060 tls://127.0.0.1:6061"},
		{"bench --key key.pem", "bench --key key.pem"},
	} {
		if got := strings.Join(redact(strings.Fields(row.in)), " "); got != row.want {
			t.Errorf("%s: %s; want %s", row.in, got, row.want)
		}
	}
	if got := shell([]string{"bench", "a b", "it's", "", "x<y", "sips:h:5061;transport=tls"}); got != `bench 'a b' 'it'\''s' '' 'x<y' 'sips:h:5061;transport=tls'` {
		t.Error(got)
	}
}
