package media

import (
	"errors"
	"net/netip"
	"time"

	"callseal/media/srtp"
)

const (
	maxTokens = 128 // ports that a worker serves in one round
	maxBatch  = 256 // packets likewise
	maxBurst  = 16  // packets of one port likewise

	fewTogether = 3 // packets for which it is worth while to let their MACs wait for each other
)

// packet is one packet of a round.
type packet struct {
	port  *port // that it came to
	from  netip.AddrPort
	n     int    // its full length, even where it exceeds maxPacket
	buf   []byte // bufSize bytes, never changed
	ahead srtp.Ahead
	verdict
}

func newBatch() []packet {
	batch, space := make([]packet, maxBatch), make([]byte, maxBatch*bufSize)
	for i := range batch {
		batch[i].buf, space = space[:bufSize:bufSize], space[bufSize:]
	}
	return batch[:0]
}

// round relays what has come to the ports of w.tokens. All packets are received, then all are forwarded, then all are
// sent: each of the three leaves in the processor's caches what it needs for the next packet.
func (w *worker) round() {
	w.rounds++
	w.batch = w.batch[:0]
	w.behind = len(w.tokens) == maxTokens
	w.warmPorts()
	for next := 0; next < len(w.tokens); {
		next = w.gather(next)
	}
	now := w.clock()
	w.relay(now, now)
}

// relay takes the batch, which came at a given time, through the worker now.
func (w *worker) relay(came, now time.Duration) {
	if len(w.batch) >= fewTogether {
		w.work.Hold()
		w.each((*worker).prepare, came)
		w.work.Release()
		w.work.Hold()
	}
	w.each((*worker).forward, came)
	w.work.Release()
	w.each((*worker).deliver, now)
}

// each does the same to every packet of the batch. One that makes the code panic ends its session, and the next one follows.
func (w *worker) each(do func(w *worker, p *packet, at time.Duration), at time.Duration) {
	for next := 0; next < len(w.batch); {
		next = w.eachFrom(next, do, at)
	}
}

// eachFrom is each from a packet on, and returns where to go on: at the end, or behind a packet that made the code panic.
func (w *worker) eachFrom(next int, do func(w *worker, p *packet, at time.Duration), at time.Duration) (reached int) {
	defer w.survive()
	for reached = next; reached < len(w.batch); {
		p := &w.batch[reached]
		reached++
		w.current = p.port.owner
		do(w, p, at)
	}
	w.current = nil
	return reached
}

// gather receives the packets. Audio has one at its port, and asking for a second one costs as much as receiving it. So
// more are taken only from a port that had one in the round before too, and never so many that a flooded port delays the
// others. It begins at the given token and returns where to go on, like eachFrom.
func (w *worker) gather(next int) (at int) {
	defer w.survive()
	for at = next; at < len(w.tokens); {
		token := w.tokens[at]
		at++
		p := w.ports[token&tokenSlot]
		if p == nil || p.token != token {
			continue
		}
		most := 1
		if p.round == w.rounds-1 {
			most = maxBurst
		}
		p.round = w.rounds
		w.current = p.owner
		if w.receive(p, most) == most && most > 1 {
			w.behind = true
		}
	}
	w.current = nil
	return at
}

// receive puts at most so many packets of a port into the batch and returns how many it tried.
func (w *worker) receive(p *port, most int) int {
	for tried := range most {
		n := len(w.batch)
		if n == maxBatch {
			return most
		}
		one := &w.batch[:n+1][n]
		var err error
		if one.n, one.from, err = w.os.receive(p.socket, one.buf[:maxPacket]); err == nil {
			one.port, one.ahead = p, srtp.Ahead{}
			w.batch = w.batch[:n+1]
			w.warm()
			w.current = p.owner
			continue
		}
		if errors.Is(err, errAgain) {
			return tried
		} // else an ICMP error of an earlier packet, which means nothing
	}
	return most
}

// prepare does what can be done for all packets together before each goes its way.
func (w *worker) prepare(p *packet, _ time.Duration) {
	if s := p.port.owner; !s.closed {
		f := forwarder{from: &s.legs[p.port.side], ahead: &p.ahead}
		f.prepare(p.buf, p.n, p.port.kind)
	}
}

// forward takes a packet through its session.
func (w *worker) forward(p *packet, came time.Duration) {
	if s := p.port.owner; !s.closed {
		f := forwarder{from: &s.legs[p.port.side], to: &s.legs[1-p.port.side], space: w.space, ahead: &p.ahead}
		p.verdict = f.packet(p.buf, p.n, p.port.kind, p.from, came)
	}
}

// deliver sends a packet, and lets go of it.
func (w *worker) deliver(p *packet, now time.Duration) {
	w.send(p, now)
	p.port, p.ahead = nil, srtp.Ahead{} // keeps no closed session alive, nor its keys
}

// send sends one packet, if it may go, and counts what became of it.
func (w *worker) send(p *packet, now time.Duration) {
	s := p.port.owner
	if s.closed {
		return // by a panic of this round: its sockets may be another's by now
	}
	from, to := &s.legs[p.port.side], &s.legs[1-p.port.side]
	if p.drop == DropEarly && w.keep(p, now) {
		return
	}
	if p.drop == DropNone && w.os.send(s.ports[1-p.port.side][p.via].socket, p.out, p.target) != nil {
		p.drop = DropSend
	}
	if p.drop == DropNone {
		to.countSent(p.kind, len(p.out), p.payload, now)
		if p.kind == rtcp {
			to.reports.cross(now)
		}
	} else {
		from.count.drops[p.drop]++
	}
	w.tally.add(&p.verdict, p.n)
}

// nap lets packets gather until the next point of the grid, so that one wake-up serves many. It is for a worker that
// keeps up: after a round that left packets it is not called, and after one without packets the next wait sleeps.
func (w *worker) nap() {
	if w.grid > 0 && len(w.tokens) > 0 {
		w.os.nap(w.grid - w.clock()%w.grid)
	}
}
