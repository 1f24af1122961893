package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	pion "github.com/pion/srtp/v2"
	"go.uber.org/goleak"

	"callseal/media/srtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// profiles are all suites.
var profiles = []pion.ProtectionProfile{
	pion.ProtectionProfileAes128CmHmacSha1_80, pion.ProtectionProfileAes128CmHmacSha1_32,
	pion.ProtectionProfileAes256CmHmacSha1_80, pion.ProtectionProfileAes256CmHmacSha1_32,
	pion.ProtectionProfileAeadAes128Gcm, pion.ProtectionProfileAeadAes256Gcm,
}

func newKey(t testing.TB, p pion.ProtectionProfile) *srtp.Key {
	t.Helper()
	key, err := p.KeyLen()
	if err != nil {
		t.Fatal(err)
	}
	salt, err := p.SaltLen()
	if err != nil {
		t.Fatal(err)
	}
	k := &srtp.Key{Profile: p, Master: make([]byte, key+salt)}
	for i := range k.Master {
		k.Master[i] = byte(rand.Uint32())
	}
	return k
}

func oracle(t testing.TB, k *srtp.Key) *pion.Context {
	t.Helper()
	if k == nil {
		return nil
	}
	n, err := k.Profile.KeyLen()
	if err != nil {
		t.Fatal(err)
	}
	c, err := pion.CreateContext(k.Master[:n], k.Master[n:], k.Profile, pion.SRTPReplayProtection(128), pion.SRTCPReplayProtection(128))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// freeRange finds n port pairs of this machine that are free now, so that parallel test runs do not meet.
func freeRange(t testing.TB, n int) PortRange {
	t.Helper()
	for range 100 {
		first := uint16(20000 + 2*rand.IntN(20000))
		free := true
		for p := first; p < first+uint16(2*n) && free; p++ {
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, p)))
			if free = err == nil; free {
				_ = c.Close()
			}
		}
		if free {
			return PortRange{Min: first, Max: first + uint16(2*n) - 1}
		}
	}
	t.Fatal("no free port range")
	return PortRange{}
}

// chosenBackend is the one of relays that startRelay starts; nil: the system's own.
var chosenBackend func(int) (backend, error)

