package media

import (
	"net/netip"
	"slices"
	"time"

	"callseal/media/srtp"
)

// Audio goes by the straight way and the answer that says who sends it, and under which key, does not: the first packets can be
// here before it, and who has offered must be ready for them (RFC 3264 section 5.1). So a side that is not set yet keeps a few
// of its RTP packets. Once it is set they go the way of all others, as if they had come then: nothing is relayed that would
// not have been.
//
// Who floods a port before the answer costs what earlyPackets cost and no more, and an IP is never put out by one that has as
// many packets there: of a full side the IP that has most gives up its oldest, of a full worker the side that has most. The newest
// of a stream are kept, for those have no hole to what follows the answer.
const (
	earlyTime    = time.Second // a packet is kept for no longer
	earlyBytes   = 512         // nor one that is longer: 60 ms of G.711, sealed
	earlyOfSide  = 32          // packets: 0.6 s of audio
	earlyPackets = 512         // of all sides of a worker
)

// early is the packets that a worker keeps. It has its memory from the first of them on.
type early struct {
	packets []keptPacket
	space   []byte               // earlyBytes for each of packets
	order   []uint16             // which of packets are in use, in the order in which they came
	free    []uint16             // which are not
	sides   [earlyOfSide + 1]int // how many sides have so many; that of 0 means nothing
}

// keptPacket is one packet for a side that is not set.
type keptPacket struct {
	port *port
	leg  *leg // the port's
	from netip.AddrPort
	at   time.Duration // when it came
	n    int           // its length
}

// keep copies a packet that came before its side was set, or returns false.
func (w *worker) keep(p *packet, now time.Duration) bool {
	if p.port.kind != rtp || p.kind != rtp || p.n > earlyBytes || !p.from.IsValid() {
		return false
	}
	e := &w.early
	if e.packets == nil {
		e.make()
	}
	w.expire(now)
	l := &p.port.owner.legs[p.port.side]
	if l.early == earlyOfSide || len(e.free) == 0 {
		i := e.worst(l, p.from.Addr())
		if i < 0 {
			return false
		}
		w.giveUp(i)
	}
	slot := e.free[len(e.free)-1]
	e.free, e.order = e.free[:len(e.free)-1], append(e.order, slot)
	e.packets[slot] = keptPacket{port: p.port, leg: l, from: p.from, at: now, n: copy(e.buf(slot), p.buf[:p.n])}
	e.count(l, +1)
	return true
}

func (e *early) make() {
	e.packets, e.space = make([]keptPacket, earlyPackets), make([]byte, earlyPackets*earlyBytes)
	e.order, e.free = make([]uint16, 0, earlyPackets), make([]uint16, earlyPackets)
	for i := range e.free {
		e.free[i] = uint16(i)
	}
}

func (e *early) buf(slot uint16) []byte { return e.space[int(slot)*earlyBytes:][:earlyBytes] }

func (e *early) count(l *leg, by int) {
	e.sides[l.early]--
	l.early = uint16(int(l.early) + by)
	e.sides[l.early]++
}

// fullest returns a leg that has more packets than l would have with one more, or l.
func (e *early) fullest(l *leg) *leg {
	most := earlyOfSide
	for most > 0 && e.sides[most] == 0 {
		most--
	}
	if most <= int(l.early)+1 {
		return l
	}
	for _, slot := range e.order {
		if other := e.packets[slot].leg; int(other.early) == most {
			return other
		}
	}
	return l
}

// worst returns which packet, by its place in the order, makes room for one from an IP to a leg; below 0: none, that one goes.
func (e *early) worst(l *leg, ip netip.Addr) int {
	from := l
	if l.early < earlyOfSide {
		from = e.fullest(l)
	}
	var ips [earlyOfSide]struct {
		ip           netip.Addr
		first, count int // the oldest packet, and how many there are
	}
	n, worst, own := 0, -1, -1
	for i, slot := range e.order {
		if e.packets[slot].leg != from {
			continue
		}
		source, at := e.packets[slot].from.Addr(), 0
		for at < n && ips[at].ip != source {
			at++
		}
		if at == n {
			ips[n].ip, ips[n].first = source, i
			n++
		}
		ips[at].count++
		if source == ip {
			own = at
		}
		if worst < 0 || ips[at].count > ips[worst].count {
			worst = at
		}
	}
	switch {
	case worst < 0:
		return -1
	case from != l:
		return ips[worst].first
	case own < 0 && ips[worst].count == 1:
		return -1
	case own < 0 || ips[worst].count > ips[own].count+1:
		return ips[worst].first
	}
	return ips[own].first
}

// release takes a packet out of the order; its place is another's from now on.
func (e *early) release(i int) {
	slot := e.order[i]
	e.count(e.packets[slot].leg, -1)
	e.packets[slot] = keptPacket{} // keeps no closed session alive
	e.order, e.free = slices.Delete(e.order, i, i+1), append(e.free, slot)
}

// giveUp drops a packet that nothing came for.
func (w *worker) giveUp(i int) {
	k := &w.early.packets[w.early.order[i]]
	k.leg.count.drops[DropEarly]++
	w.tally.add(&verdict{kind: rtp, drop: DropEarly}, k.n)
	w.early.release(i)
}

// expire drops the packets that were kept too long.
func (w *worker) expire(now time.Duration) {
	for e := &w.early; len(e.order) > 0 && now-e.packets[e.order[0]].at > earlyTime; {
		w.giveUp(0)
	}
}

// forget drops all packets of a session.
func (w *worker) forget(s *state) {
	e := &w.early
	for i := len(e.order) - 1; i >= 0 && s.legs[A].early+s.legs[B].early > 0; i-- {
		if e.packets[e.order[i]].port.owner == s {
			w.giveUp(i)
		}
	}
}

// relayEarly relays what was kept for a side that is set now. Each packet is a round of its own, at the time at which it came: so
// neither its source's clock rate nor its jitter is misread. It runs between two rounds, when the batch is empty.
func (w *worker) relayEarly(s *state, side Side, now time.Duration) {
	w.expire(now)
	e, leg := &w.early, &s.legs[side]
	for i := 0; i < len(e.order) && leg.early > 0; {
		slot := e.order[i]
		k := e.packets[slot]
		if k.leg != leg {
			i++
			continue
		}
		w.batch = w.batch[:1]
		one := &w.batch[0]
		one.port, one.from, one.n, one.ahead = k.port, k.from, copy(one.buf, e.buf(slot)[:k.n]), srtp.Ahead{}
		e.release(i)
		w.relay(k.at, now)
		w.batch = w.batch[:0]
	}
}
