package media

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// reported is a call on a clock that the test moves.
type reported struct {
	s     *Session
	a, b  *party
	clock *fakeClock
}

func reportedCall(t *testing.T, sealed bool) *reported {
	t.Helper()
	c := &reported{clock: &fakeClock{now: time.Unix(1_000_000_000, 0)}}
	r := startRelay(t, Config{Clock: c.clock.Now})
	c.s, c.a, c.b = call(t, r, sealed, sealed)
	return c
}

// pass lets time go by and the relay look at its sessions.
func (c *reported) pass(d time.Duration) {
	for ; d > 0; d -= lookEvery {
		c.clock.advance(lookEvery)
		c.s.worker.do(c.s.worker.look)
	}
}

// talk makes both heard, n times, in the time that it takes.
func (c *reported) talk(n int) {
	for range n {
		c.a.say("a")
		c.b.hears("a")
		c.b.say("b")
		c.a.hears("b")
		c.clock.advance(frame)
	}
}

// TestOwnReports: a remote that gets no reports of the other one gets ours, true ones, and its answers tell loss and
// round trip.
func TestOwnReports(t *testing.T) {
	for name, sealed := range map[string]bool{"sealed": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			c := reportedCall(t, sealed)
			c.talk(40)
			c.a.seq += 10 // lost on their way
			c.talk(10)
			c.s.worker.do(c.s.worker.look)
			c.a.writeRTCP(rtcpSR(c.a.ssrc, 1<<32, c.a.ts)) // goes to B, and is what LSR names
			c.b.hearRTCP()
			c.pass(2 * reportEvery)
			out, state := c.a.hearRTCP(), &c.s.state.legs[A]
			if !compound(out) || len(out) != rtcpHeader+senderInfo+reportBlock+sdesPacket {
				t.Fatalf("report %x", out)
			}
			word := func(at int) uint32 { return binary.BigEndian.Uint32(out[at:]) }
			c.s.worker.do(func() {
				for _, check := range []struct {
					name      string
					got, want uint32
				}{
					{"kind", uint32(out[1]), senderReport},
					{"sender", word(4), state.out.ssrc},
					{"packets", word(20), 50},
					{"octets", word(24), 50},
					{"reported stream", word(28), c.a.ssrc},
					{"loss", word(32), (10*256/60)<<24 | 10},
					{"highest sequence number", word(36) & 0xffff, uint32(c.a.seq)},
					{"SDES of", word(56), state.out.ssrc},
				} {
					if check.got != check.want {
						t.Errorf("%s is %#x, want %#x", check.name, check.got, check.want)
					}
				}
			})
			sentAt := time.Unix(int64(word(8))-2208988800, int64(word(12))*int64(time.Second)>>32)
			if late := c.clock.Now().Sub(sentAt); late < 0 || late > 2*reportEvery {
				t.Errorf("the report's time is off by %v", late)
			}
			if word(44) == 0 || word(48) == 0 {
				t.Errorf("LSR %#x, DLSR %#x", word(44), word(48))
			}
			answer := binary.BigEndian.AppendUint32(nil, state.out.ssrc)
			held := c.clock.Now().Add(-70*time.Millisecond).Sub(sentAt) * 65536 / time.Second
			for _, w := range []uint32{3, uint32(state.out.firstSeq) + 49, 0, word(8)<<16 | word(12)>>16, uint32(held)} {
				answer = binary.BigEndian.AppendUint32(answer, w)
			}
			c.a.writeRTCP(rtcpSR(c.a.ssrc, 2<<32, c.a.ts, answer))
			got := settled(t, c.s, A, 52) // 50 of RTP; B may have a report of ours waiting, so that what it hears says nothing
			if got.RoundTrip < 60*time.Millisecond || got.RoundTrip > 80*time.Millisecond || got.Reported.Lost != 3 {
				t.Errorf("round trip %v, lost by its report %d", got.RoundTrip, got.Reported.Lost)
			}
		})
	}
}

// TestOwnReportsOnlyWhereNeeded: who gets the other remote's reports gets none of ours, and neither does who has no RTCP.
func TestOwnReportsOnlyWhereNeeded(t *testing.T) {
	c := reportedCall(t, true)
	const rounds = 12
	for range rounds {
		c.talk(3)
		c.b.writeRTCP(rtcpSR(c.b.ssrc, 1<<32, c.b.ts))
		c.a.hearRTCP()
		c.pass(reportEvery)
	}
	got := c.s.Stats()
	if got.Side[A].SentRTCP != rounds {
		t.Errorf("%d reports to A, want the other remote's %d alone", got.Side[A].SentRTCP, rounds)
	}
	if n := got.Side[B].SentRTCP; n < rounds/2 || n > 2*rounds {
		t.Errorf("%d reports to B in %d intervals", n, rounds)
	}
	forbids := c.b.remote()
	forbids.NoRTCP = true
	set(t, c.s, B, forbids)
	was := c.s.Stats()
	for range 4 {
		c.talk(3)
		c.a.writeRTCP(rtcpSR(c.a.ssrc, 1<<32, c.a.ts))
		c.pass(reportEvery)
	}
	settled(t, c.s, A, was.Side[A].Received+was.Side[A].ReceivedRTCP+16)
	now := c.s.Stats()
	if n := now.Side[B].SentRTCP - was.Side[B].SentRTCP; n > 0 || now.Side[A].Drops[DropUnwanted] != 4 {
		t.Errorf("%d reports to who forbids RTCP, %d kept back", n, now.Side[A].Drops[DropUnwanted])
	}
	none := c.b.remote()
	none.RTCP = netip.AddrPort{}
	set(t, c.s, B, none)
	c.s.worker.do(func() { c.s.state.legs[B].latch[rtcp] = latch{} })
	before := c.s.Stats().Side[B].SentRTCP
	c.talk(3)
	c.pass(4 * reportEvery)
	if n := c.s.Stats().Side[B].SentRTCP; n != before {
		t.Errorf("%d reports to who has no RTCP", n-before)
	}
}
