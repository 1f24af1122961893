//go:build !linux

package versus

import (
	"errors"
	"os/exec"
	"runtime"
	"time"

	"callseal/bench/compare"
)

func startPinned(*exec.Cmd, int) error { return errors.ErrUnsupported }

func endGroup(int) {}

func splitCores() (int, error) { return -1, errors.ErrUnsupported }

func ownCPU() time.Duration { return 0 }

func machine(pinned bool) compare.Machine {
	return compare.Machine{Cores: runtime.NumCPU(), Pinned: pinned}
}

func load() float64 { return 0 }
