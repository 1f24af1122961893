package transport

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// TestProves: what a certificate that a remote has shown says of it, and to whom.
func TestProves(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	l := tlsListener(t, ca, Dialer)
	l.TLS.ClientAuth = tls.RequestClientCert
	flows := make(chan *Flow, 1)
	b := start(t, Config{Listeners: []Listener{l}, Handler: &recorder{request: func(tx *ServerTx) {
		answerOK(tx)
		flows <- tx.Flow()
	}}})
	for i, c := range []struct {
		name  string
		shown *names // nil: none
		by    *authority
		asked string
		cn    bool
		want  bool
	}{
		{"a client's", &names{dns: []string{"dialer.example"}, client: true}, ca, "dialer.example", false, true},
		{"a server's", &names{uris: []string{"sip:dialer.example"}}, ca, "Dialer.example.", false, true},
		{"another name", &names{dns: []string{"dialer.example"}, client: true}, ca, "other.example", false, false},
		{"another CA's", &names{dns: []string{"dialer.example"}, client: true}, other, "dialer.example", false, false},
		{"expired", &names{dns: []string{"dialer.example"}, from: -2 * time.Hour, to: -time.Hour}, ca, "dialer.example", false, false},
		{"a common name", &names{cn: "dialer.example", client: true}, ca, "dialer.example", false, false},
		{"a common name by switch", &names{cn: "dialer.example", client: true}, ca, "dialer.example", true, true},
		{"none", nil, ca, "dialer.example", false, false},
		{"no name is asked for", &names{dns: []string{"dialer.example"}, client: true}, ca, "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := &tls.Config{RootCAs: ca.pool, ServerName: "us.example"}
			if c.shown != nil {
				config.Certificates = []tls.Certificate{c.by.issue(t, *c.shown)}
			}
			remote := dialCaller(t, b, "tls", config)
			remote.say(t, options(TLS, 100+i))
			remote.hear(t)
			f := receive(t, "the request", flows)
			trusted := &ClientTLS{Roots: ca.pool, AllowCN: c.cn}
			for range 2 {
				if got := f.Proves(trusted, c.asked, time.Now()); got != c.want {
					t.Errorf("proved: %v, want %v", got, c.want)
				}
			}
			if f.Proves(nil, c.asked, time.Now()) || f.Proves(&ClientTLS{Roots: other.pool}, "dialer.example", time.Now()) != (c.by == other) {
				t.Error("proved to somebody else")
			}
			for range 2 * maxProofs {
				f.Proves(&ClientTLS{Roots: x509.NewCertPool()}, "dialer.example", time.Now())
			}
			if n := len(f.conn.proofs); n > maxProofs {
				t.Errorf("%d answers remembered", n)
			}
		})
	}
	ours := &Flow{conn: &conn{}}
	if ours.Proves(&ClientTLS{}, "x.example", time.Now()) || (&Flow{}).Proves(&ClientTLS{}, "x.example", time.Now()) {
		t.Error("proved without a certificate")
	}
}
