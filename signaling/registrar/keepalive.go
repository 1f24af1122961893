package registrar

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// A phone that no dialer asks for (OPTIONS) is asked by us: the answer tells
// the round trip, holds a router's mapping open, and shows over UDP, where
// nothing is ever closed, that the phone is still there.
const (
	pingStream = 90 * time.Second
	pingUDP    = 25 * time.Second // routers forget a mapping after 30 s
)

// watch is what OPTIONS have shown of a phone on its present flow.
type watch struct {
	roundTrip time.Duration
	answered  bool      // once: only such a phone is missed when it is silent
	asked     time.Time // when the last was answered
}

func pause(p transport.Proto) time.Duration {
	if p.Stream() {
		return pingStream
	}
	return pingUDP
}

// keep asks a phone again and again, for as long as it is there: for the next
// time when it has answered nobody for a pause.
func (r *Registrar) keep(p Phone) {
	t := r.table
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bindings[p.token]
	if b == nil || t.closed || b.gone || b.ping != nil {
		return
	}
	every := pause(b.flow.Proto())
	wait := every
	if since := time.Since(b.watch.asked); since < every {
		wait -= since
	}
	b.ping = time.AfterFunc(wait, func() { r.ping(p, every) })
}

// ping asks a phone, unless it has answered somebody else meanwhile.
func (r *Registrar) ping(p Phone, every time.Duration) {
	b := p.get()
	if b == nil {
		return
	}
	p.table.rest(p.token)
	if b.gone {
		return
	}
	if time.Since(b.watch.asked) < every {
		r.keep(p)
		return
	}
	sent := time.Now()
	r.endpoint.Send(context.Background(), transport.Outgoing{
		Request: r.question(b),
		Hop:     transport.Hop{Flow: b.flow},
		Prepare: func(req *sip.Request, f *transport.Flow) {
			sent = time.Now()
			req.From().Address.Host = f.Contact("").Host
			req.AppendHeader(&sip.ContactHeader{Address: f.Contact("")})
		},
		Each: func(res transport.Result) {
			if res.Err == nil && res.Response.IsProvisional() {
				return
			}
			r.Asked(p, b.flow, time.Since(sent), res.Err)
			r.keep(p)
		},
	})
}

// rest lets a phone be asked anew.
func (t *Table) rest(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.bindings[token]; b != nil {
		b.ping = nil
	}
}

// question is an OPTIONS outside of any dialog (RFC 3261 section 11.1).
func (r *Registrar) question(b *binding) *sip.Request {
	req := sip.NewRequest(sip.OPTIONS, *b.ask.Contact.Address.Clone())
	for _, uri := range b.ask.Path {
		req.AppendHeader(&sip.RouteHeader{Address: uri})
	}
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	params := sip.NewParams()
	params.Add("tag", rand.Text())
	req.AppendHeader(&sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: "callseal"}, Params: params})
	req.AppendHeader(&sip.ToHeader{Address: *b.ask.AOR.Clone(), Params: sip.NewParams()})
	id := sip.CallIDHeader(rand.Text())
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	req.AppendHeader(sip.NewHeader("User-Agent", r.userAgent()))
	return req
}

// Asked notes what came of an OPTIONS that a phone was sent over a flow: the
// time to its answer, or why there was none. A phone that used to answer and
// does not is gone.
func (r *Registrar) Asked(p Phone, f *transport.Flow, took time.Duration, err error) {
	t := r.table
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bindings[p.token]
	switch {
	case b == nil || b.flow.ID() != f.ID():
	case err == nil:
		b.watch = watch{took, true, time.Now()}
		t.revive(b)
	case b.watch.answered:
		t.lose(b)
	}
}
