package bench

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/srtp/v2"

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

// Studio is where the audio of one end of the calls is made: an engine and
// what it measures. Many endpoints may share one.
type Studio struct {
	engine  *stream.Engine
	own     bool // engine is nobody else's
	account *stream.Account
	ledger  *Ledger
	gauges  Gauges
}

// Gauges are where a studio's durations go; several may share one.
type Gauges struct {
	Latency  *Latency // of received packets, from one end to the other
	Lateness *Latency // of sent packets, against the plan
	Jitter   *Latency // of the streams that have ended
	Clip     *Latency // of the streams, from 200 to the first packet

	Tap func(to netip.AddrPort, packet []byte) // sees what is sent; may be nil, must not keep it nor block
}

// NewStudio makes one upon an engine, which somebody else closes.
func NewStudio(engine *stream.Engine, ledger *Ledger, to Gauges) *Studio {
	return &Studio{engine: engine, ledger: ledger, gauges: to, account: engine.Account(stream.Sinks{
		Latency: to.Latency, Lateness: to.Lateness, Jitter: to.Jitter, Clip: to.Clip, Tap: to.Tap,
	})}
}

// newStudio uses the given engine, or one of its own.
func newStudio(engine *stream.Engine, ledger *Ledger, latency *Latency) *Studio {
	own := engine == nil
	if own {
		engine = stream.New(1)
	}
	s := NewStudio(engine, ledger, Gauges{Latency: latency, Lateness: NewLatency(), Jitter: NewLatency(), Clip: NewLatency()})
	s.own = own
	return s
}

// Counts are those of all streams so far, and how many are open.
func (s *Studio) Counts() (stream.Counts, int) { return s.account.Counts() }

func (s *Studio) close() {
	if s.own {
		s.engine.Close()
	}
}

// fill puts what was measured so far into the figures.
func (s *Studio) fill(f *Figures) {
	f.Media.Counts, f.Talking = s.account.Counts()
	f.Latency, f.Lateness = s.gauges.Latency.Quantiles(), s.gauges.Lateness.Quantiles()
	f.Jitter, f.Clip = s.gauges.Jitter.Quantiles(), s.gauges.Clip.Quantiles()
}

// voice is one end's audio of one call.
type voice struct {
	*stream.Stream
	call         uint64
	suite        Suite
	mine, theirs crypto // owned by the call's goroutine
	ledger       *Ledger
}

// hears tells whether the other end still sends with that key.
func (v *voice) hears(theirs crypto) bool {
	return v.theirs.Suite == theirs.Suite && bytes.Equal(v.theirs.Key, theirs.Key)
}

// rekey goes on with other keys, where they are other ones. What is under way
// under the old key is still good.
func (v *voice) rekey(mine, theirs crypto) error {
	if mine.secure() != v.mine.secure() {
		return fmt.Errorf("%w: from SRTP to plain RTP or back", ErrMedia)
	}
	var protect, unprotect *srtp.Context
	var err error
	if !bytes.Equal(mine.Key, v.mine.Key) {
		if protect, err = mine.context(); err != nil {
			return err
		}
	}
	if !v.hears(theirs) {
		if unprotect, err = theirs.context(); err != nil {
			return err
		}
	}
	v.Rekey(protect, unprotect)
	v.mine, v.theirs, v.suite = mine, theirs, mine.Suite
	return nil
}

// open takes over the port when there is no error, and receives from then on.
// mine and theirs are both plain or both keys.
func (s *Studio) open(port *stream.Port, plan Plan, party Party, remote netip.AddrPort, mine, theirs crypto) (*voice, error) {
	protect, err := mine.context()
	if err != nil {
		return nil, err
	}
	unprotect, err := theirs.context()
	if err != nil {
		return nil, err
	}
	own, other := s.ledger.enter(plan.ID, party, mine.Key, theirs.Key)
	if plan.Echo {
		other = own
	}
	opened, err := port.Open(stream.Config{
		Call: plan.ID, Party: uint8(party), Remote: remote, Protect: protect, Unprotect: unprotect,
		Packets: plan.packets(party), Every: plan.Pace, Sequence: plan.Sequence, Tone: plan.Tone, Echo: plan.Echo,
		AnySource: plan.anySource,
		Own:       own, Other: other, Account: s.account,
	})
	if err != nil {
		s.ledger.leave(plan.ID)
		return nil, err
	}
	return &voice{Stream: opened, call: plan.ID, suite: mine.Suite, mine: mine, theirs: theirs, ledger: s.ledger}, nil
}

// packets is how many each end sends.
func (p Plan) packets(party Party) uint64 {
	pace := p.Pace
	if pace == 0 {
		pace = stream.PacketTime
	}
	length := p.Audio
	if p.Early && party == Answering {
		length += p.Ring
	}
	return uint64(length / max(pace, time.Microsecond))
}

// close ends the voice and gives the final account, in which also the packets
// at the end are missed that never came.
func (v *voice) close() Media {
	v.Halt()
	m := Media{Suite: v.suite, Counts: v.Close()}
	v.ledger.leave(v.call)
	return m
}
