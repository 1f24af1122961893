// Package signaling is the Server: it owns the SIP endpoint, decides what
// becomes of each request, and owns the calls.
package signaling

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// hangUpTime is how long Run waits for the answers to its last BYEs.
const hangUpTime = 2 * time.Second

// Server takes calls in on its listeners and places them on its trunks.
type Server struct {
	// Never mutated after New.
	endpoint *transport.Endpoint
	phones   *registrar.Registrar
	media    call.Relay
	log      *slog.Logger
	metrics  *Metrics

	desk      *trunk.Desk
	watching  chan struct{}         // capacity 1: the trunks are others
	current   atomic.Pointer[state] // stored by New and Reload
	book      atomic.Pointer[book]  // stored by those and SetAccounts
	reloading sync.Mutex            // held by Reload
	proved    proved
	guesses   guesses
	draining  atomic.Bool // written under mu
	notes     notes
	setups    rate           // new calls
	resent    resent         // but for those that answer a challenge
	strangers rate           // calls of unknown addresses
	memory    meter          // what they took
	running   sync.WaitGroup // the calls, and what else Run waits for

	registrations registrations
	lines         lines // of phones, at their dialers

	mu    sync.Mutex // guards what follows
	calls map[call.Key]*call.Call
	// invites finds an INVITE that came twice, by different ways (RFC 3261
	// section 8.2.2.2). Each call stands in it once.
	invites map[call.Invite]*call.Call
	// relaying are the requests outside of calls that wait for their answer, and
	// those that began a subscription.
	relaying      map[call.Invite]bool
	subscriptions map[call.Key]*call.Subscription
	past          int            // calls that began under a state that is no more, and those who hold
	held          map[string]int // trunks whose connections are held
	idle          chan struct{}  // closed and replaced when the last call is gone
}

// New binds the listeners. The error names the listener that could not be
// bound. A nil metrics counts nothing.
func New(cfg Config, relay call.Relay, log *slog.Logger, metrics *Metrics) (*Server, error) {
	if metrics == nil {
		metrics = &Metrics{}
	}
	s := &Server{
		media:         relay,
		desk:          trunk.NewDesk(log, metrics.trunks),
		watching:      make(chan struct{}, 1),
		log:           log,
		metrics:       metrics,
		lines:         lines{of: map[string]*phoneLines{}},
		calls:         make(map[call.Key]*call.Call),
		invites:       make(map[call.Invite]*call.Call),
		relaying:      make(map[call.Invite]bool),
		subscriptions: make(map[call.Key]*call.Subscription),
		held:          make(map[string]int),
		idle:          make(chan struct{}),
	}
	s.desk.Back = s.cameBack
	s.setups.perSecond, s.strangers.perSecond = float64(cfg.Limits.Setups), strangersPerSecond
	tc := transport.Config{
		Listeners: transportListeners(cfg.Listeners),
		Limits:    cfg.Transport, Handler: s, Log: log, Metrics: metrics.transport, UserAgent: cfg.UserAgent,
		Network: cfg.Network, Resolver: cfg.Resolver, Trust: cfg.Trust,
	}
	endpoint, err := transport.New(tc)
	if err != nil {
		return nil, err
	}
	s.endpoint = endpoint
	s.phones = registrar.New(registrar.Config{
		Endpoint: endpoint, UserAgent: func() string { return s.state().cfg.UserAgent }, Log: log, Metrics: metrics.phones, Moved: s.phoneMoved,
		Changed: s.phoneChanged,
		Failed:  s.wrongPassword,
		Proven:  s.rightPassword,
		Locked:  s.lockedMeanwhile,
		Unknown: func(f *transport.Flow) { endpoint.Misbehaved(f, transport.OffenceDigest, true) },
	})
	s.current.Store(s.newState(cfg))
	s.open(cfg.Accounts, nil, false)
	s.desk.Watch(cfg.Table.Trunks)
	return s, nil
}

