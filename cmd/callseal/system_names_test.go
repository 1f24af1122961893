package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestServersIn(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"in their order", "# a comment\nsearch example.com\nnameserver 10.0.0.53\nnameserver 2001:db8::53\noptions ndots:2\n", "[10.0.0.53:53 [2001:db8::53]:53]"},
		{"with a zone", "nameserver fe80::1%eth0\n", "[[fe80::1%eth0]:53]"},
		{"none", "search example.com\n", "[127.0.0.1:53]"},
		{"no file", "", "[127.0.0.1:53]"},
		{"not an address", "nameserver ns.example.com\n", "[127.0.0.1:53]"},
	} {
		if got := fmt.Sprint(serversIn([]byte(c.text))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNamesIn(t *testing.T) {
	names := namesIn([]byte("127.0.0.1 localhost\n10.0.0.11\tDialer1.Example.COM. dialer1 # ours\n2001:db8::11 dialer1\nrubbish dialer2\n10.0.0.12\n"))
	for name, want := range map[string]string{
		"dialer1.example.com": "[10.0.0.11]", "dialer1": "[10.0.0.11 2001:db8::11]", "localhost": "[127.0.0.1]", "dialer2": "[]",
	} {
		if got := fmt.Sprint(names[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A file is read again once it has changed, and what it no longer has is forgotten.
func TestSystemFilesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	s := &systemNames{resolv: watched{path: path + ".missing"}, hosts: watched{path: path}}
	look := func(want string) {
		t.Helper()
		s.hosts.looked = s.hosts.looked.Add(-lookAgain)
		if got := fmt.Sprint(s.addresses("dialer1.example.com")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	look("[]")
	write("10.0.0.11 dialer1.example.com\n", time.Unix(1e9, 0))
	look("[10.0.0.11]")
	write("10.0.0.12 dialer1.example.com\n", time.Unix(1e9+1, 0))
	if got := s.addresses("dialer1.example.com"); got[0] != netip.MustParseAddr("10.0.0.11") {
		t.Errorf("looked at again at once: %v", got)
	}
	look("[10.0.0.12]")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look("[]")
	if got := fmt.Sprint(s.nameServers()); got != "[127.0.0.1:53]" {
		t.Errorf("without a resolv.conf: %s", got)
	}
}
