package register

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// does is what a step gives, in short.
type does struct {
	state State
	send  time.Duration // 0: nothing is sent; -1: un-register
	wait  time.Duration // to within what luck makes of it (luck is 0.5)
	other []Op
}

const unregister = -1

func answer(o Outcome) Event { return Event{Kind: Answer, Outcome: o, Luck: 0.5} }

func ok(granted time.Duration) Event {
	return Event{Kind: Answer, Outcome: Confirmed, Granted: granted, Luck: 0.5}
}

func TestMachine(t *testing.T) {
	const asked = 2 * time.Minute
	begin := []step{{Event{Kind: Start}, does{Registering, asked, 0, nil}}}
	up := append(begin, step{ok(asked), does{Registered, 0, asked - 15*time.Second, nil}})
	timer := Event{Kind: Timer}
	for _, row := range []struct {
		name   string
		policy Policy
		steps  []step
	}{
		{"registers and refreshes", Stop, append(up, step{timer, does{Refreshing, asked, 0, nil}}, step{ok(time.Hour), does{Registered, 0, time.Hour - 15*time.Second, nil}})},
		{"a short interval", Stop, append(begin, step{ok(20 * time.Second), does{Registered, 0, 16 * time.Second, nil}})},
		{"an interval of 30 s", Stop, append(begin, step{ok(30 * time.Second), does{Registered, 0, 24 * time.Second, nil}})},
		{"an interval of 31 s", Stop, append(begin, step{ok(31 * time.Second), does{Registered, 0, 16 * time.Second, nil}})},
		{"no interval at all", Stop, append(begin, step{ok(0), does{Registered, 0, 8 * time.Second, nil}})},
		{"an interval of years", Stop, append(begin, step{ok(99999 * time.Hour), does{Registered, 0, 24*time.Hour - 15*time.Second, nil}})},
		{"retries back off", Stop, append(begin,
			step{answer(Overloaded), does{Waiting, 0, 20 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Overloaded), does{Waiting, 0, 40 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Silent), does{Waiting, 0, 80 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, 160 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Refused), does{Waiting, 0, 5 * time.Minute, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Refused), does{Waiting, 0, 5 * time.Minute, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{ok(asked), does{Registered, 0, 105 * time.Second, nil}}, step{timer, does{Refreshing, asked, 0, nil}},
			step{answer(Overloaded), does{Waiting, 0, 20 * time.Second, nil}})},
		{"Retry-After", Stop, append(begin, step{Event{Kind: Answer, Outcome: Overloaded, RetryAfter: 7 * time.Second, Luck: 0}, does{Waiting, 0, 7 * time.Second, nil}})},
		{"Retry-After of a week", Stop, append(begin, step{Event{Kind: Answer, Outcome: Overloaded, RetryAfter: 168 * time.Hour}, does{Waiting, 0, time.Hour, nil}})},
		{"wrong password", Stop, append(begin, step{answer(BadPassword), does{Waiting, 0, 5 * time.Minute, nil}})},
		{"no password", Stop, append(begin, step{answer(NoPassword), does{Waiting, 0, 5 * time.Minute, nil}})},
		{"redirected", Stop, append(begin, step{answer(Redirected), does{Waiting, 0, 5 * time.Minute, nil}})},
		{"403 stops", Stop, append(begin, step{answer(Forbidden), does{Stopped, 0, 0, nil}}, step{timer, does{Stopped, 0, 0, nil}},
			step{Event{Kind: Lost}, does{Stopped, 0, 0, nil}}, step{Event{Kind: Start}, does{Registering, asked, 0, nil}})},
		{"403 retries", Retry, append(begin, step{answer(Forbidden), does{Waiting, 0, 5 * time.Minute, nil}}, step{timer, does{Registering, asked, 0, nil}})},
		{"403 to a refresh", Stop, append(up, step{timer, does{Refreshing, asked, 0, nil}}, step{answer(Forbidden), does{Stopped, 0, 0, nil}})},
		{"423", Stop, append(begin,
			step{Event{Kind: Answer, Outcome: TooBrief, MinExpires: 10 * time.Minute}, does{Registering, 10 * time.Minute, 0, nil}},
			step{ok(10 * time.Minute), does{Registered, 0, 585 * time.Second, nil}},
			step{timer, does{Refreshing, 10 * time.Minute, 0, nil}})},
		{"423 twice", Stop, append(begin,
			step{Event{Kind: Answer, Outcome: TooBrief, MinExpires: 10 * time.Minute}, does{Registering, 10 * time.Minute, 0, nil}},
			step{Event{Kind: Answer, Outcome: TooBrief, MinExpires: 20 * time.Minute, Luck: 0.5}, does{Waiting, 0, 20 * time.Second, nil}})},
		{"423 with less than was asked", Stop, append(begin,
			step{Event{Kind: Answer, Outcome: TooBrief, MinExpires: time.Minute, Luck: 0.5}, does{Waiting, 0, 20 * time.Second, nil}})},
		{"423 to a refresh", Stop, append(up, step{timer, does{Refreshing, asked, 0, nil}},
			step{Event{Kind: Answer, Outcome: TooBrief, MinExpires: 10 * time.Minute}, does{Refreshing, 10 * time.Minute, 0, nil}})},
		{"lost connection, back at once", Stop, append(up,
			step{Event{Kind: Lost}, does{Registering, asked, 0, []Op{StopTimer}}}, step{ok(asked), does{Registered, 0, 105 * time.Second, nil}})},
		{"lost connection, the remote restarts", Stop, append(up,
			step{Event{Kind: Lost}, does{Registering, asked, 0, []Op{StopTimer}}},
			step{answer(Unreachable), does{Waiting, 0, time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, 2 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, 4 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Silent), does{Waiting, 0, 8 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, 16 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, 20 * time.Second, nil}}, step{timer, does{Registering, asked, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, 40 * time.Second, nil}})},
		{"lost while it refreshes", Stop, append(up, step{timer, does{Refreshing, asked, 0, nil}}, step{Event{Kind: Lost}, does{Refreshing, 0, 0, nil}},
			step{answer(Unreachable), does{Waiting, 0, time.Second, nil}})},
		{"never there: no hurry", Stop, append(begin, step{answer(Unreachable), does{Waiting, 0, 20 * time.Second, nil}}, step{Event{Kind: Lost}, does{Waiting, 0, 0, nil}},
			step{Event{Kind: Start}, does{Registering, asked, 0, []Op{StopTimer}}})},
		{"un-registers", Stop, append(up, step{Event{Kind: Shutdown}, does{Unregistering, unregister, 0, []Op{StopTimer}}},
			step{Event{Kind: Shutdown}, does{Unregistering, 0, 0, nil}}, step{Event{Kind: Lost}, does{Unregistering, 0, 0, nil}},
			step{answer(Removed), does{Ended, 0, 0, []Op{Finish}}}, step{Event{Kind: Start}, does{Ended, 0, 0, nil}})},
		{"un-registering fails", Stop, append(up, step{Event{Kind: Shutdown}, does{Unregistering, unregister, 0, []Op{StopTimer}}},
			step{answer(Silent), does{Ended, 0, 0, []Op{Finish}}})},
		{"shut down while it registers", Stop, append(begin, step{Event{Kind: Shutdown}, does{Unregistering, 0, 0, nil}},
			step{ok(asked), does{Unregistering, unregister, 0, nil}}, step{answer(Removed), does{Ended, 0, 0, []Op{Finish}}})},
		{"shut down while it registers in vain", Stop, append(begin, step{Event{Kind: Shutdown}, does{Unregistering, 0, 0, nil}},
			step{answer(Unreachable), does{Ended, 0, 0, []Op{Finish}}})},
		{"shut down while it waits", Stop, append(begin, step{answer(Refused), does{Waiting, 0, 20 * time.Second, nil}},
			step{Event{Kind: Shutdown}, does{Ended, 0, 0, []Op{StopTimer, Finish}}})},
		{"shut down before it began", Stop, []step{{Event{Kind: Shutdown}, does{Ended, 0, 0, []Op{Finish}}}}},
		{"an answer that nobody waits for", Stop, append(up, step{answer(Forbidden), does{Registered, 0, 0, nil}})},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := &Machine{Expires: asked, On403: row.policy}
			for i, s := range row.steps {
				got := m.Handle(s.event)
				s.check(t, i, m, got)
			}
		})
	}
}

