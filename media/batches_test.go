package media

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"

	"callseal/media/hmacx8"
	"callseal/media/srtp"
)

// place is a port of the n-th session of a worker.
type place struct {
	session int
	side    Side
	kind    kind
}

type datagram struct {
	at     place
	packet []byte
	to     netip.AddrPort // of one that was sent
}

// script is a backend whose packets a test makes and takes.
type script struct {
	backend  // none: calls that are not below
	tokens   []uint64
	places   map[socket]place
	come     map[place][][]byte
	received []datagram
	sent     []datagram
	sending  func(packet []byte) // is told of each
}

var scripted = netip.AddrPortFrom(loopback, 9)

func (s *script) bind(netip.AddrPort) (socket, error) {
	s.tokens = append(s.tokens, 0)
	return socket(len(s.tokens) - 1), nil
}

func (s *script) attach(at socket, token uint64) error { s.tokens[at] = token; return nil }
func (s *script) release(socket)                       {}
func (s *script) close()                               {}

func (s *script) wait(tokens []uint64, _ bool) ([]uint64, error) {
	for at, token := range s.tokens {
		if len(s.come[s.places[socket(at)]]) > 0 && len(tokens) < cap(tokens) {
			tokens = append(tokens, token)
		}
	}
	return tokens, nil
}

func (s *script) receive(at socket, buf []byte) (int, netip.AddrPort, error) {
	p := s.places[at]
	if len(s.come[p]) == 0 {
		return 0, netip.AddrPort{}, errAgain
	}
	packet := s.come[p][0]
	s.come[p] = s.come[p][1:]
	s.received = append(s.received, datagram{at: p, packet: packet})
	copy(buf, packet)
	return len(packet), scripted, nil
}

func (s *script) send(at socket, packet []byte, to netip.AddrPort) error {
	s.sent = append(s.sent, datagram{s.places[at], bytes.Clone(packet), to})
	if s.sending != nil {
		s.sending(packet)
	}
	return nil
}

