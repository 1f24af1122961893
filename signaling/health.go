package signaling

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/register"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// longestAnswer is how long a trunk may take to answer an OPTIONS.
const longestAnswer = 4 * time.Second

// Trunks is what is known of the trunks now.
func (s *Server) Trunks() []trunk.Status { return s.desk.Status(s.state().cfg.Table.Trunks) }

// watch asks the trunks that are to be watched how they are, until ctx ends.
func (s *Server) watch(ctx context.Context) {
	due := map[string]time.Time{} // by name
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.watching:
		case <-pause.C:
		}
		now, next, watched := time.Now(), time.Time{}, map[string]time.Time{}
		for _, t := range s.state().cfg.Table.Trunks {
			if t.Health.Interval == 0 {
				continue
			}
			at, known := due[t.Name()]
			if !known || !at.After(now) {
				s.question(ctx, t)
				at = now.Add(t.Health.Interval)
			}
			watched[t.Name()] = at
			if next.IsZero() || at.Before(next) {
				next = at
			}
		}
		due = watched
		pause.Stop()
		if !next.IsZero() {
			pause.Reset(next.Sub(now))
		}
	}
}

// question sends a trunk an OPTIONS (RFC 3261 section 11). Whatever it answers
// shows that it is there, as for Asterisk's qualify.
func (s *Server) question(ctx context.Context, t *trunk.Trunk) {
	answer, cancel := context.WithTimeout(ctx, min(longestAnswer, t.Health.Interval))
	asked := time.Now()
	s.endpoint.Send(answer, transport.Outgoing{
		Request: s.optionsTo(t),
		Hop:     transport.Hop{Target: &t.Target},
		Prepare: func(req *sip.Request, f *transport.Flow) {
			contact := f.Contact("")
			header.AtHost(req.From(), contact.Host)
			req.AppendHeader(&sip.ContactHeader{Address: contact})
		},
		Each: func(r transport.Result) {
			if r.Err == nil && r.Response.IsProvisional() {
				return
			}
			cancel()
			var f *transport.Failure
			switch {
			case ctx.Err() != nil:
			case r.Err == nil:
				s.desk.Alive(t, time.Since(asked))
				if wish := call.RetryAfter(r.Response); r.Response.StatusCode == 503 && wish > 0 {
					s.desk.Rest(t, wish)
				}
			case errors.As(r.Err, &f):
				s.desk.Dead(t, "OPTIONS: "+f.Stage.String()+" "+f.Cause.String())
			default:
				s.desk.Dead(t, "OPTIONS without an answer")
			}
		},
	})
}

// registersAgain is how far apart registrations are refreshed at a trunk that is back.
const registersAgain = 20 * time.Millisecond

// cameBack refreshes what is registered at a trunk that was silent and answers again: it may have been started anew, and have forgotten it. Over TCP
// and TLS the end of the connection has told that already.
func (s *Server) cameBack(name string) {
	var all []*register.Registration
	for _, k := range s.registrations.list() {
		if k.trunk.Name() == name {
			all = append(all, k.Registration)
		}
	}
	for _, k := range s.lines.list() {
		if k.Dialer == name {
			all = append(all, k.Registration)
		}
	}
	for i, k := range all {
		k.Soon(time.Duration(i) * registersAgain)
	}
}

func (s *Server) optionsTo(t *trunk.Trunk) *sip.Request {
	uri := t.URI("")
	req := sip.NewRequest(sip.OPTIONS, uri)
	forwards := sip.MaxForwardsHeader(dialog.MaxForwards)
	req.AppendHeader(&forwards)
	from := sip.NewParams()
	from.Add("tag", rand.Text())
	req.AppendHeader(&sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: s.state().cfg.UserAgent}, Params: from})
	to := *uri.Clone()
	to.UriParams, to.Port = nil, 0
	req.AppendHeader(&sip.ToHeader{Address: to, Params: sip.NewParams()})
	id := sip.CallIDHeader(rand.Text())
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	req.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	req.AppendHeader(sip.NewHeader("User-Agent", s.state().cfg.UserAgent))
	return req
}
