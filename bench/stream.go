package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v2"
)

// Media is what one end saw of the audio of its calls.
type Media struct {
	Suite       Suite  // 0: plain RTP
	Sent        uint64 // packets
	Received    uint64 // authentic packets of this call, each counted once
	Lost        uint64 // sent by the other end and never received
	Clipped     uint64 // sent before the first one that was received
	Duplicated  uint64
	Reordered   uint64
	Unauthentic uint64 // from the server, but failed the SRTP tag, or a broken payload
	Foreign     uint64 // authentic, but of another call or direction
	Strange     uint64 // not authentic, and not from the server either
	Readable    uint64 // packets of this end whose audio was in the clear on the wire, both ways
	Changed     uint64 // payload bytes differed from what the other end put on the wire
	Same        uint64 // payload bytes were the same
	FirstPacket time.Duration
}

// plus sums up the counts of two ends or calls.
func (m Media) plus(o Media) Media {
	if m.Suite == 0 {
		m.Suite = o.Suite
	}
	m.Sent += o.Sent
	m.Received += o.Received
	m.Lost += o.Lost
	m.Clipped += o.Clipped
	m.Duplicated += o.Duplicated
	m.Reordered += o.Reordered
	m.Unauthentic += o.Unauthentic
	m.Foreign += o.Foreign
	m.Strange += o.Strange
	m.Readable += o.Readable
	m.Changed += o.Changed
	m.Same += o.Same
	m.FirstPacket = max(m.FirstPacket, o.FirstPacket)
	return m
}

// stream is one end's audio of one call: it sends stamped packets at the
// pacer's pace and counts what comes back.
type stream struct {
	plan       Plan
	party      Party
	suite      Suite
	conn       *net.UDPConn // closed by close
	remote     netip.AddrPort
	ledger     *Ledger
	latency    *Latency
	own, other *trail
	total      uint64 // packets to send

	// owned by the pacer's goroutine
	protect *srtp.Context
	header  rtp.Header
	seq     uint64
	plain   []byte
	out     []byte

	// owned by the receiving goroutine, read by others under mu
	unprotect *srtp.Context
	mu        sync.Mutex
	seen      seen
	counts    Media
	from      int64 // clock at start

	halted   atomic.Bool   // no more sending
	sent     atomic.Uint64 // packets
	leaked   atomic.Uint64 // sent packets that were readable
	received sync.WaitGroup
}

// listenRTP binds an even port (RFC 3550, section 11).
func listenRTP(addr netip.Addr) (*net.UDPConn, error) {
	var odd []*net.UDPConn
	defer func() {
		for _, c := range odd {
			_ = c.Close()
		}
	}()
	for range 16 {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			return nil, fmt.Errorf("RTP socket: %w", err)
		}
		if c.LocalAddr().(*net.UDPAddr).Port%2 == 0 {
			return c, nil
		}
		odd = append(odd, c)
	}
	return nil, fmt.Errorf("RTP socket: %w: no even port", ErrMedia)
}

// newStream takes over conn when there is no error, and receives from then on.
// mine and theirs are both plain or both keys.
func newStream(plan Plan, party Party, conn *net.UDPConn, remote netip.AddrPort, mine, theirs crypto,
	ledger *Ledger, latency *Latency) (*stream, error) {
	s := &stream{
		plan: plan, party: party, suite: mine.Suite, conn: conn, remote: remote,
		ledger: ledger, latency: latency,
		total: uint64(plan.Audio / packetTime),
		plain: make([]byte, 12+payloadSize),
		out:   make([]byte, 0, 12+payloadSize+32),
		from:  clock(),
	}
	var err error
	if s.protect, err = mine.context(); err != nil {
		return nil, err
	}
	if s.unprotect, err = theirs.context(); err != nil {
		return nil, err
	}
	// RFC 3550, section 5.1: SSRC, sequence and timestamp begin at random.
	// The sequence stays below half so that a run does not begin with a wrap.
	s.header = rtp.Header{
		Version: 2, Marker: true, PayloadType: 0, SSRC: rand.Uint32(),
		SequenceNumber: uint16(rand.Uint32N(1 << 15)), Timestamp: rand.Uint32(),
	}
	s.own, s.other = ledger.enter(plan.ID, party, mine.Key, theirs.Key)
	s.received.Add(1)
	go s.receive() // ends when close closes conn
	return s, nil
}

