package transport

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Handler receives what remotes send. For one Call-ID its methods are called one after another in the order of arrival, from that Call-ID's
// lane; for different Call-IDs they run at once. They must not block: a blocked one holds up a share of all calls. A panic in a method is
// recovered, counted and answered 503.
type Handler interface {
	// Request is a new request: never an ACK, never a repetition, and a CANCEL only in the sense of Cancel. A To tag of our own, if any, is put
	// into tx.Request().To() before Request returns, so that the answer to a CANCEL can carry it.
	Request(tx *ServerTx)
	// Ack is an ACK that belongs to no transaction: that of a 2xx.
	Ack(req *sip.Request, f *Flow)
	// Cancel: tx, an INVITE without final response, was cancelled. The CANCEL is already answered 200; the handler answers the INVITE itself,
	// with 487 (RFC 3261 section 9.2).
	Cancel(tx *ServerTx, cancel *sip.Request)
	// Closed: a connection died. Everything that arrived on it before, and the end of every transaction it carried, was delivered before.
	Closed(f *Flow, err error)
}

// Hop says where a request goes: over Flow while it lives, else to Target, which is dialled unless its trunk has a connection.
type Hop struct {
	Flow   *Flow
	Target *Target
	Addr   netip.AddrPort // UDP only: the destination inside a dialog (from Contact or Route), instead of the flow's or target's address
	Name   string         // UDP only: the same where it is a host name; one that is not found leaves the flow's or target's address
	Port   uint16         // of Name
}

// Outgoing is a request to be sent by Endpoint.Send.
type Outgoing struct {
	Request *sip.Request              // without Via; it belongs to the endpoint from now on
	Hop     Hop                       //
	Prepare func(*sip.Request, *Flow) // called once before the first octet is sent, from the lane: fills in Contact; may be nil
	Each    func(Result)              // called from the lane of the request's Call-ID; must not block
}

// Result is one step of a client transaction: any number of provisional responses, then exactly one final response or Err, then, for an
// INVITE answered 2xx, every further 2xx marked Again.
type Result struct {
	Response *sip.Response // nil when Err is set
	Flow     *Flow         // where the response came from; with Err the flow that was used, or nil
	Again    bool          // a repeated 2xx, or one of another fork: acknowledge it again
	Err      error         // usually a *Failure; ErrCancelled, or the context's error
}
