package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestVerify(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	tests := []struct {
		name   string
		cert   names
		by     *authority
		config ClientTLS
		want   Cause // CauseOther: accepted
	}{
		{"DNS name", names{dns: []string{"pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseOther},
		{"case and final dot", names{dns: []string{"PBX.example"}}, ca, ClientTLS{ServerName: "pbx.EXAMPLE."}, CauseOther},
		{"second DNS name", names{dns: []string{"a.example", "pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseOther},
		{"SIP URI", names{uris: []string{"sip:pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseOther},
		{"SIP URI with upper-case scheme", names{uris: []string{"SIP:pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseOther},
		{"SIP URI outranks DNS (RFC 5922 section 7.1)", names{uris: []string{"sip:other.example"}, dns: []string{"pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNameMismatch},
		{"SIP URI with user is a person", names{uris: []string{"sip:bob@pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNameMismatch},
		{"SIP URI with user leaves DNS", names{uris: []string{"sip:bob@pbx.example"}, dns: []string{"pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseOther},
		{"sips URI is no identity", names{uris: []string{"sips:pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNameMismatch},
		{"other URI leaves DNS", names{uris: []string{"https://x.example"}, dns: []string{"pbx.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseOther},
		{"other name", names{dns: []string{"x.example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNameMismatch},
		{"suffix is no match", names{dns: []string{"example"}}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNameMismatch},
		{"wildcard by default", names{dns: []string{"*.example.com"}}, ca, ClientTLS{ServerName: "pbx.example.com"}, CauseNameMismatch},
		{"wildcard by switch", names{dns: []string{"*.example.com"}}, ca, ClientTLS{ServerName: "pbx.example.com", AllowWildcard: true}, CauseOther},
		{"wildcard for one label only", names{dns: []string{"*.example.com"}}, ca, ClientTLS{ServerName: "a.b.example.com", AllowWildcard: true}, CauseNameMismatch},
		{"wildcard not for the bare domain", names{dns: []string{"*.example.com"}}, ca, ClientTLS{ServerName: "example.com", AllowWildcard: true}, CauseNameMismatch},
		{"wildcard for a whole top-level domain", names{dns: []string{"*.com"}}, ca, ClientTLS{ServerName: "example.com", AllowWildcard: true}, CauseNameMismatch},
		{"common name by default", names{cn: "pbx.example"}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNameMismatch},
		{"common name by switch", names{cn: "pbx.example"}, ca, ClientTLS{ServerName: "pbx.example", AllowCN: true}, CauseOther},
		{"common name beside a SAN", names{cn: "pbx.example", dns: []string{"x.example"}}, ca, ClientTLS{ServerName: "pbx.example", AllowCN: true}, CauseNameMismatch},
		{"IP address", names{ips: []string{"192.0.2.1"}}, ca, ClientTLS{ServerName: "192.0.2.1"}, CauseOther},
		{"other IP address", names{ips: []string{"192.0.2.2"}}, ca, ClientTLS{ServerName: "192.0.2.1"}, CauseNameMismatch},
		{"IPv6 address in another form", names{ips: []string{"2001:db8::1"}}, ca, ClientTLS{ServerName: "2001:db8:0::1"}, CauseOther},
		{"SIP URI with IP address", names{uris: []string{"sip:192.0.2.1"}}, ca, ClientTLS{ServerName: "192.0.2.1"}, CauseOther},
		{"no names", names{}, ca, ClientTLS{ServerName: "pbx.example", AllowCN: true}, CauseNameMismatch},
		{"unknown CA", names{dns: []string{"pbx.example"}}, stranger, ClientTLS{ServerName: "pbx.example"}, CauseUnknownCA},
		{"expired", names{dns: []string{"pbx.example"}, from: -2 * time.Hour, to: -time.Minute}, ca, ClientTLS{ServerName: "pbx.example"}, CauseExpired},
		{"not yet valid", names{dns: []string{"pbx.example"}, from: time.Minute, to: time.Hour}, ca, ClientTLS{ServerName: "pbx.example"}, CauseNotYetValid},
		{"client certificate", names{dns: []string{"pbx.example"}, client: true}, ca, ClientTLS{ServerName: "pbx.example"}, CauseBadCertificate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Roots = ca.pool
			err := verify([]*x509.Certificate{tt.by.issue(t, tt.cert).Leaf}, tt.config, time.Now())
			if tt.want == CauseOther {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if got := classify(err); got != tt.want {
				t.Errorf("%v is classified %s, want %s", err, got, tt.want)
			}
		})
	}
}

// TestDialFailures: each way a trunk can be wrong gives its own stage and cause at once, in an error, in a metric and in the log.
func TestDialFailures(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	good := ca.issue(t, names{dns: []string{"pbx.example"}})
	trust := &ClientTLS{Roots: ca.pool, ServerName: "pbx.example"}
	tests := []struct {
		name   string
		server *tls.Config
		client *ClientTLS
		stage  Stage
		cause  Cause
	}{
		{"wrong name", (&tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"x.example"}})}}), trust, StageVerify, CauseNameMismatch},
		{"unknown CA", (&tls.Config{Certificates: []tls.Certificate{stranger.issue(t, names{dns: []string{"pbx.example"}})}}), trust, StageVerify, CauseUnknownCA},
		{"expired", (&tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"pbx.example"}, from: -time.Hour, to: -time.Minute})}}), trust, StageVerify, CauseExpired},
		{"TLS 1.1 only", (&tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), trust, StageHandshake, CauseProtocolVersion},
		{"old ciphers only", (&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}), trust, StageHandshake, CauseNoCipher},
		{"client certificate wanted, TLS 1.2", (&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool}), trust, StageHandshake, CauseCertificateRequired},
		{"client certificate wanted, TLS 1.3", (&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool}), trust, StageHandshake, CauseCertificateRequired},
		{"client certificate of another CA, TLS 1.3", (&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool}),
			&ClientTLS{Roots: ca.pool, ServerName: "pbx.example", Certificate: &[]tls.Certificate{stranger.issue(t, names{cn: "us", client: true})}[0]}, StageHandshake, CauseCertificateRejected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := listenRemote(t, tt.server)
			b := start(t, Config{})
			f := dialFailure(t, b, &Target{Trunk: "dialer1", Role: Dialer, Proto: TLS, Host: "127.0.0.1", Port: r.port(), TLS: tt.client})
			if f.Stage != tt.stage || f.Cause != tt.cause {
				t.Fatalf("got %s %s (%v), want %s %s", f.Stage, f.Cause, f.Err, tt.stage, tt.cause)
			}
			if n := b.count(t, "callseal_trunk_failures_total", "trunk=dialer1", "role=dialer", "stage="+tt.stage.String(), "cause="+tt.cause.String()); n != 1 {
				t.Errorf("counted %v", n)
			}
			eventually(t, "it is a TLS failure", func() bool {
				return b.count(t, "callseal_tls_failures_total", "trunk=dialer1", "role=dialer", "stage="+tt.stage.String(), "cause="+tt.cause.String()) == 1
			})
			t.Log(f.Phrase(), "|", f.Advice())
		})
	}
}

func TestDialFailuresBeforeTLS(t *testing.T) {
	plain := listenRemote(t, nil)
	closed := listenRemote(t, nil)
	_ = closed.Close()
	b := start(t, Config{Limits: Limits{Dial: short}})
	t.Run("nothing listens", func(t *testing.T) {
		f := dialFailure(t, b, &Target{Trunk: "t1", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: closed.port()})
		if f.Stage != StageConnect || f.Cause != CauseRefused {
			t.Errorf("got %v", f)
		}
	})
	t.Run("no such host", func(t *testing.T) {
		b := start(t, Config{Resolver: zone{}})
		f := dialFailure(t, b, &Target{Trunk: "t2", Role: Carrier, Proto: TCP, Host: "nowhere.example"})
		if f.Stage != StageResolve || f.Cause != CauseNoSuchHost {
			t.Errorf("got %v", f)
		}
	})
	t.Run("peer says nothing", func(t *testing.T) {
		f := dialFailure(t, b, &Target{Trunk: "t3", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: plain.port()})
		if f.Stage != StageHandshake || f.Cause != CauseTimeout {
			t.Errorf("got %v", f)
		}
		receive(t, "the connection", plain.accepted)
	})
	t.Run("peer answers in plain SIP", func(t *testing.T) {
		done := make(chan *Failure, 1)
		go func() {
			done <- dialFailure(t, b, &Target{Trunk: "t4", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: plain.port()})
		}()
		receive(t, "the connection", plain.accepted).say(t, "SIP/2.0 400 Bad Request\n\n")
		if f := receive(t, "the failure", done); f.Stage != StageHandshake || f.Cause != CausePlaintextPeer {
			t.Errorf("got %v", f)
		}
	})
	t.Run("an address of ours that is none", func(t *testing.T) {
		for _, proto := range []Proto{TCP, UDP} {
			f := dialFailure(t, b, &Target{Trunk: "t5", Role: Carrier, Proto: proto, Host: "127.0.0.1", Port: plain.port(), Source: netip.MustParseAddrPort("192.0.2.77:0")})
			if f.Stage != StageConnect || f.Cause != CauseOwnAddress || !strings.Contains(f.Advice(), "phones.source") {
				t.Errorf("over %s got %v: %s", proto, f, f.Advice())
			}
		}
	})
	t.Run("a phone is never dialled", func(t *testing.T) {
		f := dialFailure(t, b, &Target{Trunk: "phone", Role: Phone, Proto: TCP, Host: "127.0.0.1", Port: plain.port()})
		if f.Cause != CauseNoPath {
			t.Errorf("got %v", f)
		}
	})
}

// dialFailure sends a request to a target that cannot be reached.
func dialFailure(t *testing.T, b *bench, target *Target) *Failure {
	t.Helper()
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "dial-"+target.Trunk), Hop: Hop{Target: target}, Each: each})
	var f *Failure
	select {
	case r := <-got:
		if !errors.As(r.Err, &f) {
			t.Fatalf("got %+v, want a failure", r)
		}
	case <-time.After(patience):
		t.Error("no result")
		return &Failure{}
	}
	if f.Trunk != target.Trunk {
		t.Errorf("failure of trunk %q", f.Trunk)
	}
	return f
}
