package signaling

import (
	"slices"
	"testing"
	"time"

	"callseal/signaling/auth"
	"callseal/signaling/phonebook"
	"callseal/signaling/register"
)

// What the API says of a phone: where it stands in the rollout, and how its registrations at dialers are, with the reason of one that failed.
func TestPhoneStatus(t *testing.T) {
	f := newFixture(t, local(func(c *Config) {
		c.Accounts.Plan.Rollout = &phonebook.Rollout{Who: phonebook.Patterns{"999"}, Rest: phonebook.Plain}
	}))
	p := newTelephone(t, f, "agent1", "secret-agent1")
	wantStatus(t, p.proves("REGISTER", "agent1", "Expires: 60\n", ""), "200 OK")
	f.takesRegistration(t, "201", "secret-201")
	line := func(user string, fits func(LineStatus) bool) LineStatus {
		t.Helper()
		var all []PhoneStatus
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) { // until the dialer's answer has come
			all = f.Phones()
			if i := slices.IndexFunc(all, func(p PhoneStatus) bool { return p.User == user }); i >= 0 && len(all[i].Lines) == 1 && fits(all[i].Lines[0]) {
				return all[i].Lines[0]
			}
		}
		t.Fatalf("%+v", all)
		return LineStatus{}
	}
	line("agent1", func(l LineStatus) bool {
		return l.Dialer == "dialer1" && l.User == "201" && l.State == register.Registered && l.Code == 200 && l.Phrase == "" && l.Expires.After(time.Now())
	})
	if stage := f.Phones()[0].Stage; stage != phonebook.Waiting {
		t.Errorf("stage %s", stage)
	}

	wantStatus(t, newTelephone(t, f, "102", "secret-102").proves("REGISTER", "102", "Expires: 60\n", ""), "200 OK")
	a := auth.NewServer("asterisk", func(string) (auth.Keys, bool) { return auth.Keys{}, false })
	ask := a.Challenges("callseal", false, time.Now(), []auth.Algorithm{auth.MD5})[0]
	f.dialer.answer(f.dialer.want("REGISTER "), "401 Unauthorized", "d", "WWW-Authenticate: "+ask+"\n", "")
	f.dialer.answer(f.dialer.want("REGISTER "), "403 Forbidden", "d", "", "")
	if l := line("102", func(l LineStatus) bool { return l.State == register.Waiting }); l.Code != 403 || l.Failures != 1 || l.Phrase == "" || l.Next.IsZero() {
		t.Errorf("%+v", l)
	}
}
