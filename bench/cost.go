package bench

import "time"

// Cost is what the server under test uses, its children included: CPU time
// since the run's start, the rest at this moment.
type Cost struct {
	User, System time.Duration
	RSS          uint64 // bytes
	Threads      int
	Descriptors  int
}

// CPU is user and system time together.
func (c Cost) CPU() time.Duration { return c.User + c.System }
