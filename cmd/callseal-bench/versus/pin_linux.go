package versus

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"callseal/bench/compare"
)

// startPinned starts a process that may run on one core only (any where core
// is negative), and that the kernel kills when the calling thread ends. The
// goroutine is locked to that.
func startPinned(cmd *exec.Cmd, core int) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if core < 0 {
		return cmd.Start()
	}
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("affinity: %w", err)
	}
	only.Set(core) // the child inherits it
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("affinity: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return cmd.Start()
}

// endGroup kills what is left of a server that has ended: processes of its own.
func endGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) }

// splitCores keeps the bench off the last core and returns that one; -1 where
// there is only one.
func splitCores() (core int, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return -1, fmt.Errorf("affinity: %w", err)
	}
	if all.Count() < 2 {
		return -1, nil
	}
	for core = 1023; !all.IsSet(core); core-- {
	}
	all.Clear(core)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return -1, err
	}
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			if err := unix.SchedSetaffinity(id, &all); err != nil {
				return -1, fmt.Errorf("affinity: %w", err)
			}
		}
	}
	// One more than cores: an audio worker that sleeps in the kernel keeps its processor for a while.
	runtime.GOMAXPROCS(all.Count() + 1)
	return core, nil
}

// ownCPU is what the bench itself used so far.
func ownCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// machine describes where this runs.
func machine(pinned bool) compare.Machine {
	m := compare.Machine{Cores: runtime.NumCPU(), Pinned: pinned, Load: [2]float64{load(), 0}}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// load is the average of the last minute.
func load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	f, _ := strconv.ParseFloat(first, 64)
	return f
}
