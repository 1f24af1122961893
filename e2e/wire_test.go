package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/srtp/v2"
)

// capture is a running tcpdump.
type capture struct {
	*process
	file string
}

// packet is one TCP segment or UDP datagram.
type packet struct {
	from, to netip.AddrPort
	tcp      bool
	payload  []byte
	at       time.Time
}

// leg is the part of a capture between two parties.
type leg struct {
	name    string
	packets []packet
}

// listen captures what passes to and from the addresses.
func listen(t *testing.T, addrs ...netip.Addr) *capture {
	t.Helper()
	return listenOn(t, place{}, "lo", addrs...)
}

// listenOn is listen on a device of a place.
func listenOn(t *testing.T, at place, device string, addrs ...netip.Addr) *capture {
	t.Helper()
	hosts := make([]string, len(addrs))
	for i, addr := range addrs {
		hosts[i] = "host " + addr.String()
	}
	name := device + at.netns
	c := &capture{file: filepath.Join(t.ArtifactDir(), name+".pcap")}
	command, args := at.run("tcpdump", []string{"-i", device, "-n", "-U", "-Z", "root", "-B", "16384", "-w", c.file,
		"(tcp or udp) and (" + strings.Join(hosts, " or ") + ")"})
	c.process = start(t, "tcpdump-"+name, nil, command, args...)
	c.says(t, "listening on "+device)
	return c
}

// stop ends the capture and returns its packets.
func (c *capture) stop(t *testing.T) []packet {
	t.Helper()
	c.end(t, syscall.SIGINT) // tcpdump then writes what it still holds
	if !strings.Contains(c.output(t), "\n0 packets dropped by kernel") {
		t.Errorf("the capture is not whole:\n%s", c.output(t))
	}
	file, err := os.Open(c.file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	reader, err := pcapgo.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var packets []packet
	for {
		data, info, err := reader.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return packets
		}
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := decode(data, reader.LinkType()); ok {
			p.at = info.Timestamp
			packets = append(packets, p)
		}
	}
}

// decode reads one frame; false without TCP or UDP payload.
func decode(data []byte, link layers.LinkType) (packet, bool) {
	frame := gopacket.NewPacket(data, link, gopacket.NoCopy)
	ip, ok := frame.NetworkLayer().(*layers.IPv4)
	if !ok {
		return packet{}, false
	}
	from, _ := netip.AddrFromSlice(ip.SrcIP.To4())
	to, _ := netip.AddrFromSlice(ip.DstIP.To4())
	switch l := frame.TransportLayer().(type) {
	case *layers.TCP:
		p := packet{from: netip.AddrPortFrom(from, uint16(l.SrcPort)), to: netip.AddrPortFrom(to, uint16(l.DstPort)), tcp: true, payload: l.Payload}
		return p, len(l.Payload) > 0
	case *layers.UDP:
		p := packet{from: netip.AddrPortFrom(from, uint16(l.SrcPort)), to: netip.AddrPortFrom(to, uint16(l.DstPort)), payload: l.Payload}
		return p, len(l.Payload) > 0
	}
	return packet{}, false
}

// between selects what passed between two addresses, in both directions.
func between(name string, packets []packet, a, b netip.Addr) leg {
	l := leg{name: name}
	for _, p := range packets {
		if p.from.Addr() == a && p.to.Addr() == b || p.from.Addr() == b && p.to.Addr() == a {
			l.packets = append(l.packets, p)
		}
	}
	return l
}

// with selects what passed to and from one address.
func with(name string, packets []packet, a netip.Addr) leg {
	l := leg{name: name}
	for _, p := range packets {
		if p.from.Addr() == a || p.to.Addr() == a {
			l.packets = append(l.packets, p)
		}
	}
	return l
}

// sipWords are bytes that stand in any SIP message.
var sipWords = [][]byte{[]byte("SIP/2.0"), []byte("Call-ID:"), []byte("m=audio"), []byte("a=crypto")}

