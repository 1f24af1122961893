package locate

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callseal/signaling/transport"
)

// Defaults of Config, and the fixed tunables.
const (
	DefaultTimeout = 2 * time.Second
	DefaultStale   = 72 * time.Hour // RFC 8767 section 5: 1 to 3 days

	patience     = 500 * time.Millisecond // how long a caller who could have a stale answer waits for a fresh one
	grace        = 100 * time.Millisecond // how long the addresses of one family wait for those of the other
	systemTTL    = 30 * time.Second       // how long the operating system's answers are kept: it does not say
	maxTargets   = 10                     // SRV records followed
	maxAddresses = 24                     // of one domain
	warnEvery    = time.Minute            // lines about one name whose lookup fails
	maxWarned    = 256
)

// Config is what New needs. Every field has a usable zero value but for Log.
type Config struct {
	Servers func() []netip.AddrPort        // name servers, the preferred one first; asked for each question. nil or none: the operating system finds addresses, and no SRV or NAPTR is known
	Hosts   func(name string) []netip.Addr // what the hosts file says of a name, before any name server; nil: nothing
	System  transport.Resolver             // for names without a dot; nil: the operating system's
	Timeout time.Duration                  // of one question to all name servers together; 0: DefaultTimeout
	Stale   time.Duration                  // how long answers are used beyond their time while no name server answers; 0: not at all
	Log     *slog.Logger
	Metrics *Metrics // nil: counted, but registered nowhere
}

// Resolver finds addresses and servers. It may be used by any number of goroutines. Whoever calls New calls Close.
type Resolver struct {
	cfg     Config
	cache   *cache
	metrics *Metrics
	timeout atomic.Int64 // a Duration
	now     func() time.Time
	running context.Context // ends with Close; questions depend on it
	stop    context.CancelFunc

	mu      sync.Mutex // guards the rest
	closed  bool
	flights map[question]*flight
	warned  map[question]time.Time
	work    sync.WaitGroup // questions on their way; Close waits for them
}

// flight is a question on its way. However many ask it at once, it is asked once.
type flight struct {
	done   chan struct{} // closed when the rest is set
	answer answer
	err    error
}

var _ transport.Locator = (*Resolver)(nil)

// New makes a resolver.
func New(c Config) *Resolver {
	if c.System == nil {
		c.System = net.DefaultResolver
	}
	r := &Resolver{cfg: c, cache: newCache(c.Stale), metrics: c.Metrics, now: time.Now, flights: map[question]*flight{}, warned: map[question]time.Time{}}
	if r.metrics == nil {
		r.metrics = NewMetrics(nil)
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	r.timeout.Store(int64(c.Timeout))
	r.running, r.stop = context.WithCancel(context.Background())
	return r
}

// Tune puts another Timeout and Stale into effect; of answers that are kept the latter counts from their next one on.
func (r *Resolver) Tune(timeout, longer time.Duration) {
	r.timeout.Store(int64(timeout))
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	r.cache.stale = longer
}

// Close ends the questions that are on their way. Lookups fail from then on.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.work.Wait()
}

// Locate lists the servers of a SIP domain for one transport, in the order in which they are to be tried (RFC 3263 section 4.2): of its NAPTR
// records those that agree with the transport lead to SRV records, else the customary name does; a domain without SRV records is a host at the
// transport's port. Equals stand in a new random order each time, by their weights.
func (r *Resolver) Locate(ctx context.Context, proto transport.Proto, host string) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), proto.DefaultPort())}, nil
	}
	if servers := r.servers(); len(servers) > 0 && !r.ofSystem(host) && r.hosts(host) == nil {
		records, offered := r.services(ctx, proto, host)
		if !offered {
			return nil, missing(ask(host, SRV), "the domain says that it has no SIP server for "+proto.String())
		}
		if len(records) > 0 {
			return r.targets(ctx, host, records)
		}
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	return withPort(addrs, proto.DefaultPort()), nil
}

// services gives the SRV records of a domain, in their order. offered is false where there is one that says that there is no server. A name
// server that does not answer for NAPTR or SRV, as some do not, counts as one that has none.
func (r *Resolver) services(ctx context.Context, proto transport.Proto, host string) (records []srv, offered bool) {
	var byNAPTR, byCustom answer
	var both sync.WaitGroup
	both.Go(func() { byNAPTR, _ = r.lookup(ctx, ask(host, NAPTR)) }) // without an answer the custom holds
	both.Go(func() { byCustom, _ = r.lookup(ctx, ask(serviceName(proto, host), SRV)) })
	both.Wait()
	groups := [][]srv{byCustom.srvs}
	if names := services(byNAPTR.naptrs, proto); len(names) > 0 {
		groups = nil
		for _, name := range names {
			a, _ := r.lookup(ctx, ask(name, SRV)) // the next name may have some
			groups = append(groups, a.srvs)
		}
	}
	refused := false
	for _, g := range groups {
		if len(g) == 1 && g[0].target == "." { // RFC 2782, "Target"
			refused = true
			continue
		}
		records = append(records, arrange(g, rand.IntN)...)
	}
	return records, len(records) > 0 || !refused
}

// targets gives the addresses of SRV records, in their order. It fails only where none has any.
func (r *Resolver) targets(ctx context.Context, host string, records []srv) ([]netip.AddrPort, error) {
	records = records[:min(len(records), maxTargets)]
	found := make([][]netip.Addr, len(records))
	errs := make([]error, len(records))
	var all sync.WaitGroup
	for i, s := range records {
		all.Go(func() { found[i], errs[i] = r.LookupNetIP(ctx, "ip", s.target) })
	}
	all.Wait()
	var list []netip.AddrPort
	for i, s := range records {
		for _, a := range withPort(found[i], s.port) {
			if !slices.Contains(list, a) && len(list) < maxAddresses {
				list = append(list, a)
			}
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return nil, missing(ask(host, SRV), "its servers have no address")
}

func withPort(addrs []netip.Addr, port uint16) []netip.AddrPort {
	list := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		list[i] = netip.AddrPortFrom(a, port)
	}
	return list
}

// LookupNetIP lists the addresses of a host, IPv6 and IPv4 alternating. network is "ip", "ip4" or "ip6".
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	v4, v6 := network != "ip6", network != "ip4"
	if addrs := r.hosts(host); addrs != nil {
		return addrs, nil
	}
	if r.ofSystem(host) || len(r.servers()) == 0 {
		return r.system(ctx, network, host)
	}
	four, six := both(r.family(ctx, v4, ask(host, A)), r.family(ctx, v6, ask(host, AAAA)))
	if addrs := transport.Alternate(six.addrs, four.addrs); len(addrs) > 0 {
		return addrs, nil
	}
	if six.err != nil && !isMissing(six.err) || four.err == nil { // that nobody answered says more than that there is nothing
		return nil, six.err
	}
	return nil, four.err
}

// hosts is what the hosts file says; nil: nothing.
func (r *Resolver) hosts(name string) []netip.Addr {
	if r.cfg.Hosts == nil {
		return nil
	}
	if addrs := r.cfg.Hosts(strings.ToLower(strings.TrimSuffix(name, "."))); len(addrs) > 0 {
		return addrs
	}
	return nil
}

// ofSystem tells whether a name means something on this machine or its network only.
func (r *Resolver) ofSystem(name string) bool {
	return !strings.Contains(name, ".") || strings.EqualFold(strings.TrimSuffix(name, "."), "localhost")
}

func (r *Resolver) servers() []netip.AddrPort {
	if r.cfg.Servers == nil {
		return nil
	}
	return r.cfg.Servers()
}
