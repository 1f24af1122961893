package media

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

// TestEModel: the equations of ITU-T G.107, worked out by hand for figures of G.113.
func TestEModel(t *testing.T) {
	g711, g729 := codecOf(0), codecOf(18)
	for _, row := range []struct {
		name   string
		codec  codec
		loss   float64
		delay  time.Duration
		rating float64
		mos    float64
	}{
		{"nothing wrong", g711, 0, 0, 93.2, 4.41},
		{"100 ms are free", g711, 0, 100 * time.Millisecond, 93.2, 4.41},
		{"400 ms", g711, 0, 400 * time.Millisecond, 69.1, 3.56},
		{"1 % lost", g711, 0.01, 0, 89.6, 4.34},
		{"5 % lost", g711, 0.05, 0, 77.4, 3.93},
		{"everything lost", g711, 1, 0, 17.3, 1.16},
		{"G.729A", g729, 0, 0, 82.2, 4.11},
		{"G.729A, 5 % lost", g729, 0.05, 0, 64.7, 3.34},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := rating(row.codec, row.loss, row.delay)
			if mos := meanOpinion(r); math.Abs(r-row.rating) > 0.6 || math.Abs(mos-row.mos) > 0.04 {
				t.Errorf("R %.1f, MOS %.2f, want %.1f, %.2f", r, mos, row.rating, row.mos)
			}
		})
	}
	if got := opinion(0, opinionAfter-1, 0, 0, 0); got != 0 {
		t.Errorf("too few packets are rated %v", got)
	}
	if meanOpinion(-5) != 1 || opinion(0, 100, 500, 0, 0) < 1 {
		t.Error("MOS below 1")
	}
}

// TestQuality: what a stream with known faults is measured as.
func TestQuality(t *testing.T) {
	type packet struct {
		after time.Duration
		seq   uint16
		ts    uint32
	}
	steady := func(n int) (list []packet) {
		for i := range n {
			list = append(list, packet{frame, uint16(i), uint32(160 * i)})
		}
		return list
	}
	uneven := func(n int) (list []packet) { // every other packet is 10 ms late
		for i, p := range steady(n) {
			p.after += 10 * time.Millisecond * time.Duration(1-2*(i%2))
			list = append(list, p)
		}
		return list
	}
	for _, row := range []struct {
		name     string
		packets  []packet
		lost     uint64
		late     uint64
		jitter   time.Duration
		gap      time.Duration
		expected uint64
	}{
		{"steady", steady(100), 0, 0, 0, frame, 100},
		{"uneven", uneven(100), 0, 0, 10 * time.Millisecond, 30 * time.Millisecond, 100},
		{"two lost", append(steady(100), packet{3 * frame, 102, 160 * 102}), 2, 0, 0, 3 * frame, 103},
		{"one late", append(steady(100), packet{2 * frame, 101, 160 * 101}, packet{0, 100, 160 * 100}), 0, 1, 0, 2 * frame, 102},
		{"silence suppressed", append(steady(100), packet{5 * time.Second, 100, 160*99 + 40000}), 0, 0, 0, frame, 101},
		{"held up", append(steady(100), packet{time.Second + frame, 100, 160 * 100}), 0, 0, 0, time.Second + frame, 101},
		{"a telephone-event", append(steady(100), packet{frame, 100, 160 * 99}, packet{frame, 101, 160 * 99}), 0, 0, 0, frame, 102},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			for i, p := range row.packets {
				r.now += p.after
				if _, drop := r.in(1, p.seq, p.ts); drop != DropNone {
					t.Fatalf("packet %d dropped for %v", i, drop)
				}
			}
			got := r.legs[A].heard()
			if got.Lost != row.lost || got.Late != row.late || got.Expected != row.expected {
				t.Errorf("lost %d of %d, late %d, want %d of %d, %d", got.Lost, got.Expected, got.Late, row.lost, row.expected, row.late)
			}
			if (got.Jitter-row.jitter).Abs() > time.Millisecond || got.LongestGap != row.gap {
				t.Errorf("jitter %v, longest gap %v, want %v, %v", got.Jitter, got.LongestGap, row.jitter, row.gap)
			}
			if got.MOS < 3.5 || got.MOS > 4.5 {
				t.Errorf("MOS %v", got.MOS)
			}
		})
	}
}

// TestGapOfAHold: what signaling has stopped is no gap.
func TestGapOfAHold(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.in(1, uint16(i), uint32(160*i))
		r.now += frame
	}
	r.now += time.Minute
	if err := r.legs[A].apply(Remote{RTP: r.legs[A].latch[rtp].target()}, &r.legs[B], [32]byte{}, r.now); err != nil {
		t.Fatal(err)
	}
	r.in(1, 50, 160*50)
	if got := r.legs[A].heard().LongestGap; got != frame {
		t.Errorf("longest gap %v", got)
	}
}

