package signaling

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"callseal/signaling/call"
	"callseal/signaling/trunk"
)

// state is the configuration that the server works by, and what is made of it.
// Reload puts another one in its place; it is never mutated.
type state struct {
	cfg       Config
	limits    Limits
	listeners map[string]*Listener
	// house is what the calls that begin under this state have for life, but for
	// its Table and Route, which are always those of now.
	house call.House
}

// state is that of now. Whoever needs two things of it asks once.
func (s *Server) state() *state { return s.current.Load() }

func (s *Server) newState(cfg Config) *state {
	st := &state{cfg: cfg, limits: cfg.Limits.withDefaults(), listeners: make(map[string]*Listener)}
	for i := range cfg.Listeners {
		st.listeners[cfg.Listeners[i].Name] = &cfg.Listeners[i]
	}
	st.house = call.House{
		Endpoint: s.endpoint, Relay: s.media, MediaAddress: st.mediaAddress,
		Table: func() *trunk.Table { return &s.state().cfg.Table },
		Ring:  st.limits.Ring, Length: st.limits.Duration, Session: st.limits.Session,
		UserAgent: cfg.UserAgent, Log: s.log, Metrics: s.metrics.calls, Forget: s.forget, Refused: s.metrics.refuse, Find: s.find,
		Enter: s.enter,
		Next:  s.next,
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

// ErrRestart is what Reload cannot change while the server runs.
var ErrRestart = errors.New("cannot change without a restart")

// Reload works by another configuration from now on: its trunks and routes,
// the policies of its listeners for phones, its media addresses, limits and
// trust.
// Calls that are up keep what they began with. A trunk that is the same as
// before stays the one that it was. What is wrong leaves everything as it is;
// Network, Resolver and UserAgent stay those of New.
func (s *Server) Reload(cfg Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	was := s.state()
	if err := sameListeners(was.cfg.Listeners, cfg.Listeners); err != nil {
		return err
	}
	cfg.Network, cfg.Resolver, cfg.UserAgent = was.cfg.Network, was.cfg.Resolver, was.cfg.UserAgent
	cfg.Table = cfg.Table.Adopt(&was.cfg.Table)
	st := s.newState(cfg)
	s.setups.set(float64(st.limits.Setups))
	s.current.Store(st)
	s.endpoint.SetTrust(cfg.Trust)
	return nil
}

// sameListeners names a listener that was added, removed or moved.
func sameListeners(was, is []Listener) error {
	for _, l := range is {
		same := func(o Listener) bool {
			return o.Name == l.Name && o.Role == l.Role && o.Proto == l.Proto && o.Address == l.Address && o.Advertise == l.Advertise
		}
		if !slices.ContainsFunc(was, same) {
			return fmt.Errorf("listener %s: %w", l.Name, ErrRestart)
		}
	}
	if len(is) < len(was) {
		return fmt.Errorf("a listener was removed: %w", ErrRestart)
	}
	return nil
}
