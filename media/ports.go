package media

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// PortRange is a range of UDP ports, both ends included.
type PortRange struct{ Min, Max uint16 }

// ParsePortRange reads "20000-29999". Its error is ErrRange.
func ParsePortRange(text string) (PortRange, error) {
	low, high, found := strings.Cut(text, "-")
	first, err1 := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
	last, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
	r := PortRange{Min: uint16(first), Max: uint16(last)}
	if !found || err1 != nil || err2 != nil || r.Pairs() == 0 {
		return PortRange{}, fmt.Errorf("%w: %q", ErrRange, text)
	}
	return r, nil
}

// String returns "20000-29999".
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.Min, r.Max) }

// Pairs returns how many pairs of an even port and the odd one above it lie in the range (RFC 3550 section 11).
func (r PortRange) Pairs() int {
	first := int(r.Min) + int(r.Min)&1
	if r.Min == 0 {
		first = 2 // port 0 is no port
	}
	return max(0, (int(r.Max)-first+1)/2)
}

// PortCounts are the port pairs of all local addresses used so far.
type PortCounts struct{ Used, Free, Resting int }

// ports hands out port pairs per local address, the one that was free for longest first. A pair that was closed rests,
// so that a new call does not get the late packets of an old one. All methods may be called from any goroutine.
type ports struct {
	span  PortRange
	rest  time.Duration
	clock func() time.Time

	mu    sync.Mutex // guards pools and all below it
	pools map[netip.Addr]*pool
}

// pool is one local address. A pair goes by its even port.
type pool struct {
	free    []uint16  // in the order in which they will be taken
	resting []resting // in the order in which they will be free
	used    int
}

type resting struct {
	port  uint16
	until time.Time
}

func newPorts(span PortRange, rest time.Duration, clock func() time.Time) *ports {
	return &ports{span: span, rest: rest, clock: clock, pools: map[netip.Addr]*pool{}}
}

// take returns the even port of a free pair, or false.
func (p *ports) take(address netip.Addr) (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pool := p.pool(address)
	pool.wake(p.clock())
	if len(pool.free) == 0 {
		return 0, false
	}
	port := pool.free[0]
	pool.free = pool.free[1:]
	pool.used++
	return port, true
}

// giveBack returns a pair that could not be bound: it is tried again after all others.
func (p *ports) giveBack(address netip.Addr, port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pool := p.pool(address)
	pool.used--
	pool.free = append(pool.free, port)
}

// retire returns a pair that was closed: it rests first.
func (p *ports) retire(address netip.Addr, port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pool := p.pool(address)
	pool.used--
	pool.resting = append(pool.resting, resting{port: port, until: p.clock().Add(p.rest)})
}

// counts returns the pairs of all addresses.
func (p *ports) counts() (c PortCounts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pool := range p.pools {
		pool.wake(p.clock())
		c.Used += pool.used
		c.Free += len(pool.free)
		c.Resting += len(pool.resting)
	}
	return c
}

// pool returns the address's pool, made on first use in random order: nobody should guess the next call's port.
func (p *ports) pool(address netip.Addr) *pool {
	if pool := p.pools[address]; pool != nil {
		return pool
	}
	pool := &pool{free: make([]uint16, 0, p.span.Pairs())}
	first := max(2, int(p.span.Min)+int(p.span.Min)&1)
	for port := first; port+1 <= int(p.span.Max); port += 2 {
		pool.free = append(pool.free, uint16(port))
	}
	rand.Shuffle(len(pool.free), func(i, j int) { pool.free[i], pool.free[j] = pool.free[j], pool.free[i] })
	p.pools[address] = pool
	return pool
}

// wake moves the pairs that have rested enough to the free ones.
func (p *pool) wake(now time.Time) {
	for len(p.resting) > 0 && !p.resting[0].until.After(now) {
		p.free = append(p.free, p.resting[0].port)
		p.resting = p.resting[1:]
	}
}
