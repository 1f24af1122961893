package transport

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
)

// Flow is one path to a remote (RFC 5626 section 3.1): a connection, or a UDP socket and a remote address. It never changes. A UDP flow is a
// small value made anew for every datagram; two with one ID are the same path.
type Flow struct {
	id       string
	role     Role
	proto    Proto
	listener string // name, of an accepted connection or a listener's socket
	trunk    string // name, of a dialled connection or a request sent to a trunk over UDP
	pool     string // of the trunk's Target
	local    netip.AddrPort
	remote   netip.AddrPort
	contact  hostPort // where the remote sends new requests
	conn     *conn    // of a stream, else nil
	socket   *socket  // of UDP, else nil
}

// hostPort is what Contact and Via show.
type hostPort struct {
	host string // IPv6 in brackets
	port int
}

func hostPortOf(a netip.AddrPort) hostPort {
	addr := a.Addr().Unmap().WithZone("")
	if addr.Is6() {
		return hostPort{"[" + addr.String() + "]", int(a.Port())}
	}
	return hostPort{addr.String(), int(a.Port())}
}

// ID names the flow: unique among living connections, and stable for one UDP path.
func (f *Flow) ID() string { return f.id }

// Role says who is at the other end.
func (f *Flow) Role() Role { return f.role }

// Listener is the name of the listener it came in by, or "" where we dialled.
func (f *Flow) Listener() string { return f.listener }

// Trunk is the name of the trunk we dialled, or "" where the remote came to us. Over UDP it names the socket's trunk and proves nothing about
// the sender: anybody may send to a socket.
func (f *Flow) Trunk() string { return f.trunk }

// Pool is that of the Target we dialled, or "".
func (f *Flow) Pool() string { return f.pool }

// Proto is the transport protocol.
func (f *Flow) Proto() Proto { return f.proto }

// Local is our own address; that of a UDP socket bound to all addresses is unspecified.
func (f *Flow) Local() netip.AddrPort { return f.local }

// Remote is the address the remote sends from.
func (f *Flow) Remote() netip.AddrPort { return f.remote }

// TLS is the state of the TLS connection, or nil when there is none.
func (f *Flow) TLS() *tls.ConnectionState {
	if f.conn == nil {
		return nil
	}
	return f.conn.tlsState
}

// Alive says whether something can be sent: a connection that is open, or any UDP flow.
func (f *Flow) Alive() bool {
	switch {
	case f.conn != nil:
		return f.conn.alive()
	case f.socket != nil:
		return f.socket.alive()
	default:
		return false
	}
}

// Contact is the URI at which the remote reaches us with new requests (RFC 3261 section 8.1.1.8): the listener of this flow's role and
// protocol as it is advertised, else the flow's own local address.
func (f *Flow) Contact(user string) sip.Uri {
	c := f.contact
	if c.host == "" {
		c = hostPortOf(f.localAddress())
	}
	return sip.Uri{Scheme: "sip", User: user, Host: c.host, Port: c.port,
		UriParams: sip.HeaderParams{{K: "transport", V: f.proto.String()}}}
}

// localAddress is Local, made specific where the UDP socket is bound to all addresses.
func (f *Flow) localAddress() netip.AddrPort {
	if f.socket != nil && f.local.Addr().IsUnspecified() {
		return netip.AddrPortFrom(f.socket.sourceFor(f.remote), f.local.Port())
	}
	return f.local
}

// via makes the Via header of a request sent over this flow (RFC 3261 section 8.1.1.7, RFC 3581 section 3).
func (f *Flow) via(branch string) *sip.ViaHeader {
	c := f.Contact("")
	return &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: f.proto.Via(), Host: c.Host, Port: c.Port,
		Params: sip.HeaderParams{{K: "branch", V: branch}, {K: "rport"}}}
}

// send hands octets to the connection's writer, or to the socket. It does not wait for the remote.
func (f *Flow) send(b []byte, to netip.AddrPort) error {
	if f.conn != nil {
		return f.conn.send(b)
	}
	if f.socket != nil {
		return f.socket.send(b, to)
	}
	return ErrFlow
}

// wire is the sip.Connection that sipgo's transactions write to: a flow, and where over UDP the answer goes.
type wire struct {
	endpoint *Endpoint
	flow     *Flow
	to       netip.AddrPort
}

var _ sip.Connection = wire{}

// WriteMsg encodes a message and sends it.
func (w wire) WriteMsg(msg sip.Message) error {
	b := writing.Get().(*bytes.Buffer)
	defer writing.Put(b)
	if err := encode(b, msg); err != nil {
		w.endpoint.metrics.refuse(injection)
		return err
	}
	return w.endpoint.transmit(w.flow, w.to, b.Bytes())
}

// hushed is the wire of a client transaction, whose INVITE is not repeated once it is told so.
type hushed struct {
	wire
	hush *atomic.Bool
}

// WriteMsg sends a message.
func (h *hushed) WriteMsg(msg sip.Message) error {
	if req, ok := msg.(*sip.Request); ok && req.IsInvite() && h.hush.Load() {
		return nil
	}
	return h.wire.WriteMsg(msg)
}

// LocalAddr is part of sip.Connection.
func (w wire) LocalAddr() net.Addr {
	if w.flow.proto.Stream() {
		return net.TCPAddrFromAddrPort(w.flow.local)
	}
	return net.UDPAddrFromAddrPort(w.flow.local)
}

// Ref is part of sip.Connection; sipgo counts references to close idle connections, which we do not.
func (w wire) Ref(int) int { return 1 }

// TryClose is part of sip.Connection: a transaction's end never closes a connection.
func (w wire) TryClose() (int, error) { return 1, nil }

// Close is part of sip.Connection, and does nothing for the same reason.
func (w wire) Close() error { return nil }

// flowID names a UDP path.
func flowID(s *socket, remote netip.AddrPort) string {
	return "udp-" + strconv.FormatUint(s.serial, 10) + "-" + remote.String()
}
