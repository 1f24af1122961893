package bench

import (
	"sync"
	"time"
)

// slots cut a packet time into steps of 1 ms, so that a thousand streams do
// not send at one moment.
const slots = 20

// pacer sends the packets of all streams of an endpoint at their times, by
// one goroutine. It never slows because something else does: when late, it
// sends all that is due and records how late it was.
type pacer struct {
	lateness *Latency

	mu    sync.Mutex
	ring  [slots][]*stream
	stop  chan struct{} // closed by close
	ended chan struct{} // closed by run
}

// newPacer starts the goroutine; close ends it.
func newPacer() *pacer {
	p := &pacer{lateness: NewLatency(), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.run()
	return p
}

func (p *pacer) close() {
	close(p.stop)
	<-p.ended
}

// add puts the stream into the emptiest slot.
func (p *pacer) add(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := 0
	for i := range p.ring {
		if len(p.ring[i]) < len(p.ring[best]) {
			best = i
		}
	}
	p.ring[best] = append(p.ring[best], s)
}

func (p *pacer) run() {
	defer close(p.ended)
	const step = packetTime / slots
	timer := time.NewTimer(step)
	defer timer.Stop()
	due := time.Now().Add(step)
	for slot := 0; ; slot = (slot + 1) % slots {
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-p.stop:
				return
			}
		}
		p.send(slot, due)
		due = due.Add(step)
	}
}

// send lets each stream of a slot send one packet, and drops those that are
// done.
func (p *pacer) send(slot int, due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	streams := p.ring[slot]
	if len(streams) == 0 {
		return
	}
	p.lateness.Record(time.Since(due))
	left := streams[:0]
	for _, s := range streams {
		if s.send() {
			left = append(left, s)
		}
	}
	clear(streams[len(left):])
	p.ring[slot] = left
}
