package trunk

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/register"
	"callseal/signaling/transport"
)

// Registration is an account of ours at a trunk, which sends calls for it to
// where we have registered.
type Registration struct {
	User       string
	Domain     string // of the account; "" is the trunk's host
	DomainPort uint16 // 0: none
	// Extension is the user of our contact: calls come in for it.
	Extension string
	Expires   time.Duration
	On403     register.Policy
}

// Account is that of a trunk with a Registration, in the words of the machine
// that keeps it. hop is the way to the trunk at the time of asking.
func (t *Trunk) Account(hop func() transport.Hop, userAgent string) register.Account {
	r := t.Register
	at := sip.Uri{Scheme: "sip", Host: r.Domain, Port: int(r.DomainPort)}
	if at.Host == "" {
		at.Host = bracketed(t.Target.Host)
		if t.Target.Port != t.Target.Proto.DefaultPort() {
			at.Port = int(t.Target.Port)
		}
	}
	aor := at
	aor.User, aor.Port = r.User, int(r.DomainPort)
	extension := r.Extension
	return register.Account{
		Registrar: at, AOR: aor,
		Contact:     func(f *transport.Flow) sip.Uri { return f.Contact(extension) },
		Hop:         hop,
		Credentials: t.Credentials,
		Expires:     r.Expires, On403: r.On403, UserAgent: userAgent,
	}
}

// SameAccount tells whether two trunks mean one registration: what else of them
// differs does not touch it.
func (t *Trunk) SameAccount(o *Trunk) bool {
	return t.Register != nil && o.Register != nil && *t.Register == *o.Register &&
		t.Credentials.User == o.Credentials.User && t.Credentials.Password.Equal(o.Credentials.Password) &&
		t.Target.Proto == o.Target.Proto && t.Target.Host == o.Target.Host && t.Target.Port == o.Target.Port && t.Role() == o.Role()
}

func bracketed(host string) string {
	for _, c := range host {
		if c == ':' {
			return "[" + host + "]"
		}
	}
	return host
}

// Secrets answers the trunk's challenges in one dialog; nil, which answers none,
// where it has no credentials, and for no trunk.
func (t *Trunk) Secrets() *auth.Client {
	if t == nil || t.Credentials.IsZero() {
		return nil
	}
	return auth.NewClient(t.Credentials)
}

// Registers tells whether we register with it.
func (t *Trunk) Registers() bool { return t != nil && t.Register != nil }
