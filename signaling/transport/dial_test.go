package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// zone is a resolver with fixed answers.
type zone map[string][]netip.Addr

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := z[host]; ok {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// exchange sends an OPTIONS to a target and has the remote answer it; it gives the flow.
func exchange(t *testing.T, b *bench, target *Target, callID string, answer func(heard)) *Flow {
	t.Helper()
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, callID), Hop: Hop{Target: target}, Each: each})
	if answer != nil {
		answer(heard{})
	}
	r := receive(t, "result of "+callID, got)
	if r.Err != nil {
		t.Fatalf("%s: %v", callID, r.Err)
	}
	return r.Flow
}

// answers makes a remote answer everything on every connection it accepts, and tells how many connections there were.
func answers(t *testing.T, r *remote) chan *caller {
	t.Helper()
	conns := make(chan *caller, 64)
	go func() { // ends with the connections, which the test closes
		for c := range r.accepted {
			conns <- c
			go func() {
				for {
					h, err := c.listen(time.Minute)
					if err != nil {
						return
					}
					if h.status() == 0 && h.start[:3] != "ACK" {
						_, _ = c.Write([]byte(reply(h, 200, "OK", "")))
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { close(r.accepted) })
	return conns
}

// TestTrunksNeverShare: two trunks behind one IP:port, each verified by its own name.
func TestTrunksNeverShare(t *testing.T) {
	ca := newAuthority(t)
	one, two := ca.issue(t, names{dns: []string{"one.example"}}), ca.issue(t, names{dns: []string{"two.example"}})
	r := listenRemote(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "two.example" {
			return &two, nil
		}
		return &one, nil
	}})
	conns := answers(t, r)
	b := start(t, Config{})
	target := func(name string) *Target {
		return &Target{Trunk: name, Role: Dialer, Proto: TLS, Host: "127.0.0.1", Port: r.port(),
			TLS: &ClientTLS{Roots: ca.pool, ServerName: name + ".example"}}
	}
	first := exchange(t, b, target("one"), "a", nil)
	second := exchange(t, b, target("two"), "b", nil)
	again := exchange(t, b, target("one"), "c", nil)
	if first != again {
		t.Error("a trunk's connection was not used again")
	}
	if first == second || len(conns) != 2 {
		t.Errorf("%d connections for two trunks", len(conns))
	}
	for f, want := range map[*Flow]string{first: "one.example", second: "two.example"} {
		if got := f.TLS().PeerCertificates[0].DNSNames[0]; got != want || f.Trunk()+".example" != want {
			t.Errorf("trunk %s talks to %s", f.Trunk(), got)
		}
	}
	// The same trunk with another name to verify is another line.
	other := target("one")
	other.TLS.ServerName = "three.example"
	if f := dialFailure(t, b, other); f.Cause != CauseNameMismatch {
		t.Errorf("got %v", f)
	}
}

func TestDialOnceForMany(t *testing.T) {
	r := listenRemote(t, nil)
	conns := answers(t, r)
	b := start(t, Config{})
	target := &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: r.port()}
	each, got := results()
	for i := range 50 {
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "many-"+string(rune('A'+i))), Hop: Hop{Target: target}, Each: each})
	}
	for range 50 {
		if r := receive(t, "answer", got); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if len(conns) != 1 {
		t.Errorf("%d connections for one trunk", len(conns))
	}
}

// TestAllAddressesAreTried: the first address of the name refuses, the second takes the call.
func TestAllAddressesAreTried(t *testing.T) {
	r := listenRemote(t, nil)
	answers(t, r)
	b := start(t, Config{Resolver: zone{"pbx.example": {netip.MustParseAddr("127.0.0.77"), loopback}}})
	f := exchange(t, b, &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "pbx.example", Port: r.port()}, "x", nil)
	if f.Remote().Addr() != loopback {
		t.Errorf("went to %s", f.Remote())
	}
}

