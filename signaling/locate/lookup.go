package locate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// found are the addresses of one family.
type found struct {
	addrs []netip.Addr
	err   error
}

// family looks up one family; where it is not wanted there is none.
func (r *Resolver) family(ctx context.Context, wanted bool, q question) <-chan found {
	out := make(chan found, 1)
	if !wanted {
		out <- found{}
		return out
	}
	look := func() {
		a, err := r.lookup(ctx, q)
		out <- found{a.addrs, err} // always finds room
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		out <- found{err: failed(q, "the resolver is closed")}
		return out
	}
	r.work.Go(look) // waited for by Close
	return out
}

// both takes the answers for two families. Once one has addresses, a name server that is silent about the other is not waited for any longer
// than RFC 8305 section 3 suggests to wait at all.
func both(four, six <-chan found) (a, b found) {
	var late <-chan time.Time
	for four != nil || six != nil {
		select {
		case a = <-four:
			four = nil
		case b = <-six:
			six = nil
		case <-late:
			return a, b
		}
		if late == nil && len(a.addrs)+len(b.addrs) > 0 {
			late = time.After(grace)
		}
	}
	return a, b
}

func isMissing(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}

// lookup gives the answer to a question: what is remembered while it is fresh, else what a name server says, and where none does, what was
// remembered.
func (r *Resolver) lookup(ctx context.Context, q question) (answer, error) {
	return r.through(ctx, q, r.ask)
}

// system asks the operating system.
func (r *Resolver) system(ctx context.Context, network, host string) ([]netip.Addr, error) {
	kinds := map[string]Kind{"ip4": A, "ip6": AAAA}
	q := question{network + " " + host, kinds[network]} // a name of no name server
	a, err := r.through(ctx, q, func(ctx context.Context, _ question) (answer, time.Duration, error) {
		addrs, err := r.cfg.System.LookupNetIP(ctx, network, host)
		if err == nil && len(addrs) == 0 {
			err = missing(question{host, q.kind}, "no address")
		}
		if err != nil {
			return answer{}, retryFailed, err
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return answer{addrs: addrs}, systemTTL, err
	})
	return a.addrs, err
}

// through answers a question by the cache, and by get where that has nothing fresh.
func (r *Resolver) through(ctx context.Context, q question, get getter) (answer, error) {
	a, state, err := r.cache.look(q, r.now())
	var f *flight
	var enough <-chan time.Time // closed or fired when a stale answer is to do
	switch state {
	case fresh:
		r.count(q, cached, err)
		return a, err
	case held:
		r.count(q, outdated, err)
		return a, err
	case stale:
		t := time.NewTimer(patience)
		defer t.Stop()
		f, enough = r.fly(q, get), t.C
	case absent:
		f = r.fly(q, get)
	}
	select {
	case <-f.done:
		if f.err == nil || isMissing(f.err) || state == absent {
			r.count(q, answered, f.err)
			return f.answer, f.err
		}
	case <-enough:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	r.count(q, outdated, err)
	return a, err
}

// getter asks somebody: how long the answer holds stands beside it.
type getter func(ctx context.Context, q question) (answer, time.Duration, error)

// fly gives the flight of a question, and starts it where there is none.
func (r *Resolver) fly(q question, get getter) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[q]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	if r.closed {
		f.err = failed(q, "the resolver is closed")
		close(f.done)
		return f
	}
	r.flights[q] = f
	r.work.Go(func() { // waited for by Close
		defer close(f.done)
		ctx, cancel := context.WithTimeout(r.running, time.Duration(r.timeout.Load()))
		defer cancel()
		var ttl time.Duration
		f.answer, ttl, f.err = get(ctx, q)
		if now := r.now(); f.err == nil || isMissing(f.err) {
			r.cache.keep(q, f.answer, f.err, ttl, now)
		} else if r.running.Err() == nil {
			r.cache.fail(q, f.err, now)
			r.warn(q, f.err, now)
		}
		r.mu.Lock()
		delete(r.flights, q)
		r.mu.Unlock()
	})
	return f
}

// ask asks the name servers, and goes along aliases whose end the answer does not hold.
func (r *Resolver) ask(ctx context.Context, q question) (answer, time.Duration, error) {
	name, least := q, maxTTL
	for range maxAliases {
		msg, err := exchange(ctx, r.servers(), name, time.Duration(r.timeout.Load()))
		if err != nil {
			return answer{}, 0, failed(q, err.Error())
		}
		a, alias, ttl, err := read(name, msg)
		least = min(least, ttl)
		if alias == "" {
			return a, least, err
		}
		name = question{alias, q.kind}
	}
	return answer{}, 0, failed(q, "aliases lead too far")
}

// count counts a lookup by what came of it.
func (r *Resolver) count(q question, o outcome, err error) {
	switch {
	case err == nil || o == outdated:
	case isMissing(err):
		o = none
	default:
		o = unanswered
	}
	kind := q.kind
	if kind == 0 {
		kind = A // of the operating system, which looks for both
	}
	r.metrics.count(kind, o)
}

// warn writes about a name that no name server answers for, once a minute.
func (r *Resolver) warn(q question, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.warned[q]) < warnEvery {
		return
	}
	if len(r.warned) >= maxWarned {
		clear(r.warned)
	}
	r.warned[q] = now
	_, state, _ := r.cache.look(q, now)
	r.cfg.Log.Warn("no name server answers", "name", q.name, "type", q.kind.String(), "stale_answer", state == held, "error", err,
		"advice", "check the name servers in dns.servers or /etc/resolv.conf; what is known is used as long as dns.stale says")
}
