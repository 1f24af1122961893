package media

import (
	"net/netip"
	"testing"
	"time"
)

// watched is a call whose events are kept, on a clock that the test moves.
type watched struct {
	t     *testing.T
	s     *Session
	a, b  *party
	clock *fakeClock
	told  []Event // touched by the worker only
	early [][]byte
}

// evilHost is an address from which nobody was announced.
var evilHost = netip.MustParseAddr("127.0.0.66")

func watchedCall(t *testing.T, sealedA bool) *watched {
	t.Helper()
	w := &watched{t: t, clock: &fakeClock{}}
	r := startRelay(t, Config{Clock: w.clock.Now, Silence: 30 * time.Second})
	w.s, w.a, w.b = call(t, r, sealedA, true)
	w.s.Notify(func(e Event) { w.told = append(w.told, e) })
	return w
}

// wants moves the clock and fails unless exactly these events come of it. The relay's own looks may come before.
func (w *watched) wants(after time.Duration, want ...Event) {
	w.t.Helper()
	w.clock.advance(after)
	var got []Event
	w.s.worker.do(func() {
		w.s.worker.look()
		got, w.told = w.told, nil
	})
	if len(got) != len(want) {
		w.t.Fatalf("told %+v, want %+v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			w.t.Errorf("told %+v, want %+v", got[i], want[i])
		}
	}
}

// both makes each party heard by the other, n times.
func (w *watched) both(n int) {
	w.t.Helper()
	for range n {
		w.a.say("a")
		w.b.hears("a")
		w.b.say("b")
		w.a.hears("b")
	}
}

func TestFirstAudio(t *testing.T) {
	w := watchedCall(t, true)
	w.both(1) // early media is not the answer's
	w.wants(time.Second)
	w.s.Answered()
	w.wants(0)
	w.clock.advance(40 * time.Millisecond)
	w.a.say("first of a")
	w.b.hears("first of a")
	w.wants(time.Second, Event{Kind: EventFirstAudio, Side: A, After: 40 * time.Millisecond})
	w.both(2)
	w.s.Answered() // again: nothing
	w.wants(0, Event{Kind: EventFirstAudio, Side: B, After: 1040 * time.Millisecond})
	w.both(1)
	w.wants(time.Second)
}

func TestSilent(t *testing.T) {
	w := watchedCall(t, true)
	w.wants(time.Hour) // nobody has answered
	w.s.Answered()
	first := []Event{{Kind: EventFirstAudio, Side: A}, {Kind: EventFirstAudio, Side: B}}
	w.both(1)
	w.wants(0, first...)
	speak := func(p, other *party) {
		p.say("alive")
		other.hears("alive")
	}
	for range 3 {
		speak(w.b, w.a)
		w.wants(9 * time.Second)
	}
	speak(w.b, w.a)
	w.wants(3*time.Second, Event{Kind: EventSilent, Side: A, After: 30 * time.Second})
	speak(w.b, w.a)
	w.wants(20 * time.Second) // told once, for now
	speak(w.b, w.a)
	speak(w.a, w.b)
	w.wants(0)
	w.wants(20 * time.Second)
	w.a.writeRTCP(report(w.a, w.b)) // a report is a sign of life too
	settled(t, w.s, A, 3)
	w.wants(0)
	w.wants(10*time.Second, Event{Kind: EventSilent, Side: B, After: 30 * time.Second})
	w.wants(20*time.Second, Event{Kind: EventSilent, Side: A, After: 30 * time.Second, Both: true})
	w.wants(10*time.Second, Event{Kind: EventSilent, Side: B, After: time.Minute, Both: true}) // and again
	speak(w.b, w.a)
	w.wants(0)
	w.wants(20*time.Second, Event{Kind: EventSilent, Side: A, After: time.Minute})
	w.mute(A) // it is not expected to speak
	w.wants(10*time.Second, Event{Kind: EventSilent, Side: B, After: 30 * time.Second})
}

// TestSilentOnHold: who is on hold, holds the other, or said that it would not send, may be silent.
func TestSilentOnHold(t *testing.T) {
	for name, change := range map[string]func(w *watched){
		"B holds":   func(w *watched) { r := w.b.remote(); r.Hold = true; set(w.t, w.s, B, r) },
		"both mute": func(w *watched) { w.mute(A); w.mute(B) },
	} {
		t.Run(name, func(t *testing.T) {
			w := watchedCall(t, true)
			w.s.Answered()
			w.both(1)
			w.wants(0, Event{Kind: EventFirstAudio, Side: A}, Event{Kind: EventFirstAudio, Side: B})
			change(w)
			w.wants(time.Hour)
			set(t, w.s, A, w.a.remote())
			set(t, w.s, B, w.b.remote())
			w.wants(0)
			w.wants(2 * time.Second)
			w.b.say("resumed")
			w.a.hears("resumed")
			w.wants(time.Second, Event{Kind: EventOneWay, Side: A, Cause: OneWayAfterHold})
			w.wants(27*time.Second, Event{Kind: EventSilent, Side: A, After: 30 * time.Second})
		})
	}
}

