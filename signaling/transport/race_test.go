package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// guide is a Locator with fixed answers.
type guide struct {
	zone
	servers []netip.AddrPort
}

func (g guide) Locate(context.Context, Proto, string) ([]netip.AddrPort, error) {
	return g.servers, nil
}

// at127 is an address on this machine.
func at127(last byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, last}), port)
}

// TestServersInTheirOrder: of the servers of a domain those that refuse cost no time, those that are silent a moment; what is found dead comes
// last for a while. A target with a port asks for addresses only.
func TestServersInTheirOrder(t *testing.T) {
	r := listenRemote(t, nil)
	answers(t, r)
	silent := netip.MustParseAddr("127.0.0.78")
	target := &Target{Trunk: "t", Role: Carrier, Proto: TCP, Host: "sip.example"}
	for _, c := range []struct {
		name    string
		servers []netip.AddrPort
		within  time.Duration // generous: the machine may be busy
	}{
		{"one that refuses", []netip.AddrPort{at127(77, 1), at127(1, r.port())}, 2 * time.Second},
		{"two that are silent", []netip.AddrPort{at127(78, 1), at127(78, 2), at127(1, r.port())}, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, Config{Resolver: guide{servers: c.servers}, Network: partial{silent: silent}})
			began := time.Now()
			f := exchange(t, b, target, "x", nil)
			took := time.Since(began)
			if f.Remote() != at127(1, r.port()) || took > c.within {
				t.Errorf("reached %s after %v", f.Remote(), took)
			}
			t.Logf("took %v", took)
		})
	}
	t.Run("dead ones are remembered", func(t *testing.T) {
		b := start(t, Config{Resolver: guide{servers: []netip.AddrPort{at127(77, 1), at127(1, r.port())}}})
		exchange(t, b, target, "x", nil)
		l := b.pool.lines[target.key()]
		if got := b.pool.found(l, []netip.AddrPort{at127(77, 1), at127(1, r.port())}); got[1] != at127(77, 1) {
			t.Errorf("tried next: %v", got)
		}
		if !b.exempt(at127(77, 1).Addr()) || !b.pool.leadsTo(loopback) || b.pool.leadsTo(silent) {
			t.Error("a server of a trunk is one of ours")
		}
	})
	t.Run("a port asks for addresses only", func(t *testing.T) {
		b := start(t, Config{Resolver: guide{zone: zone{"sip.example": {loopback}}, servers: []netip.AddrPort{at127(77, 1)}}})
		direct := *target
		direct.Port = r.port()
		if f := exchange(t, b, &direct, "x", nil); f.Remote() != at127(1, r.port()) {
			t.Errorf("went to %s", f.Remote())
		}
	})
	t.Run("a domain without servers", func(t *testing.T) {
		b := start(t, Config{Resolver: guide{}})
		if f := dialFailure(t, b, target); f.Stage != StageResolve || f.Cause != CauseNoSuchHost {
			t.Errorf("got %v", f)
		}
	})
}

// TestOneWinsTheRace: of servers that answer at the same time one is used, and the others' connections are closed; none of them is verified
// under the name that DNS gave.
func TestOneWinsTheRace(t *testing.T) {
	ca := newAuthority(t)
	wrong := listenRemote(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"server1.example"}})}})
	right := listenRemote(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"sip.example"}})}})
	answers(t, right)
	answers(t, wrong)
	slow := listenSlow(t)
	b := start(t, Config{Limits: Limits{Dial: 2 * time.Second}, Resolver: guide{servers: []netip.AddrPort{
		at127(1, wrong.port()), slow, at127(1, right.port())}}})
	target := &Target{Trunk: "t", Role: Carrier, Proto: TLS, Host: "sip.example", TLS: &ClientTLS{Roots: ca.pool}}
	f := exchange(t, b, target, "x", nil)
	if f.Remote().Port() != right.port() {
		t.Errorf("went to %s", f.Remote())
	}
	if got := b.count(t, "callseal_tls_failures_total", "cause=name_mismatch"); got != 1 {
		t.Errorf("%v name mismatches", got)
	}
	if got := b.count(t, "callseal_connections"); got != 1 {
		t.Errorf("%v connections are left", got)
	}
	none := *target
	none.Trunk = "other"
	none.TLS = &ClientTLS{Roots: ca.pool, ServerName: "nobody.example"}
	if f := dialFailure(t, b, &none); f.Stage != StageVerify || f.Cause != CauseNameMismatch {
		t.Errorf("what came farthest is told: %v", f)
	}
}

// listenSlow takes connections and says nothing.
func listenSlow(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// TestLookupBesideCalls: the address of a UDP trunk that is looked up again serves meanwhile.
func TestLookupBesideCalls(t *testing.T) {
	u, target := udpRemote(t)
	asked := make(chan struct{})
	again := make(chan struct{})
	b := start(t, Config{Resolver: lookups(func() ([]netip.Addr, error) {
		asked <- struct{}{}
		<-again
		return []netip.Addr{loopback}, nil
	})})
	target.Host = "pbx.example"
	each, got := results()
	ask := func(id string) {
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, id), Hop: Hop{Target: target}, Each: each})
	}
	answered := func() {
		h, from := hearFrom(t, u)
		tell(t, u, from, reply(h, 200, "OK", ""))
		if r := receive(t, "200", got); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	ask("1")
	receive(t, "the first lookup", asked)
	again <- struct{}{}
	answered()
	b.pool.mu.Lock()
	l := b.pool.lines[target.key()]
	l.until = time.Now().Add(-time.Second)
	b.pool.mu.Unlock()
	ask("2")
	receive(t, "the second lookup", asked)
	answered() // while it goes on
	ask("3")
	answered()
	again <- struct{}{}
	eventually(t, "the new address is taken", func() bool {
		b.pool.mu.Lock()
		defer b.pool.mu.Unlock()
		return !l.aged(time.Now())
	})
	b.pool.mu.Lock()
	l.until = time.Now().Add(-2 * resolveGrace)
	b.pool.mu.Unlock()
	ask("4")
	receive(t, "the third lookup", asked)
	if _, _, err := listenFrom(u, 50*time.Millisecond); err == nil {
		t.Error("sent to an address of long ago")
	}
	again <- struct{}{}
	answered()
	if strings.Contains(b.log.String(), "level=ERROR") {
		t.Error(b.log.String())
	}
}

// lookups is a resolver that somebody waits at.
type lookups func() ([]netip.Addr, error)

func (l lookups) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return l() }
