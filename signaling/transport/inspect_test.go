package transport

import (
	"context"
	"crypto/tls"
	"testing"
	"time"
)

// TestInspect: each property of a remote is judged by itself, so that one fault does not hide another, and as a dial would judge it.
func TestInspect(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	good := ca.issue(t, names{dns: []string{"pbx.example"}})
	trust := &ClientTLS{Roots: ca.pool, ServerName: "pbx.example"}
	server := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	wants := func(c *tls.Config, auth tls.ClientAuthType, version uint16) *tls.Config {
		c.ClientAuth, c.ClientCAs, c.MaxVersion = auth, ca.pool, version
		return c
	}
	ours := ca.issue(t, names{cn: "us", client: true})
	theirs := stranger.issue(t, names{cn: "us", client: true})
	with := func(c tls.Certificate) *ClientTLS {
		return &ClientTLS{Roots: ca.pool, ServerName: "pbx.example", Certificate: &c}
	}
	past := names{dns: []string{"x.example"}, from: -time.Hour, to: -time.Minute}
	for _, c := range []struct {
		name                             string
		server                           *tls.Config
		client                           *ClientTLS
		handshake, validity, chain, rest string // causes, "" for none
		asked, shown                     bool
	}{
		{name: "as it should be", server: server(good), client: trust},
		{name: "wrong name", server: server(ca.issue(t, names{dns: []string{"x.example"}})), client: trust, rest: "name_mismatch"},
		{name: "unknown CA", server: server(stranger.issue(t, names{dns: []string{"pbx.example"}})), client: trust, chain: "unknown_ca"},
		{name: "all at once", server: server(stranger.issue(t, past)), client: trust, validity: "expired", chain: "unknown_ca", rest: "name_mismatch"},
		{name: "for clients only", server: server(ca.issue(t, names{dns: []string{"pbx.example"}, client: true})), client: trust, chain: "bad_certificate"},
		{name: "asks and does not insist", server: wants(server(good), tls.RequestClientCert, tls.VersionTLS13), client: trust, asked: true},
		{name: "insists, TLS 1.3", server: wants(server(good), tls.RequireAndVerifyClientCert, tls.VersionTLS13), client: trust, asked: true, handshake: "certificate_required"},
		{name: "insists, TLS 1.2", server: wants(server(good), tls.RequireAndVerifyClientCert, tls.VersionTLS12), client: trust, asked: true, handshake: "certificate_required"},
		{name: "takes ours", server: wants(server(good), tls.RequireAndVerifyClientCert, tls.VersionTLS13), client: with(ours), asked: true, shown: true},
		{name: "rejects ours", server: wants(server(good), tls.RequireAndVerifyClientCert, tls.VersionTLS13), client: with(theirs), asked: true, shown: true, handshake: "certificate_rejected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := listenRemote(t, c.server)
			b := start(t, Config{})
			i := b.Inspect(context.Background(), &Target{Trunk: "dialer1", Role: Dialer, Proto: TLS, Host: "127.0.0.1", Port: r.port(), TLS: c.client})
			if i.Resolve != nil || i.Connect != nil || i.Remote.Port() != r.port() {
				t.Fatalf("did not get there: %+v", i)
			}
			for _, f := range []struct {
				step string
				got  *Failure
				want string
			}{{"handshake", i.Handshake, c.handshake}, {"validity", i.Validity, c.validity}, {"chain", i.Chain, c.chain}, {"name", i.Name, c.rest}} {
				if got := causeOf(f.got); got != f.want {
					t.Errorf("%s: %q (%v), want %q", f.step, got, f.got, f.want)
				}
			}
			if i.Asked != c.asked || i.Shown != c.shown {
				t.Errorf("asked %v, shown %v; want %v, %v", i.Asked, i.Shown, c.asked, c.shown)
			}
		})
	}
}

func causeOf(f *Failure) string {
	if f == nil {
		return ""
	}
	return f.Cause.String()
}

// TestInspectBeforeTLS: what fails on the way is named by its step, and nothing behind it is claimed.
func TestInspectBeforeTLS(t *testing.T) {
	closed := listenRemote(t, nil)
	_ = closed.Close()
	b := start(t, Config{Resolver: zone{}, Limits: Limits{Dial: short}})
	i := b.Inspect(context.Background(), &Target{Trunk: "t", Role: Carrier, Proto: TLS, Host: "nowhere.example"})
	if causeOf(i.Resolve) != "no_such_host" || i.Connect != nil || i.State != nil {
		t.Errorf("no such host: %+v", i)
	}
	i = b.Inspect(context.Background(), &Target{Trunk: "t", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: closed.port()})
	if causeOf(i.Connect) != "refused" || i.State != nil {
		t.Errorf("nothing listens: %+v", i)
	}
	mute := listenRemote(t, nil)
	i = b.Inspect(context.Background(), &Target{Trunk: "t", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: mute.port()})
	if causeOf(i.Handshake) != "timeout" || i.Connect != nil || i.State != nil {
		t.Errorf("says nothing: %+v", i)
	}
	receive(t, "the connection", mute.accepted)
}