type step struct {
	event Event
	does  does
}

func (s step) check(t *testing.T, i int, m *Machine, got []Action) {
	t.Helper()
	want := s.does
	if m.State() != want.state {
		t.Fatalf("step %d: state %s, want %s", i, m.State(), want.state)
	}
	for _, a := range got {
		switch {
		case a.Op == Send && want.send == unregister && a.Expires == 0, a.Op == Send && want.send > 0 && a.Expires == want.send:
			want.send = 0
		case a.Op == Wait && want.wait > 0 && a.Delay == want.wait:
			want.wait = 0
		case len(want.other) > 0 && a.Op == want.other[0]:
			want.other = want.other[1:]
		default:
			t.Errorf("step %d: %+v is not wanted", i, a)
		}
	}
	if want.send != 0 || want.wait != 0 || len(want.other) != 0 {
		t.Errorf("step %d: not done: %+v", i, want)
	}
}

// TestPropertyMachine: whatever happens in whatever order, one REGISTER at most
// is under way, what waits has a timer and what does not has none, pauses are
// bounded, and Shutdown leads to the end once the answer is there.
func TestPropertyMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &Machine{Expires: time.Duration(rapid.IntRange(1, 86400).Draw(t, "expires")) * time.Second, On403: Policy(rapid.IntRange(0, 1).Draw(t, "policy"))}
		under, timer, finished := false, false, 0
		feed := func(ev Event) {
			before := m.State()
			if ev.Kind == Answer {
				under = false
			}
			if ev.Kind == Timer {
				timer = false
			}
			for _, a := range m.Handle(ev) {
				switch a.Op {
				case Send:
					if under {
						t.Fatalf("%s, %+v: a second REGISTER at once", before, ev)
					}
					under = true
				case Wait:
					if a.Delay <= 0 || a.Delay > MostExpires {
						t.Fatalf("%s, %+v: waits %s", before, ev, a.Delay)
					}
					if m.State() == Waiting && a.Delay > retryAfterMost*11/10 {
						t.Fatalf("retries in %s", a.Delay)
					}
					timer = true
				case StopTimer:
					timer = false
				case Finish:
					finished++
				}
			}
			asking := m.State() == Registering || m.State() == Refreshing || m.State() == Unregistering
			if timer != (m.State() == Waiting || m.State() == Registered) || under != asking || finished > 1 || (finished == 1) != (m.State() == Ended) {
				t.Fatalf("%s -> %s after %+v: timer %v, under way %v, finished %d", before, m.State(), ev, timer, under, finished)
			}
		}
		feed(Event{Kind: Start})
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			ev := Event{Kind: Kind(rapid.IntRange(int(Start), int(Lost)).Draw(t, "kind")), Luck: rapid.Float64Range(0, 1).Draw(t, "luck")}
			if rapid.IntRange(0, 30).Draw(t, "shutdown") == 0 {
				ev.Kind = Shutdown
			}
			if ev.Kind == Answer && !under || ev.Kind == Timer && !timer {
				continue
			}
			ev.Outcome = Outcome(rapid.IntRange(int(Confirmed), int(Unreachable)).Draw(t, "outcome"))
			seconds := func(name string) time.Duration {
				return time.Duration(rapid.IntRange(0, 1<<31-1).Draw(t, name)) * time.Second
			}
			ev.Granted, ev.MinExpires, ev.RetryAfter = seconds("granted"), seconds("min"), seconds("after")
			feed(ev)
		}
		feed(Event{Kind: Shutdown})
		for i := 0; m.State() != Ended; i++ {
			if i == 2 {
				t.Fatalf("%s does not end", m.State())
			}
			feed(Event{Kind: Answer, Outcome: Confirmed, Granted: time.Minute})
		}
	})
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range States() {
		if seen[s.String()] || s.Up() != (s == Registered || s == Refreshing) {
			t.Errorf("%v", s)
		}
		seen[s.String()] = true
	}
	for _, o := range append(Outcomes(), Pending) {
		good := o == Pending || o == Confirmed || o == Removed
		if len(o.String()) == 0 || o.String()[0] == 'O' || (o.Advice() == "") != good || o.words() == "" {
			t.Errorf("%d: %s, %q", o, o, o.Advice())
		}
	}
	for _, p := range []Policy{Stop, Retry} {
		if got, err := ParsePolicy(p.String()); err != nil || got != p {
			t.Errorf("%v, %v", got, err)
		}
	}
	if _, err := ParsePolicy("never"); err == nil || State(99).String() != "State(99)" || Outcome(99).String() != "Outcome(99)" || Policy(9).String() != "Policy(9)" {
		t.Error("strangers have names")
	}
	for code, want := range map[int]Outcome{302: Redirected, 403: Forbidden, 404: Unknown, 423: TooBrief, 503: Overloaded, 408: Silent, 420: Refused, 603: Refused} {
		if got := OutcomeOf(code); got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}