// wantSealed asserts that signaling and audio passed here in both directions, and that nobody on the wire could read either.
func wantSealed(t *testing.T, l leg) {
	t.Helper()
	for _, fault := range append(l.signalingFaults(), l.audioFaults()...) {
		t.Errorf("%s: %s", l.name, fault)
	}
}

// signalingFaults says what is wrong with signaling that should be TLS, and nothing outside of it.
func (l leg) signalingFaults() (faults []string) {
	flows := map[string][]byte{}
	for _, p := range l.packets {
		name := fmt.Sprintf("%s to %s, TCP %v", p.from, p.to, p.tcp)
		flows[name] = append(flows[name], p.payload...)
	}
	tls := 0
	for name, all := range flows {
		if len(all) > 500 && all[0] >= 20 && all[0] <= 23 && all[1] == 3 { // it begins with a TLS record (RFC 8446 section 5.1)
			tls++
		}
		for _, word := range sipWords {
			if bytes.Contains(all, word) {
				faults = append(faults, fmt.Sprintf("%q in the clear, %s", word, name))
			}
		}
	}
	if tls < 2 {
		faults = append(faults, fmt.Sprintf("TLS in %d directions, want both", tls))
	}
	return faults
}

// audioFaults says what is wrong with audio that should be SRTP, both ways.
func (l leg) audioFaults() (faults []string) {
	streams := l.audio()
	if len(streams) < 2 {
		faults = append(faults, fmt.Sprintf("%d streams of audio on the wire, want one each way", len(streams)))
	}
	for name, s := range streams {
		switch {
		case s.packets < 50:
			faults = append(faults, fmt.Sprintf("%d packets of audio %s, want at least 50", s.packets, name))
		case s.readable() != 0:
			faults = append(faults, fmt.Sprintf("the audio %s is readable: %d Hz is in it", name, s.readable()))
		case s.entropy() < 7.9:
			faults = append(faults, fmt.Sprintf("the audio %s has %.2f bits of entropy in a byte: it is not encrypted", name, s.entropy()))
		}
	}
	for _, p := range l.packets {
		if !p.tcp && clearRTCP(p.payload) && p.from.Addr() != phoneAddr && !p.from.Addr().IsPrivate() { // baresip sends its first and its last RTCP in the clear
			return append(faults, fmt.Sprintf("RTCP in the clear from %s", p.from))
		}
	}
	return faults
}

// wantReadable asserts that the leg is in the clear as configured, with the tones in it, and that wantSealed would find fault with it.
func wantReadable(t *testing.T, l leg, want ...tone) {
	t.Helper()
	sip := 0
	for _, p := range l.packets {
		if bytes.Contains(p.payload, sipWords[0]) {
			sip++
		}
	}
	if sip < 4 {
		t.Errorf("%s: %d SIP messages, want a call's", l.name, sip)
	}
	found := map[tone]bool{}
	for _, s := range l.audio() {
		found[s.readable()] = true
	}
	for _, f := range want {
		if !found[f] {
			t.Errorf("%s: no %d Hz in the clear, found %v", l.name, f, found)
		}
	}
	if faults := l.signalingFaults(); len(faults) < 2 {
		t.Errorf("%s: plain signaling passes for sealed but for %q", l.name, faults)
	}
	if faults := l.audioFaults(); len(faults) < 2 {
		t.Errorf("%s: plain audio passes for sealed but for %q", l.name, faults)
	}
}

// stream is the RTP from one port to another, all payloads joined.
type stream struct {
	packets int
	payload []byte
}

// audio collects the RTP streams of a leg, named by their direction.
func (l leg) audio() map[string]*stream {
	streams := map[string]*stream{}
	for _, p := range l.packets {
		if p.tcp || len(p.payload) < 100 || p.payload[0]>>6 != 2 || rtcp(p.payload) {
			continue
		}
		name := fmt.Sprintf("%s to %s", p.from, p.to)
		if streams[name] == nil {
			streams[name] = &stream{}
		}
		streams[name].packets++
		streams[name].payload = append(streams[name].payload, p.payload[12:]...)
	}
	return streams
}

