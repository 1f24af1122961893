//go:build !linux

package bench

import (
	"errors"
	"time"
)

// OwnCPU is not known here.
func OwnCPU() time.Duration { return 0 }

func cpuClock(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
