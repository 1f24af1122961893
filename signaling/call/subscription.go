package call

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// Subscription is a subscription (RFC 6665) of a remote on leg A with one on leg
// B: two dialogs, in which SUBSCRIBE goes to B and NOTIFY comes back.
//
//	asked -> (2xx or NOTIFY) running -> over: refused, expired, terminated, or unknown to one of both
//
// Its methods are called from lanes, and wait for nobody.
//
// The server's table holds it until it is over.
type Subscription struct {
	// Never mutated.
	house  *House
	forget func(*Subscription)
	tx     *transport.ServerTx // the SUBSCRIBE that began it

	mu      sync.Mutex // guards what follows
	a, b    leg
	onward  Onward            // B, and who else may be asked
	asked   *sip.Request      // ours to B
	dialogs [2]*dialog.Dialog // of A; of B, nil before it has said something
	ends    *time.Timer
	over    bool
}

// Of subscriptions.
const (
	defaultExpiry = time.Hour      // RFC 6665 leaves it to the event package
	longestExpiry = 24 * time.Hour // then the subscriber has to come back
	expiryGrace   = 64 * t1        // for the last NOTIFY
)

// NewSubscription makes the one that tx, a SUBSCRIBE, asks for. It begins with
// Ask. The error says what is wrong with the request.
func NewSubscription(house *House, tx *transport.ServerTx, from Party, onward Onward, forget func(*Subscription)) (*Subscription, error) {
	s := &Subscription{house: house, forget: forget, tx: tx, onward: onward}
	to := onward.Parties[0]
	s.a = leg{party: from, callID: tx.Request().CallID().Value(), tag: token(16), flow: tx.Flow(), secrets: from.secrets()}
	callID, tag := from.Dialog(tx.Request())
	s.b = leg{party: to, callID: callID, tag: tag, secrets: from.secretsOf(to)}
	d, err := dialog.Answering(tx.Request(), s.a.tag)
	if err != nil {
		return nil, err
	}
	s.dialogs[sideA] = d
	tx.Request().To().Params.Add("tag", s.a.tag)
	return s, nil
}

// Keys are the two identifiers under which in-dialog messages find it.
func (s *Subscription) Keys() [2]Key { return [2]Key{{s.a.callID, s.a.tag}, {s.b.callID, s.b.tag}} }

// Ask sends the SUBSCRIBE to B.
func (s *Subscription) Ask() {
	s.house.signed(s.b.party, s.b.secrets.Begin(), s.first(), direct, func(o *transport.Outgoing) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked.CSeq().SeqNo++
		o.Request.CSeq().SeqNo = s.asked.CSeq().SeqNo
	})
}

// direct runs something where it is.
func direct(f func()) { f() }

func (s *Subscription) first() transport.Outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	theirs := Numbered(s.tx.Request(), s.onward.Number)
	way := s.house.way(s.a.party, &s.b)
	s.asked = Outgoing(theirs, s.b.party, way, s.b.callID, s.b.tag, s.house.UserAgent)
	s.a.party.Carry(s.asked, theirs)
	s.asked.SetBody(theirs.Body())
	s.until(longestExpiry)
	return transport.Outgoing{
		Request: s.asked.Clone(),
		Hop:     s.b.party.Hop(),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			req.AppendHeader(&sip.ContactHeader{Address: Complete(req, f, way, header.Setup|header.Message, theirs)})
			from := req.From().Address
			s.mu.Lock()
			s.asked.From().Address = from
			s.mu.Unlock()
		},
		Each: func(r transport.Result) {
			if s.elsewhere(r) {
				s.Ask()
				return
			}
			s.answered(sideA, s.tx, r)
		},
	}
}

// elsewhere makes another party B where the present one failed with r. It tells
// whether there is one. It gets the SUBSCRIBE of the same dialog: nobody else has
// that.
func (s *Subscription) elsewhere(r transport.Result) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	rest, ok := s.onward.Elsewhere(s.house, sip.SUBSCRIBE, r)
	if !ok {
		return false
	}
	s.onward, s.dialogs[sideB] = rest, nil
	to := rest.Parties[0]
	s.b = leg{party: to, callID: s.b.callID, tag: s.b.tag, secrets: s.a.party.secretsOf(to)}
	return true
}

// Request takes an in-dialog request: SUBSCRIBE of A, NOTIFY of B.
func (s *Subscription) Request(tx *transport.ServerTx) {
	if send := s.take(tx); send != nil {
		send() // without the lock, which an answer takes
	}
}

// take gives what sends the request on to the other leg, or refuses it: nil.
func (s *Subscription) take(tx *transport.ServerTx) (send func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	req := tx.Request()
	from, method := sideA, sip.SUBSCRIBE
	if req.CallID().Value() == s.b.callID && req.To().Params.GetOr("tag", "") == s.b.tag {
		from, method = sideB, sip.NOTIFY
	}
	l := s.leg(from)
	d := s.dialogOf(from, req)
	switch {
	case d == nil || s.over || tx.Flow().Role() != l.party.Role || s.dialogs[from.other()] == nil:
		s.turnDown(tx, 481, "Call Transaction Does Not Exist", "no_dialog")
		return nil
	case req.Method != method:
		s.turnDown(tx, 405, "Method Not Allowed", "method", sip.NewHeader("Allow", string(method)))
		return nil
	case d.Accept(req) != nil:
		s.turnDown(tx, 500, "CSeq out of order", "cseq")
		return nil
	}
	l.flow = tx.Flow()
	d.Refresh(req.Contact())
	return s.passed(from, tx)
}

