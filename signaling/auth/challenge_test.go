package auth

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

func TestParseChallenges(t *testing.T) {
	asterisk := Challenge{Realm: "asterisk", Nonce: "4d2e", Name: "MD5"}
	for _, row := range []struct {
		name, value string
		want        []Challenge
		err         error
	}{
		{"chan_sip", `Digest algorithm=MD5, realm="asterisk", nonce="4d2e"`, []Challenge{asterisk}, nil},
		{"PJSIP", `Digest realm="asterisk",nonce="1/2",opaque="5c",stale=true,algorithm=MD5,qop="auth"`,
			[]Challenge{{Realm: "asterisk", Nonce: "1/2", Opaque: "5c", HasOpaque: true, Stale: true, Name: "MD5", QOP: []string{"auth"}}}, nil},
		{"names in any case, odd spaces", "DIGEST\tReAlM = \"asterisk\" ,, NONCE=4d2e , Algorithm = \"MD5\" ,", []Challenge{asterisk}, nil},
		{"commas and escapes in quotes", `Digest realm="a, \"b\" \\ c=d", nonce="=,"`, []Challenge{{Realm: `a, "b" \ c=d`, Nonce: "=,"}}, nil},
		{"empty opaque, empty realm", `Digest realm="", nonce="n", opaque=""`, []Challenge{{Nonce: "n", HasOpaque: true}}, nil},
		{"qop list", `Digest realm="r", nonce="n", qop="auth-int, AUTH ,x"`, []Challenge{{Realm: "r", Nonce: "n", QOP: []string{"auth-int", "auth", "x"}}}, nil},
		{"qop without quotes", `Digest realm="r", qop=auth, nonce="n"`, []Challenge{{Realm: "r", Nonce: "n", QOP: []string{"auth"}}}, nil},
		{"several in one header", `Basic realm="r", Digest realm="r", nonce="a", algorithm=SHA-256, Digest realm="r", nonce="b"`,
			[]Challenge{{Realm: "r", Nonce: "a", Algorithm: SHA256, Name: "SHA-256"}, {Realm: "r", Nonce: "b"}}, ErrUnsupported},
		{"first of a name counts", `Digest realm="r", nonce="n", nonce="m"`, []Challenge{{Realm: "r", Nonce: "n"}}, nil},
		{"unknown parameters", `Digest realm="r", nonce="n", domain="sip:a sip:b", charset=UTF-8, x=y`, []Challenge{{Realm: "r", Nonce: "n"}}, nil},
		{"another algorithm", `Digest realm="r", nonce="n", algorithm=SHA-1`, nil, ErrUnsupported},
		{"another qop", `Digest realm="r", nonce="n", qop="none"`, nil, ErrUnsupported},
		{"another scheme", `Basic realm="r"`, nil, ErrUnsupported},
		{"AKA", `Digest realm="r", nonce="n", algorithm=AKAv1-MD5`, nil, ErrUnsupported},
		{"no nonce", `Digest realm="r"`, nil, ErrMalformed},
		{"no realm", `Digest nonce="n"`, nil, ErrMalformed},
		{"open quote", `Digest realm="r`, nil, ErrMalformed},
		{"no comma", `Digest realm="r" nonce="n"`, nil, ErrMalformed},
		{"no equals", `Digest realm "r"`, nil, ErrMalformed},
		{"a line break", "Digest realm=\"r\r\nX: y\", nonce=\"n\"", nil, ErrMalformed},
		{"too long", "Digest realm=\"" + strings.Repeat("r", maxValue) + `", nonce="n"`, nil, ErrMalformed},
		{"too many parameters", "Digest realm=r, nonce=n" + strings.Repeat(", a=b", maxParams), nil, ErrMalformed},
		{"nothing", "", nil, ErrNoChallenge},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ParseChallenges(row.value)
			if !errors.Is(err, row.err) || !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %+v, %v\nwant %+v, %v", got, err, row.want, row.err)
			}
		})
	}
}

func TestChallengesOfAMessage(t *testing.T) {
	res := sip.NewResponse(407, "Proxy Authentication Required")
	res.AppendHeader(sip.NewHeader("Proxy-Authenticate", `Digest realm="p", nonce="1"`))
	res.AppendHeader(sip.NewHeader("WWW-Authenticate", `Digest realm="w", nonce="2"`))
	res.AppendHeader(sip.NewHeader("WWW-Authenticate", `NTLM`))
	got, err := Challenges(res)
	want := []Challenge{{Realm: "w", Nonce: "2"}, {Realm: "p", Nonce: "1", Proxy: true}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Challenges(sip.NewResponse(401, "Unauthorized")); !errors.Is(err, ErrNoChallenge) {
		t.Error(err)
	}
}

func TestAlgorithmNames(t *testing.T) {
	for _, a := range Algorithms() {
		if got, err := ParseAlgorithm(strings.ToLower(a.String())); err != nil || got != a {
			t.Errorf("%v is read as %v, %v", a, got, err)
		}
	}
	if Algorithm(77).String() != "Algorithm(77)" {
		t.Error(Algorithm(77))
	}
}

// FuzzParseChallenges: whatever comes, no panic, what is read can be answered in
// one line, and what the oracle reads of a single challenge is what we read.
func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{
		`Digest algorithm=MD5, realm="asterisk", nonce="4d2e"`, `Digest realm="a\"b", nonce="\\", qop="auth,auth-int", opaque=""`,
		`Basic realm="r", Digest realm=r,nonce=n`, `Digest realm="`, "Digest a=b,\tc=\"d\\", `Digest realm="r", nonce="n", algorithm=SHA-256-sess, stale=TRUE`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := ParseChallenges(value)
		if len(got) > maxChallenges || len(got) == 0 && err == nil {
			t.Fatalf("%d challenges, %v", len(got), err)
		}
		for _, c := range got {
			a := answer{challenge: c, cnonce: "c", count: 1}
			line := a.value(Credentials{User: "u", Password: NewSecret("p")}, "INVITE", "sip:a", nil)
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("more than a line: %q", line)
			}
			back, err := ParseChallenges(line)
			if err != nil || len(back) != 1 || back[0].Realm != c.Realm || back[0].Nonce != c.Nonce || back[0].Opaque != c.Opaque {
				t.Fatalf("%q was answered by %q, read as %+v, %v", value, line, back, err)
			}
		}
		theirs, oracleErr := digest.ParseChallenge(value)
		if oracleErr != nil || err != nil || len(got) != 1 || strings.Count(strings.ToLower(value), "nonce") != 1 ||
			strings.Count(strings.ToLower(value), "realm") != 1 || strings.Contains(value, "=\t") || !utf8.ValidString(value) {
			return
		}
		if theirs.Nonce != "" && theirs.Realm != "" && (theirs.Nonce != got[0].Nonce || theirs.Realm != got[0].Realm) {
			t.Errorf("read %+v, the oracle %+v", got[0], theirs)
		}
	})
}