func (w *watched) mute(side Side) {
	r := w.a.remote()
	if side == B {
		r = w.b.remote()
	}
	r.Mute = true
	set(w.t, w.s, side, r)
}

// TestOneWay: within 3 s of the answer the cause is named for which one remote is not heard.
func TestOneWay(t *testing.T) {
	for _, row := range []struct {
		name   string
		plain  bool // side A
		attack func(w *watched)
		want   OneWay
	}{
		{"nothing", false, func(*watched) {}, OneWayNothing},
		{"another key", false, func(w *watched) { w.a.seal = oracle(w.t, newKey(w.t, profiles[0])); w.say(5) }, OneWayKey},
		{"RTP in the clear", false, func(w *watched) { w.a.seal = nil; w.say(5) }, OneWayPlain},
		{"an old rollover counter", false, func(w *watched) { w.a.seal.SetROC(w.a.ssrc, 7); w.say(5) }, OneWayRollover},
		{"another address", true, func(w *watched) { w.a.rtp = listen(w.t, evilHost); w.say(5) }, OneWaySource},
		{"STUN", true, func(w *watched) { w.a.write(make([]byte, 20)); w.taken(1) }, OneWayNotRTP},
		{"no way on", true, func(w *watched) {
			nowhere := w.b.remote()
			nowhere.RTP, nowhere.RTCP = netip.AddrPort{}, netip.AddrPort{}
			set(w.t, w.s, B, nowhere)
			w.say(5)
		}, OneWayUndelivered},
		{"what was heard before the answer", false, func(w *watched) {
			for _, packet := range w.early {
				w.a.write(packet)
			}
			w.taken(2 * uint64(len(w.early)))
		}, OneWayReplay},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := watchedCall(t, !row.plain)
			if row.want == OneWayReplay {
				for range 5 {
					w.early = append(w.early, w.a.sealed("early"))
					w.a.write(w.early[len(w.early)-1])
					w.b.hears("early")
				}
			}
			w.s.Answered()
			row.attack(w)
			w.wants(oneWayAfter - time.Millisecond)
			w.b.say("b")
			settled(t, w.s, B, 1)
			w.s.worker.do(w.s.worker.look)
			w.clock.advance(time.Millisecond)
			var got []Event
			w.s.worker.do(func() { w.s.worker.look(); got = w.told })
			want := Event{Kind: EventOneWay, Side: A, Cause: row.want}
			if len(got) == 0 || got[0] != want && got[len(got)-1] != want {
				t.Errorf("told %+v, want %+v", got, want)
			}
		})
	}
}

// say sends n packets of A, whatever becomes of them.
func (w *watched) say(n int) {
	w.t.Helper()
	for range n {
		w.a.say(string(make([]byte, 160)))
	}
	w.taken(uint64(n))
}

func (w *watched) taken(n uint64) { w.t.Helper(); settled(w.t, w.s, A, n) }

// TestLifetime: new keys are asked for when 7/8 of the packets that a key may protect have gone, once for each key, and it is told of one that is
// used beyond its life.
func TestLifetime(t *testing.T) {
	w := watchedCall(t, true)
	remote := w.a.remote()
	remote.ReceiveLife = 80
	set(t, w.s, A, remote)
	w.both(69)
	w.wants(0)
	w.both(1)
	w.wants(0, Event{Kind: EventLifetime, Side: A})
	w.both(1)
	w.wants(0)
	w.a.send = newKey(t, profiles[0])
	w.a.seal = oracle(t, w.a.send)
	remote = w.a.remote()
	remote.ReceiveLife, remote.SendLife = 80, 200
	set(t, w.s, A, remote)
	w.both(69)
	w.wants(0)
	w.both(1)
	w.wants(0, Event{Kind: EventLifetime, Side: A})
	w.both(10)
	w.wants(0)
	w.both(1) // the remote took no new key
	w.wants(0, Event{Kind: EventOutlived, Side: A})
	w.both(22)
	w.wants(0)
	w.both(1) // 175 have gone under our own
	w.wants(0, Event{Kind: EventLifetime, Side: A})
}

func TestEventNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range oneWayCount {
		if name := o.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("cause %d is called %q", o, name)
		} else {
			seen[name] = true
		}
	}
	for k := EventFirstAudio; k <= EventOutlived; k++ {
		if name := k.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		} else {
			seen[name] = true
		}
	}
	if EventKind(9).String() != "unknown" || oneWayCount.String() != "unknown" {
		t.Error("names beyond the last")
	}
}
