package main

import (
	"crypto/tls"
	"net/netip"
	"strconv"
	"strings"

	"callseal/cmd/callseal/web"
)

type rawAdmin struct {
	Listen      string      `yaml:"listen"`
	AllowRemote bool        `yaml:"allow_remote"`
	TokenFile   string      `yaml:"token_file"`
	TLS         *rawKeyPair `yaml:"tls"`
}

type rawKeyPair struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// shortestToken is what nobody guesses, if it is random.
const shortestToken = 16

// admin reads the section of that name.
func (l *loader) admin() {
	r := l.raw.Admin
	token := l.token("admin.token_file", r.TokenFile)
	var pair *tls.Certificate
	sealed := r.TLS != nil && *r.TLS != (rawKeyPair{})
	if sealed {
		pair = l.keyPair("admin.tls", r.TLS.Certificate, r.TLS.Key)
	} else {
		l.cfg.raw.Admin.TLS = nil // two empty keys are as good as none
	}
	l.cfg.Access = web.NewAccess(token, pair)
	addr, err := netip.ParseAddrPort(r.Listen)
	switch {
	case err != nil || addr.Port() == 0:
		l.fail("admin.listen", fault{quote(r.Listen) + " is no address and port", `write one like "127.0.0.1:9090"`})
	case addr.Addr().IsLoopback() || r.TokenFile != "" && sealed:
	case !r.AllowRemote:
		l.fail("admin.listen", fault{addr.String() + " can be reached from other machines and asks for no password",
			"listen on 127.0.0.1, or add token_file and tls, or allow_remote: true where a firewall or a container network guards it"})
	case r.TokenFile != "":
		l.warn("admin.token_file", fault{"the token can be read on the wire", "add admin.tls"})
	}
	l.cfg.Admin = addr
}

// token reads what clients of the admin pages have to show.
func (l *loader) token(place, name string) string {
	if name == "" {
		return ""
	}
	data := l.file(place, name, "the path of a file with one long random word")
	if data == nil {
		return ""
	}
	l.keyMode(place, name)
	token := strings.TrimSpace(string(data))
	switch {
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		l.fail(place, fault{quote(name) + " holds more than one word of ASCII", "write one word into it, as openssl rand -hex 32 makes it"})
	case len(token) < shortestToken:
		l.fail(place, fault{quote(name) + " holds less than " + strconv.Itoa(shortestToken) + " characters", "make one by openssl rand -hex 32"})
	}
	return token
}

// keepAccess leaves what protects the admin pages as it is where they stay at
// another address, or without TLS, until the next start.
func keepAccess(c, was *Config) {
	if c.Admin != was.Admin || (c.Access.Certificate != nil) != (was.Access.Certificate != nil) {
		c.Access = was.Access
	}
	c.Admin = was.Admin
}
