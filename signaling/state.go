package signaling

import (
	"maps"
	"net/netip"

	"callseal/signaling/call"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// state is the configuration that the server works by, and what is made of it.
// Reload puts another one in its place; what is not under mu is never mutated.
type state struct {
	cfg       Config
	limits    Limits
	listeners map[string]*Listener
	// house is what the calls that begin under this state have for life, but for
	// its Table and Route, which are always those of now.
	house call.House
	// inbound is what trunks prove themselves by.
	inbound *inbound

	// Guarded by the server's mu.
	calls   int  // that began under it and are not over
	retired bool // another one is in its place
}

// state is that of now. Whoever needs two things of it asks once.
func (s *Server) state() *state { return s.current.Load() }

func (s *Server) newState(cfg Config) *state {
	cfg.Phones = cfg.Phones.withDefaults()
	st := &state{cfg: cfg, limits: cfg.Limits.withDefaults(), listeners: make(map[string]*Listener)}
	for i := range cfg.Listeners {
		st.listeners[cfg.Listeners[i].Name] = &cfg.Listeners[i]
	}
	st.inbound = s.newInbound(cfg.Realm)
	st.house = call.House{
		Endpoint: s.endpoint, Relay: s.media, MediaAddress: st.mediaAddress,
		Table: func() *trunk.Table { return &s.state().cfg.Table },
		Ring:  st.limits.Ring, Length: st.limits.Duration, Session: st.limits.Session,
		UserAgent: cfg.UserAgent, Log: s.log, Metrics: s.metrics.calls, Forget: func(c *call.Call) { s.forget(c, st) }, Refused: s.metrics.refuse, Find: s.find,
		Enter: s.enter, Desk: s.desk, Silent: st.limits.Silent,
		Next: s.next, IsPhone: s.isPhone, Challenged: s.challenged,
	}
	return st
}

// mediaAddress gives the relay's address for a leg of IPv6 or IPv4; where
// only one of the two is configured, that one.
func (st *state) mediaAddress(v6 bool) (bind, advertise netip.Addr) {
	m := st.cfg.Media
	if (v6 && m.V6.IsValid()) || !m.V4.IsValid() {
		bind, advertise = m.V6, m.AdvertiseV6
	} else {
		bind, advertise = m.V4, m.AdvertiseV4
	}
	if !advertise.IsValid() {
		advertise = bind
	}
	return bind, advertise
}

// Reload works by another configuration from now on: its listeners, trunks and
// routes, policies for phones, media addresses, limits and trust. Calls that are up
// keep what they began with; what only they use any more is closed after the
// last of them. A trunk that is the same as before stays the one that it was.
// After an error, as of a listener that cannot be bound, all is as it was.
// Network, Resolver and UserAgent stay those of New.
func (s *Server) Reload(cfg Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	was := s.state()
	cfg.Network, cfg.Resolver, cfg.UserAgent = was.cfg.Network, was.cfg.Resolver, was.cfg.UserAgent
	cfg.Table = cfg.Table.Adopt(&was.cfg.Table)
	st := s.newState(cfg)
	if err := s.endpoint.Relisten(transportListeners(cfg.Listeners), func() { s.current.Store(st) }); err != nil {
		return err
	}
	s.setups.set(float64(st.limits.Setups))
	s.open(cfg.Accounts, s.book.Load().directory, s.book.Load().complete)
	s.endpoint.SetTrust(cfg.Trust)
	s.endpoint.SetLimits(cfg.Transport)
	s.keepRegistrations(&st.cfg.Table)
	s.retire(was)
	s.desk.Watch(st.cfg.Table.Trunks)
	select {
	case s.watching <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}

func transportListeners(list []Listener) []transport.Listener {
	var out []transport.Listener
	for _, l := range list {
		out = append(out, l.Listener)
	}
	return out
}

// retire notes that no call begins under a state any more.
func (s *Server) retire(st *state) {
	s.mu.Lock()
	st.retired = true
	s.past += st.calls
	left := s.past
	s.mu.Unlock()
	s.clear(left)
}

// hold keeps the connections to a trunk, as those of a busy one are, until the
// function that it gives is called.
func (s *Server) hold(trunk string) (release func()) {
	count := func(by int) (left int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.past += by
		if s.held[trunk] += by; s.held[trunk] == 0 {
			delete(s.held, trunk)
		}
		return s.past
	}
	count(1)
	return func() { s.clear(count(-1)) }
}

// clear closes what the configuration of now does not name and no call uses.
// While calls are left that began under another, that is connections to trunks
// without calls. mu is not held: the endpoint has locks of its own.
func (s *Server) clear(left int) {
	var targets []transport.Target
	for _, t := range s.state().cfg.Table.Trunks {
		targets = append(targets, t.Target)
	}
	if left == 0 {
		s.endpoint.Retain(targets, nil)
		return
	}
	s.mu.Lock()
	held := maps.Clone(s.held)
	s.mu.Unlock()
	s.endpoint.Retain(targets, func(trunk string) bool { return held[trunk] > 0 || s.desk.Busy(trunk) })
}
