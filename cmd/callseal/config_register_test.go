package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"callseal/signaling/auth"
)

// TestPropertyPasswordsAreNotReported: whatever is wrong with the places where a
// password may stand, neither the report nor the configuration shows it.
func TestPropertyPasswordsAreNotReported(t *testing.T) {
	files := goodFiles(t)
	rapid.Check(t, func(t *rapid.T) {
		// It begins with a letter that no number has: a configuration in print is full of zeros.
		password := rapid.StringMatching(`[G-Z][A-Z0-9]{7}`).Draw(t, "first") + rapid.StringMatching(`[A-Z!#$%&()*+;<=>?@_|~ :,{}'-]{0,4}`).Draw(t, "then") + "Q"
		files.put("secret.txt", 0o600, []byte(password+"\n"))
		line := rapid.SampledFrom([]string{"bob:%s@telco.example", "bob:%s@telco.example:x", "tls://bob:%s", "bob:%s:au@", "bob@d:%s:@h", `bob:"%s@telco.example`,
			"ws://bob:%s@h", "bob:%s@h~", "register => bob:%s@h/", "%s", "bob:%s@h:5060"}).Draw(t, "line")
		if line == "%s" { // what stands before a colon or an @ is the user, and shown
			line = strings.NewReplacer(":", "", "@", "").Replace(password)
		} else {
			line = fmt.Sprintf(line, password)
		}
		quoted := `"` + strings.ReplaceAll(line, `"`, `\"`) + `"`
		carrier := rapid.SampledFrom([]string{
			`{name: telco, register: ` + quoted + `}`,
			`{name: telco, register: {line: ` + quoted + `, on_403: x}}`,
			`{name: telco, register: [` + quoted + `]}`,
			`{name: telco, register: {` + quoted + `: 1}}`,
			`{name: telco, uri: "sips:a.example", register: ` + quoted + `}`,
			`{name: telco, uri: "sips:a.example", auth: ` + quoted + `}`,
			`{name: telco, uri: "sips:a.example", auth: {user: u, password: ` + quoted + `, password_file: x}}`,
			`{name: telco, uri: "sips:a.example", auth: {user: u, password: [` + quoted + `]}}`,
			`{name: telco, uri: "sips:a.example", auth: {user: u, ` + quoted + `: x}}`,
			`{name: telco, uri: "sips:a.example", auth: {user: u, password_file: secret.txt}}`,
			`{name: telco, uri: "sips:a.example", inbound_auth: {user: u, password: ` + quoted + `}}`,
			`{name: telco, uri: "sips:a.example", auth: {user: u, password_file: ` + quoted + `}}`,
			`{name: telco, uri: "sips:a.example", inbound_auth: {user: u, password_file: ` + quoted + `}}`,
			`{name: telco, uri: "sips:a.example", inbound_auth: {user: u, ha1: ` + quoted + `}}`,
			`{name: telco, uri: "sips:a.example", inbound_auth: {user: u, ` + quoted + `: x}}`,
			`{name: telco, uri: "sips:a.example", inbound_auth: ` + quoted + `}`,
			`{name: telco, register: ` + line + `}`, // unquoted: YAML itself may not like it
		}).Draw(t, "carrier")
		text := "media: {address: 10.0.0.9}\ncarriers:\n  - " + carrier + "\n"
		cfg, rep, err := parseConfig(bytes.NewReader([]byte(text)), files, now)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := rep.write(&out, "x.yml"); err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{out.String(), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), fmt.Sprintf("%+v", rep)} {
			if strings.Contains(shown, password[:8]) {
				t.Fatalf("shown for\n%s\n%s", text, shown)
			}
		}
		if cfg == nil {
			return
		}
		for _, tr := range cfg.Signaling.Table.Trunks {
			if shown := fmt.Sprintf("%+v %#v %v", tr, tr, *tr); strings.Contains(shown, password[:8]) {
				t.Fatalf("shown: %s", shown)
			}
		}
	})
}