// rtcpSR makes a sender report with an NTP time.
func rtcpSR(ssrc uint32, ntp uint64, ts uint32, blocks ...[]byte) []byte {
	b := make([]byte, 28)
	b[0], b[1], b[3] = 0x80|byte(len(blocks)), senderReport, byte(6+6*len(blocks))
	binary.BigEndian.PutUint32(b[4:], ssrc)
	binary.BigEndian.PutUint64(b[8:], ntp)
	binary.BigEndian.PutUint32(b[16:], ts)
	for _, block := range blocks {
		b = append(b, block...)
	}
	return b
}

// TestRoundTrip: a leg's round trip is the time between the sender report that went and the report that names it,
// without what the remote held it; and what the remote reports of our stream is rated.
func TestRoundTrip(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		r.in(1, uint16(i), uint32(160*i))
		r.now += frame
	}
	const ntp = uint64(0x1122334455667788)
	if _, drop := r.raw(A, rtcpSR(1, ntp, 0), rtcp); drop != DropNone {
		t.Fatal(drop)
	}
	toB := &r.legs[B].out
	answer := func(lsr uint32, held time.Duration) {
		t.Helper()
		block := binary.BigEndian.AppendUint32(nil, toB.ssrc)
		block = binary.BigEndian.AppendUint32(block, 10) // lost
		block = binary.BigEndian.AppendUint32(block, toB.top)
		block = binary.BigEndian.AppendUint32(block, 80) // jitter: 10 ms
		block = binary.BigEndian.AppendUint32(block, lsr)
		block = binary.BigEndian.AppendUint32(block, uint32(held*65536/time.Second))
		if _, drop := r.raw(B, rtcpSR(2, 1, 0, block), rtcp); drop != DropNone {
			t.Fatal(drop)
		}
	}
	r.now += 540 * time.Millisecond
	answer(0x33445566, 500*time.Millisecond)
	r.now += time.Second
	answer(0x99999999, 0) // about a report that was not ours
	answer(0, 0)
	got := r.legs[B].reported(0, defaultRate)
	if trip := r.legs[B].far.trip(); (trip - 40*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("round trip %v, want 40ms", trip)
	}
	if got.Lost != 10 || got.Expected != 200 || got.Jitter != 10*time.Millisecond || got.MOS < 3 || got.MOS > 4.2 {
		t.Errorf("reported %+v", got)
	}
}

// TestExtendedReports: RFC 3611 reports pass under our SSRCs and numbers; blocks about others do not.
func TestExtendedReports(t *testing.T) {
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
	}
	toA, toB := &r.legs[A].out, &r.legs[B].out
	block := func(kind byte, body ...uint32) (b []byte) {
		b = []byte{kind, 0, 0, byte(len(body))}
		for _, word := range body {
			b = binary.BigEndian.AppendUint32(b, word)
		}
		return b
	}
	seqs := uint32(uint16(toA.top-9))<<16 | uint32(uint16(toA.top))
	in := binary.BigEndian.AppendUint32([]byte{0x80, extendedReport, 0, 0}, 0xAAAA)
	for _, b := range [][]byte{
		block(xrReferenceTime, 0x12345678, 0x9abcdef0),
		block(xrDLRR, 0x5555, 1, 2, toA.ssrc, 3, 4),
		block(xrVoIP, toA.ssrc, 1, 2, 3, 4, 5, 6, 7),
		block(xrVoIP, 0x5555, 1, 2, 3, 4, 5, 6, 7),
		block(xrStatistics, toA.ssrc, seqs, 1, 2, 3, 4, 5, 6, 7),
		block(xrLossRLE, toA.ssrc, seqs, 0xc000_0000),
		block(99, toA.ssrc),
	} {
		in = append(in, b...)
	}
	binary.BigEndian.PutUint16(in[2:], uint16(len(in)/4-1))
	out, drop := r.raw(A, in, rtcp)
	if drop != DropNone {
		t.Fatal(drop)
	}
	want := binary.BigEndian.AppendUint32([]byte{0x80, receiverReport, 0, 1}, toB.ssrc)
	at := len(want)
	want = binary.BigEndian.AppendUint32(append(want, 0x80, extendedReport, 0, 0), toB.ssrc)
	mapped := uint32(399-9)<<16 | 399
	for _, b := range [][]byte{
		block(xrReferenceTime, 0x12345678, 0x9abcdef0),
		block(xrDLRR, 0xBBBB, 3, 4),
		block(xrVoIP, 0xBBBB, 1, 2, 3, 4, 5, 6, 7),
		block(xrStatistics, 0xBBBB, mapped, 1, 2, 3, 4, 5, 6, 7),
		block(xrLossRLE, 0xBBBB, mapped, 0xc000_0000),
	} {
		want = append(want, b...)
	}
	binary.BigEndian.PutUint16(want[at+2:], uint16((len(want)-at)/4-1))
	if got := out[:len(out)-sdesPacket]; string(got) != string(want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	if !compound(out) {
		t.Error("lengths do not add up")
	}
	short := []byte{0x80, extendedReport, 0, 1, 0, 0, 0xaa, 0xaa}
	if _, drop := r.raw(A, short, rtcp); drop != DropRTCPKind {
		t.Errorf("an empty one: %v", drop)
	}
}
