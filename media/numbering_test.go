package media

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// rig is two plain legs without sockets: what comes in on A is seen as it would leave on B.
type rig struct {
	t    *testing.T
	legs [2]leg
	now  time.Duration
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t}
	r.legs[A].out, r.legs[B].out = newSender([32]byte{1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xfe}), newSender([32]byte{8, 7, 6, 5, 4, 3, 2, 1, 9, 9})
	for side := range r.legs {
		if err := r.legs[side].apply(Remote{RTP: remoteAt(side, 4000), RTCP: remoteAt(side, 4001)}, &r.legs[1-side], [32]byte{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// in sends an RTP packet from A and returns what leaves for B, or nil and the cause.
func (r *rig) in(ssrc uint32, seq uint16, ts uint32) ([]byte, Drop) {
	b := make([]byte, 20, 256)
	b[0] = 0x80
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return r.raw(A, b, rtp)
}

func (r *rig) raw(side Side, b []byte, k kind) ([]byte, Drop) {
	f := forwarder{from: &r.legs[side], to: &r.legs[1-side], space: make([]byte, bufSize)}
	v := f.packet(append(make([]byte, 0, bufSize), b...), len(b), k, remoteAt(int(side), 4000+uint16(k)), r.now)
	if v.drop == DropNone {
		r.legs[1-side].countSent(v.kind, len(v.out), v.payload, r.now)
	}
	return v.out, v.drop
}

func TestNumbering(t *testing.T) {
	type packet struct {
		after time.Duration // since the packet before
		ssrc  uint32
		seq   uint16
		ts    uint32
		drop  Drop
		step  int // of our sequence number since the first packet
		ticks int // of our timestamp since the first packet
	}
	const f = 20 * time.Millisecond
	for _, row := range []struct {
		name    string
		lost    int64
		packets []packet
	}{
		{"in order, over a wrap", 0, []packet{{0, 1, 65534, 0, 0, 0, 0}, {f, 1, 65535, 160, 0, 1, 160}, {f, 1, 0, 320, 0, 2, 320}, {f, 1, 1, 480, 0, 3, 480}}},
		{"a loss stays a loss", 2, []packet{{0, 1, 10, 0, 0, 0, 0}, {3 * f, 1, 13, 480, 0, 3, 480}}},
		{"reordering stays reordering", 0, []packet{{0, 1, 10, 0, 0, 0, 0}, {f, 1, 12, 320, 0, 2, 320}, {0, 1, 11, 160, 0, 1, 160}, {f, 1, 13, 480, 0, 3, 480}}},
		{"one telephone-event, one timestamp", 0, []packet{{0, 1, 10, 160, 0, 0, 0}, {f, 1, 11, 320, 0, 1, 160}, {f, 1, 12, 320, 0, 2, 160}, {f, 1, 13, 320, 0, 3, 160}, {f, 1, 14, 800, 0, 4, 640}}},
		{"another source goes on behind the last packet", 0, []packet{{0, 1, 10, 0, 0, 0, 0}, {f, 1, 11, 160, 0, 1, 160}, {f, 2, 50000, 77777, 0, 2, 320}, {f, 2, 50001, 77937, 0, 3, 480}}},
		{"and after a silence with the time that passed", 0, []packet{{0, 1, 10, 0, 0, 0, 0}, {f, 1, 11, 160, 0, 1, 160}, {time.Second, 2, 5, 5, 0, 2, 160 + 8000}}},
		{"a restart of the numbering costs one packet", 0, []packet{{0, 1, 30000, 0, 0, 0, 0}, {f, 1, 30001, 160, 0, 1, 160}, {f, 1, 100, 0, DropJump, 0, 0}, {f, 1, 101, 160, 0, 2, 480}, {f, 1, 102, 320, 0, 3, 640}}},
		{"a stray far packet restarts nothing", 0, []packet{{0, 1, 30000, 0, 0, 0, 0}, {0, 1, 100, 0, DropJump, 0, 0}, {f, 1, 30001, 160, 0, 1, 160}, {0, 1, 101, 160, DropJump, 0, 0}, {f, 1, 30002, 320, 0, 2, 320}}},
		{"nothing goes before a change of source", 0, []packet{{0, 1, 10, 0, 0, 0, 0}, {f, 2, 500, 0, 0, 1, 160}, {0, 2, 499, 0, DropLate, 0, 0}, {f, 2, 501, 160, 0, 2, 320}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			var first []byte
			for i, p := range row.packets {
				r.now += p.after
				out, drop := r.in(p.ssrc, p.seq, p.ts)
				if drop != p.drop {
					t.Fatalf("packet %d: dropped for %v, want %v", i, drop, p.drop)
				}
				if drop != DropNone {
					continue
				}
				if first == nil {
					first = out
				}
				step, ticks := int(int16(seqOf(out)-seqOf(first))), int(int32(tsOf(out)-tsOf(first)))
				if step != p.step || ticks != p.ticks || ssrcOf(out) != ssrcOf(first) {
					t.Errorf("packet %d: sequence +%d, timestamp +%d, SSRC %x, want +%d, +%d, %x", i, step, ticks, ssrcOf(out), p.step, p.ticks, ssrcOf(first))
				}
			}
			if seqOf(first) >= 1<<15 {
				t.Errorf("the first sequence number is %d", seqOf(first))
			}
			if got := r.legs[A].source.totalLost(); got != row.lost {
				t.Errorf("lost %d, want %d", got, row.lost)
			}
		})
	}
}

func TestClockRate(t *testing.T) {
	for _, rate := range []uint32{8000, 16000, 48000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			r := newRig(t)
			perFrame := rate / 50
			var last []byte
			for i := range 50 {
				last, _ = r.in(1, uint16(i), uint32(i)*perFrame)
				r.now += frame
			}
			r.now += time.Second - frame
			next, _ := r.in(2, 9, 9)
			if got := tsOf(next) - tsOf(last); got != rate {
				t.Errorf("timestamp advanced by %d within a second", got)
			}
		})
	}
}

// TestNeverTwice: over holds, source changes, restarts and wraps no sequence number goes out for two packets of a
// sealed side, whatever the context's own guard does.
func TestNeverTwice(t *testing.T) {
	r := newRig(t)
	used := map[uint64]bool{}
	for i := range 200000 {
		r.now += frame
		ssrc, seq := uint32(1+i/7001), uint16(i*(1+i/50000%2))
		if i%5003 < 20 {
			r.legs[B].remote.hold = true
		}
		out, drop := r.in(ssrc, seq, uint32(i)*160)
		r.legs[B].remote.hold = false
		if drop != DropNone {
			continue
		}
		at := uint64(r.legs[B].out.top)
		if uint16(at) != seqOf(out) {
			continue // came late; covered by the context's own window
		}
		if used[at] {
			t.Fatalf("packet %d: %d used twice", i, at)
		}
		used[at] = true
	}
	if len(used) < 150000 {
		t.Errorf("only %d packets went out", len(used))
	}
}

// TestLongCall: three rollovers on each leg, 500 packets lost at each of the sender's, from pion to pion through two
// suites: everything that was not lost arrives and opens.
func TestLongCall(t *testing.T) {
	r := newRig(t)
	keyA, keyB := newKey(t, profiles[0]), newKey(t, profiles[4])
	for side, remote := range []Remote{{RTP: remoteAt(0, 4000), Receive: keyA}, {RTP: remoteAt(1, 4000), Send: keyB}} {
		if err := r.legs[side].apply(remote, &r.legs[1-side], [32]byte{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	seal, open := oracle(t, keyA), oracle(t, keyB)
	packet := make([]byte, 12, 64)
	packet[0] = 0x80
	binary.BigEndian.PutUint32(packet[8:], 7)
	packet = append(packet, "audio"...)
	lost := 0
	for i := 65000; i < 4<<16; i++ { // the first rollover comes early
		binary.BigEndian.PutUint16(packet[2:], uint16(i))
		binary.BigEndian.PutUint32(packet[4:], uint32(i)*160)
		sealed, err := seal.EncryptRTP(nil, packet, nil)
		if err != nil {
			t.Fatal(err)
		}
		if at := i % (1 << 16); at < 250 || at >= 1<<16-250 {
			lost++
			continue
		}
		r.now += frame
		out, drop := r.raw(A, sealed, rtp)
		if drop != DropNone {
			t.Fatalf("packet %d: dropped for %v", i, drop)
		}
		if plain, err := open.DecryptRTP(nil, out, nil); err != nil || string(plain[12:]) != "audio" {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	if got := r.legs[A].source.totalLost(); got != int64(lost-250) { // the last 250 are not known to be lost
		t.Errorf("lost %d, want %d", got, lost-250)
	}
}

// TestReports: what B hears about its own stream and ours is true there.
func TestReports(t *testing.T) {
	r := newRig(t)
	for i := range 100 {
		r.in(0xAAAA, uint16(7000+i), uint32(i)*160)
		b := make([]byte, 20)
		b[0] = 0x80
		binary.BigEndian.PutUint16(b[2:], uint16(300+i))
		binary.BigEndian.PutUint32(b[8:], 0xBBBB)
		if _, drop := r.raw(B, b, rtp); drop != DropNone {
			t.Fatal(drop)
		}
		r.now += frame
	}
	toA, toB := &r.legs[A].out, &r.legs[B].out
	in := []byte{0x82, 200, 0, 18}
	in = binary.BigEndian.AppendUint32(in, 0xAAAA)
	in = append(in, "NTP-TIME"...)
	in = binary.BigEndian.AppendUint32(in, 99*160)
	in = binary.BigEndian.AppendUint32(in, 12345)
	in = binary.BigEndian.AppendUint32(in, 67890)
	in = append(in, block(toA.ssrc, toA.top-4)...) // about our stream, four behind
	in = append(in, block(0x5555, 1)...)           // and one about a stream that B knows nothing of
	in = append(in, "\x81\xca\x00\x04\x00\x00\xaa\xaa\x01\x08user@pbx\x00\x00"...)
	in = append(in, 0x81, 203, 0, 1, 0, 0, 0xaa, 0xaa) // BYE
	out, drop := r.raw(A, in, rtcp)
	if drop != DropNone {
		t.Fatal(drop)
	}
	if !compound(out) || len(out) != rtcpHeader+senderInfo+reportBlock+sdesPacket {
		t.Fatalf("report %x", out)
	}
	word := func(at int) uint32 { return binary.BigEndian.Uint32(out[at:]) }
	for _, check := range []struct {
		name      string
		got, want uint32
	}{
		{"sender", word(4), toB.ssrc},
		{"RTP time", word(16), toB.topTS},
		{"packets", word(20), 100},
		{"octets", word(24), 100 * 8},
		{"reported stream", word(28), 0xBBBB},
		{"loss", word(32), 0x10000005},
		{"highest sequence number", word(36), 300 + 99 - 4},
		{"jitter", word(40), 33},
		{"LSR", word(44), 44},
		{"DLSR", word(48), 55},
		{"SDES of", word(56), toB.ssrc},
	} {
		if check.got != check.want {
			t.Errorf("%s is %#x, want %#x", check.name, check.got, check.want)
		}
	}
	if string(out[8:16]) != "NTP-TIME" || string(out[62:78]) != string(toB.cname[:]) {
		t.Errorf("NTP time %q, CNAME %q", out[8:16], out[62:78])
	}
}

// block makes a report block: fraction 16/256, 5 lost, jitter 33.
func block(ssrc, highest uint32) (b []byte) {
	for _, word := range []uint32{ssrc, 0x10000005, highest, 33, 44, 55} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}

// FuzzForward: whatever comes in on a plain or a sealed leg, nothing panics, and what goes out has our SSRC.
func FuzzForward(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9, 9}, false)
	f.Add(append([]byte{0x82, 200, 0, 18}, make([]byte, 72)...), true)
	f.Add([]byte{0x81, 201, 0, 1, 1, 2, 3, 4}, true)
	f.Fuzz(func(t *testing.T, packet []byte, onRTCP bool) {
		if len(packet) > maxPacket {
			return
		}
		r := newRig(t)
		r.in(1, 1, 1)
		port := rtp
		if onRTCP {
			port = rtcp
		}
		out, drop := r.raw(A, packet, port)
		if (drop == DropNone) != (len(out) > 0) {
			t.Fatalf("%d bytes out, drop %v", len(out), drop)
		}
		if drop != DropNone {
			return
		}
		at := 8
		if out[1] == senderReport || out[1] == receiverReport {
			at = 4
		}
		if binary.BigEndian.Uint32(out[at:]) != r.legs[B].out.ssrc {
			t.Fatalf("out %x", out)
		}
	})
}

// TestByeOfASource: a remote that ends its source by an RTCP BYE, and goes on with another one as after a transfer, ends
// nothing on the other side: its stream goes on.
func TestByeOfASource(t *testing.T) {
	r := newRig(t)
	before, _ := r.in(0xAAAA, 100, 16000)
	r.now += frame
	bye := []byte{0x80, receiverReport, 0, 1, 0, 0, 0xaa, 0xaa, 0x81, 203, 0, 1, 0, 0, 0xaa, 0xaa}
	out, drop := r.raw(A, bye, rtcp)
	if drop != DropNone || len(out) != rtcpHeader+sdesPacket {
		t.Errorf("%x, %v", out, drop)
	}
	if _, drop := r.raw(A, bye[8:], rtcp); drop != DropRTCPKind {
		t.Errorf("BYE alone: %v", drop)
	}
	after, _ := r.in(0xCCCC, 7, 9)
	if ssrcOf(after) != ssrcOf(before) || seqOf(after) != seqOf(before)+1 {
		t.Errorf("SSRC %x after %x, sequence %d after %d", ssrcOf(after), ssrcOf(before), seqOf(after), seqOf(before))
	}
}

// TestReportsOfANewSource: what a receiver lost of the source before is not told to the source after it, and neither is
// a sequence number that it never sent.
func TestReportsOfANewSource(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.in(0xAAAA, uint16(7000+i), uint32(i)*160)
	}
	told := func(lost, behind uint32) (uint32, uint32) {
		t.Helper()
		toB := &r.legs[B].out
		block := binary.BigEndian.AppendUint32(nil, toB.ssrc)
		for _, word := range []uint32{lost, toB.top - behind, 0, 0, 0} {
			block = binary.BigEndian.AppendUint32(block, word)
		}
		out, drop := r.raw(B, rtcpSR(2, 1, 0, block), rtcp)
		if drop != DropNone {
			t.Fatal(drop)
		}
		at := rtcpHeader
		if out[1] == senderReport {
			at += senderInfo
		}
		return binary.BigEndian.Uint32(out[at+4:]), binary.BigEndian.Uint32(out[at+8:])
	}
	if lost, highest := told(9, 2); lost != 9 || highest != 7047 {
		t.Errorf("lost %d, highest %d", lost, highest)
	}
	for i := range 5 {
		r.in(0xCCCC, uint16(300+i), uint32(i)*160)
	}
	if lost, highest := told(11, 20); lost != 2 || highest != 300 {
		t.Errorf("of the new source: lost %d, highest %d", lost, highest)
	}
	if lost, highest := told(11, 0); lost != 2 || highest != 304 {
		t.Errorf("of the new source: lost %d, highest %d", lost, highest)
	}
}
