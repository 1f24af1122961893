package call

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/header"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Party is the other end of a leg as the configuration, or its registration,
// knows it.
type Party struct {
	Role transport.Role
	// Name is the trunk's name, or the phones' listener's.
	Name string
	// Trunk is nil for a phone.
	Trunk *trunk.Trunk
	// Pool and Source are the Target's of what is said to a trunk for somebody
	// who must not be taken for the trunk's own traffic; zero: Trunk's Target as
	// it is.
	Pool   string
	Source netip.AddrPort
	// Phone is how a phone that has registered is reached; nil for a trunk, and
	// for a phone that may only call.
	Phone Phone
	// Through: challenges that requests of this phone meet are its own to
	// answer.
	Through bool
	// Line is what a phone is to the dialer that takes its calls, where we vouch
	// for it; nil where it does that itself.
	Line *Line
	// Credentials answer the challenges of this dialer to what is said to it for a
	// phone with a Line, and their user is who says it.
	Credentials auth.Credentials
	// AutoAnswer: this phone is told to answer an agent's login by itself.
	AutoAnswer bool
	Mode       sdp.Mode
	Suites     []sdp.Suite
	// Audio is where its media goes through, where that is not the house's own
	// address.
	Audio trunk.Audio
	// Transfer is what becomes of its REFERs, and of its INVITEs with Replaces.
	Transfer trunk.Transfer
}

// Line is a phone at a dialer.
type Line struct {
	Dialer      string // name
	Credentials auth.Credentials
}

// Phone is a phone that has registered, for as long as calls know it. Its
// methods may be called by anybody. Two of one phone are equal.
type Phone interface {
	// Flow is the path by which it is reached now; nil where there is none. What
	// was said before on another one goes on over this.
	Flow() *transport.Flow
	// Contact is the URI that it registered: that of requests to it.
	Contact() sip.Uri
	// AOR is the address that it is registered for.
	AOR() sip.Uri
	// Path is the way to Contact (RFC 3327); nil is straight.
	Path() []sip.Uri
	// Dialog are the identifiers of ours that always stand for these of its.
	Dialog(callID, tag string) (ourCallID, ourTag string)
}

// TrunkParty is a leg with a trunk. A carrier never transfers: nobody outside
// makes calls of ours.
func TrunkParty(t *trunk.Trunk) Party {
	p := Party{Role: t.Role(), Name: t.Name(), Trunk: t, Mode: t.Media, Suites: t.Suites, Audio: t.Audio, Transfer: t.Transfer}
	if p.Role == transport.Carrier {
		p.Transfer = trunk.Refuse
	}
	return p
}

// As is a dialer as a phone with this line speaks to it.
func (p Party) As(l *Line) Party {
	p.Credentials = l.Credentials
	return p
}

// secrets answer its challenges in one dialog; nil answers none.
func (p Party) secrets() *auth.Client {
	if !p.Credentials.IsZero() {
		return auth.NewClient(p.Credentials)
	}
	return p.Trunk.Secrets()
}

// beside is another trunk, as a leg of the same pool.
func (p Party) beside(t *trunk.Trunk) Party {
	other := TrunkParty(t)
	other.Pool, other.Source = p.Pool, p.Source
	return other
}

// Reachable tells whether a request can be sent to it outside of a dialog.
func (p Party) Reachable() bool { return p.Trunk != nil || p.Phone != nil }

// Is tells whether two are the same trunk or the same phone. A phone that did
// not register is nobody.
func (p Party) Is(other Party) bool {
	if p.Trunk == nil || other.Trunk == nil {
		return p.Phone != nil && p.Phone == other.Phone
	}
	return p.Trunk.Name() == other.Trunk.Name()
}

// Target is where a trunk is dialled; nil for a phone.
func (p Party) Target() *transport.Target {
	switch {
	case p.Trunk == nil:
		return nil
	case p.Pool == "" && !p.Source.IsValid():
		return &p.Trunk.Target
	}
	t := p.Trunk.Target
	t.Pool, t.Source = p.Pool, p.Source
	return &t
}

// Dialog are the identifiers of a request that is made of theirs, which p sent.
// An answer to a challenge has those of the challenged request: chan_sip keeps
// its nonce by Call-ID.
func (p Party) Dialog(theirs *sip.Request) (callID, tag string) {
	if !p.Through {
		return token(16), token(16)
	}
	return p.Phone.Dialog(theirs.CallID().Value(), theirs.From().Params.GetOr("tag", ""))
}

// Carry puts p's answer to a challenge into a request that is made of theirs,
// and a number above that of the challenged one (RFC 3261 section 22.2).
func (p Party) Carry(req, theirs *sip.Request) {
	if p.Through {
		req.CSeq().SeqNo = theirs.CSeq().SeqNo
		header.Credentials(req, theirs)
	}
}

// Challenged makes the answer to a request of p's where that was challenged and
// p is to answer it itself; else nil.
func (p Party) Challenged(theirs *sip.Request, r transport.Result, server string) *sip.Response {
	if !p.Through || r.Err != nil || r.Response.StatusCode != 401 && r.Response.StatusCode != 407 {
		return nil
	}
	res := sip.NewResponseFromRequest(theirs, r.Response.StatusCode, header.Foreign(r.Response.Reason), nil)
	res.AppendHeader(sip.NewHeader("Server", server))
	header.Challenges(res, r.Response)
	return res
}

// unreachedCode is what its caller hears where it cannot be reached: a fault
// of ours, but of a phone that it is away.
func (p Party) unreachedCode() int {
	if p.Phone != nil {
		return 480
	}
	return 503
}

// Hop is the way of a request outside of a dialog. That of a phone without a
// flow leads nowhere.
func (p Party) Hop() transport.Hop {
	if p.Phone != nil {
		return transport.Hop{Flow: p.Phone.Flow()}
	}
	return transport.Hop{Target: p.Target()}
}

// uri is where it gets calls to a number: a phone has but one.
func (p Party) uri(number string) sip.Uri {
	if p.Phone != nil {
		return p.Phone.Contact()
	}
	return p.Trunk.URI(number)
}

// to is whom a request with this URI is for.
func (p Party) to(uri sip.Uri, theirs *sip.Request, way header.Way) sip.Uri {
	if p.Phone != nil {
		return p.Phone.AOR()
	}
	address := *uri.Clone()
	address.UriParams, address.Port = nil, 0
	address.User = way.ToUser(theirs, address.User)
	return address
}

// Rules are what of a message is told to it, beside header's own table.
func (p Party) Rules() *header.Rules {
	if p.Trunk == nil {
		return nil
	}
	return p.Trunk.Headers
}