func TestAlternate(t *testing.T) {
	e := &Endpoint{limits: Limits{}.withDefaults(), network: partial{unrouted: netip.MustParseAddr("2001:db8::1")}, resolver: zone{"h": {
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}}}
	for _, c := range []struct {
		name, want string
		target     Target
	}{
		{"the one without a route last", "[192.0.2.1:5061 [2001:db8::2]:5061 192.0.2.2:5061 [2001:db8::1]:5061]", Target{Host: "h", Port: 5061}},
		{"those of the source's family first", "[[2001:db8::1]:5060 [2001:db8::2]:5060 192.0.2.1:5060 192.0.2.2:5060]",
			Target{Host: "h", Proto: UDP, Source: netip.MustParseAddrPort("[2001:db8::9]:0")}},
		{"a literal", "[192.0.2.7:5061]", Target{Host: "::ffff:192.0.2.7", Proto: TLS}},
	} {
		got, err := e.resolve(context.Background(), &c.target)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// partial is a network without a route to some addresses, and with others that are silent.
type partial struct {
	kernel
	unrouted, silent netip.Addr
}

func (p partial) Source(to netip.AddrPort) (netip.Addr, error) {
	if to.Addr() == p.unrouted {
		return netip.Addr{}, syscall.ENETUNREACH
	}
	return loopback, nil
}

func (p partial) Dial(ctx context.Context, within time.Duration, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	if to.Addr() == p.silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return p.kernel.Dial(ctx, within, from, to)
}

// TestRedial: a pooled connection that died while idle is replaced, and a request that met its end goes again over the new one.
func TestRedial(t *testing.T) {
	r := listenRemote(t, nil)
	conns := answers(t, r)
	b := start(t, Config{})
	target := &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: r.port()}
	first := exchange(t, b, target, "a", nil)
	_ = receive(t, "first connection", conns).Close()
	eventually(t, "the death is noticed", func() bool { return !first.Alive() })
	second := exchange(t, b, target, "b", nil)
	if second == first {
		t.Error("a dead connection was used")
	}
	// In-dialog requests name the dead flow first and the trunk second.
	each, got := results()
	b.Send(context.Background(), Outgoing{Request: outgoing(sip.BYE, "a"), Hop: Hop{Flow: first, Target: target}, Each: each})
	if r := receive(t, "BYE's answer", got); r.Err != nil || r.Flow != second {
		t.Errorf("got %+v", r)
	}
}

func TestRetryOverNewConnection(t *testing.T) {
	r := listenRemote(t, nil)
	b := start(t, Config{})
	target := &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "127.0.0.1", Port: r.port()}
	each, got := results()
	send := func(id string) {
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.INVITE, id), Hop: Hop{Target: target}, Each: each})
	}
	send("a")
	c := receive(t, "connection", r.accepted)
	c.say(t, reply(c.hear(t), 486, "Busy", ""))
	receive(t, "486", got)
	c.hear(t) // ACK
	send("b")
	lost := c.hear(t)
	_ = c.Close() // without an answer
	c = receive(t, "second connection", r.accepted)
	again := c.hear(t)
	if again.Get("Via") == "" || branchOf(again) != branchOf(lost) {
		t.Errorf("repeated with Via %q, first was %q", again.Get("Via"), lost.Get("Via"))
	}
	_ = c.Close() // a second time is enough
	if r := receive(t, "failure", got); r.Err == nil {
		t.Errorf("got %+v", r)
	}
	send("c")
	c = receive(t, "third connection", r.accepted)
	c.hear(t)
	_ = c.Close() // dialled for this request: no second try
	if r := receive(t, "failure", got); r.Err == nil {
		t.Errorf("got %+v", r)
	}
	if len(r.accepted) != 0 {
		t.Error("a request on a fresh connection was sent again")
	}
}

func branchOf(h heard) string {
	v, _ := parseVia(h.Get("Via"))
	b, _ := v.(*sip.ViaHeader).Params.Get("branch")
	return b
}

// TestTickets: dialers never get a session ticket, for chan_sip hangs on it; phones do.
func TestTickets(t *testing.T) {
	ca := newAuthority(t)
	for role, want := range map[Role]bool{Dialer: false, Phone: true} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(role.String()+" "+tls.VersionName(version), func(t *testing.T) {
				b := start(t, Config{Listeners: []Listener{tlsListener(t, ca, role)}})
				client := &tls.Config{RootCAs: ca.pool, ServerName: "us.example", MinVersion: version, MaxVersion: version,
					ClientSessionCache: tls.NewLRUClientSessionCache(1)}
				resumed := false
				for i := range 2 {
					c := dialCaller(t, b, "tls", client)
					c.say(t, text("OPTIONS", TLS, "t", "z9hG4bK"+string(rune('a'+i)), i+1, "", ""))
					c.hear(t)
					state := c.Conn.(*tls.Conn).ConnectionState()
					resumed = state.DidResume
					if state.Version != version {
						t.Errorf("version %x", state.Version)
					}
				}
				if resumed != want {
					t.Errorf("resumed: %v", resumed)
				}
				if n := b.count(t, "callseal_tls_handshakes_total", "version="+tls.VersionName(version), "role="+role.String()); n != 2 {
					t.Errorf("counted %v handshakes", n)
				}
			})
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := newAuthority(t)
	b := start(t, Config{Listeners: []Listener{tlsListener(t, ca, Phone)}})
	c, err := tls.Dial("tcp", b.Addr("tls").String(), &tls.Config{RootCAs: ca.pool, ServerName: "us.example", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		_ = c.Close()
		t.Fatal("TLS 1.1 accepted")
	}
	eventually(t, "it is counted", func() bool { return b.count(t, "callseal_tls_failures_total", "cause=protocol_version") == 1 })
}

// TestDialledTLS: SNI, our client certificate and the versions.
func TestDialledTLS(t *testing.T) {
	ca := newAuthority(t)
	ours := ca.issue(t, names{cn: "us", client: true})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := listenRemote(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{uris: []string{"sip:pbx.example"}})},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool, MaxVersion: version})
			conns := answers(t, r)
			b := start(t, Config{})
			f := exchange(t, b, &Target{Trunk: "t", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: r.port(),
				TLS: &ClientTLS{Roots: ca.pool, ServerName: "pbx.example", Certificate: &ours}}, "x", nil)
			if f.TLS().Version != version || f.Role() != Carrier || f.Proto() != TLS {
				t.Errorf("flow %+v", f)
			}
			state := receive(t, "connection", conns).Conn.(*tls.Conn).ConnectionState()
			if state.ServerName != "pbx.example" || state.PeerCertificates[0].Subject.CommonName != "us" {
				t.Errorf("remote saw SNI %q and certificate %v", state.ServerName, state.PeerCertificates[0].Subject)
			}
		})
	}
	t.Run("legacy ciphers by switch", func(t *testing.T) {
		r := listenRemote(t, &tls.Config{Certificates: []tls.Certificate{rsaCertificate(t, ca)}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}})
		answers(t, r)
		b := start(t, Config{})
		f := exchange(t, b, &Target{Trunk: "t", Role: Carrier, Proto: TLS, Host: "127.0.0.1", Port: r.port(),
			TLS: &ClientTLS{Roots: ca.pool, ServerName: "pbx.example", LegacyCiphers: true}}, "x", nil)
		if f.TLS().CipherSuite != tls.TLS_RSA_WITH_AES_128_CBC_SHA {
			t.Errorf("cipher %s", tls.CipherSuiteName(f.TLS().CipherSuite))
		}
	})
}
