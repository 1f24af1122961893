package media

import (
	"fmt"
	"testing"

	"callseal/media/srtp"
)

// jump makes the party lose n packets: it counts on and sends nothing.
func (p *party) jump(n int) {
	for ; n > 0; n -= min(n, 1<<14) { // as small steps as its own SRTP context can follow
		step := min(n, 1<<14)
		p.seq += uint16(step - 1)
		p.ts += uint32(160 * (step - 1))
		p.sealed("lost")
	}
}

// delivers sends n packets of a and returns how many b heard.
func delivers(t *testing.T, s *Session, a, b *party, n int) int {
	t.Helper()
	before := s.Stats()
	for i := range n {
		a.say(fmt.Sprint(i))
	}
	settled(t, s, A, taken(before.Side[A])+uint64(n))
	heard := int(s.Stats().Side[B].Sent - before.Side[B].Sent)
	for range heard {
		b.hear()
	}
	return heard
}

// TestRollovers: what a sealed stream may do to its sequence numbers, over the network: at most one packet is lost
// behind each gap, and what was recovered is counted by its way.
func TestRollovers(t *testing.T) {
	for _, row := range []struct {
		name   string
		start  uint16
		before int // packets heard before
		do     func(a *party)
		lost   int
		want   srtp.Recoveries
	}{
		{"an early wrap with its first packets lost", 65530, 0, func(a *party) { a.jump(1); a.jump(10) }, 0, srtp.Recoveries{srtp.RecoveryForward: 1}},
		{"an early wrap", 65530, 3, func(a *party) { a.jump(10) }, 0, srtp.Recoveries{}},
		{"a gap of 40,000 packets", 10000, 20, func(a *party) { a.jump(40000) }, 1, srtp.Recoveries{}},
		{"a gap of 40,000 packets across a wrap", 30000, 20, func(a *party) { a.jump(40000) }, 1, srtp.Recoveries{srtp.RecoveryForward: 1}},
		{"a gap that looks like an old packet", 10000, 20, func(a *party) { a.jump(56000) }, 1, srtp.Recoveries{srtp.RecoveryForward: 1}},
		{"another SSRC that counts from elsewhere", 40000, 20, func(a *party) { a.ssrc++; a.seq = 77 }, 0, srtp.Recoveries{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := startRelay(t, Config{})
			s, a, b := call(t, r, true, true)
			a.seq = row.start
			if got := delivers(t, s, a, b, row.before); got != row.before {
				t.Fatalf("%d of %d heard before", got, row.before)
			}
			row.do(a)
			if got := delivers(t, s, a, b, 100); got < 100-row.lost {
				t.Errorf("%d of 100 heard behind it", got)
			}
			if got := s.Stats().Side[A].Recoveries; got != row.want {
				t.Errorf("recoveries %v, want %v", got, row.want)
			}
		})
	}
}

// TestThreeWraps: three rollovers of the sender with 500 packets lost at each, over the network.
func TestThreeWraps(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	for wrap := range 3 {
		for int(a.seq)+2500 < 1<<16-250 {
			a.jump(2500)
			if got := delivers(t, s, a, b, 1); got != 1 {
				t.Fatalf("wrap %d, sequence %d: not heard", wrap, a.seq)
			}
		}
		a.jump(1<<16 - 250 - int(a.seq))
		if got := delivers(t, s, a, b, 1); got != 1 {
			t.Fatalf("wrap %d, in front of the gap: not heard", wrap)
		}
		a.jump(500)
		if got := delivers(t, s, a, b, 50); got != 50 {
			t.Errorf("wrap %d: %d of 50 heard behind the gap", wrap, got)
		}
	}
	if roc, _ := a.seal.ROC(a.ssrc); roc != 3 {
		t.Errorf("the test reached rollover %d", roc)
	}
}

// TestRekeyFourWays: re-offers with the same key and with a new one, the sender's rollover counter kept or begun anew
// at zero: at most one packet is lost, and packets under the old key pass for two seconds.
func TestRekeyFourWays(t *testing.T) {
	for _, row := range []struct {
		name     string
		fresh    bool // the key
		restarts bool // the rollover counter
		want     srtp.Recoveries
	}{
		{"same key, counter kept", false, false, srtp.Recoveries{}},
		{"same key, counter at zero", false, true, srtp.Recoveries{srtp.RecoveryZero: 1}},
		{"new key, counter kept", true, false, srtp.Recoveries{srtp.RecoveryKept: 1}},
		{"new key, counter at zero", true, true, srtp.Recoveries{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			clock := &fakeClock{}
			r := startRelay(t, Config{Clock: clock.Now})
			s, a, b := call(t, r, true, true)
			delivers(t, s, a, b, 20)
			for range 3 * 1 << 16 / 2500 { // into the third rollover
				a.jump(2500)
				delivers(t, s, a, b, 1)
			}
			roc, _ := a.seal.ROC(a.ssrc)
			if roc < 2 {
				t.Fatalf("at rollover %d", roc)
			}
			before := s.Stats().Side[A].Recoveries
			late := a.sealed("late, under the old key")
			if row.fresh {
				a.send = newKey(t, profiles[4])
			}
			if row.fresh || row.restarts {
				a.seal = oracle(t, a.send)
				if !row.restarts {
					a.seal.SetROC(a.ssrc, roc)
				}
			}
			set(t, s, A, a.remote())
			a.write(late)
			b.hears("late, under the old key")
			if got := delivers(t, s, a, b, 50); got < 49 {
				t.Errorf("%d of 50 heard", got)
			}
			got := s.Stats().Side[A]
			for i := range before {
				got.Recoveries[i] -= before[i]
			}
			if got.Recoveries != row.want {
				t.Errorf("recoveries %v, want %v", got.Recoveries, row.want)
			}
		})
	}
}
