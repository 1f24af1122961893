package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"
)

var both = []Algorithm{SHA256, MD5}

const remote = "192.0.2.7"

// users has one, alice, whose password is "wonderland".
func users(user string) (Keys, bool) {
	if user != "alice" {
		return Keys{}, false
	}
	return NewKeys(user, "asterisk", NewSecret("wonderland")), true
}

// asked takes the nonce out of a challenge of ours, as a client reads it.
func asked(t interface{ Fatalf(string, ...any) }, value string) Challenge {
	all, err := ParseChallenges(value)
	if err != nil || len(all) != 1 {
		t.Fatalf("challenge %q: %v", value, err)
	}
	return all[0]
}

// answered is what a client with a password says.
func answered(ch Challenge, user, password, method string, count uint32, legacy bool) string {
	p := Proof{Algorithm: ch.Algorithm, Realm: ch.Realm, Nonce: ch.Nonce, CNonce: "0a4f113b", QOP: "auth", Count: fmt.Sprintf("%08x", count),
		Method: method, URI: "sip:example.com"}
	protection := `, qop=auth, cnonce="0a4f113b", nc=` + p.Count
	if legacy {
		p.QOP, protection = "", ""
	}
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="sip:example.com", algorithm=%s, response="%s"%s`,
		user, ch.Realm, ch.Nonce, ch.Algorithm, p.Response(ch.Algorithm.Hash(user, ch.Realm, password)), protection)
}

// capitals writes the response in upper case, as some clients do.
func capitals(header string) string {
	before, response, _ := strings.Cut(header, `response="`)
	return before + `response="` + strings.ToUpper(response[:32]) + response[32:]
}

func TestCheck(t *testing.T) {
	s := NewServer("asterisk", users)
	now := time.Now()
	challenges := s.Challenges(remote, false, now, both)
	if len(challenges) != 2 || strings.Contains(challenges[0], "stale") {
		t.Fatalf("challenges %q", challenges)
	}
	sha, md := asked(t, challenges[0]), asked(t, challenges[1])
	if sha.Algorithm != SHA256 || md.Algorithm != MD5 || !slices.Equal(sha.QOP, []string{"auth"}) {
		t.Fatalf("challenges %q", challenges)
	}
	if stale := asked(t, s.Challenges(remote, true, now, both)[0]); !stale.Stale {
		t.Error("stale is not said")
	}
	fresh := func(a Algorithm) Challenge { return asked(t, s.Challenges(remote, false, now, []Algorithm{a})[0]) }
	used := fresh(MD5)
	s.Check("INVITE", "sip:example.com", []string{answered(used, "alice", "wonderland", "INVITE", 5, false)}, remote, now, both)
	for _, row := range []struct {
		name   string
		header string
		from   string
		after  time.Duration
		want   Verdict
	}{
		{"SHA-256", answered(sha, "alice", "wonderland", "INVITE", 1, false), remote, 0, Accepted},
		{"MD5", answered(md, "alice", "wonderland", "INVITE", 1, false), remote, 0, Accepted},
		{"without qop", answered(fresh(MD5), "alice", "wonderland", "INVITE", 0, true), remote, 0, Accepted},
		{"at the end of its life", answered(fresh(MD5), "alice", "wonderland", "INVITE", 1, false), remote, Lifetime - time.Second, Accepted},
		{"capital digits", capitals(answered(fresh(MD5), "alice", "wonderland", "INVITE", 1, false)), remote, 0, Accepted},
		{"too old", answered(fresh(MD5), "alice", "wonderland", "INVITE", 1, false), remote, Lifetime + time.Millisecond, Stale},
		{"of another remote", answered(fresh(MD5), "alice", "wonderland", "INVITE", 1, false), "192.0.2.8", 0, Stale},
		{"of another process", answered(asked(t, NewServer("asterisk", users).Challenges(remote, false, now, both)[0]), "alice", "wonderland", "INVITE", 1, false), remote, 0, Stale},
		{"another spelling of a nonce", answered(Challenge{Realm: "asterisk", Algorithm: MD5, Nonce: fresh(MD5).Nonce + "="}, "alice", "wonderland", "INVITE", 1, false), remote, 0, Stale},
		{"the same again", answered(used, "alice", "wonderland", "INVITE", 5, false), remote, 0, Stale},
		{"a lower count, not used", answered(used, "alice", "wonderland", "INVITE", 4, false), remote, 0, Accepted},
		{"no count after counts", answered(used, "alice", "wonderland", "INVITE", 0, true), remote, 0, Stale},
		{"a wrong password", answered(fresh(MD5), "alice", "wonderlanD", "INVITE", 1, false), remote, 0, Wrong},
		{"for another method", answered(fresh(MD5), "alice", "wonderland", "REGISTER", 1, false), remote, 0, Wrong},
		{"an unknown user", answered(fresh(MD5), "bob", "wonderland", "INVITE", 1, false), remote, 0, Wrong},
		{"another realm", answered(Challenge{Realm: "other", Algorithm: MD5, Nonce: fresh(MD5).Nonce}, "alice", "wonderland", "INVITE", 1, false), remote, 0, Missing},
		{"an algorithm not offered", answered(Challenge{Realm: "asterisk", Algorithm: SHA512256, Nonce: fresh(MD5).Nonce}, "alice", "wonderland", "INVITE", 1, false), remote, 0, Missing},
		{"Basic", "Basic YWxpY2U6d29uZGVybGFuZA==", remote, 0, Missing},
		{"no digest", "Digest", remote, 0, Malformed},
		{"not closed", `Digest username="alice`, remote, 0, Malformed},
		{"a parameter twice", `Digest username="alice", username="bob", realm="asterisk", nonce="a", uri="sip:x", response="b"`, remote, 0, Malformed},
		{"no nc", strings.ReplaceAll(answered(fresh(MD5), "alice", "wonderland", "INVITE", 1, false), "nc=", "xx="), remote, 0, Malformed},
		{"nc 0", answered(fresh(MD5), "alice", "wonderland", "INVITE", 0, false), remote, 0, Malformed},
		{"too long", `Digest username="` + strings.Repeat("a", 2000) + `", realm="asterisk", nonce="a", uri="sip:x", response="b"`, remote, 0, Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			user, v := s.Check("INVITE", "sip:example.com", []string{row.header}, row.from, now.Add(row.after), both)
			if v != row.want || v == Accepted && user != "alice" {
				t.Errorf("%s of %q, want %s", v, user, row.want)
			}
		})
	}
	if _, v := s.Check("INVITE", "sip:example.com", nil, remote, now, both); v != Missing {
		t.Errorf("without credentials: %s", v)
	}
	two := []string{answered(Challenge{Realm: "other", Algorithm: MD5, Nonce: "x"}, "alice", "y", "INVITE", 1, false), answered(fresh(MD5), "alice", "wonderland", "INVITE", 1, false)}
	if _, v := s.Check("INVITE", "sip:example.com", two, remote, now, both); v != Accepted {
		t.Errorf("behind the credentials of another realm: %s", v)
	}
}

