package ladder

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callseal/media"
)

// dice are what happens in a play: each throw takes the next number of a list, and when that is at its end, 0. Zeros mean that all goes well, so
// that what rapid makes of a list that shows a fault is the shortest way to it.
type dice struct {
	list []int
	n    int
}

// next is in [0, sides).
func (d *dice) next(sides int) int {
	if d.n >= len(d.list) {
		return 0
	}
	d.n++
	return d.list[d.n-1] % sides
}

// stage is one play of two robots around the server.
type stage struct {
	*player
	dice   *dice
	lossy  bool // datagrams are lost
	rough  bool // connections are cut, or the server is stopped: not everybody can hear everything
	due    []job
	faults []error
}

type job struct {
	at time.Duration
	do func()
}

func (s *stage) after(d time.Duration, f func()) {
	at := s.now() + d
	i, _ := slices.BinarySearchFunc(s.due, at, func(j job, at time.Duration) int {
		if j.at <= at {
			return -1
		}
		return 1
	})
	s.due = slices.Insert(s.due, i, job{at, f})
}

// unacked takes a 2xx whose ACK never came.
func (s *stage) unacked(m *sent) {
	if !s.rough {
		s.faults = append(s.faults, fmt.Errorf("no ACK of the %s with tag %s", m.kind(), m.toTag()))
	}
}

// act lets time pass until an end; what comes is reacted to at once.
func (s *stage) act(robots []*robot, end time.Duration) {
	for {
		synctest.Wait()
		heard := false
		for _, r := range robots {
			for in := r.next(); in != nil; in = r.next() {
				r.react(in)
				heard = true
			}
		}
		switch {
		case heard:
			continue
		case len(s.due) > 0 && s.due[0].at <= s.now():
			do := s.due[0].do
			s.due = s.due[1:]
			do()
			continue
		case s.now() >= end:
			return
		}
		until := end
		if len(s.due) > 0 {
			until = min(until, s.due[0].at)
		}
		timer := time.NewTimer(until - s.now())
		select {
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		}
	}
}

// events of the world, each with what it does.
func (s *stage) event() {
	tcp := s.agents["A"].stream
	name := [...]string{"A", "B"}[s.dice.next(2)]
	switch s.dice.next(5) {
	case 0: // nothing
	case 1:
		if tcp {
			s.rough = true
			s.report.see(s.now(), "cut "+name)
			s.net.cut(machines[name].Addr())
			for _, m := range s.agents[name].sent {
				m.cut = m.cut || m.code() == 0 && len(m.finals) == 0
			}
		}
	case 2:
		s.tell(media.Event{Kind: media.EventSilent, Side: media.Side(s.dice.next(2)), After: 30 * time.Second})
	case 3:
		s.tell(media.Event{Kind: media.EventLifetime, Side: media.Side(s.dice.next(2))})
	case 4:
		if tcp {
			s.rough = true
			s.gate(name, true, false)
			s.report.see(s.now(), "refuse "+name)
			s.after(3*time.Second, func() { s.gate(name, false, false) })
		}
	}
}

func (s *stage) tell(e media.Event) {
	s.studio.mu.Lock()
	var tell func(media.Event)
	for _, n := range s.studio.sessions {
		if n.closed == 0 {
			tell = n.tell
		}
	}
	s.studio.mu.Unlock()
	if tell != nil {
		s.report.see(s.now(), "event "+e.Kind.String()+" "+e.Side.String())
		tell(e)
	}
}

// play is one call with everything that the dice bring.
func (s *stage) play() error {
	a := &robot{agent: s.agents["A"], stage: s, words: "pcmu"}
	b := &robot{agent: s.agents["B"], stage: s, words: "pcmu"}
	robots := []*robot{a, b}
	able := [...]string{"", "can:update", "can:update,100rel,timer"}[s.dice.next(3)]
	a.ask("INVITE %s", able)
	at := time.Duration(0)
	for range s.dice.next(8) {
		at += time.Duration(s.dice.next(40)) * 250 * time.Millisecond
		r := robots[s.dice.next(2)]
		s.after(at, r.whim)
	}
	for range s.dice.next(3) {
		s.after(time.Duration(s.dice.next(60))*250*time.Millisecond, s.event)
	}
	if s.dice.next(6) == 5 {
		s.after(time.Duration(s.dice.next(40))*250*time.Millisecond, func() {
			if out := a.calls[1].out; out != nil && len(out.finals) == 0 {
				m := a.say("CANCEL")
				a.insist(m, false, func() bool { return len(m.finals) > 0 })
			}
		})
	}
	s.act(robots, 60*time.Second)
	if t := a.calls[1]; t.last != nil && t.last.heard && !a.over {
		a.hangUp()
	}
	s.act(robots, s.now()+4*time.Minute)                           // the ring timeout is 3 minutes
	if t := a.calls[1]; t.last != nil && t.last.heard && !a.over { // it was answered late
		a.hangUp()
	}
	s.act(robots, s.now()+2*time.Minute)
	return s.judge(a, b)
}

// judge holds what came of it against the rules.
func (s *stage) judge(robots ...*robot) error {
	faults := s.faults
	if n := s.server.Calls(); n > 0 {
		faults = append(faults, fmt.Errorf("%d calls are left", n))
	}
	if n := s.studio.open(); n > 0 {
		faults = append(faults, fmt.Errorf("%d media sessions are open", n))
	}
	for _, n := range s.studio.sessions {
		if n.closed > 1 {
			faults = append(faults, fmt.Errorf("session %d was closed %d times", n.number, n.closed))
		}
	}
	faults = append(faults, s.empty(), s.logged("please report it", false))
	if !s.rough {
		for _, r := range robots {
			faults = append(faults, r.settled())
		}
	}
	return errors.Join(faults...)
}

// TestAnyPlay: whatever two user agents, the network and the relay do, every 2xx has its ACK, every dialog that was confirmed ends with one BYE,
// every request has one final answer, and nothing is left.
func TestAnyPlay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(rapid.IntRange(0, 999), 0, 80).Draw(rt, "dice")
		tcp := rapid.Bool().Draw(rt, "tcp")
		loss := rapid.SampledFrom([]int{0, 0, 5, 15}).Draw(rt, "loss in percent")
		seed := rapid.Uint64().Draw(rt, "seed of the loss")
		var err error
		var ladder string
		synctest.Test(t, func(t *testing.T) {
			ladder, err = perform(t, &dice{list: list}, tcp, loss, seed)
		})
		if err != nil {
			rt.Fatalf("%v\n%s", err, ladder)
		}
	})
}

func perform(t *testing.T, d *dice, tcp bool, loss int, seed uint64) (ladder string, _ error) {
	var steps []*step
	if tcp {
		steps = append(steps, &step{verb: "set", args: []string{"proto=tcp"}})
	}
	s := &stage{player: newPlayer(t, steps), dice: d}
	defer s.close()
	if !tcp && loss > 0 {
		s.lossy = true
		var mu sync.Mutex
		luck := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // loses packets in a test
		s.net.lose = func(netip.AddrPort, netip.AddrPort, []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			return luck.IntN(100) < loss
		}
	}
	err := s.play()
	var b strings.Builder
	for _, row := range s.report.rows {
		b.WriteString(strings.Join(row.seen, "\n"))
	}
	return b.String(), err
}
