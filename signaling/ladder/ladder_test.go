package ladder

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLadders plays every scenario of testdata. A file holds many, one under each heading "-- name --".
func TestLadders(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, f := range archive.Files {
				if seen[f.Name] {
					t.Errorf("%s stands twice in %s", f.Name, file)
				}
				seen[f.Name] = true
				t.Run(f.Name, func(t *testing.T) {
					t.Parallel()
					steps, err := readScript(string(f.Data))
					if err != nil {
						t.Fatal(err)
					}
					synctest.Test(t, func(t *testing.T) { scenario(t, steps) })
				})
			}
		})
	}
}

// scenario plays one.
func scenario(t *testing.T, steps []*step) {
	p := newPlayer(t, steps)
	defer p.close()
	err := p.play(steps)
	if err == nil {
		p.report.want(&step{text: "(nothing is left)"})
		err = p.finish()
	}
	if err == nil {
		return
	}
	played := 0
	for _, r := range p.report.rows {
		if r.want != "" {
			played++
		}
	}
	var left []*step
	if played < len(steps) {
		left = steps[played:]
	}
	t.Errorf("%v\n\n%s", err, p.report.String(left))
	if testing.Verbose() {
		p.mu.Lock()
		defer p.mu.Unlock()
		t.Log("\n" + p.log.String())
	}
}
