package trunk

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

// Whatever the answers: the state changes exactly when enough in a row speak
// against it.
func TestPropertyPulse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Health{Interval: time.Second, DownAfter: rapid.IntRange(1, 5).Draw(t, "down"), UpAfter: rapid.IntRange(1, 5).Draw(t, "up")}
		var p pulse
		answers := rapid.SliceOf(rapid.Bool()).Draw(t, "answers")
		row := 0 // answers of one kind that came last, since the state changed
		for i, ok := range answers {
			if i > 0 && answers[i-1] != ok {
				row = 0
			}
			row++
			was := p.down
			changed := p.note(h, ok, epoch.Add(time.Duration(i)))
			want := ok && was && row >= h.UpAfter || !ok && !was && row >= h.DownAfter
			if changed != want || p.down != (was != want) {
				t.Fatalf("after %v: changed %v, want %v", answers[:i+1], changed, want)
			}
			if changed {
				row = 0
			}
		}
	})
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDesk(quiet(), nil)
		var all []*Trunk
		for _, name := range []string{"a", "b", "c", "d"} {
			tr := named(name, transport.Carrier)
			tr.Health = Health{Interval: time.Second, DownAfter: 1, UpAfter: 1}
			all = append(all, tr)
		}
		is := func(what, want string) {
			t.Helper()
			if got := names(d.Order(all)); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		is("all up", "a b c d")
		d.Dead(all[0], "refused")
		d.Rest(all[1], 10*time.Second)
		is("one down, one resting", "c d b a")
		d.Dead(all[2], "refused")
		d.Dead(all[3], "refused")
		is("the last resort", "b a c d")
		time.Sleep(10 * time.Second)
		d.Alive(all[3], time.Millisecond)
		is("rested, one up again", "b d a c")
		if s := d.Status(all); s[3].RoundTrip != time.Millisecond || !s[3].Up || s[0].Fault != "refused" || s[0].Up || !s[1].Resting.IsZero() {
			t.Errorf("%+v", s)
		}
		d.Rest(all[1], time.Hour)
		time.Sleep(longestRest)
		is("nobody rests that long", "b d a c")
		for _, tr := range all {
			tr.Health = Health{}
		}
		d.Watch(all)
		is("not watched any more", "a b c d")
	})
}

// What is known of a trunk outlives a reload; of one that is gone nothing is
// published, and a call that it still has does no harm.
func TestReload(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	d := NewDesk(quiet(), NewMetrics(reg))
	series := func(name string) int {
		n, err := testutil.GatherAndCount(reg, name)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	tr := named("telco", transport.Carrier)
	tr.Health = Health{Interval: time.Second, DownAfter: 1, UpAfter: 1}
	d.Watch([]*Trunk{tr})
	p, err := d.Arrive(tr)
	if err != nil {
		t.Fatal(err)
	}
	d.Dead(tr, "refused")
	other := *tr
	other.Limits.Calls = 1
	d.Watch([]*Trunk{&other})
	if s := d.Status([]*Trunk{&other})[0]; s.Calls != 1 || s.Up {
		t.Errorf("%+v", s)
	}
	if _, err := d.Arrive(&other); err == nil {
		t.Error("the call that was there is forgotten")
	}
	d.Watch(nil)
	p.Release()
	if up, calls := series("callseal_trunk_up"), series("callseal_trunk_calls"); up+calls != 0 {
		t.Errorf("%d and %d series of a trunk that is gone", up, calls)
	}
	d.Watch(nil)
	if len(d.posts) != 0 {
		t.Error("it is kept")
	}
}
