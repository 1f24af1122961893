package transport

import (
	"context"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Endpoint is the signaling transport: listeners, connections, lanes and transactions.
type Endpoint struct{}

// New binds every listener, or fails naming the first that cannot be bound.
func New(c Config) (*Endpoint, error) { return &Endpoint{}, nil }

// Run serves until ctx ends, then closes every socket and waits for what it started.
func (e *Endpoint) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Ready is closed when Run serves.
func (e *Endpoint) Ready() <-chan struct{} { return nil }

// Addr is the bound address of a listener, or the zero value when there is none of that name.
func (e *Endpoint) Addr(listener string) netip.AddrPort { return netip.AddrPort{} }

// Send starts a client transaction. It never blocks.
func (e *Endpoint) Send(ctx context.Context, o Outgoing) *ClientTx { return &ClientTx{} }

// SendAck sends the ACK of a 2xx.
func (e *Endpoint) SendAck(req *sip.Request, to Hop) {}

// ClientTx is a request sent by Send.
type ClientTx struct{}

// Cancel sends a CANCEL for an INVITE.
func (t *ClientTx) Cancel(headers ...sip.Header) {}

// ServerTx is a request received.
type ServerTx struct{}

// Request is the request.
func (t *ServerTx) Request() *sip.Request { return nil }

// Flow is where it came from.
func (t *ServerTx) Flow() *Flow { return nil }

// Respond sends a response.
func (t *ServerTx) Respond(res *sip.Response) error { return nil }