// Run serves until ctx ends, then hangs up the calls that are left and
// returns.
func (s *Server) Run(ctx context.Context) error {
	defer s.endSubscriptions()
	defer s.phones.Table().Close()
	defer s.killLines()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- s.endpoint.Run(serving) }() // waited for below
	s.running.Go(func() { s.watch(serving) })
	s.running.Go(func() { s.beginRegistrations(serving) })
	defer s.killRegistrations()
	select {
	case err := <-failed:
		stop()
		s.each((*call.Call).Kill)
		s.running.Wait()
		return err
	case <-ctx.Done():
	}
	s.drain()
	s.each(func(c *call.Call) { c.End("SBC is shutting down") })
	gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpTime)
	defer cancel()
	_ = s.waitIdle(gone)
	s.awaitRegistrations(gone)
	stop()
	err := <-failed
	s.each((*call.Call).Kill)
	s.running.Wait()
	return err
}

// Ready is closed once every listener accepts.
func (s *Server) Ready() <-chan struct{} { return s.endpoint.Ready() }

// Addr is where a listener is bound, by its name.
func (s *Server) Addr(listener string) netip.AddrPort { return s.endpoint.Addr(listener) }

// Drain refuses new calls with 503 and returns when no call is left or ctx
// ends.
func (s *Server) Drain(ctx context.Context) error {
	s.drain()
	return s.waitIdle(ctx)
}

// Draining tells whether new calls are refused.
func (s *Server) Draining() bool { return s.draining.Load() }

// Calls is the number of calls that are up or being set up.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.invites)
}

// Remembered is the number of calls, and of transactions, most of which last
// for 32 s after what they were for.
func (s *Server) Remembered() int { return s.Calls() + s.endpoint.Transactions() }

func (s *Server) waitIdle(ctx context.Context) error {
	s.mu.Lock()
	idle, n := s.idle, len(s.calls)
	s.mu.Unlock()
	if n == 0 {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// each visits every call once.
func (s *Server) each(visit func(*call.Call)) {
	s.mu.Lock()
	calls := slices.Collect(maps.Values(s.invites))
	s.mu.Unlock()
	for _, c := range calls {
		visit(c)
	}
}

// admit registers a call that begins under st, or says why there is no place for it. It is one
// step: once draining is set, no call comes after those that Run and Drain
// see.
func (s *Server) admit(c *call.Call, st *state) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining.Load():
		return &refusal{503, "SBC takes no new calls", "draining", retryAfter()}
	case len(s.invites) >= s.state().limits.Calls:
		return &refusal{503, "SBC call limit reached", "limit", retryAfter()}
	}
	for _, key := range c.Keys() {
		s.calls[key] = c
	}
	s.invites[c.Invite()] = c
	s.running.Add(1)
	st.calls++
	if st.retired { // a moment ago
		s.past++
	}
	return nil
}

// start lets an admitted call begin.
func (s *Server) start(c *call.Call) {
	go c.Run(s.running.Done) // the call's end is waited for by Run
}

// drain makes admit refuse every call from now on.
func (s *Server) drain() {
	s.mu.Lock()
	s.draining.Store(true)
	s.mu.Unlock()
	s.endRegistrations()
}

func (s *Server) forget(c *call.Call, st *state) {
	s.mu.Lock()
	for _, key := range c.Keys() {
		if s.calls[key] == c { // a phone's INVITE that was challenged, and the next one, have the same
			delete(s.calls, key)
		}
	}
	delete(s.invites, c.Invite())
	if len(s.calls) == 0 {
		close(s.idle)
		s.idle = make(chan struct{})
	}
	st.calls--
	retired := st.retired
	if retired {
		s.past--
	}
	left := s.past
	s.mu.Unlock()
	if retired {
		s.clear(left)
	}
}

// enter lets find find a call by one more key.
func (s *Server) enter(c *call.Call, key call.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[key] = c
}

func (s *Server) find(callID, tag string) *call.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call.Key{CallID: callID, Tag: tag}]
}

// merges tells whether a call that is up came from a copy of this INVITE
// under another branch.
func (s *Server) merges(req *sip.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.invites[call.InviteOf(req)] != nil
}
