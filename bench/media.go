package bench

import (
	"net/netip"
	"time"

	"callseal/bench/stream"
)

// Media is what one end saw of the audio of its calls.
type Media struct {
	Suite Suite // 0: plain RTP
	stream.Counts
}

// plus sums up the counts of two ends or calls.
func (m Media) plus(o Media) Media {
	if m.Suite == 0 {
		m.Suite = o.Suite
	}
	m.Counts = m.Counts.Plus(o.Counts)
	return m
}

// studio is where an endpoint's audio is made: an engine and what it measures.
type studio struct {
	engine                          *stream.Engine
	own                             bool // engine is nobody else's
	account                         *stream.Account
	ledger                          *Ledger
	latency, lateness, jitter, clip *Latency
}

// newStudio uses the given engine, or one of its own.
func newStudio(engine *stream.Engine, ledger *Ledger, latency *Latency) *studio {
	s := &studio{
		engine: engine, own: engine == nil, ledger: ledger,
		latency: latency, lateness: NewLatency(), jitter: NewLatency(), clip: NewLatency(),
	}
	if s.own {
		s.engine = stream.New(1)
	}
	s.account = s.engine.Account(stream.Sinks{Latency: s.latency, Lateness: s.lateness, Jitter: s.jitter, Clip: s.clip})
	return s
}

func (s *studio) close() {
	if s.own {
		s.engine.Close()
	}
}

// fill puts what was measured so far into the figures.
func (s *studio) fill(f *Figures) {
	f.Media.Counts, f.Talking = s.account.Counts()
	f.Latency, f.Lateness = s.latency.Quantiles(), s.lateness.Quantiles()
	f.Jitter, f.Clip = s.jitter.Quantiles(), s.clip.Quantiles()
}

// voice is one end's audio of one call.
type voice struct {
	*stream.Stream
	call   uint64
	suite  Suite
	ledger *Ledger
}

// open takes over the port when there is no error, and receives from then on.
// mine and theirs are both plain or both keys.
func (s *studio) open(port *stream.Port, plan Plan, party Party, remote netip.AddrPort, mine, theirs crypto) (*voice, error) {
	protect, err := mine.context()
	if err != nil {
		return nil, err
	}
	unprotect, err := theirs.context()
	if err != nil {
		return nil, err
	}
	own, other := s.ledger.enter(plan.ID, party, mine.Key, theirs.Key)
	opened, err := port.Open(stream.Config{
		Call: plan.ID, Party: uint8(party), Remote: remote, Protect: protect, Unprotect: unprotect,
		Packets: plan.packets(), Every: plan.Pace, Sequence: plan.Sequence, Tone: plan.Tone,
		Own: own, Other: other, Account: s.account,
	})
	if err != nil {
		s.ledger.leave(plan.ID)
		return nil, err
	}
	return &voice{Stream: opened, call: plan.ID, suite: mine.Suite, ledger: s.ledger}, nil
}

// packets is how many each end sends.
func (p Plan) packets() uint64 {
	pace := p.Pace
	if pace == 0 {
		pace = stream.PacketTime
	}
	return uint64(p.Audio / max(pace, time.Microsecond))
}

// close ends the voice and gives the final account, in which also the packets
// at the end are missed that never came.
func (v *voice) close() Media {
	v.Halt()
	m := Media{Suite: v.suite, Counts: v.Close()}
	v.ledger.leave(v.call)
	return m
}
