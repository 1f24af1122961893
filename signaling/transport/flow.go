package transport

import (
	"crypto/tls"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Flow is one path to a remote: a connection, or a UDP socket and a remote address.
type Flow struct{}

func (f *Flow) ID() string                  { return "" }
func (f *Flow) Role() Role                  { return 0 }
func (f *Flow) Listener() string            { return "" }
func (f *Flow) Trunk() string               { return "" }
func (f *Flow) Proto() Proto                { return 0 }
func (f *Flow) Local() netip.AddrPort       { return netip.AddrPort{} }
func (f *Flow) Remote() netip.AddrPort      { return netip.AddrPort{} }
func (f *Flow) TLS() *tls.ConnectionState   { return nil }
func (f *Flow) Alive() bool                 { return false }
func (f *Flow) Contact(user string) sip.Uri { return sip.Uri{} }