// scriptWorker makes a worker of such a backend, with sessions.
func scriptWorker(t *testing.T, sessions int, clock func() time.Duration) (*worker, *script, []*state) {
	t.Helper()
	os := &script{places: map[socket]place{}, come: map[place][][]byte{}}
	r, err := New(Config{Ports: PortRange{Min: 20000, Max: 29999}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(os, clock, r.config.Log, r.ports.retire)
	t.Cleanup(w.end)
	states := make([]*state, sessions)
	for i := range states {
		states[i] = handSession(t, r, w).state
		for side := range states[i].ports {
			for k, p := range states[i].ports[side] {
				os.places[p.socket] = place{i, Side(side), kind(k)}
			}
		}
	}
	return w, os, states
}

// talker is a remote that does all that a sealed stream may meet: losses and gaps over rollovers, another source, new keys of
// every suite, with and without an identifier, and old ones again.
type talker struct {
	r      *rand.Rand
	remote Remote
	seals  []*pion.Context // under its keys, the latest last; nil: plain
	keys   []*srtp.Key     // likewise
	ssrc   uint32
	seq    uint16
	old    [][]byte // what it has sent
}

// rekey gives the talker a key, or one that it had, or none, and us another one for half of the times.
func (p *talker) rekey(t *testing.T) {
	t.Helper()
	p.remote.RTP, p.remote.RTCP = scripted, scripted
	pick := func() *srtp.Key {
		if n := p.r.IntN(len(profiles) + 1); n < len(profiles) {
			return newKey(t, profiles[n])
		}
		return nil
	}
	if p.r.IntN(2) == 0 {
		p.remote.Send = pick()
	}
	if n := len(p.keys); n > 0 && p.r.IntN(3) == 0 {
		i := p.r.IntN(n)
		p.keys, p.seals = append(p.keys, p.keys[i]), append(p.seals, p.seals[i])
	} else {
		k, seal := pick(), (*pion.Context)(nil)
		if k != nil {
			n, err := k.Profile.KeyLen()
			if err != nil {
				t.Fatal(err)
			}
			var options []pion.ContextOption
			if p.r.IntN(3) == 0 {
				k.MKI = 4
				options = append(options, pion.MasterKeyIndicator([]byte{1, 2, 3, 4}))
			}
			if seal, err = pion.CreateContext(k.Master[:n], k.Master[n:], k.Profile, options...); err != nil {
				t.Fatal(err)
			}
			seal.SetROC(p.ssrc, uint32(p.r.IntN(3)))
		}
		p.keys, p.seals = append(p.keys, k), append(p.seals, seal)
	}
	p.remote.Receive = p.keys[len(p.keys)-1]
}

// next makes a packet. own is the SSRC of the stream that the talker hears.
func (p *talker) next(t *testing.T, own uint32) []byte {
	t.Helper()
	p.seq++
	switch p.r.IntN(60) {
	case 0:
		p.seq += uint16(p.r.IntN(1 << 15))
	case 1:
		p.seq = 1<<16 - 4
	case 2:
		p.ssrc = p.ssrc&^3 | p.r.Uint32()&3
	case 3, 4:
		p.seq -= uint16(p.r.IntN(5))
	}
	if len(p.old) > 0 && p.r.IntN(12) == 0 {
		return p.old[len(p.old)-1-p.r.IntN(min(len(p.old), 20))]
	}
	size := 160
	switch p.r.IntN(6) {
	case 0:
		size = p.r.IntN(400)
	case 1:
		size = p.r.IntN(2100)
	}
	seal := p.seals[len(p.seals)-1]
	if len(p.seals) > 1 && p.r.IntN(10) == 0 {
		seal = p.seals[len(p.seals)-2]
	}
	packet, report := make([]byte, 12+size), p.r.IntN(15) == 0
	for i := range packet {
		packet[i] = byte(p.r.Uint32())
	}
	packet[0], packet[1] = 0x80, byte(p.r.IntN(20))
	binary.BigEndian.PutUint16(packet[2:], p.seq)
	binary.BigEndian.PutUint32(packet[8:], p.ssrc)
	if report { // its own figures would depend on what the socket has taken by then
		packet = binary.BigEndian.AppendUint32([]byte{0x81, receiverReport, 0, 7}, p.ssrc)
		packet = append(binary.BigEndian.AppendUint32(packet, own), make([]byte, 20)...)
	}
	if seal != nil {
		var err error
		if report {
			packet, err = seal.EncryptRTCP(nil, packet, nil)
		} else {
			packet, err = seal.EncryptRTP(nil, packet, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	switch p.r.IntN(30) {
	case 0:
		packet[p.r.IntN(len(packet))] ^= 1 << p.r.IntN(8)
	case 1:
		packet[len(packet)-1] ^= 1
	case 2:
		packet = packet[:p.r.IntN(len(packet)+1)]
	case 3:
		if len(p.old) > 0 { // a tag that is good for another packet
			other := p.old[p.r.IntN(len(p.old))]
			copy(packet[max(0, len(packet)-10):], other[max(0, len(other)-10):])
		}
	}
	p.old = append(p.old, packet)
	return packet
}

// TestBatches: whatever comes in whatever rounds, before the first keys and between any changes of them, what is sent and counted is
// the same, bit for bit, as if each packet had a round of its own, where no MAC waits for another or is computed ahead.
func TestBatches(t *testing.T) {
	const sessions, steps = 3, 1500
	now := time.Duration(0)
	clock := func() time.Duration { return now }
	r := rand.New(rand.NewPCG(1, 2))
	w, os, states := scriptWorker(t, sessions, clock)
	single, osSingle, statesSingle := scriptWorker(t, sessions, clock)
	var talkers [sessions][2]talker
	configure := func(i int, side Side) {
		t.Helper()
		for w, states := range map[*worker][]*state{w: states, single: statesSingle} {
			if err := w.configure(states[i], side, talkers[i][side].remote, [32]byte{byte(i), byte(side)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range talkers {
		for side := range talkers[i] {
			talkers[i][side] = talker{r: r, ssrc: r.Uint32(), seq: uint16(r.Uint32())}
			talkers[i][side].rekey(t)
		}
	}
	ahead := 0
	os.sending = func(out []byte) {
		for i := range w.batch {
			if p := &w.batch[i]; p.port != nil && p.ahead != (srtp.Ahead{}) && p.drop == DropNone && &p.out[0] == &out[0] {
				ahead++
			}
		}
	}
	for step := range steps {
		now += time.Duration(r.IntN(40)) * time.Millisecond
		if i, side := r.IntN(sessions), Side(r.IntN(2)); r.IntN(8) == 0 {
			if states[i].legs[side].set {
				talkers[i][side].rekey(t)
			}
			configure(i, side)
		}
		most := 3
		if step%2 == 0 {
			most = 60
		}
		for range r.IntN(most) {
			at := place{r.IntN(sessions), Side(r.IntN(2)), rtp}
			packet := talkers[at.session][at.side].next(t, states[at.session].legs[at.side].out.ssrc)
			if r.IntN(20) == 0 || len(packet) > 1 && packet[1]&0x7f == receiverReport&0x7f && r.IntN(2) == 0 {
				at.kind = rtcp
			}
			os.come[at] = append(os.come[at], packet)
		}
		os.received = os.received[:0]
		turn(t, w)
		for _, one := range os.received {
			osSingle.come[one.at] = [][]byte{one.packet}
			turn(t, single)
		}
		compareSent(t, step, os, osSingle)
		for i := range states {
			for side := range states[i].legs {
				if got, want := states[i].legs[side].count, statesSingle[i].legs[side].count; got != want {
					t.Fatalf("step %d, session %d, side %v: %+v, want %+v", step, i, Side(side), got, want)
				}
			}
		}
	}
	d, sent := w.tally.drops, w.tally.packets[sent]
	if w.tally.panics+single.tally.panics > 0 || sent[rtp] < 3000 || sent[rtcp] < 100 || d[DropAuth] < 100 || d[DropReplay] < 100 || hmacx8.Native && ahead < 2000 {
		t.Errorf("the test did not test: %v sent, %v dropped, %d ahead, %d panics", sent, d, ahead, w.tally.panics)
	}
}

// compareSent takes what both have sent.
func compareSent(t *testing.T, step int, got, want *script) {
	t.Helper()
	if len(got.sent) != len(want.sent) {
		t.Fatalf("step %d: %d packets sent, want %d", step, len(got.sent), len(want.sent))
	}
	for i, one := range got.sent {
		if other := want.sent[i]; one.at != other.at || one.to != other.to || !bytes.Equal(one.packet, other.packet) {
			t.Fatalf("step %d, packet %d, from %v:\n got %x\nwant %x", step, i, one.at, one.packet, other.packet)
		}
	}
	got.sent, want.sent = got.sent[:0], want.sent[:0]
}
