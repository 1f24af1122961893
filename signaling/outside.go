package signaling

import (
	"maps"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/header"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
)

// outside says what becomes of a request that is part of no dialog, by method
// and by the role of who sends it; the first row that fits. Methods in no row
// get 405: those of call.Allow are taken inside of a dialog only then.
var outside = []struct {
	method sip.RequestMethod
	from   transport.Role // 0: anybody
	do     func(*Server, *transport.ServerTx)
}{
	{sip.INVITE, 0, (*Server).invite},
	{sip.REGISTER, transport.Phone, (*Server).register},
	{sip.REGISTER, 0, (*Server).noRegistrar},
	{sip.OPTIONS, transport.Dialer, (*Server).qualify},
	{sip.OPTIONS, 0, (*Server).options},
	{sip.MESSAGE, 0, (*Server).relay},
	{sip.NOTIFY, transport.Carrier, (*Server).relay},  // messages waiting, of a number that a dialer has
	{sip.NOTIFY, transport.Dialer, (*Server).toPhone}, // messages waiting, check-sync
	{sip.NOTIFY, transport.Phone, (*Server).noDialog}, // of no subscription (RFC 6665 section 4.1.3)
	{sip.SUBSCRIBE, 0, (*Server).subscribe},
	{sip.REFER, 0, (*Server).noTransfer},
	{sip.BYE, 0, (*Server).noDialog},
	{sip.INFO, 0, (*Server).noDialog}, // RFC 6086 section 4.2.2
	{sip.UPDATE, 0, (*Server).noDialog},
	{sip.PRACK, 0, (*Server).noDialog},
}

// begin takes a request that is part of no dialog.
func (s *Server) begin(tx *transport.ServerTx) {
	for _, row := range outside {
		if row.method == tx.Request().Method && (row.from == 0 || row.from == tx.Flow().Role()) {
			row.do(s, tx)
			return
		}
	}
	s.notAllowed(tx)
}

func (s *Server) notAllowed(tx *transport.ServerTx) {
	s.refuse(tx, refusal{405, "Method Not Allowed", "method", []sip.Header{sip.NewHeader("Allow", call.Allow)}})
}

// noRegistrar: trunks do not register here. VICIdial's does where somebody wrote a
// registration string into its carrier entry.
func (s *Server) noRegistrar(tx *transport.ServerTx) {
	if from, ok := s.identify(tx.Flow(), ""); ok {
		s.notes.warn(s.log, time.Now(), "REGISTER of a trunk refused", "leg", from.Name,
			"advice", "leave the registration string empty there: "+from.Name+" is known by its address, certificate or password, and phones register at listeners with role: phone")
	}
	s.notAllowed(tx)
}

// options says what we can do (RFC 3261 section 11.2).
func (s *Server) options(tx *transport.ServerTx) {
	if f := tx.Flow(); !s.Known(f) && s.Challenges(f, sip.OPTIONS) && !s.vouched(tx) {
		return
	}
	s.respond(tx, 200, "OK", []sip.Header{
		sip.NewHeader("Allow", call.Allow), sip.NewHeader("Accept", "application/sdp"), sip.NewHeader("Supported", call.Supported),
	})
}

func (s *Server) noDialog(tx *transport.ServerTx) {
	s.refuse(tx, over)
}

// over is the answer to a request inside of what is over, or never was.
var over = refusal{481, "Call Transaction Does Not Exist", "no_dialog", nil}

// noTransfer: a REFER makes no call by itself. RFC 3515 section 5.2 leaves it to
// us whom we do that for; chan_sip refuses such a REFER too (603), and VICIdial
// places its calls by AMI.
func (s *Server) noTransfer(tx *transport.ServerTx) {
	if s.vouched(tx) {
		s.refuse(tx, refusal{403, "SBC takes transfers in calls only", "transfer", nil})
	}
}

// toPhone is for a phone. A dialer hears 503 where it names none: that says
// nothing of a number.
func (s *Server) toPhone(tx *transport.ServerTx) {
	if registrar.IsToken(tx.Request().Recipient.User) {
		s.relay(tx)
		return
	}
	if s.vouched(tx) {
		s.refuse(tx, refusal{503, "SBC reaches phones that register here only", "phone", nil})
	}
}

// maxRelayed bounds the requests outside of calls that wait for their answer,
// and maxSubscriptions what was subscribed to: each phone may have one.
const (
	maxRelayed       = 1000
	maxSubscriptions = registrar.MaxPhones
)

// relay sends a request on to where calls of its sender go to.
func (s *Server) relay(tx *transport.ServerTx) {
	if from, to, ok := s.wayOn(tx); ok {
		s.sendOn(tx, from, to)
	}
}

func (s *Server) sendOn(tx *transport.ServerTx, from call.Party, to call.Onward) {
	s.state().house.Ask(from, to.Parties[0], s.relayed(tx, from, to)) // and the others from there
}

// subscribe makes a subscription with where calls of its sender go to.
func (s *Server) subscribe(tx *transport.ServerTx) {
	from, to, ok := s.wayOn(tx)
	if !ok {
		return
	}
	forget := func(sub *call.Subscription) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.relaying, call.InviteOf(tx.Request()))
		for _, key := range sub.Keys() {
			if s.subscriptions[key] == sub {
				delete(s.subscriptions, key)
			}
		}
	}
	sub, err := call.NewSubscription(&s.state().house, tx, from, to, forget)
	if err != nil {
		s.mu.Lock()
		delete(s.relaying, call.InviteOf(tx.Request()))
		s.mu.Unlock()
		s.refuse(tx, refusal{400, "SUBSCRIBE with a Contact that is no URI", "contact", nil})
		return
	}
	s.mu.Lock()
	for _, key := range sub.Keys() {
		s.subscriptions[key] = sub
	}
	s.mu.Unlock()
	sub.Ask()
}

