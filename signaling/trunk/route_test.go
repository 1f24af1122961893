package trunk

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

func names(trunks []*Trunk) string {
	var all []string
	for _, t := range trunks {
		all = append(all, t.Name())
	}
	return strings.Join(all, " ")
}

// Which of the routes that fit counts, and what is left of the number.
func TestFind(t *testing.T) {
	const dialer, carrier, phone = transport.Dialer, transport.Carrier, transport.Phone
	d1, d2 := named("dialer1", dialer), named("dialer2", dialer)
	a, b, c := named("a", carrier), named("b", carrier), named("c", carrier)
	table := Table{Trunks: []*Trunk{d1, d2, a, b, c}, Routes: []Route{
		{From: dialer, To: To(a, b)},
		{From: dialer, Prefix: "44", To: To(b)},
		{From: dialer, Prefix: "+4420", To: To(c, b)},
		{From: dialer, TechPrefix: "55#", To: To(c)},
		{From: dialer, TechPrefix: "55#7", Prefix: "1", To: To(b)},
		{From: dialer, Listener: "special", To: To(b, c)},
		{From: dialer, Listener: "special", Prefix: "1", To: To(c)},
		{From: dialer, Caller: "dialer2", To: To(c, a)},
		{From: dialer, Carrier: "cheap", To: To(c, b, a)},
		{From: carrier, Prefix: "1800", To: To(d2)},
		{From: carrier, To: To(d1)},
	}}
	for _, row := range []struct {
		what, want string // trunks and number, or the error
		w          Wanted
	}{
		{"no condition", "a b 1555", Wanted{Role: dialer, Name: "dialer1", Number: "1555"}},
		{"a prefix", "b 4477", Wanted{Role: dialer, Name: "dialer1", Number: "4477"}},
		{"the longer prefix, + or not", "c b 442079", Wanted{Role: dialer, Name: "dialer1", Number: "442079"}},
		{"+ stays in the number", "b +4477", Wanted{Role: dialer, Name: "dialer1", Number: "+4477"}},
		{"a tech prefix is stripped", "c 1555", Wanted{Role: dialer, Name: "dialer1", Number: "55#1555"}},
		{"a hash as Asterisk writes it", "c 1555", Wanted{Role: dialer, Name: "dialer1", Number: "55%231555"}},
		{"such a tech prefix alone is a number", "a b 55%23", Wanted{Role: dialer, Name: "dialer1", Number: "55%23"}},
		{"the longer tech prefix", "b 1555", Wanted{Role: dialer, Name: "dialer1", Number: "55#71555"}},
		{"a tech prefix goes before a listener", "c 44", Wanted{Role: dialer, Name: "dialer1", Number: "55#44", Listener: "special"}},
		{"a tech prefix alone is a number", "a b 55#", Wanted{Role: dialer, Name: "dialer1", Number: "55#"}},
		{"a listener goes before a caller and a prefix", "b c 4420", Wanted{Role: dialer, Name: "dialer2", Number: "4420", Listener: "special"}},
		{"a listener and a prefix", "c 1555", Wanted{Role: dialer, Name: "dialer1", Number: "1555", Listener: "special"}},
		{"a caller goes before a prefix", "c a 4420", Wanted{Role: dialer, Name: "dialer2", Number: "4420"}},
		{"the header names a carrier", "b 4420", Wanted{Role: dialer, Name: "dialer2", Number: "4420", Carrier: " B "}},
		{"the header names several", "c a 55#1", Wanted{Role: dialer, Name: "dialer1", Number: "55#1", Carrier: "c,a, c"}},
		{"the header names a route", "c b a 1", Wanted{Role: dialer, Name: "dialer1", Number: "1", Carrier: "CHEAP"}},
		{"the header names nobody", "trunk: no carrier x", Wanted{Role: dialer, Name: "dialer1", Number: "1", Carrier: "a,x"}},
		{"the header names a dialer", "trunk: no carrier dialer2", Wanted{Role: dialer, Name: "dialer1", Number: "1", Carrier: "dialer2"}},
		{"the header of a carrier", "dialer1 1", Wanted{Role: carrier, Name: "a", Number: "1", Carrier: "b"}},
		{"a DID", "dialer2 +18005551212", Wanted{Role: carrier, Name: "a", Number: "+18005551212"}},
		{"nobody's", "trunk: no route", Wanted{Role: phone, Name: "phones", Number: "1"}},
	} {
		got, err := table.Find(row.w)
		text := names(got.Trunks) + " " + got.Number
		if err != nil {
			text = err.Error()
		}
		if text != row.want {
			t.Errorf("%s: %q, want %q", row.what, text, row.want)
		}
	}
	if _, err := table.Find(Wanted{Role: phone}); !errors.Is(err, ErrNoRoute) {
		t.Error(err)
	}
}