// send puts the next packet on the wire; false when there is none left.
func (s *stream) send() bool {
	if s.halted.Load() || s.seq >= s.total {
		return false
	}
	n, err := s.header.MarshalTo(s.plain)
	if err != nil {
		return false
	}
	stamp{call: s.plan.ID, from: s.party, seq: s.seq, sent: clock()}.put(s.plain[n:])
	packet := s.plain
	if s.protect != nil {
		if packet, err = s.protect.EncryptRTP(s.out, s.plain, nil); err != nil {
			return false
		}
	}
	if bytes.Contains(packet, []byte(magic)) {
		s.leaked.Add(1)
	}
	s.own.put(s.seq, packet[n:n+payloadSize])
	_, _ = s.conn.WriteToUDPAddrPort(packet, s.remote) // what is lost here the other end counts
	s.sent.Add(1)
	s.seq++
	s.header.Marker = false
	s.header.SequenceNumber++
	s.header.Timestamp += clockPerFrame
	if s.seq == s.total && s.own != nil {
		s.own.finished.Store(true)
	}
	return s.seq < s.total
}

// receive counts packets until the socket is closed.
func (s *stream) receive() {
	defer s.received.Done()
	buf := make([]byte, 2048)
	scratch := make([]byte, 0, 2048)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed: UDP reads fail for no other reason that passes
		}
		s.count(buf[:n], unmap(from), scratch, clock())
	}
}

// count judges one packet that was read at the time now.
func (s *stream) count(wire []byte, from netip.AddrPort, scratch []byte, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Contains(wire, []byte(magic)) {
		s.counts.Readable++
	}
	got, n, ok := s.open(wire, scratch)
	switch {
	case !ok && from != s.remote:
		s.counts.Strange++
		return
	case !ok:
		s.counts.Unauthentic++
		return
	case got.call != s.plan.ID || got.from != s.party.Other():
		s.counts.Foreign++
		return
	}
	if !s.seen.some {
		s.counts.FirstPacket = time.Duration(now - s.from)
	}
	s.seen.add(got.seq)
	s.latency.Record(time.Duration(now - got.sent))
	if same, known := s.other.compare(got.seq, wire[n:n+payloadSize]); known && same {
		s.counts.Same++
	} else if known {
		s.counts.Changed++
	}
}

// open authenticates and decrypts a packet. It returns the stamp and where the
// payload begins.
func (s *stream) open(wire, scratch []byte) (st stamp, payload int, ok bool) {
	packet := wire
	if s.unprotect != nil {
		var err error
		if packet, err = s.unprotect.DecryptRTP(scratch, wire, nil); err != nil {
			return stamp{}, 0, false
		}
	}
	var h rtp.Header
	n, err := h.Unmarshal(packet)
	if err != nil {
		return stamp{}, 0, false
	}
	st, ok = readStamp(packet[n:])
	return st, n, ok
}

// halt ends the sending, before BYE.
func (s *stream) halt() { s.halted.Store(true) }

// media is the account so far.
func (s *stream) media() Media {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.counts
	m.Suite = s.suite
	m.Sent = s.sent.Load()
	m.Readable += s.leaked.Load()
	m.Received, m.Duplicated, m.Reordered = s.seen.unique, s.seen.duplicated, s.seen.reordered
	m.Clipped, m.Lost = s.seen.missing(0)
	return m
}

// close ends the stream and gives the final account, in which also the
// packets at the end are missed that never came.
func (s *stream) close() Media {
	s.halt()
	_ = s.conn.Close()
	s.received.Wait()
	m := s.media()
	m.Clipped, m.Lost = s.seen.missing(s.other.complete())
	s.ledger.leave(s.plan.ID)
	return m
}
