package stream

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/srtp/v2"
)

// Config is one end's audio of one call.
type Config struct {
	Call               uint64 // stamped into every packet
	Party              uint8  // 0 or 1; the other end is the other one
	Remote             netip.AddrPort
	Protect, Unprotect *srtp.Context // nil: plain RTP; replays must pass Unprotect
	Packets            uint64        // to send
	Every              time.Duration // between two packets; 0: 20 ms, more is cut to that
	Sequence           uint16        // of the first packet; 0: at random
	Tone               bool          // send a tone behind the stamp, and demand the other end's
	Echo               bool          // the other end gives back what we send
	AnySource          bool          // the SSRC of what is heard may change
	Own, Other         *Trail        // may be nil
	Account            *Account
}

// Stream sends stamped packets at the engine's pace and counts what comes
// back.
type Stream struct {
	worker  *worker
	account *Account
	socket  socket
	remote  address
	batch   *batch
	every   int // slots

	// The rest is owned by whoever holds worker.mu.
	cfg    Config
	halted bool
	paused bool
	former *srtp.Context // the key that was in use before; nil: there was none
	fresh  bool          // nothing has come under the present one, which took a former one's place

	number    uint64 // of the next packet
	sequence  uint16 // RFC 3550, section 5.1
	timestamp uint32
	ssrc      uint32
	fill      *[PayloadSize]byte

	from   int64 // Clock at Open
	theirs uint32
	seen   seen
	counts Counts // without what seen knows
	wait   int64  // transit time of the last packet, ns
	jitter float64
}

// Open makes a stream, which receives from now on. It takes over the port when
// there is no error.
func (p *Port) Open(cfg Config) (*Stream, error) {
	s := &Stream{
		worker: p.worker, account: cfg.Account, socket: p.socket, remote: addressOf(cfg.Remote),
		every: slots, cfg: cfg, fill: &patternFill, from: Clock(),
		// RFC 3550, section 5.1: SSRC, sequence and timestamp begin at random.
		// The sequence stays below half so that a run does not begin with a wrap.
		ssrc: rand.Uint32(), timestamp: rand.Uint32(), sequence: cfg.Sequence,
	}
	if s.sequence == 0 {
		s.sequence = uint16(rand.Uint32N(1 << 15))
	}
	if cfg.Every > 0 {
		s.every = min(max(1, int(cfg.Every/step)), slots)
	}
	if cfg.Tone {
		s.fill = &toneFill[cfg.Party&1]
	}
	if err := p.worker.enter(s); err != nil {
		return nil, err
	}
	if cfg.Packets == 0 {
		cfg.Own.finish()
	}
	return s, nil
}

// Start begins to send. Call it once.
func (s *Stream) Start() { s.worker.start(s) }

// Halt ends the sending.
func (s *Stream) Halt() {
	s.worker.mu.Lock()
	s.halted = true
	s.worker.mu.Unlock()
}

// Settled tells whether both ends have sent all they had to or are paused, and
// the last packet has arrived at either. Without trails it is always so.
func (s *Stream) Settled() bool { return s.cfg.Own.settled() && s.cfg.Other.settled() }

// Counts are those so far.
func (s *Stream) Counts() Counts {
	s.worker.mu.Lock()
	defer s.worker.mu.Unlock()
	return s.now()
}

// Close ends the stream and gives the final counts, in which also the packets
// at the end are missed that never came. Call it once; both ends of a call must
// have been halted before.
func (s *Stream) Close() Counts {
	s.worker.leave(s)
	counts := s.Counts()
	counts.Clipped, counts.Lost = s.seen.missing(s.cfg.Other.complete())
	if s.seen.unique > 1 {
		s.account.sinks.Jitter.RecordAll([]time.Duration{time.Duration(s.jitter)})
	}
	s.account.add(counts)
	return counts
}

// now is the account so far.
func (s *Stream) now() Counts {
	c := s.counts
	c.Received, c.Duplicated, c.Reordered = s.seen.unique, s.seen.duplicated, s.seen.reordered
	c.Clipped, c.Lost = s.seen.missing(0)
	return c
}

