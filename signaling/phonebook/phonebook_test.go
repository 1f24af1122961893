package phonebook

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"callseal/sdp"
	"callseal/signaling/auth"
)

func account(user string, dialers ...string) Account {
	a := Account{User: user, Keys: auth.NewKeys(user, "asterisk", auth.NewSecret("secret-"+user))}
	for _, d := range dialers {
		a.Lines = append(a.Lines, Line{Dialer: d, User: user, Keys: a.Keys})
	}
	return a
}

func TestWhereAPhoneGoes(t *testing.T) {
	plan := Plan{Default: "d1", Map: map[string]string{"102": "d3", "103": "d2", "900": "d2"}}
	b := New(plan, []Account{account("101", "d1", "d2"), account("102", "d1"), account("103", "d1", "d2"), account("104"), account("101", "d9")})
	if b.Len() != 4 {
		t.Errorf("%d accounts", b.Len())
	}
	for user, want := range map[string][]string{"101": {"d1", "d2"}, "102": {"d3"}, "103": {"d2"}, "104": {"d1"}, "900": {"d2"}, "901": {"d1"}} {
		var got []string
		for _, l := range b.Find(user).Lines {
			got = append(got, l.Dialer)
			if l.User != user {
				t.Errorf("%s is %s at %s", user, l.User, l.Dialer)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s goes to %v, want %v", user, got, want)
		}
	}
	for line, want := range map[lineOf]bool{{"d1", "101"}: true, {"d2", "101"}: true, {"d3", "101"}: false, {"d3", "102"}: true, {"d1", "102"}: false, {"d1", "104"}: true, {"d1", "901"}: false} {
		if got := b.Has(line.dialer, line.user); got != want {
			t.Errorf("%s has %s: %t", line.dialer, line.user, got)
		}
	}
	if l := b.Find("102").Lines[0]; !l.Keys.Equal(account("102").Keys) {
		t.Error("a mapped line has not its phone's keys")
	}
	for user, want := range map[string]bool{"101": true, "900": false} {
		if _, known := b.Keys(user); known != want {
			t.Errorf("%s is known: %t", user, known)
		}
	}
	if lines := New(Plan{}, nil).Find("101").Lines; len(lines) != 0 {
		t.Errorf("a plan without a default places phones at %v", lines)
	}
	var none *Book
	if _, known := none.Keys("101"); known || none.Len() != 0 || len(none.Find("101").Lines) != 0 {
		t.Error("no book knows phones")
	}
}

func TestPolicies(t *testing.T) {
	off := sdp.Off
	plan := Plan{
		Policies: []PolicyOf{{Patterns{"101"}, Policy{Media: &off}}, {Patterns{"10*"}, Policy{TLS: true}}},
		Rollout:  &Rollout{Who: Patterns{"200", "3*"}},
	}
	for _, row := range []struct {
		user  string
		rest  Rest
		tls   bool
		media string
		stage Stage
	}{
		{"101", Refuse, false, "off", Settled},
		{"102", Refuse, true, "", Settled},
		{"200", Refuse, true, "required", Reached},
		{"2001", Refuse, false, "", Held},
		{"301", Plain, true, "required", Reached},
		{"400", Plain, false, "", Waiting},
	} {
		plan.Rollout.Rest = row.rest
		e := New(plan, nil).Find(row.user)
		media := ""
		if e.Media != nil {
			media = e.Media.String()
		}
		if e.TLS != row.tls || media != row.media || e.Stage != row.stage {
			t.Errorf("%s: TLS %t, media %q, %s", row.user, e.TLS, media, e.Stage)
		}
	}
	if e := New(Plan{}, nil).Find("101"); e.TLS || e.Media != nil || e.Stage != Settled {
		t.Errorf("without a plan: %+v", e.Policy)
	}
}

// TestPropertyAPercentageOnlyGrows: whom a rollout has reached stays reached when its percentage rises; 0 is nobody, 100 everybody, and between
// them about as many as it says.
func TestPropertyAPercentageOnlyGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.StringMatching(`[0-9a-z]{1,12}`).Draw(t, "user")
		reached := false
		for percent := 0; percent <= 100; percent++ {
			now := (&Rollout{Percent: percent}).reaches(user)
			if reached && !now || percent == 0 && now || percent == 100 && !now {
				t.Fatalf("%s at %d: %t after %t", user, percent, now, reached)
			}
			reached = now
		}
	})
	n := 0
	for i := range 1000 {
		if (&Rollout{Percent: 10}).reaches(fmt.Sprint(1000 + i)) {
			n++
		}
	}
	if n < 50 || n > 150 {
		t.Errorf("10 %% of 1000 phones are %d", n)
	}
}
