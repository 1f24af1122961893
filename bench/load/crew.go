package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"callseal/bench"
	"callseal/bench/scenario"
)

// crew are the callers and their connections.
type crew struct {
	scenario scenario.Scenario
	config   bench.Config
	targets  []bench.Target
	account  func(n int) bench.Account

	members []*member
	next    atomic.Uint64

	mu     sync.Mutex
	joined []*bench.Caller // by storms; closed by close
	shut   bool
}

// member is a connection and who uses it.
type member struct {
	n int

	mu     sync.Mutex
	caller *bench.Caller
	failed time.Time // when the last attempt to connect again failed
}

// together is how many connections are made at a time before a run.
const together = 16

// open connects all that stay connected. Where connections are what is
// measured, it only tries the server once, so that what can never work is known
// at once.
func (c *crew) open(ctx context.Context) error {
	n := c.scenario.Callers.Count
	if c.scenario.Callers.Connection == scenario.Shared {
		n = c.scenario.Callers.Trunks * len(c.targets)
	}
	if c.scenario.Kind != scenario.Calls || c.scenario.Callers.Connection == scenario.PerCall {
		caller, err := c.connect(ctx, 0)
		if err == nil {
			caller.Close()
		}
		return err
	}
	c.members = make([]*member, n)
	for i := range c.members {
		c.members[i] = &member{n: i}
	}
	return inParallel(ctx, n, func(ctx context.Context, i int) error { return c.enlist(ctx, c.members[i]) })
}

// enlist connects a member, and registers it if asked.
func (c *crew) enlist(ctx context.Context, m *member) error {
	caller, err := c.connect(ctx, m.n)
	if err != nil {
		return err
	}
	m.caller = caller
	if !c.scenario.Callers.Register {
		return nil
	}
	_, err = caller.Register(ctx, c.accountOf(m.n))
	return err
}

func (c *crew) accountOf(n int) bench.Account {
	if c.account == nil {
		return bench.Account{User: user(n)}
	}
	return c.account(n)
}

func user(n int) string { return fmt.Sprintf("bench%05d", n) }

func (c *crew) connect(ctx context.Context, n int) (*bench.Caller, error) {
	cfg := c.config
	cfg.Account = c.accountOf(n)
	cfg.User = cfg.Account.User
	return bench.NewCaller(ctx, cfg, c.targets[n%len(c.targets)])
}

// place makes a call on the connection whose turn it is. The error is why there
// is none; what becomes of the call itself, the watcher is told.
func (c *crew) place(ctx context.Context, plan bench.Plan) error {
	n := int(c.next.Add(1) - 1)
	if c.scenario.Callers.Connection == scenario.PerCall {
		caller, err := c.connect(ctx, n%c.scenario.Callers.Count)
		if err != nil {
			return c.lost(ctx, err)
		}
		defer caller.Close()
		caller.Place(ctx, plan)
		return nil
	}
	m := c.members[n%len(c.members)]
	caller, err := c.alive(ctx, m)
	if err != nil {
		return c.lost(ctx, err)
	}
	if c.scenario.Callers.Connection == scenario.Each {
		plan.From = "" // its own
	}
	caller.Place(ctx, plan)
	return nil
}

// lost tells an attempt that was stopped from one that failed.
func (c *crew) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return bench.ErrStopped
	}
	return err
}

// alive is a member's connection, made anew where the server has closed it; once
// a second at most, so that a server that is gone is not flooded.
func (c *crew) alive(ctx context.Context, m *member) (*bench.Caller, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.caller.Lost():
	default:
		return m.caller, nil
	}
	if c.config.Board != nil { // its calls go on with it
		return m.caller, m.caller.Revive()
	}
	if time.Since(m.failed) < time.Second {
		return nil, fmt.Errorf("%w by the server", bench.ErrLink)
	}
	caller, err := c.connect(ctx, m.n)
	if err != nil {
		m.failed = time.Now()
		return nil, err
	}
	c.keep(m.caller) // its calls end by themselves
	m.caller = caller
	return caller, nil
}

// keep has a caller closed at the end.
func (c *crew) keep(caller *bench.Caller) {
	c.mu.Lock()
	shut := c.shut
	if !shut {
		c.joined = append(c.joined, caller)
	}
	c.mu.Unlock()
	if shut {
		caller.Close()
	}
}

// join connects a new endpoint that stays, and registers it if asked. took is of
// the TLS handshake or of the registration. status is the final code, 200 for a
// connection.
func (c *crew) join(ctx context.Context, n int, register bool) (status int, took time.Duration, err error) {
	began := time.Now()
	caller, err := c.connect(ctx, n%c.scenario.Callers.Count)
	if err != nil {
		return 0, 0, c.lost(ctx, err)
	}
	c.keep(caller)
	if !register {
		return 200, time.Since(began), nil
	}
	r, err := caller.Register(ctx, c.accountOf(n%c.scenario.Callers.Count))
	return r.Status, r.Took, err
}

// wire sums up what was seen of SIP on the wires that are open.
func (c *crew) wire() (sum bench.Wire) {
	c.mu.Lock()
	callers := slices.Clone(c.joined)
	c.mu.Unlock()
	callers = c.appendMembers(callers)
	for _, caller := range callers {
		sum = sum.Plus(caller.Wire())
	}
	return sum
}

// appendMembers adds the callers that the members have now.
func (c *crew) appendMembers(callers []*bench.Caller) []*bench.Caller {
	for _, m := range c.members {
		m.mu.Lock()
		if m.caller != nil {
			callers = append(callers, m.caller)
		}
		m.mu.Unlock()
	}
	return callers
}

// close ends all connections.
func (c *crew) close() {
	c.mu.Lock()
	c.shut = true
	callers := c.joined
	c.joined = nil
	c.mu.Unlock()
	callers = c.appendMembers(callers)
	var all sync.WaitGroup
	for _, caller := range callers {
		all.Go(caller.Close)
	}
	all.Wait()
}
