package versus

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	var out bytes.Buffer
	c := MemoryCmd{Callseal: built(t), Calls: 10, Rate: 50, Hold: 500 * time.Millisecond, Rounds: 1}
	if err := c.Run(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "10 calls: ") || !strings.Contains(out.String(), "KiB a call (bar 40: ") {
		t.Error(out.String())
	}
}

func TestFootprint(t *testing.T) {
	var out bytes.Buffer
	f := footprint{calls: 1000, idle: 20 << 20, held: 20<<20 + 1000*41<<10, settled: 20<<20 + 1000*8<<10, after: 40 * time.Second}
	if err := f.write(&out); err != nil {
		t.Fatal(err)
	}
	want := "1000 calls: 20.0 MiB idle, 60.0 MiB with all up, 27.8 MiB 40s after the last; 41.0 KiB a call (bar 40: not met), of which 8.0 are left (bar 8: met)\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
}
