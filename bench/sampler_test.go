package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// statLine is /proc/PID/stat with what matters; times in ticks, rss in pages.
func statLine(pid, parent, user, system, threads, rss int) string {
	return fmt.Sprintf("%d (a) name (b) S %d 1 1 0 -1 4194560 9 0 0 0 %d %d 3 4 20 0 %d 0 100 5000 %d 99 1 1 0 0 0\n",
		pid, parent, user, system, threads, rss)
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestSampler(t *testing.T) {
	noClock := func(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
	proc := fstest.MapFS{
		"7/stat": file(statLine(7, 1, 100, 50, 3, 1000)), "7/fd/0": file(""), "7/fd/1": file(""),
		"9/stat":    file(statLine(9, 2, 900, 900, 9, 9000)), // a stranger
		"self/stat": file("no process"), "uptime": file("1 1"),
	}
	family := fstest.MapFS{
		"8/stat": file(statLine(8, 7, 10, 20, 1, 500)), "8/smaps_rollup": file("Rss: 2000 kB\nPss:   100 kB\n"),
		"12/stat": file(statLine(12, 8, 1, 2, 1, 5)), "12/fd/0": file(""), // no smaps_rollup: its RSS
	}
	for name, f := range proc {
		family[name] = f
	}
	const page, tick = 4096, 10 * time.Millisecond
	for _, row := range []struct {
		name  string
		proc  fs.FS
		clock func(int) (time.Duration, error)
		want  Cost
	}{
		{"one process", proc, noClock, Cost{User: 103 * tick, System: 54 * tick, RSS: 1000 * page, Threads: 3, Descriptors: 2}},
		{"children, grandchildren", family, noClock, Cost{
			User: (103 + 13 + 4) * tick, System: (54 + 24 + 6) * tick, RSS: (1000+5)*page + 100<<10, Threads: 5, Descriptors: 3}},
		{"to the nanosecond", proc, func(int) (time.Duration, error) { return 1500*time.Millisecond + 3, nil },
			Cost{User: 1000*time.Millisecond + 2 + 3*tick, System: 500*time.Millisecond + 1 + 4*tick, RSS: 1000 * page, Threads: 3, Descriptors: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &Sampler{proc: row.proc, pid: 7, clock: row.clock}
			if got, err := s.Sample(); err != nil || got != row.want {
				t.Errorf("cost is %+v, %v; want %+v", got, err, row.want)
			}
		})
	}
}

// Neither part of the CPU time ever shrinks, whatever the ticks say.
func TestSamplerNeverTakesBack(t *testing.T) {
	proc := fstest.MapFS{}
	var total time.Duration
	s := &Sampler{proc: proc, pid: 7, clock: func(int) (time.Duration, error) { return total, nil }}
	var last Cost
	for i, row := range [][2]int{{1, 1}, {3, 1}, {3, 3}, {3, 9}, {30, 9}, {30, 10}} {
		total += 25 * time.Millisecond
		proc["7/stat"] = file(statLine(7, 1, row[0], row[1], 1, 1))
		c, err := s.Sample()
		if err != nil || c.User < last.User || c.System < last.System || c.CPU()-last.CPU() < 25*time.Millisecond {
			t.Errorf("look %d: %v user, %v system after %v and %v (%v)", i, c.User, c.System, last.User, last.System, err)
		}
		last = c
	}
	if last.CPU() != total+7*10*time.Millisecond { // and its children's 3+4 ticks
		t.Errorf("%v in all; want %v", last.CPU(), total)
	}
}

func TestSamplerCountsFromItsBegin(t *testing.T) {
	proc := fstest.MapFS{"7/stat": file(statLine(7, 1, 100, 50, 3, 1000))}
	s := &Sampler{proc: proc, pid: 7, clock: func(int) (time.Duration, error) { return 0, errors.ErrUnsupported }}
	s.began, _ = s.read()
	proc["7/stat"] = file(statLine(7, 1, 120, 55, 3, 2000))
	want := Cost{User: 200 * time.Millisecond, System: 50 * time.Millisecond, RSS: 2000 * 4096, Threads: 3}
	if got, err := s.Sample(); err != nil || got != want {
		t.Errorf("cost is %+v, %v; want %+v", got, err, want)
	}
	delete(proc, "7/stat")
	if _, err := s.Sample(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the process has ended, and the error is %v", err)
	}
}

func TestSamplerRefuses(t *testing.T) {
	for _, row := range []struct{ name, stat string }{
		{"short", "7 (x) S 1 2 3"}, {"no number", strings.Replace(statLine(7, 1, 1, 1, 1, 1), " 5000 1 ", " 5000 x ", 1)}, {"empty", ""},
	} {
		if _, err := NewSampler(fstest.MapFS{"7/stat": file(row.stat)}, 7); err == nil {
			t.Errorf("%s: no error", row.name)
		}
	}
	if _, err := NewSampler(fstest.MapFS{}, 7); err == nil || !strings.Contains(err.Error(), "no process 7") {
		t.Errorf("no such process, and the error is %v", err)
	}
}

// Our own process on a real /proc: work shows.
func TestSamplerOnThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc on this system")
	}
	s, err := NewSampler(os.DirFS("/proc"), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Millisecond); time.Now().Before(end); {
	}
	c, err := s.Sample()
	if err != nil || c.CPU() <= 0 || c.RSS < 1<<20 || c.Threads < 1 || c.Descriptors < 3 {
		t.Errorf("cost is %+v, %v", c, err)
	}
}