// Shares are what the weights say, and priorities are kept.
func TestWeights(t *testing.T) {
	const carrier = transport.Carrier
	a, b, c, d, e := named("a", carrier), named("b", carrier), named("c", carrier), named("d", carrier), named("e", carrier)
	table := Table{Routes: []Route{{From: transport.Dialer, To: []Destination{
		{e, 2, 1}, {c, 1, 0}, {a, 1, 3}, {b, 1, 1}, {d, 1, 0},
	}}}}
	const draws = 20000
	rng := rand.New(rand.NewPCG(1, 2))
	first, fourth := map[string]int{}, map[string]int{}
	for range draws {
		got, err := table.Find(Wanted{Role: transport.Dialer, Random: rng.IntN})
		if err != nil || len(got.Trunks) != 5 || got.Trunks[4] != e {
			t.Fatal(names(got.Trunks), err)
		}
		first[got.Trunks[0].Name()]++
		fourth[got.Trunks[3].Name()]++
	}
	near := func(n, want int) bool { return n > want-draws/50 && n < want+draws/50 }
	if len(first) != 2 || !near(first["a"], draws*3/4) || len(fourth) != 2 || !near(fourth["c"], draws/2) {
		t.Errorf("first %v, fourth %v", first, fourth)
	}
}

// Whatever the table: who is found is what the best route has, each trunk once
// and by priority; what Shadows calls unreachable is never reached; the same
// randomness gives the same order.
func TestPropertyFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trunks := []*Trunk{named("a", transport.Carrier), named("b", transport.Carrier), named("c", transport.Carrier), named("d", transport.Dialer)}
		prefix := rapid.SampledFrom([]string{"", "1", "12", "+12", "13", "+"})
		word := func(words ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(words, "", "")) }
		routes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Route {
			return Route{
				From: rapid.SampledFrom([]transport.Role{transport.Dialer, transport.Carrier}).Draw(t, "from"), Caller: word("x", "y").Draw(t, "caller"),
				Listener: word("l").Draw(t, "listener"), Carrier: word("a", "z").Draw(t, "carrier"),
				TechPrefix: rapid.SampledFrom([]string{"", "", "1", "12", "9#"}).Draw(t, "tech"), Prefix: prefix.Draw(t, "prefix"),
				To: rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Destination {
					return Destination{rapid.SampledFrom(trunks).Draw(t, "trunk"), rapid.IntRange(0, 2).Draw(t, "priority"), rapid.IntRange(0, 2).Draw(t, "weight")}
				}), 1, 4, func(d Destination) *Trunk { return d.Trunk }).Draw(t, "to"),
			}
		}), 0, 6).Draw(t, "routes")
		table := Table{Trunks: trunks, Routes: routes}
		seed := rapid.Uint64().Draw(t, "seed")
		w := Wanted{
			Role: rapid.SampledFrom(transport.Roles()).Draw(t, "role"), Name: word("x", "y").Draw(t, "name"), Listener: word("l").Draw(t, "in"),
			Carrier: word("a", "z", "b, c", "q").Draw(t, "header"), Number: rapid.StringMatching(`\+?(9#)?1[123]{0,3}`).Draw(t, "number"),
		}
		find := func(table *Table) (Choice, error) {
			w.Random = rand.New(rand.NewPCG(seed, 1)).IntN
			return table.Find(w)
		}
		got, err := find(&table)
		again, _ := find(&table)
		if !slices.Equal(got.Trunks, again.Trunks) {
			t.Fatalf("%s, then %s", names(got.Trunks), names(again.Trunks))
		}
		if (err == nil) == (len(got.Trunks) == 0) || err == nil && !strings.HasSuffix(w.Number, got.Number) {
			t.Fatalf("%s %q %v", names(got.Trunks), got.Number, err)
		}
		for i, tr := range got.Trunks {
			if slices.Contains(got.Trunks[:i], tr) {
				t.Fatalf("%s: one twice", names(got.Trunks))
			}
		}
		reachable := Table{Trunks: trunks}
		for i := range routes {
			if !slices.ContainsFunc(routes, func(r Route) bool { return routes[i].less(&r) && r.Shadows(&routes[i]) }) {
				reachable.Routes = append(reachable.Routes, routes[i])
			}
		}
		without, err2 := find(&reachable)
		if !slices.Equal(got.Trunks, without.Trunks) || got.Number != without.Number || (err == nil) != (err2 == nil) {
			t.Fatalf("%s %q, without what is shadowed %s %q", names(got.Trunks), got.Number, names(without.Trunks), without.Number)
		}
	})
}

// less keeps one of two routes that shadow each other.
func (r *Route) less(o *Route) bool { return o.Shadows(r) && !r.Shadows(o) }
