package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// Units of /proc on Linux, whatever the kernel's own tick is.
const (
	procTick = time.Second / 100
	procPage = 4096
)

// Sampler reads what a process and all its children use. One goroutine at a
// time may call it.
type Sampler struct {
	proc  fs.FS // of the machine's /proc
	pid   int
	clock func(pid int) (time.Duration, error)
	began Cost
	split map[int][2]time.Duration // user and system by process, as last told
}

// NewSampler begins to count the CPU time of the process. proc is /proc.
func NewSampler(proc fs.FS, pid int) (*Sampler, error) {
	s := &Sampler{proc: proc, pid: pid, clock: cpuClock}
	var err error
	if s.began, err = s.read(); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no process %d to sample: %w", pid, fs.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("no process %d to sample: %w", pid, err)
	}
	return s, nil
}

// Sample is what was used since NewSampler (CPU), or is used now (the rest).
// Memory of several processes is counted by share (PSS), as they have most of it
// in common.
func (s *Sampler) Sample() (Cost, error) {
	c, err := s.read()
	if err != nil {
		return Cost{}, fmt.Errorf("process %d: %w", s.pid, err)
	}
	c.User -= s.began.User
	c.System -= s.began.System
	return c, nil
}

func (s *Sampler) read() (Cost, error) {
	root, err := readProcess(s.proc, s.pid)
	if err != nil {
		return Cost{}, err
	}
	family := s.family(root)
	var sum Cost
	for _, p := range family {
		user, system := s.precise(p)
		sum.User += user + p.childUser
		sum.System += system + p.childSystem
		sum.Threads += p.threads
		sum.Descriptors += descriptors(s.proc, p.pid)
		sum.RSS += p.rss
		if len(family) > 1 {
			sum.RSS -= p.rss - min(p.rss, share(s.proc, p))
		}
	}
	return sum, nil
}

// precise replaces the ticks of 10 ms by the process's own clock, where there
// is one, in the ratio of the ticks.
func (s *Sampler) precise(p process) (user, system time.Duration) {
	total, err := s.clock(p.pid)
	ticks := p.user + p.system
	if err != nil || ticks == 0 {
		return p.user, p.system
	}
	user = time.Duration(float64(total) * float64(p.user) / float64(ticks))
	last := s.split[p.pid]
	// Ticks are coarse: a ratio that changes must not take back what was told.
	user = min(max(user, last[0]), max(total-last[1], last[0]))
	system = max(total-user, last[1])
	if s.split == nil {
		s.split = map[int][2]time.Duration{}
	}
	s.split[p.pid] = [2]time.Duration{user, system}
	return user, system
}

// family is the process and all that descend from it.
func (s *Sampler) family(root process) []process {
	entries, err := fs.ReadDir(s.proc, ".")
	if err != nil {
		return []process{root}
	}
	children := map[int][]process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(s.proc, pid); err == nil { // else it has just ended
			children[p.parent] = append(children[p.parent], p)
		}
	}
	all := []process{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}

// process is a line of /proc/PID/stat.
type process struct {
	pid, parent            int
	user, system           time.Duration
	childUser, childSystem time.Duration // of those that have ended
	threads                int
	rss                    uint64 // bytes
}

// Fields of /proc/PID/stat after the name, which may hold anything (proc(5)).
const (
	statParent      = 1
	statUser        = 11
	statSystem      = 12
	statChildUser   = 13
	statChildSystem = 14
	statThreads     = 17
	statRSS         = 21
)

func readProcess(proc fs.FS, pid int) (process, error) {
	text, err := fs.ReadFile(proc, path.Join(strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= statRSS {
		return process{}, fmt.Errorf("stat has %d fields", len(fields))
	}
	var numbers [statRSS + 1]int64
	for _, at := range []int{statParent, statUser, statSystem, statChildUser, statChildSystem, statThreads, statRSS} {
		if numbers[at], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return process{}, fmt.Errorf("stat: %w", err)
		}
	}
	tick := func(at int) time.Duration { return time.Duration(numbers[at]) * procTick }
	return process{
		pid: pid, parent: int(numbers[statParent]), user: tick(statUser), system: tick(statSystem),
		childUser: tick(statChildUser), childSystem: tick(statChildSystem),
		threads: int(numbers[statThreads]), rss: uint64(max(numbers[statRSS], 0)) * procPage,
	}, nil
}

// descriptors are 0 where we may not look.
func descriptors(proc fs.FS, pid int) int {
	entries, _ := fs.ReadDir(proc, path.Join(strconv.Itoa(pid), "fd"))
	return len(entries)
}

// share is the memory of a process in which pages of several count in part;
// its RSS where we may not look.
func share(proc fs.FS, p process) uint64 {
	text, err := fs.ReadFile(proc, path.Join(strconv.Itoa(p.pid), "smaps_rollup"))
	if err != nil {
		return p.rss
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var kib uint64
		if n, _ := fmt.Sscanf(lines.Text(), "Pss: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return p.rss
}
