package transport

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var usual = BanRule{After: 5, Within: time.Minute, For: 5 * time.Minute}

func TestOffencesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range Offences() {
		if s := o.String(); seen[s] || o.advice() == "" || s == Offence(0).String() {
			t.Errorf("offence %d: %q, advice %q", o, s, o.advice())
		}
		seen[o.String()] = true
	}
	if Offence(0).advice() != "" || Offence(9).String() != "offence(9)" {
		t.Error("no offence has a name or advice")
	}
}

// The table agrees with a model that keeps every offence there ever was, while it is small enough not to forget.
func TestPropertyBans(t *testing.T) {
	type entry struct {
		offences, grave int
		since           time.Time
		until           time.Time
		door            bool
	}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("192.0.2.2"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2:3"), netip.MustParseAddr("2001:db8:0:1::1")}
	rapid.Check(t, func(t *rapid.T) {
		rule := BanRule{After: rapid.IntRange(1, 6).Draw(t, "after"), Within: time.Minute, For: 2 * time.Minute}
		now := time.Unix(1e9, 0)
		b := newBans(rule, now)
		model := map[mark]*entry{}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			proto := rapid.SampledFrom(Protos()).Draw(t, "proto")
			who := markOf(rapid.SampledFrom(addrs).Draw(t, "addr"), proto)
			e := model[who]
			if e == nil {
				e = &entry{}
				model[who] = e
			}
			banned := now.Before(e.until)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				if got := b.lift(who, now); got != banned {
					t.Fatalf("lifted %v, want %v", got, banned)
				}
				*e = entry{}
			case 1, 2:
				if got, door := b.holds(who, now); got != banned || door != (banned && e.door) {
					t.Fatalf("held %v, door %v, want %v, %v", got, door, banned, e.door)
				}
			default:
				o, want := offence{why: OffenceMalformed, grave: rapid.Bool().Draw(t, "grave")}, false
				if !banned || e.door && o.grave {
					if e.offences == 0 && e.grave == 0 || now.Sub(e.since) > rule.Within {
						*e = entry{since: now, until: e.until, door: e.door}
					}
					e.offences++
					if o.grave {
						e.grave++
					}
					switch {
					case e.grave == rule.After:
						*e, want = entry{until: now.Add(rule.For)}, true
					case !banned && e.offences >= rule.After:
						e.offences, e.until, e.door, want = 0, now.Add(rule.For), true, true
					}
				}
				ban, got := b.offend(who, o, now)
				if got != want || got && (!ban.Until.Equal(now.Add(rule.For)) || !ban.Who.Contains(who.prefix().Addr()) || ban.Stream != proto.Stream() || ban.Door != e.door) {
					t.Fatalf("banned %v as %+v, want %v %+v", got, ban, want, e)
				}
			}
			living := 0
			for _, e := range model {
				if now.Before(e.until) {
					living++
				}
			}
			if got := len(b.all(now)); got != living {
				t.Fatalf("%d bans, want %d", got, living)
			}
		}
	})
}

func TestBanNeighbourhood(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		pa, pb     Proto
		same       bool
	}{
		{"IPv4 mapped", "192.0.2.1", "::ffff:192.0.2.1", UDP, UDP, true},
		{"another IPv4 address", "192.0.2.1", "192.0.2.2", UDP, UDP, false},
		{"one IPv6 network", "2001:db8::1", "2001:db8::ffff:1", TLS, TLS, true},
		{"another IPv6 network", "2001:db8::1", "2001:db8:0:1::1", TLS, TLS, false},
		{"a zone", "fe80::1%eth0", "fe80::2", TCP, TCP, true},
		{"both streams", "192.0.2.1", "192.0.2.1", TCP, TLS, true},
		{"a datagram may be forged", "192.0.2.1", "192.0.2.1", UDP, TLS, false},
	} {
		if got := markOf(netip.MustParseAddr(c.a), c.pa) == markOf(netip.MustParseAddr(c.b), c.pb); got != c.same {
			t.Errorf("%s: same %v, want %v", c.name, got, c.same)
		}
	}
}