// send puts the next packet on the wire; false when there is none left.
func (s *Stream) send(due int64) bool {
	if s.halted || s.number >= s.cfg.Packets {
		return false
	}
	if s.paused {
		return true
	}
	w := s.worker
	plain := w.plain[:]
	// RFC 3550, section 5.1: version 2, PCMU.
	plain[0], plain[1] = 0x80, 0
	if s.number == 0 {
		plain[1] = 0x80 // the marker: a talkspurt begins
	}
	binary.BigEndian.PutUint16(plain[2:], s.sequence)
	binary.BigEndian.PutUint32(plain[4:], s.timestamp)
	binary.BigEndian.PutUint32(plain[8:], s.ssrc)
	payload := plain[12:]
	copy(payload[atFill:], s.fill[atFill:])
	now := Clock()
	stamp{call: s.cfg.Call, from: s.cfg.Party, seq: s.number, sent: now}.put(payload)
	packet := plain
	if s.cfg.Protect != nil {
		var err error
		if packet, err = s.cfg.Protect.EncryptRTP(w.sealed[:0], plain, &w.header); err != nil {
			return false // 2^48 packets
		}
	}
	if bytes.Contains(packet, []byte(Magic)) {
		s.counts.Readable++
	}
	s.cfg.Own.put(s.number, packet[12:12+PayloadSize])
	if !s.socket.send(packet, &s.remote) {
		s.counts.Unsent++
	}
	if s.account.sinks.Tap != nil {
		s.account.sinks.Tap(s.cfg.Remote, packet)
	}
	s.batch.lateness = append(s.batch.lateness, time.Duration(now-due))
	s.counts.Sent++
	s.number++
	s.sequence++
	s.timestamp += clockPerFrame
	if s.number == s.cfg.Packets {
		s.cfg.Own.finish()
	}
	return s.number < s.cfg.Packets
}

// judge counts one packet, which arrived at Clock at.
func (s *Stream) judge(wire []byte, from address, at int64) {
	if bytes.Contains(wire, []byte(Magic)) {
		s.counts.Readable++
	}
	packet, ok := s.open(wire)
	switch {
	case !ok && from != s.remote:
		s.counts.Strange++
		return
	case !ok:
		s.counts.Unauthentic++
		return
	}
	head := len(packet) - PayloadSize
	payload := packet[head:]
	if s.cfg.Tone {
		s.counts.Tones = 1
		if !isTone(payload, s.heard()) {
			s.counts.WrongTones = 1
		}
	}
	got, ok := readStamp(payload)
	ssrc := s.worker.header.SSRC
	switch {
	case !ok:
		s.counts.Unauthentic++
		return
	case got.call != s.cfg.Call || got.from != s.heard() || s.seen.some && ssrc != s.theirs && !s.cfg.AnySource:
		s.counts.Foreign++
		return
	}
	s.theirs = ssrc
	s.accept(got, wire[head:head+PayloadSize], at)
}

// heard is the party that the packets must come from.
func (s *Stream) heard() uint8 {
	if s.cfg.Echo {
		return s.cfg.Party & 1
	}
	return 1 - s.cfg.Party&1
}

// open authenticates and decrypts a packet, and gives it back when it has a
// payload of the right size.
func (s *Stream) open(wire []byte) (packet []byte, ok bool) {
	w := s.worker
	packet = wire
	if s.cfg.Unprotect != nil {
		var err error
		if packet, err = s.unseal(wire); err != nil {
			return nil, false
		}
	}
	n, err := w.header.Unmarshal(packet)
	return packet, err == nil && len(packet)-n == PayloadSize
}

// accept measures an authentic packet of this call.
func (s *Stream) accept(got stamp, payload []byte, at int64) {
	first := !s.seen.some
	if !s.seen.add(got.seq) {
		return
	}
	transit := at - got.sent
	s.batch.latency = append(s.batch.latency, time.Duration(transit))
	if first {
		s.counts.FirstPacket = time.Duration(at - s.from)
		s.account.sinks.Clip.RecordAll([]time.Duration{s.counts.FirstPacket})
	} else {
		// RFC 3550, section 6.4.1, with the true time of sending for the RTP
		// timestamp: the bench's own lateness is not the server's jitter.
		s.jitter += (float64(max(transit-s.wait, s.wait-transit)) - s.jitter) / 16
	}
	s.wait = transit
	s.cfg.Other.hear(s.seen.highest + 1)
	if same, known := s.cfg.Other.compare(got.seq, payload); known && same {
		s.counts.Same++
	} else if known {
		s.counts.Changed++
	}
}
