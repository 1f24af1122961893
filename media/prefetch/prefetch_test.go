package prefetch

import (
	"testing"
	"unsafe"
)

// TestLines: no address and no length is wrong, not even those that belong to nobody.
func TestLines(t *testing.T) {
	var one byte
	for _, p := range []unsafe.Pointer{nil, unsafe.Pointer(&one)} {
		for _, lines := range []int{-1, 0, 1, 1000} {
			Lines(p, lines)
		}
	}
	if testing.AllocsPerRun(10, func() { Lines(unsafe.Pointer(&one), 2) }) != 0 {
		t.Error("an allocation")
	}
}