// A flood of forged addresses, with one datagram each, forgets no ban and takes no more than its room; a flood with five each forgets old bans.
func TestForgedFloodIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := newBans(usual, now)
	scanner := markOf(netip.MustParseAddr("192.0.2.1"), UDP)
	for range usual.After {
		b.offend(scanner, offence{why: OffenceScanner}, now)
	}
	forged := func(i int) mark {
		return markOf(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), UDP)
	}
	for i := range 2 * maxSuspects {
		if _, ok := b.offend(forged(i), offence{why: OffenceUnknown}, now); ok {
			t.Fatal("banned for one offence")
		}
	}
	if held, _ := b.holds(scanner, now); !held {
		t.Error("the ban is forgotten")
	}
	if got := b.suspects.len(); got != maxSuspects || len(b.suspects.slots) > maxSuspects {
		t.Errorf("%d suspects in %d slots", got, len(b.suspects.slots))
	}
	if b.suspects.get(forged(0)) != nil || b.suspects.get(forged(2*maxSuspects-1)) == nil {
		t.Error("not the eldest is forgotten")
	}
	for i := range maxBans {
		for range usual.After {
			b.offend(forged(i), offence{why: OffenceUnknown}, now)
		}
	}
	held, _ := b.holds(scanner, now)
	if got := len(b.all(now)); got != maxBans || len(b.banned.slots) > maxBans || held {
		t.Errorf("%d bans in %d slots, the eldest among them: %v", got, len(b.banned.slots), held)
	}
	if next, ok := b.sweep(now.Add(usual.For)); ok || len(b.all(now.Add(usual.For))) != 0 || b.living.Load() != 0 {
		t.Errorf("left after the time: next %v", next)
	}
}

func TestHoldsDoesNotAllocate(t *testing.T) {
	now := time.Now()
	b := newBans(usual, now)
	who := netip.MustParseAddr("192.0.2.1")
	for range usual.After {
		b.offend(markOf(who, UDP), offence{why: OffenceUnknown}, now)
	}
	if n := testing.AllocsPerRun(100, func() { b.holds(markOf(who, UDP), now); b.drop(markOf(who, UDP)) }); n != 0 {
		t.Errorf("%v allocations for a datagram that is dropped", n)
	}
	if got := b.all(now)[0].Dropped; got < 100 {
		t.Errorf("%d dropped", got)
	}
}

// The ledger agrees with a list.
func TestPropertyLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(1, 6).Draw(t, "room")
		l := newLedger[int](room)
		var model []mark // the eldest first
		values := map[mark]int{}
		forget := func(who mark) {
			for i, m := range model {
				if m == who {
					model = append(model[:i:i], model[i+1:]...)
					return
				}
			}
		}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			who := mark{addr: [16]byte{byte(rapid.IntRange(0, 8).Draw(t, "who"))}}
			has := l.get(who) != nil
			if _, want := values[who]; has != want || has && *l.get(who) != values[who] {
				t.Fatalf("has %v, want %v", has, want)
			}
			switch op := rapid.IntRange(0, 2).Draw(t, "op"); {
			case op == 0 && !has:
				if len(model) == room {
					delete(values, model[0])
					model = model[1:]
				}
				*l.add(who) = i
				values[who], model = i, append(model, who)
			case op == 1:
				l.renew(who)
				if has {
					forget(who)
					model = append(model, who)
				}
			case op == 2:
				if l.drop(who) != has {
					t.Fatal("dropped what was not there, or did not")
				}
				delete(values, who)
				forget(who)
			}
			var got []mark
			l.each(func(m mark, v int) {
				if got = append(got, m); v != values[m] {
					t.Fatalf("%v has %d, want %d", m, v, values[m])
				}
			})
			if len(got) != len(model) || l.len() != len(model) || len(l.slots) > room {
				t.Fatalf("%d entries in %d slots, want %d", len(got), len(l.slots), len(model))
			}
			for i := range got {
				if got[i] != model[i] {
					t.Fatalf("order %v, want %v", got, model)
				}
			}
		}
	})
}
