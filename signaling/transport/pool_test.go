package transport

import (
	"context"
	"net/netip"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// TestPoolsNeverShare: what is said to one trunk for others than itself leaves by a connection, an address and a UDP socket of its own, and
// shows no listener's address that is not that one.
func TestPoolsNeverShare(t *testing.T) {
	source := netip.MustParseAddr("127.0.0.9")
	r := listenRemote(t, nil)
	conns := answers(t, r)
	u, udp := udpRemote(t)
	other := at(TCP, udp.Role, "tcp-other", nil)
	wild := at(TCP, udp.Role, "tcp-all", nil)
	wild.Address = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	shared := at(UDP, udp.Role, "udp", nil)
	b := start(t, Config{Listeners: []Listener{other, wild, shared}})

	own := &Target{Trunk: "t", Role: udp.Role, Proto: TCP, Host: "127.0.0.1", Port: r.port()}
	apart := *own
	apart.Pool, apart.Source = "phones", netip.AddrPortFrom(source, 0)
	first, second := exchange(t, b, own, "a", nil), exchange(t, b, &apart, "b", nil)
	if first == second || len(conns) != 2 || second != exchange(t, b, &apart, "c", nil) || first != exchange(t, b, own, "d", nil) {
		t.Errorf("%d connections for two pools", len(conns))
	}
	if second.Local().Addr() != source || second.Pool() != "phones" || second.Trunk() != "t" || first.Pool() != "" {
		t.Errorf("from %s, pool %q of %q", second.Local(), second.Pool(), second.Trunk())
	}
	if c := second.Contact(""); c.Host != source.String() || c.Port != int(b.Addr("tcp-all").Port()) {
		t.Errorf("shows %s", c.String())
	}

	apart = *udp
	apart.Pool, apart.Source = "phones", netip.AddrPortFrom(source, 0)
	for i, want := range []struct {
		target *Target
		from   netip.Addr
	}{{udp, loopback}, {&apart, source}, {udp, loopback}, {&apart, source}} {
		each, got := results()
		b.Send(context.Background(), Outgoing{Request: outgoing(sip.OPTIONS, "u"+string(rune('0'+i))), Hop: Hop{Target: want.target}, Each: each})
		h, from := hearFrom(t, u)
		tell(t, u, from, reply(h, 200, "OK", ""))
		f := receive(t, "answer over UDP", got).Flow
		if from.Addr() != want.from || f.Pool() != want.target.Pool || (from == b.Addr("udp")) != (want.target == udp) {
			t.Errorf("sent from %s for pool %q", from, f.Pool())
		}
	}
	apart.Host = "::1"
	if f := dialFailure(t, b, &apart); f.Cause != CauseNoPath {
		t.Errorf("an IPv6 remote from an IPv4 address: %v", f)
	}
}