// TestKeysOfOneAlgorithm: who is known by an MD5 digest only cannot be judged by another.
func TestKeysOfOneAlgorithm(t *testing.T) {
	keys, err := ParseKeys("asterisk", MD5.Hash("alice", "asterisk", "wonderland"))
	if err != nil || !keys.Has("asterisk", MD5) || keys.Has("asterisk", SHA256) || keys.Has("other", MD5) {
		t.Fatalf("keys: %v", err)
	}
	s := NewServer("asterisk", func(string) (Keys, bool) { return keys, true })
	now := time.Now()
	for i, want := range []Verdict{Wrong, Accepted} {
		ch := asked(t, s.Challenges(remote, false, now, both)[i])
		if _, v := s.Check("INVITE", "sip:example.com", []string{answered(ch, "alice", "wonderland", "INVITE", 1, false)}, remote, now, both); v != want {
			t.Errorf("%s: %s, want %s", ch.Algorithm, v, want)
		}
	}
	for _, bad := range []string{"", "zz", "abcd", strings.Repeat("a", 33), strings.Repeat("a", 65)} {
		if _, err := ParseKeys("asterisk", bad); err == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
	for _, text := range []string{fmt.Sprintf("%+v %#v %x %d", keys, keys, keys, keys), fmt.Sprintf("%+v", struct{ k Keys }{keys})} {
		if strings.Contains(text, MD5.Hash("alice", "asterisk", "wonderland")) {
			t.Error("a digest is printed: " + text)
		}
	}
}

// TestPropertyNoReplayIsAccepted: whatever is sent in whatever order, no answer is accepted twice, and none when its nonce is older than it may
// be; and an honest client is accepted at the second attempt at the latest.
func TestPropertyNoReplayIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewServer("asterisk", users)
		start := time.Now()
		now := start
		type sent struct {
			header string
			made   time.Time
		}
		var nonces []Challenge
		made := map[string]time.Time{}
		accepted := map[string]bool{}
		var wire []sent
		send := func(m sent) Verdict {
			_, v := s.Check("REGISTER", "sip:example.com", []string{m.header}, remote, now, both)
			if v != Accepted {
				return v
			}
			if accepted[m.header] {
				t.Fatalf("accepted again: %s", m.header)
			}
			if now.Sub(m.made) > Lifetime+time.Millisecond {
				t.Fatalf("accepted after %s", now.Sub(m.made))
			}
			accepted[m.header] = true
			return v
		}
		ask := func() Challenge {
			ch := asked(t, s.Challenges(remote, false, now, []Algorithm{MD5})[0])
			nonces, made[ch.Nonce] = append(nonces, ch), now
			return ch
		}
		ask()
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(*rapid.T) { ask() },
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			},
			"answer": func(t *rapid.T) {
				ch := rapid.SampledFrom(nonces).Draw(t, "nonce")
				count := uint32(rapid.OneOf(rapid.IntRange(1, 80), rapid.IntRange(1, 1<<32-1)).Draw(t, "count"))
				m := sent{answered(ch, "alice", "wonderland", "REGISTER", count, rapid.IntRange(0, 9).Draw(t, "legacy") == 0), made[ch.Nonce]}
				wire = append(wire, m)
				send(m)
			},
			"replay": func(t *rapid.T) {
				if len(wire) > 0 {
					send(rapid.SampledFrom(wire).Draw(t, "message"))
				}
			},
			"honest": func(*rapid.T) {
				ch := ask()
				if v := send(sent{answered(ch, "alice", "wonderland", "REGISTER", 1, false), now}); v != Accepted {
					t.Fatalf("an honest answer is %s", v)
				}
			},
		})
	})
}

