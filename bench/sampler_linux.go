package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// OwnCPU is what this process has used so far; 0: not known.
func OwnCPU() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// cpuClock reads the CPU clock of another process to the nanosecond:
// clock_getcpuclockid(3), CPUCLOCK_SCHED of the whole process.
func cpuClock(pid int) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|2), &t)
	return time.Duration(t.Nano()), err
}
