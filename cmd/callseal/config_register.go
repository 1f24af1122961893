package main

import (
	"cmp"
	"errors"
	"strings"

	"callseal/signaling/auth"
	"callseal/signaling/register"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// short: a registration string stands alone.
func (r *rawRegister) short(text string) { r.Line = text }

// hidesKeys: whoever forgets the quotes around a registration string, or a
// password, makes a key of it.
func (r *rawRegister) hidesKeys() {}
func (r *rawAuth) hidesKeys()     {}

// account is what register and auth of a trunk say.
type account struct {
	line        *register.Line // nil: none, or a mapping without one
	credentials auth.Credentials
	register    *trunk.Registration // nil: none
}

// account reads register and auth.
func (l *loader) account(place string, raw rawTrunk) account {
	a := account{}
	user := ""
	if raw.Register != nil {
		a.line, a.register = l.registration(place+".register", raw.Register)
		user = a.register.User
		if a.line != nil && a.line.AuthUser != "" {
			user = a.line.AuthUser
		}
	}
	place += ".auth"
	if raw.Auth == nil {
		if a.line != nil {
			a.credentials = credentials(user, a.line.Secret)
		}
		return a
	}
	if raw.Auth.User != "" {
		user = raw.Auth.User
	}
	var password auth.Secret
	switch given := a.line != nil && !a.line.Secret.IsZero(); {
	case given && (raw.Auth.Password != "" || raw.Auth.PasswordFile != ""):
		l.fail(place, fault{"has a password, and register has a secret", "write it in one of the two places"})
	case given:
		password = a.line.Secret
	default:
		password = l.password(place, raw.Auth)
	}
	if user == "" {
		l.fail(place+".user", fault{"is missing", "write the user of the account"})
	}
	if strings.ContainsFunc(user, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		l.fail(place+".user", fault{"has a control character", "write the user of the account"})
	}
	a.credentials = credentials(user, password)
	return a
}

// credentials are none without a password: a user alone answers no challenge.
func credentials(user string, password auth.Secret) auth.Credentials {
	if password.IsZero() {
		return auth.Credentials{}
	}
	return auth.Credentials{User: user, Password: password}
}

// password reads the one that auth has, or its file.
func (l *loader) password(place string, raw *rawAuth) auth.Secret {
	switch {
	case raw.Password != "" && raw.PasswordFile != "":
		l.fail(place, fault{"has password and password_file", "keep one of them"})
	case raw.Password != "":
		return auth.NewSecret(raw.Password)
	case raw.PasswordFile == "":
		l.fail(place+".password", fault{"is missing", "write it, or password_file with the path of a file that holds nothing else"})
	default:
		at := place + ".password_file"
		data := l.secretFile(at, raw.PasswordFile, "the path of a file that holds the password and nothing else")
		if data == nil {
			return auth.Secret{}
		}
		l.keyMode(at, raw.PasswordFile)
		text := strings.TrimRight(string(data), "\r\n")
		if text == "" || strings.ContainsAny(text, "\r\n") {
			l.fail(at, fault{quote(raw.PasswordFile) + " does not hold one line", "write the password into it, and nothing else"})
			return auth.Secret{}
		}
		return auth.NewSecret(text)
	}
	return auth.Secret{}
}

// registration reads register: a string of Asterisk's, what is written beside
// it, or a mapping of its own.
func (l *loader) registration(place string, raw *rawRegister) (*register.Line, *trunk.Registration) {
	r := &trunk.Registration{User: raw.User, Extension: raw.Extension, Expires: raw.Expires}
	var line *register.Line
	if raw.Line != "" {
		parsed, err := register.ParseLine(raw.Line)
		var f *register.LineFault
		if errors.As(err, &f) {
			l.fail(place, fault{f.What, f.Fix + "\n    " + strings.ReplaceAll(f.Caret(), "\n", "\n    ")})
			return nil, r
		}
		line = &parsed
		if raw.User != "" || raw.Domain != "" || raw.Extension != "" || raw.Expires != 0 {
			l.fail(place, fault{"has line, and beside it what stands in a line", "keep line and on_403, or the other keys"})
		}
		*r = trunk.Registration{User: line.User, Domain: line.Domain, DomainPort: line.DomainPort, Extension: line.Extension, Expires: line.Expires}
	} else {
		l.domain(place, raw, r)
	}
	if raw.On403 != "" {
		var err error
		if r.On403, err = register.ParsePolicy(raw.On403); err != nil {
			l.fail(place+".on_403", fault{"is no policy", "write stop or retry"})
		}
	}
	if r.Extension == register.DefaultExtension {
		l.warn(place, fault{`names no extension: calls come in for the number "s", as with Asterisk`,
			"write /NUMBER behind the host, or extension: NUMBER"})
	}
	return line, r
}

// domain checks the keys that stand for a line.
func (l *loader) domain(place string, raw *rawRegister, r *trunk.Registration) {
	if raw.User == "" {
		l.fail(place+".user", fault{"is missing", `write the user of the account, or the carrier's registration string as register: "USER:SECRET@HOST"`})
	}
	for _, is := range []struct{ key, text string }{{"user", raw.User}, {"extension", raw.Extension}} {
		if strings.ContainsAny(is.text, " \t\r\n<>@:;\"/") {
			l.fail(place+"."+is.key, fault{"has a character that no user has", "write a number or name"})
		}
	}
	if raw.Domain != "" {
		host, port, ok := splitHostPort(raw.Domain, 1)
		if !ok {
			l.fail(place+".domain", fault{"is no domain", `write one like "telco.example"`})
		}
		r.Domain = host
		if strings.Contains(host, ":") {
			r.Domain = "[" + host + "]"
		}
		if port != 1 {
			r.DomainPort = port
		}
	}
	if r.Extension == "" {
		r.Extension = register.DefaultExtension
	}
	if r.Expires == 0 {
		r.Expires = register.DefaultExpires
	} else {
		l.span(place+".expires", r.Expires, register.LeastExpires, register.MostExpires)
	}
}

// nextHop reads where calls to a trunk go: its uri, or the host of its
// registration string. Without a transport in the string that is TLS, or what
// the uri says. false after a fault.
func (l *loader) nextHop(place string, raw rawTrunk, line *register.Line) (nextHop, bool) {
	if raw.URI == "" && line != nil {
		hop, f := hopOf(line)
		if f != nil {
			l.fail(place+".register", *f)
		}
		return hop, f == nil
	}
	if raw.URI == "" && raw.Register != nil && raw.Register.Line != "" {
		return nextHop{}, false // that of a string with a fault
	}
	hop, f := parseURI(raw.URI)
	if raw.URI == "" {
		f = &fault{"is missing", `write where calls to it go, like "sips:HOST:5061"`}
	}
	if f != nil {
		l.fail(place+".uri", *f)
		return hop, false
	}
	if line != nil && (!strings.EqualFold(line.Host, hop.host) || line.Port != 0 && line.Port != cmp.Or(hop.port, hop.proto.DefaultPort()) ||
		line.Transport != "" && line.Transport != hop.proto.String()) {
		l.fail(place+".register", fault{"leads elsewhere than uri", "write the same transport, host and port, or leave out uri"})
		return hop, false
	}
	return hop, true
}

// hopOf is where a registration string leads to.
func hopOf(line *register.Line) (nextHop, *fault) {
	hop := nextHop{transport.TLS, line.Host, line.Port}
	if line.Transport != "" {
		var err error
		if hop.proto, err = transport.ParseProto(line.Transport); err != nil {
			return hop, &fault{"has no transport that is known here", "write tls://, tcp:// or udp://"}
		}
	} else if line.Port == transport.UDP.DefaultPort() {
		return hop, &fault{"names port 5060, which is that of SIP in the clear, and no transport",
			"write tls://USER...@HOST:5061 where the carrier has TLS; else udp://USER...@HOST:5060, and plaintext"}
	}
	return hop, nil
}
