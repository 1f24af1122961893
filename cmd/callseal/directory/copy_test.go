package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"callseal/signaling/auth"
)

var known = maker{secrets: true, realm: "asterisk", dialer: func(address string) string {
	return map[string]string{"10.0.0.11": "d1", "10.0.0.12": "d2", "203.0.113.3": "d3"}[address]
}}

// shown is an account with its lines, as USER: LINE@DIALER ...
func shown(r found) (all []string) {
	for _, a := range r.Accounts {
		text := a.User + ":"
		for _, l := range a.Lines {
			text += " " + l.User + "@" + l.Dialer
		}
		all = append(all, text)
	}
	return all
}

func TestCopy(t *testing.T) {
	for _, row := range []struct {
		name   string
		tables tables
		want   []string
		counts counts
	}{
		{"nothing", tables{}, nil, counts{}},
		{"one extension at two servers", tables{phones: []phone{{"101", "10.0.0.11", "101a", "s1"}, {"101", "10.0.0.12", "101b", "s1"}}},
			[]string{"101: 101@d1 101@d2"}, counts{Phones: 2, Accounts: 1}},
		{"an alias of two extensions", tables{
			phones:  []phone{{"101", "10.0.0.11", "101a", "s1"}, {"201", "10.0.0.12", "201a", "s2"}, {"301", "10.0.0.12", "301a", "s3"}},
			aliases: []alias{{"agent1", []string{"101a", "201a", "999a"}}, {"empty", []string{"998a"}}},
		}, []string{"101: 101@d1 201@d2", "201: 201@d2 101@d1", "301: 301@d2", "agent1: 101@d1 201@d2"}, counts{Phones: 3, Accounts: 4, Aliases: 1}},
		{"an alias that is called like its extension", tables{
			phones:  []phone{{"101", "10.0.0.11", "101a", "s1"}, {"101", "10.0.0.12", "101b", "s1"}},
			aliases: []alias{{"101", []string{"101a", "101b"}}},
		}, []string{"101: 101@d1 101@d2"}, counts{Phones: 2, Accounts: 1, Aliases: 1}},
		{"servers by their other address, switched off, and of somebody else", tables{
			phones:   []phone{{"101", "10.0.0.13", "a", "s"}, {"102", "10.0.0.12", "b", "s"}, {"103", "10.9.9.9", "c", "s"}},
			external: map[string]string{"10.0.0.13": "203.0.113.3"}, inactive: map[string]bool{"10.0.0.12": true},
		}, []string{"101: 101@d3"}, counts{Phones: 3, Accounts: 1, NoDialer: 1}},
		{"bad secrets", tables{phones: []phone{{"101", "10.0.0.11", "a", "test"}, {"102", "10.0.0.11", "b", ""}, {"103", "10.0.0.11", "c", "x"}, {"103", "10.0.0.12", "d", "y"}}},
			[]string{"101: 101@d1", "102: 102@d1", "103: 103@d1 103@d2"}, counts{Phones: 4, Accounts: 3, DefaultSecrets: 1, NoSecret: 1, Differing: 1}},
		{"odd extensions", tables{phones: []phone{{"", "10.0.0.11", "a", "s"}, {`1"`, "10.0.0.11", "a", "s"}, {"1 2", "10.0.0.11", "a", "s"}, {"1@2", "10.0.0.11", "a", "s"}}},
			nil, counts{Phones: 4, Odd: 4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := row.tables.copy(known)
			if !slices.Equal(shown(got), row.want) || got.counts != row.counts {
				t.Errorf("got %q, %+v\nwant %q, %+v", shown(got), got.counts, row.want, row.counts)
			}
		})
	}
}

// TestCopyHasTheKeys: what proves a phone to us, and us to its dialers, comes from its own password; and none where passwords are not read.
func TestCopyHasTheKeys(t *testing.T) {
	tb := tables{
		phones:  []phone{{"101", "10.0.0.11", "101a", "s1"}, {"201", "10.0.0.12", "201a", "s2"}},
		aliases: []alias{{"agent1", []string{"101a", "201a"}}},
	}
	r := tb.copy(known)
	want := func(user, password string) auth.Keys { return auth.NewKeys(user, "asterisk", auth.NewSecret(password)) }
	for i, keys := range []auth.Keys{want("101", "s1"), want("201", "s2"), want("agent1", "s1")} {
		a := r.Accounts[i]
		if !a.Keys.Equal(keys) {
			t.Errorf("%s has other keys", a.User)
		}
		for _, l := range a.Lines {
			if !l.Keys.Equal(want(l.User, map[string]string{"101": "s1", "201": "s2"}[l.User])) {
				t.Errorf("%s has other keys at %s", a.User, l.Dialer)
			}
		}
	}
	if text := fmt.Sprintf("%+v %#v", r, r); strings.Contains(text, auth.MD5.Hash("101", "asterisk", "s1")) {
		t.Error("prints a digest")
	}
	without := known
	without.secrets = false
	for _, a := range tb.copy(without).Accounts {
		if !a.Keys.IsZero() || !a.Lines[0].Keys.IsZero() {
			t.Errorf("%s has keys", a.User)
		}
	}
}

func TestParseSource(t *testing.T) {
	for dsn, want := range map[string]string{
		"callseal@tcp(10.0.0.5:3306)/asterisk":            "tcp(10.0.0.5:3306)/asterisk clear",
		"callseal@tcp(10.0.0.5)/asterisk?tls=true":        "tcp(10.0.0.5:3306)/asterisk",
		"callseal@tcp(127.0.0.1:3306)/asterisk":           "tcp(127.0.0.1:3306)/asterisk",
		"callseal@tcp([::1]:3306)/asterisk":               "tcp([::1]:3306)/asterisk",
		"callseal@tcp(db.example.com:3306)/asterisk":      "tcp(db.example.com:3306)/asterisk clear",
		"callseal@unix(/run/mysqld/mysqld.sock)/asterisk": "unix(/run/mysqld/mysqld.sock)/asterisk",
		"callseal@tcp(10.0.0.5:3306)/":                    "",
		"tcp(10.0.0.5:3306)/asterisk":                     "",
		"callseal:PRIVATE@tcp(10.0.0.5:3306)/asterisk":    "",
		"callseal@tcp(10.0.0.5:3306)/asterisk?tls=none":   "",
		"PRIVATE": "",
	} {
		s, err := ParseSource(dsn, auth.NewSecret("hidden"))
		got := ""
		if err == nil {
			got = fmt.Sprintf("%v", s)
			if s.Clear() {
				got += " clear"
			}
			if text := fmt.Sprintf("%+v %#v %s", s, s, Reading{Source: s}.Source); strings.Contains(text, "hidden") {
				t.Errorf("prints %s", text)
			}
		} else if strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%q: %v", dsn, err)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", dsn, got, want)
		}
	}
}