// TestClientWithKeys: the keys of a user do for the password in their realm, whatever else is asked for beside.
func TestClientWithKeys(t *testing.T) {
	keys, err := ParseKeys("asterisk", MD5.Hash("alice", "asterisk", "wonderland"))
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer("asterisk", users)
	now := time.Now()
	x := NewClient(Credentials{User: "alice", Keys: keys}).Begin()
	res := sip.NewResponse(401, "Unauthorized")
	for _, value := range s.Challenges(remote, false, now, both) {
		res.AppendHeader(sip.NewHeader("WWW-Authenticate", value))
	}
	if err := x.Answer(res); err != nil {
		t.Fatal(err)
	}
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: "example.com"})
	x.Sign(req)
	if user, v := s.Check("REGISTER", "sip:example.com", []string{req.GetHeader("Authorization").Value()}, remote, now, both); v != Accepted || user != "alice" {
		t.Errorf("%s of %q", v, user)
	}
	other := sip.NewResponse(401, "Unauthorized")
	other.AppendHeader(sip.NewHeader("WWW-Authenticate", NewServer("other", users).Challenges(remote, false, now, both)[1]))
	if err := x.Answer(other); !errors.Is(err, ErrNoCredentials) {
		t.Errorf("a challenge of another realm: %v", err)
	}
}

// TestServedIsBounded: nonces that have served are forgotten at the end of their life, and never more than maxServed kept.
func TestServedIsBounded(t *testing.T) {
	m := newMint()
	s := served{nonces: map[nonceID]*window{}}
	take := func(at time.Duration) bool {
		id, ok := m.read(m.make(remote, m.since.Add(at)), remote, m.since.Add(at))
		return ok && s.take(id, 1, at)
	}
	for i := range maxServed {
		if !take(0) {
			t.Fatalf("refused the %dth", i)
		}
	}
	if take(time.Second) || len(s.nonces) != maxServed {
		t.Errorf("%d kept", len(s.nonces))
	}
	if !take(Lifetime+time.Second) || len(s.nonces) != 1 {
		t.Errorf("%d kept after their life", len(s.nonces))
	}
}

// TestUnknownUsersTakeAsLong: the medians of probes for known and unknown users, one by one in turns.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	s := NewServer("asterisk", users)
	now := time.Now()
	took := map[string][]time.Duration{}
	for range 2000 {
		for _, user := range []string{"alice", "bob"} {
			header := []string{answered(asked(t, s.Challenges(remote, false, now, both)[0]), user, "guess", "REGISTER", 1, false)}
			begin := time.Now()
			if _, v := s.Check("REGISTER", "sip:example.com", header, remote, now, both); v != Wrong {
				t.Fatalf("%s: %s", user, v)
			}
			took[user] = append(took[user], time.Since(begin))
		}
	}
	for _, d := range took {
		slices.Sort(d)
	}
	known, unknown := took["alice"][1000], took["bob"][1000]
	t.Logf("median %s for a known user, %s for an unknown one", known, unknown)
	if gap := (known - unknown).Abs(); gap > 50*time.Microsecond {
		t.Errorf("the gap is %s", gap)
	}
}