// gaps are, for each port at the address that audio goes to, how many packets came and the longest time without one.
func (l leg) gaps(to netip.Addr) map[netip.AddrPort]pause {
	found, last := map[netip.AddrPort]pause{}, map[netip.AddrPort]time.Time{}
	for _, p := range l.packets {
		if p.tcp || p.to.Addr() != to || len(p.payload) < 100 || p.payload[0]>>6 != 2 || rtcp(p.payload) {
			continue
		}
		g := found[p.to]
		if before, ok := last[p.to]; ok {
			g.longest = max(g.longest, p.at.Sub(before))
		}
		g.packets++
		found[p.to], last[p.to] = g, p.at
	}
	return found
}

// pause is the worst of a stream.
type pause struct {
	packets int
	longest time.Duration
}

// rtcp tells RTCP from RTP by its packet type (RFC 5761 section 4).
func rtcp(p []byte) bool { return len(p) > 1 && p[1] >= 192 && p[1] <= 223 }

// clearRTCP tells whether a datagram is RTCP that is not encrypted: its packets fill it exactly, while SRTCP ends in an index and a tag.
func clearRTCP(p []byte) bool {
	for n := 0; len(p) >= 4 && p[0]>>6 == 2 && rtcp(p); n++ {
		size := 4 * (1 + int(binary.BigEndian.Uint16(p[2:])))
		if size == len(p) {
			return true
		}
		if size > len(p) {
			return false
		}
		p = p[size:]
	}
	return false
}

// readable is the tone that somebody on the wire hears by playing the payload as u-law or A-law, 0 when none.
func (s *stream) readable() tone {
	for _, expand := range []func(byte) int16{muLaw, aLaw} {
		samples := make([]int16, len(s.payload))
		for i, b := range s.payload {
			samples[i] = expand(b)
		}
		for _, f := range tones {
			if f.heard(samples) >= 500*time.Millisecond {
				return f
			}
		}
	}
	return 0
}

// open is the audio that comes from one address, as somebody hears it who has its SRTP key (RFC 4568, base64).
func (l leg) open(t *testing.T, from netip.Addr, key string) (samples []int16) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 30 {
		t.Fatalf("an SRTP key of %d bytes: %v", len(raw), err)
	}
	context, err := srtp.CreateContext(raw[:16], raw[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal("the SRTP key is of no use")
	}
	for _, p := range l.packets {
		if p.tcp || p.from.Addr() != from || len(p.payload) < 100 || rtcp(p.payload) {
			continue
		}
		clear, err := context.DecryptRTP(nil, p.payload, nil)
		if err != nil {
			t.Fatalf("a packet from %s cannot be opened: %v", p.from, err)
		}
		for _, b := range clear[12:] {
			samples = append(samples, muLaw(b))
		}
	}
	return samples
}

// entropy is the payload's, in bits per byte; that of cipher text is nearly 8.
func (s *stream) entropy() float64 {
	var count [256]float64
	for _, b := range s.payload {
		count[b]++
	}
	var h float64
	for _, n := range count {
		if n > 0 {
			h -= n / float64(len(s.payload)) * math.Log2(n/float64(len(s.payload)))
		}
	}
	return h
}

// muLaw expands one sample (ITU-T G.711).
func muLaw(b byte) int16 {
	b = ^b
	v := (int16(b&15)<<3 + 132) << (b >> 4 & 7)
	if b&128 != 0 {
		return 132 - v
	}
	return v - 132
}

// aLaw expands one sample (ITU-T G.711).
func aLaw(b byte) int16 {
	b ^= 0x55
	v := int16(b&15)<<4 + 8
	if segment := b >> 4 & 7; segment > 0 {
		v = (v + 256) << (segment - 1)
	}
	if b&128 != 0 {
		return v
	}
	return -v
}
