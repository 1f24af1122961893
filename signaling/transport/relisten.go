package transport

import (
	"slices"
	"time"
)

// Relisten listens where list says from now on. What is bound already stays bound, whatever else about it changes: the next handshake sees the
// new certificate, the next request the new role and name. A listener that is not in list accepts no more; its connections and its UDP socket
// go on, for the calls that use them, until Retain. After an error, which names the listener that could not be bound, all is as it was; else
// settled is called before anything comes in by the new ones.
func (e *Endpoint) Relisten(list []Listener, settled func()) error {
	if err := checkListeners(list); err != nil {
		return err
	}
	e.relistening.Lock()
	defer e.relistening.Unlock()
	was := e.listening()
	e.mu.Lock()
	retired := slices.Clone(e.retired)
	e.mu.Unlock()
	var is, opened []*listener
	kept := map[*bound]bool{}
	for _, c := range list {
		l, err := (*listener)(nil), error(nil)
		if b := boundFor(&c, was, retired, kept); b != nil {
			l, err = newListener(c, b)
		} else if l, err = bind(e, c); err == nil {
			opened = append(opened, l)
		}
		if err != nil {
			for _, l := range opened {
				l.close()
			}
			return err
		}
		kept[l.bound] = true
		is = append(is, l)
	}
	settled()
	e.exchange(was, is, opened, kept)
	return nil
}

// boundFor finds what is open for a listener already: that of its name, or else of its address. Where the kernel chooses the port the name
// decides.
func boundFor(c *Listener, was []*listener, retired []*bound, taken map[*bound]bool) *bound {
	var found *bound
	for _, l := range was {
		if taken[l.bound] || l.Address != c.Address || l.Proto.Stream() != c.Proto.Stream() {
			continue
		}
		if l.Name == c.Name {
			return l.bound
		}
		if c.Address.Port() != 0 && found == nil {
			found = l.bound
		}
	}
	for _, b := range retired {
		if found == nil && c.Proto == UDP && !taken[b] && b.local == unmap(c.Address) {
			found = b
		}
	}
	return found
}

// exchange puts the listeners is in the place of was.
func (e *Endpoint) exchange(was, is, opened []*listener, kept map[*bound]bool) {
	for _, l := range is {
		l.take()
	}
	e.listeners.Store(&is)
	e.mu.Lock()
	running := e.started && !e.closing
	e.retired = slices.DeleteFunc(e.retired, func(b *bound) bool { return kept[b] })
	for _, l := range was {
		switch {
		case kept[l.bound]:
		case l.tcp != nil || e.closing:
			l.close()
		default:
			e.retired = append(e.retired, l.bound)
		}
	}
	if e.closing {
		for _, l := range opened {
			l.close()
		}
	}
	e.mu.Unlock()
	if running {
		for _, l := range opened {
			l.serve()
		}
	}
	e.pool.rechoose()
}

// rechoose lets every UDP trunk choose its socket again.
func (p *pool) rechoose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		l.until = time.Time{}
	}
}

// SetLimits puts other caps of accepted connections into effect: PerAddress and Total. Who is in stays.
func (e *Endpoint) SetLimits(l Limits) {
	l = l.withDefaults()
	e.guard.mu.Lock()
	defer e.guard.mu.Unlock()
	e.guard.perAddress, e.guard.total = l.PerAddress, l.Total
}

// Retain closes what nothing of the configuration leads to any more: connections to none of the targets, those that came in by a listener that
// is gone, and its UDP socket. A target's Pool and Source do not matter. Where busy is given there are calls that may use any of it: then only
// connections to trunks go that are not busy.
func (e *Endpoint) Retain(targets []Target, busy func(trunk string) bool) {
	names := map[string]bool{}
	for _, l := range e.listening() {
		names[l.Name] = true
	}
	e.mu.Lock()
	var last []*conn
	for c := range e.conns {
		switch {
		case c.to == nil && names[c.flow.listener], c.to != nil && leads(c.to, targets):
		case busy == nil, c.to != nil && !busy(c.to.Trunk):
			last = append(last, c)
		}
	}
	if busy == nil {
		for _, b := range e.retired {
			b.close()
		}
		e.retired = nil
	}
	e.mu.Unlock()
	e.pool.retain(targets, busy)
	for _, c := range last {
		c.finish(closedByUs, ErrClosed)
	}
}

// retain forgets the lines that lead to none of the targets.
func (p *pool) retain(targets []Target, busy func(string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if busy == nil {
		for _, s := range p.retired {
			s.close()
		}
		p.retired = nil
	}
	for key, l := range p.lines {
		if l.dialing || leads(&l.target, targets) || busy != nil && busy(l.target.Trunk) {
			continue
		}
		for _, s := range l.own {
			s.close()
		}
		delete(p.lines, key)
	}
}

// leads tells whether a target is one of these.
func leads(t *Target, targets []Target) bool {
	return slices.ContainsFunc(targets, func(o Target) bool {
		return t.Trunk == o.Trunk && t.Role == o.Role && t.Proto == o.Proto && t.Host == o.Host && t.port() == o.port() && t.config() == o.config()
	})
}

func (t *Target) port() uint16 {
	if t.Port == 0 {
		return t.Proto.DefaultPort()
	}
	return t.Port
}

// config is how the remote is verified.
func (t *Target) config() ClientTLS {
	if t.TLS == nil {
		return ClientTLS{}
	}
	return *t.TLS
}
