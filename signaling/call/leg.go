package call

import (
	"crypto/tls"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/dialog"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// leg is one side of a call: who is there, the path to it, and its dialogs.
type leg struct {
	party  Party
	callID string
	tag    string          // our own
	flow   *transport.Flow // where its last message came from; nil until there was one
	// dialogs by the remote tag. A has one; B has one for each fork that
	// answered.
	dialogs map[string]*dialog.Dialog
	// secrets answer the trunk's challenges; nil where there are none. invited is
	// the exchange of the INVITE that calls the leg.
	secrets *auth.Client
	invited *auth.Exchange
	permit  *trunk.Permit // its place at its trunk
	known   string        // the ID of the flow that a phone's registration had when flow was set by it
}

// sign puts answers to the challenges of its INVITE, if there were any, into it.
// from is the party that it is sent for.
func (l *leg) sign(invite *sip.Request, from Party) {
	if l.invited == nil {
		l.secrets = from.secretsOf(l.party)
		l.invited = l.secrets.Begin()
	}
	l.invited.Sign(invite)
}

// hop is the way of an in-dialog request: the live flow; a trunk is dialled
// anew, under its own name, when that is gone. Over UDP a trunk's route set or
// Contact says where; a phone is reached where it sends from, since its
// Contact may lie behind NAT, and where it has registered anew since then.
func (l *leg) hop(d *dialog.Dialog) transport.Hop {
	l.moved()
	h := transport.Hop{Flow: l.flow}
	if l.party.Trunk == nil {
		return h
	}
	h.Target = l.party.Target()
	if l.flow != nil && l.flow.Proto() == transport.UDP {
		next := d.NextHop()
		switch to := address(next); {
		case reachable(to.Addr(), l.flow.Remote().Addr()):
			h.Addr = to
		case !to.IsValid():
			h.Name, h.Port = next.Host, port(next)
		}
	}
	return h
}

// moved takes over the flow of a phone that has registered by another one since
// the last that was heard of it. It tells whether there was one.
func (l *leg) moved() bool {
	if l.party.Phone == nil {
		return false
	}
	now := l.party.Phone.Flow()
	if now == nil || now.ID() == l.known {
		return false
	}
	l.known = now.ID()
	if l.flow != nil && l.flow.ID() == now.ID() {
		return false
	}
	l.flow = now
	return true
}

// reachable tells whether a Contact's address can be sent to from the socket
// that already reached known: some write the address that they are bound to.
func reachable(to, known netip.Addr) bool {
	to, known = to.Unmap(), known.Unmap()
	return to.IsValid() && !to.IsUnspecified() && to.Is4() == known.Is4()
}

// address is the URI's host and port where the host is an IP address, else
// the zero AddrPort.
func address(u sip.Uri) netip.AddrPort {
	ip, err := netip.ParseAddr(trimBrackets(u.Host))
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, port(u))
}

func port(u sip.Uri) uint16 {
	if u.Port <= 0 || u.Port > 65535 {
		return 5060 // RFC 3261 section 19.1.2
	}
	return uint16(u.Port)
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// signaling names the leg's transport for people: "TLS 1.3", "udp".
func (l *leg) signaling() string {
	if l.flow == nil {
		return "none"
	}
	if st := l.flow.TLS(); st != nil {
		return tls.VersionName(st.Version)
	}
	return l.flow.Proto().String()
}