// TestAccounts: what register and auth make of a trunk.
func TestAccounts(t *testing.T) {
	cfg := good(t, "testdata/minimal.yml", goodFiles(t))
	other, reserve := cfg.Signaling.Table.ByName("other"), cfg.Signaling.Table.ByName("reserve")
	if got := fmt.Sprint(other.Target.Proto, other.Target.Host, other.Target.Port, other.Target.TLS.ServerName); got != "tlssip.other.example0sip.other.example" {
		t.Errorf("a registration string leads to %s", got)
	}
	for _, row := range []struct{ name, got, want string }{
		{"string: user", other.Credentials.User, "4930123456"},
		{"string: secret", other.Credentials.Password.Reveal(), "s:cret"},
		{"string", fmt.Sprintf("%+v", *other.Register), "{User:4930123456 Domain: DomainPort:0 Extension:4930123456 Expires:5m0s On403:stop}"},
		{"mapping: user", reserve.Credentials.User, "account17"},
		{"mapping: password", reserve.Credentials.Password.Reveal(), "opensesame"},
		{"mapping", fmt.Sprintf("%+v", *reserve.Register), "{User:4930123456 Domain:reserve.example DomainPort:0 Extension:4930123456 Expires:2m0s On403:stop}"},
	} {
		if row.got != row.want {
			t.Errorf("%s: %s, want %s", row.name, row.got, row.want)
		}
	}
}

// TestInboundAuth: the three ways to write the password of a trunk that has to prove itself mean the same.
func TestInboundAuth(t *testing.T) {
	files := goodFiles(t)
	files.put("inbound.txt", 0o600, []byte("open sesame\n"))
	const md5 = "4b2fae73e6dbf0430e456f401554f1a0" // of dialer1:callseal:open sesame
	want := auth.NewKeys("dialer1", "callseal", auth.NewSecret("open sesame"))
	for _, way := range []string{`password: open sesame`, `password_file: inbound.txt`, `ha1: ` + md5} {
		text := strings.Replace(smallConfig, "sources:", "inbound_auth: {user: dialer1, "+way+"}, sources:", 1)
		cfg, rep, err := parseConfig(strings.NewReader(text), files, now)
		if err != nil || !rep.ok() {
			t.Fatal(err, rep)
		}
		dialer := cfg.Signaling.Table.Trunks[0]
		if in := dialer.Inbound; in.User != "dialer1" || !in.Keys.Has("callseal", auth.MD5) || strings.HasPrefix(way, "password") && !in.Keys.Equal(want) {
			t.Errorf("%s: %+v", way, in)
		}
		if !dialer.Proves() || dialer.Roams() {
			t.Errorf("%s: proves %v, roams %v", way, dialer.Proves(), dialer.Roams())
		}
	}
}

// TestPhonesPasswordsAreNotReported: neither are those of phones and of the database, whose quotes are missing.
func TestPhonesPasswordsAreNotReported(t *testing.T) {
	files := goodFiles(t)
	for _, text := range []string{
		`users: [{extension: "101", password: ab, HIDDEN}]`, `users: [{extension: "101", password: {HIDDEN: x}}]`, `users: {"101": HIDDEN}`,
		`users: [{extension: "101", ha1: HIDDEN}]`, `users: ["101:HIDDEN"]`, `users: [{extension: "101", password: HIDDEN: x}]`,
		`database: {dsn: "u:HIDDEN@tcp(10.0.0.5:3306)/asterisk"}`, `database: {dsn: u:a, HIDDEN@tcp(10.0.0.5:3306)/asterisk}`,
		`database: {dsn: "u:HIDDEN@10.0.0.5/asterisk"}`, `database: {dsn: "u:a/HIDDEN@tcp(10.0.0.5:3306)/asterisk?readTimeout=x"}`,
	} {
		_, rep, err := parseConfig(strings.NewReader("phones: {registrar: local, "+text+"}\n"), files, now)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := rep.write(&out, "x.yml"); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "HIDDEN") {
			t.Errorf("shown for %s:\n%s", text, out.String())
		}
	}
}