// FuzzClaim: no header breaks the parser, and what it takes is whole.
func FuzzClaim(f *testing.F) {
	f.Add(answered(Challenge{Realm: "asterisk", Algorithm: SHA256, Nonce: "abc"}, "alice", "x", "INVITE", 1, false))
	f.Add(`Digest username="a\"b",realm=x , nonce=a,uri=sip:x;y, response=00,, qop="auth",nc=00000001,cnonce=""`)
	f.Add("Digest ,,,")
	s := NewServer("asterisk", users)
	f.Fuzz(func(t *testing.T, value string) {
		c, err := parseClaim(value)
		if err == nil && (c.user == "" || c.proof.Nonce == "" || c.response == "" || len(c.user) > longest || c.proof.QOP != "" && c.count == 0) {
			t.Errorf("taken: %+v", c.proof)
		}
		if _, v := s.Check("INVITE", "sip:example.com", []string{value}, remote, time.Now(), both); v == Accepted {
			t.Error("accepted")
		}
	})
}

// TestCheckTarget: an answer is good for the number or user that it was made for (RFC 7616 section 3.4.6); hosts and parameters differ without harm.
func TestCheckTarget(t *testing.T) {
	s := NewServer("asterisk", users)
	now := time.Now()
	for _, row := range []struct {
		uri, target string
		want        Verdict
	}{
		{"sip:18005551212@sbc.example", "sip:18005551212@sbc.example", Accepted},
		{"sip:18005551212@sbc.example", "sips:18005551212@192.0.2.1:5061;transport=tls", Accepted},
		{"sip:%23100@sbc.example", "sip:#100@sbc.example", Accepted},
		{"sip:sbc.example", "sip:sbc.example:5061;transport=tls", Accepted},
		{"sip:100;phone-context=x@sbc.example", "sip:100@sbc.example", Accepted},
		{"tel:+1800", "tel:+1800", Accepted},
		{"sip:18005551212@sbc.example", "sip:19005551212@sbc.example", Elsewhere},
		{"sip:sbc.example", "sip:101@sbc.example", Elsewhere},
		{"sip:Alice@sbc.example", "sip:alice@sbc.example", Elsewhere},
		{"nonsense", "sip:100@sbc.example", Elsewhere},
		{"sip:alice@sbc.example", "sip:sbc.example", Accepted},
		{"sbc.example", "sip:sbc.example", Accepted},
		{"sip:sbc.example", "tel:+1800", Elsewhere},
		{"tel:+1900", "tel:+1800", Elsewhere},
	} {
		ch := asked(t, s.Challenges(remote, false, now, []Algorithm{MD5})[0])
		p := Proof{Algorithm: MD5, Realm: ch.Realm, Nonce: ch.Nonce, CNonce: "x", QOP: "auth", Count: "00000001", Method: "INVITE", URI: row.uri}
		value := fmt.Sprintf(`Digest username="alice", realm="asterisk", nonce="%s", uri="%s", algorithm=MD5, qop=auth, cnonce="x", nc=00000001, response="%s"`,
			ch.Nonce, row.uri, p.Response(MD5.Hash("alice", "asterisk", "wonderland")))
		if UserOf(value) != "alice" {
			t.Errorf("the user of %s is %q", value, UserOf(value))
		}
		if _, v := s.Check("INVITE", row.target, []string{value}, remote, now, both); v != row.want {
			t.Errorf("made for %s, sent to %s: %s, want %s", row.uri, row.target, v, row.want)
		}
	}
	forged := `Digest username="alice", realm="asterisk", nonce="made up", uri="sip:1@x", algorithm=MD5, response="0123456789abcdef0123456789abcdef"`
	if _, v := s.Check("INVITE", "sip:2@x", []string{forged}, remote, now, both); v != Stale {
		t.Errorf("without a nonce of ours: %s, which is counted against an address that may be forged", v)
	}
	if UserOf("Basic x") != "" {
		t.Error("a user of another scheme")
	}
}