// dialogOf is the dialog of a request that came on a side, or nil. A NOTIFY may
// come before the answer to the SUBSCRIBE, and makes it then (RFC 6665 section
// 4.1.2.4); those of further forks are refused.
func (s *Subscription) dialogOf(from side, req *sip.Request) *dialog.Dialog {
	remote := req.From().Params.GetOr("tag", "")
	if s.dialogs[from] == nil && req.Method == sip.NOTIFY {
		res := sip.NewResponseFromRequest(s.asked, 200, "OK", nil)
		res.To().Params.Add("tag", remote)
		if contact := req.Contact(); contact != nil {
			res.AppendHeader(contact.Clone())
		}
		s.dialogs[from], _ = dialog.Calling(s.asked, res) // a 2xx is always one
	}
	if d := s.dialogs[from]; d != nil && d.ID().Remote == remote {
		return d
	}
	return nil
}

// passed makes the request for the other leg's dialog, and gives what sends it.
func (s *Subscription) passed(from side, tx *transport.ServerTx) (send func()) {
	theirs := tx.Request()
	to, d := s.leg(from.other()), s.dialogs[from.other()]
	req := d.Request(theirs.Method)
	if m := theirs.MaxForwards(); m != nil {
		*req.MaxForwards() = *m - 1 // it is not 0: that was refused
	}
	req.AppendHeader(sip.NewHeader("User-Agent", s.house.UserAgent))
	req.SetBody(theirs.Body())
	if s.leg(from).party.Through {
		header.Credentials(req, theirs)
	}
	way := s.house.way(s.leg(from).party, to)
	o := transport.Outgoing{
		Request: req,
		Hop:     to.hop(d),
		Prepare: func(req *sip.Request, f *transport.Flow) {
			contact := f.Contact("")
			way.Host = contact.Host
			req.AppendHeader(&sip.ContactHeader{Address: contact})
			for _, h := range way.Cross(header.Message, theirs.Headers()) {
				req.AppendHeader(h)
			}
		},
		Each: func(r transport.Result) { s.answered(from, tx, r) },
	}
	renew := func(o *transport.Outgoing) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.Request.CSeq().SeqNo, o.Hop = d.Next(), to.hop(d)
	}
	party, x := to.party, to.secrets.Begin()
	return func() { s.house.signed(party, x, o, direct, renew) }
}

// answered gives the answer of one remote to the other, from, and draws the
// consequences.
func (s *Subscription) answered(from side, tx *transport.ServerTx, r transport.Result) {
	if r.Err == nil && r.Response.IsProvisional() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	req := tx.Request()
	near, far := s.leg(from), s.leg(from.other())
	if r.Flow != nil {
		far.flow = r.Flow
	}
	res := near.party.Challenged(req, r, s.house.UserAgent)
	if res == nil {
		res = Relayed(req, r, far.party, s.house.way(far.party, near), s.house.UserAgent)
	}
	if r.Err == nil && r.Response.StatusCode == 481 { // both have to know
		res.StatusCode, res.Reason = 481, "Subscription Does Not Exist"
	}
	switch {
	case req.Method == sip.SUBSCRIBE && res.IsSuccess():
		res.RemoveHeader("Expires")
		res.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(s.confirm(r.Response).Seconds()))))
		res.AppendHeader(&sip.ContactHeader{Address: near.flow.Contact("")})
	case res.StatusCode == 481, tx == s.tx, strings.HasPrefix(strings.ToLower(value(req, "subscription-state")), "terminated"):
		s.end()
	}
	s.house.Metrics.Relayed(near.party.Role, far.party.Role, req.Method, res.StatusCode)
	if err := tx.Respond(res); err != nil {
		s.house.Log.Debug("response not sent", "leg", near.party.Name, "code", res.StatusCode, "error", err)
	}
}

// confirm takes B's 2xx to a SUBSCRIBE. It gives how long the subscription
// lasts.
func (s *Subscription) confirm(res *sip.Response) time.Duration {
	switch d := s.dialogs[sideB]; {
	case d == nil:
		s.dialogs[sideB], _ = dialog.Calling(s.asked, res) // a 2xx is always one
	case d.ID().Remote == res.To().Params.GetOr("tag", ""):
		d.Update(res)
	}
	expiry := defaultExpiry
	if n, err := strconv.ParseUint(value(res, "expires"), 10, 31); err == nil {
		expiry = min(time.Duration(n)*time.Second, longestExpiry)
	}
	s.until(expiry + expiryGrace)
	return expiry
}

// until sets when it is over if nobody says anything any more.
func (s *Subscription) until(d time.Duration) {
	if s.over {
		return
	}
	if s.ends != nil {
		s.ends.Stop()
	}
	s.ends = time.AfterFunc(d, s.End)
}

// End forgets it without a word to anybody.
func (s *Subscription) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

func (s *Subscription) end() {
	if s.over {
		return
	}
	s.over = true
	s.ends.Stop()
	s.forget(s)
}

func (s *Subscription) leg(of side) *leg {
	if of == sideB {
		return &s.b
	}
	return &s.a
}

func (s *Subscription) turnDown(tx *transport.ServerTx, code int, phrase, cause string, headers ...sip.Header) {
	s.house.Refused(tx.Flow().Role(), cause)
	res := sip.NewResponseFromRequest(tx.Request(), code, header.Phrase(phrase), nil)
	res.AppendHeader(sip.NewHeader("Server", s.house.UserAgent))
	for _, h := range headers {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		s.house.Log.Debug("response not sent", "code", code, "error", err)
	}
}

// value is that of a message's first header of a name, or "".
func value(msg interface{ GetHeader(string) sip.Header }, name string) string {
	if h := msg.GetHeader(name); h != nil {
		return strings.TrimSpace(h.Value())
	}
	return ""
}