// subscription finds one by the dialog identifiers that are our own, or nil.
func (s *Server) subscription(callID, tag string) *call.Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subscriptions[call.Key{CallID: callID, Tag: tag}]
}

// endSubscriptions stops their clocks.
func (s *Server) endSubscriptions() {
	s.mu.Lock()
	left := slices.Collect(maps.Values(s.subscriptions))
	s.mu.Unlock()
	for _, sub := range left {
		sub.End()
	}
}

// wayOn says where a request outside of calls goes to, and who sends it. Where it
// may not go on it is refused; else it is in relaying.
func (s *Server) wayOn(tx *transport.ServerTx) (from call.Party, to call.Onward, ok bool) {
	from, no := s.sender(tx)
	if no != nil {
		s.turnAway(tx, no)
		return from, to, false
	}
	came(tx, from)
	if to, no = s.onward(tx, from); no != nil {
		if from.Role != transport.Dialer {
			no.code = 404
		}
		s.refuse(tx, *no)
		return from, to, false
	}
	if call.Describes(tx.Request()) {
		s.refuse(tx, refusal{415, "SBC passes SDP in offers only", "content_type", []sip.Header{sip.NewHeader("Accept", "*/*")}})
		return from, to, false
	}
	if r := s.admitRelay(tx.Request()); r != nil {
		s.refuse(tx, *r)
		return from, to, false
	}
	return from, to, true
}

// admitRelay keeps the second copy of a request out, and bounds what waits.
func (s *Server) admitRelay(req *sip.Request) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := len(s.subscriptions) / 2 // each has two keys, and stays in relaying
	switch {
	case s.draining.Load():
		return &refusal{503, "SBC takes no new requests", "draining", retryAfter()}
	case req.Method == sip.SUBSCRIBE && kept >= maxSubscriptions:
		return &refusal{503, "SBC has too many subscriptions", "limit", retryAfter()}
	case s.relaying[call.InviteOf(req)]:
		return &refusal{482, "Loop Detected", "merged", nil} // RFC 3261 section 8.2.2.2
	case len(s.relaying)-kept >= maxRelayed:
		return &refusal{503, "SBC waits for too many answers", "limit", retryAfter()}
	}
	s.relaying[call.InviteOf(req)] = true
	return nil
}

// relayed makes the request for who it goes to, and takes its answer.
func (s *Server) relayed(tx *transport.ServerTx, from call.Party, onward call.Onward) transport.Outgoing {
	theirs, to := tx.Request(), onward.Parties[0]
	house := &s.state().house
	there, back := house.Way(from, to), house.Way(to, from)
	back.Host = tx.Flow().Contact("").Host
	callID, tag := from.Dialog(theirs)
	req := call.Outgoing(call.Numbered(theirs, onward.Number), to, there, callID, tag, s.state().cfg.UserAgent)
	from.Carry(req, theirs)
	req.SetBody(theirs.Body())
	var sent time.Time
	return transport.Outgoing{
		Request: req,
		Hop:     to.Hop(),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			sent = time.Now()
			contact := call.Complete(req, f, there, header.Setup|header.Message, theirs)
			if req.Method == sip.NOTIFY || req.Method == sip.OPTIONS { // RFC 3428 section 4: not in MESSAGE
				req.AppendHeader(&sip.ContactHeader{Address: contact})
			}
		},
		Each: func(r transport.Result) {
			if r.Err == nil && r.Response.IsProvisional() {
				return
			}
			if rest, ok := onward.Elsewhere(house, theirs.Method, r); ok {
				s.sendOn(tx, from, rest)
				return
			}
			s.mu.Lock()
			delete(s.relaying, call.InviteOf(theirs))
			s.mu.Unlock()
			if s.unanswered(to, theirs, sent, r) {
				s.silence(tx, "timeout")
				return
			}
			res := from.Challenged(theirs, r, s.state().cfg.UserAgent)
			if res == nil {
				res = call.Relayed(theirs, r, to, back, s.state().cfg.UserAgent)
			}
			s.metrics.calls.Relayed(from.Role, to.Role, theirs.Method, res.StatusCode)
			if err := tx.Respond(res); err != nil {
				s.log.Debug("response not sent", "code", res.StatusCode, "remote", tx.Flow().Remote().String(), "error", err)
			}
		},
	}
}

// dismiss refuses a request and keeps nothing of it.
func (s *Server) dismiss(tx *transport.ServerTx, r *refusal) {
	s.metrics.refuse(tx.Flow().Role(), r.cause)
	if err := tx.Dismiss(s.response(tx, r.code, r.phrase, r.headers)); err != nil {
		s.log.Debug("response not sent", "code", r.code, "remote", tx.Flow().Remote().String(), "error", err)
	}
}

// stranger refuses a request from an address that belongs to nobody.
func (s *Server) stranger(tx *transport.ServerTx) {
	s.dismiss(tx, &strange)
	s.notes.warn(s.log, time.Now(), tx.Request().Method.String()+" from an unknown address refused",
		"listener", tx.Flow().Listener(), "remote", tx.Flow().Remote().String(),
		"advice", "add the address to sources of the dialer, carrier or phones' listener that it belongs to")
}