// startRelay runs a relay until the test ends.
func startRelay(t testing.TB, c Config) *Relay {
	t.Helper()
	if c.Ports == (PortRange{}) {
		c.Ports = freeRange(t, 8)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.Workers == 0 {
		c.Workers = 1
	}
	c.backend = chosenBackend
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-r.Ready()
	return r
}

func open(t testing.TB, r *Relay) *Session {
	t.Helper()
	s, err := r.Open(loopback, loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func set(t testing.TB, s *Session, side Side, r Remote) {
	t.Helper()
	if err := s.Set(side, r); err != nil {
		t.Fatal(err)
	}
}

// party is a remote: two sockets, and pion's SRTP.
type party struct {
	t            testing.TB
	rtp, rtcp    *net.UDPConn
	send, expect *srtp.Key // what it encrypts with, and what it expects of us; nil: plain
	seal, open   *pion.Context
	to, toRTCP   netip.AddrPort // our ports on its side
	ssrc         uint32
	seq          uint16
	ts           uint32
	buf          [4096]byte
}

func newParty(t testing.TB, s *Session, side Side, send, expect *srtp.Key) *party {
	t.Helper()
	p := &party{t: t, send: send, expect: expect, seal: oracle(t, send), open: oracle(t, expect), ssrc: rand.Uint32(), seq: uint16(rand.IntN(1 << 15)), ts: rand.Uint32()}
	p.to, p.toRTCP = s.Local(side)
	p.rtp, p.rtcp = listen(t, p.to.Addr()), listen(t, p.to.Addr())
	return p
}

func listen(t testing.TB, at netip.Addr) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func address(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// remote is what signaling would say about the party.
func (p *party) remote() Remote {
	return Remote{RTP: address(p.rtp), RTCP: address(p.rtcp), Receive: p.send, Send: p.expect}
}

// plain makes the party's next RTP packet.
func (p *party) plain(payload string) []byte {
	b := make([]byte, 12, 256)
	b[0] = 0x80
	p.seq++
	p.ts += 160
	binary.BigEndian.PutUint16(b[2:], p.seq)
	binary.BigEndian.PutUint32(b[4:], p.ts)
	binary.BigEndian.PutUint32(b[8:], p.ssrc)
	return append(b, payload...)
}

// sealed makes the party's next packet as it goes over the wire.
func (p *party) sealed(payload string) []byte { return p.protect(p.plain(payload)) }

func (p *party) protect(packet []byte) []byte {
	p.t.Helper()
	if p.seal == nil {
		return packet
	}
	out, err := p.seal.EncryptRTP(nil, packet, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *party) write(packet []byte) { writeTo(p.t, p.rtp, packet, p.to) }

func (p *party) say(payload string) { p.t.Helper(); p.write(p.sealed(payload)) }

// sealedRTCP returns an RTCP packet as it goes over the wire.
func (p *party) sealedRTCP(packet []byte) []byte {
	p.t.Helper()
	if p.seal == nil {
		return packet
	}
	out, err := p.seal.EncryptRTCP(nil, packet, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *party) writeRTCP(packet []byte) {
	p.t.Helper()
	writeTo(p.t, p.rtcp, p.sealedRTCP(packet), p.toRTCP)
}

func writeTo(t testing.TB, c *net.UDPConn, packet []byte, to netip.AddrPort) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(packet, to); err != nil {
		t.Fatal(err)
	}
}

// read returns the next packet that comes to a socket, or nil after the timeout.
func (p *party) read(c *net.UDPConn, timeout time.Duration) ([]byte, netip.AddrPort) {
	p.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		p.t.Fatal(err)
	}
	n, from, err := c.ReadFromUDPAddrPort(p.buf[:])
	if err != nil {
		return nil, from
	}
	return bytes.Clone(p.buf[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// patience is how long a packet that must come may take.
const patience = 2 * time.Second

// hear returns the next packet, opened, or fails.
func (p *party) hear() []byte {
	p.t.Helper()
	packet, from := p.read(p.rtp, patience)
	if packet == nil {
		p.t.Fatal("nothing heard")
	}
	if from != p.to {
		p.t.Fatalf("heard from %v, want %v", from, p.to)
	}
	if p.open == nil {
		return packet
	}
	plain, err := p.open.DecryptRTP(nil, packet, nil)
	if err != nil {
		p.t.Fatalf("cannot open what was heard: %v", err)
	}
	return plain
}

// hears fails unless the next packet carries the payload, and returns the packet.
func (p *party) hears(payload string) []byte {
	p.t.Helper()
	packet := p.hear()
	if got := string(packet[12:]); got != payload {
		p.t.Fatalf("heard %q, want %q", got, payload)
	}
	return packet
}

func (p *party) hearRTCP() []byte {
	p.t.Helper()
	packet, from := p.read(p.rtcp, patience)
	if packet == nil || from != p.toRTCP {
		p.t.Fatalf("no RTCP from %v", p.toRTCP)
	}
	if p.open == nil {
		return packet
	}
	plain, err := p.open.DecryptRTCP(nil, packet, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return plain
}

// settled waits until the session has taken n packets in all on a side, dropped ones included, and returns its figures.
// The worker handles packets in order, so what was going to be sent for them has been sent.
func settled(t testing.TB, s *Session, side Side, n uint64) SideStats {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the packets cross the kernel
		got := s.Stats().Side[side]
		if taken(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d packets taken, want %d: %+v", taken(got), n, got)
		}
	}
}

// taken returns how many packets came to a side. Drops that happen behind the side's own checks were counted as
// received before.
func taken(s SideStats) uint64 {
	n := s.Received + s.ReceivedRTCP + s.Drops.Total()
	for d := DropJump; d < dropCount; d++ {
		n -= s.Drops.Of(d)
	}
	return n
}

// silent fails if anything waits at the party's sockets. Call it after settled.
func (p *party) silent() {
	p.t.Helper()
	for _, c := range []*net.UDPConn{p.rtp, p.rtcp} {
		if packet, from := p.read(c, 20*time.Millisecond); packet != nil {
			p.t.Fatalf("heard %x from %v", packet, from)
		}
	}
}

func seqOf(packet []byte) uint16  { return binary.BigEndian.Uint16(packet[2:]) }
func tsOf(packet []byte) uint32   { return binary.BigEndian.Uint32(packet[4:]) }
func ssrcOf(packet []byte) uint32 { return binary.BigEndian.Uint32(packet[8:]) }

// call opens a session with a party on each side, both set.
func call(t testing.TB, r *Relay, sealedA, sealedB bool) (s *Session, a, b *party) {
	t.Helper()
	s = open(t, r)
	keys := [4]*srtp.Key{}
	for i, sealed := range []bool{sealedA, sealedA, sealedB, sealedB} {
		if sealed {
			keys[i] = newKey(t, pion.ProtectionProfileAes128CmHmacSha1_80)
		}
	}
	a, b = newParty(t, s, A, keys[0], keys[1]), newParty(t, s, B, keys[2], keys[3])
	set(t, s, A, a.remote())
	set(t, s, B, b.remote())
	return s, a, b
}
