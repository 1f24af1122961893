package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/auth"
	"callseal/signaling/dialog"
	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// options asks for the abilities of the remote (RFC 3261 section 11): whatever it
// answers, SIP works both ways. It tells whether there was an answer.
func (p *prober) options(ctx context.Context) bool {
	started := time.Now()
	res, err := p.send(ctx, p.request(sip.OPTIONS, p.uri("")))
	if err != nil {
		p.unanswered(Options, err)
		return false
	}
	who := ""
	for _, name := range []string{"Server", "User-Agent"} {
		if h := res.GetHeader(name); h != nil && who == "" {
			who = ", " + header.Clean(h.Value())
		}
	}
	says := "answers OPTIONS with " + status(res) + " (" + spent(time.Since(started)) + who + ")"
	switch {
	case res.StatusCode == 403:
		p.report.add(Options, Warning, "%s: it hears us", says).
			Advice = "Their side: it may not know this address; have it added there if calls get the same answer."
	case res.StatusCode == 503:
		p.report.add(Options, Warning, "%s: it takes no calls now", says).Advice = "Their side: it is overloaded, or being shut down."
	default:
		p.report.add(Options, Good, "%s", says)
	}
	return true
}

// registration asks the registrar for the bindings of our address of record,
// which proves the password and changes nothing: a REGISTER without Contact
// (RFC 3261 section 10.2.3).
func (p *prober) registration(ctx context.Context) {
	if p.Register == nil {
		p.report.add(Registration, Skipped, "no registration is configured")
		return
	}
	aor := p.Register.AOR
	req := p.request(sip.REGISTER, p.Register.Registrar)
	req.From().Address, req.To().Address = *aor.Clone(), *aor.Clone()
	patience, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	res, asked, err := p.answered(req, func(req *sip.Request) (*sip.Response, error) { return p.send(patience, req) })
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		found := p.report.add(Registration, Fault, "the registrar answers %s and our password is not taken: %s", status(refused.res), refused.why)
		found.Advice = "Our side: correct user, password or authuser of it; they are the ones that its owner gave out."
		if errors.Is(refused.why, auth.ErrNoCredentials) {
			found.Advice = "Our side: it asks for a password and none is configured that fits."
		}
	case errors.Is(err, context.DeadlineExceeded) && asked && p.Target.Proto.Stream():
		// Asterisk's chan_sip, which refuses a wrong password at once.
		p.report.add(Registration, Good, "the registrar asks for our password, does not refuse it, and gives no list of bindings")
	case err != nil:
		p.unanswered(Registration, err)
	case res.IsSuccess():
		p.report.add(Registration, Good, "the registrar takes our password and has %d bindings of %s", len(res.GetHeaders("Contact")), header.Clean(aor.User))
	case asked && res.StatusCode == 403:
		p.report.add(Registration, Fault, "the registrar answers %s to our password", status(res)).
			Advice = "Our side: correct user, password or authuser of it; else their side: the account " + header.Clean(aor.User) + " is locked."
	case res.StatusCode == 403 || res.StatusCode == 404:
		p.report.add(Registration, Fault, "the registrar answers %s", status(res)).
			Advice = "Either side: the account " + header.Clean(aor.User) + " does not exist there, is locked, or may not come from this address."
	default:
		p.report.add(Registration, Warning, "the registrar answers %s to a question for bindings", status(res)).
			Advice = "Their side: a registration may work all the same; see the state of it in a running callseal."
	}
}

// questionTime bounds the wait for the registrar.
const questionTime = 4 * time.Second

// unanswered reports that no answer came.
func (p *prober) unanswered(s Step, err error) {
	var f *transport.Failure
	if errors.As(err, &f) {
		p.failed(s, f)
		return
	}
	p.report.add(s, Fault, "no answer: %s", err)
}

// refusal is a challenge that cannot be answered.
type refusal struct {
	res *sip.Response
	why error
}

func (r *refusal) Error() string { return status(r.res) + ": " + r.why.Error() }

// answered sends a request until it is challenged no more, each time as a copy
// signed anew. asked tells that it was challenged; a challenge that cannot be
// answered is a *refusal.
func (p *prober) answered(req *sip.Request, send func(*sip.Request) (*sip.Response, error)) (res *sip.Response, asked bool, err error) {
	x := p.client.Begin()
	for {
		x.Sign(req)
		res, err := send(req.Clone())
		if err != nil || res.StatusCode != 401 && res.StatusCode != 407 {
			return res, asked, err
		}
		if err := x.Answer(res); err != nil {
			return nil, true, &refusal{res, err}
		}
		asked = true
		req.CSeq().SeqNo++
	}
}

// send sends a request outside of dialogs and waits for its final answer.
func (p *prober) send(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	return p.wait(ctx, transport.Outgoing{
		Request: req,
		Hop:     transport.Hop{Target: &p.Target},
		Prepare: func(req *sip.Request, f *transport.Flow) {
			if req.Method != sip.REGISTER { // its From is the address of record, and one without Contact only asks
				p.complete(req, f)
			}
		},
	})
}

// wait sends what is complete but for Each, and gives its final answer.
func (p *prober) wait(ctx context.Context, o transport.Outgoing) (*sip.Response, error) {
	over := make(chan transport.Result, 1)
	o.Each = func(r transport.Result) {
		if r.Err != nil || !r.Response.IsProvisional() {
			over <- r
		}
	}
	p.endpoint.Send(ctx, o)
	r := <-over // Each hears of ctx too
	return r.Response, r.Err
}

// complete fills in our host.
func (p *prober) complete(req *sip.Request, f *transport.Flow) {
	contact := f.Contact(req.From().Address.User)
	req.From().Address.Host = contact.Host
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	p.host = contact.Host
}

// request makes a request outside of dialogs.
func (p *prober) request(method sip.RequestMethod, uri sip.Uri) *sip.Request {
	req := sip.NewRequest(method, uri)
	maxForwards := sip.MaxForwardsHeader(dialog.MaxForwards)
	req.AppendHeader(&maxForwards)
	user := p.From
	if user == "" {
		user = "callseal"
	}
	req.AppendHeader(&sip.FromHeader{
		Address: sip.Uri{Scheme: "sip", User: user, Host: "invalid"}, // complete knows our host
		Params:  sip.HeaderParams{{K: "tag", V: rand.Text()}},
	})
	to := *uri.Clone()
	to.UriParams, to.Port = nil, 0
	req.AppendHeader(&sip.ToHeader{Address: to, Params: sip.NewParams()})
	id := sip.CallIDHeader(rand.Text())
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: method})
	req.AppendHeader(sip.NewHeader("User-Agent", p.UserAgent))
	return req
}

// uri is a number at the remote.
func (p *prober) uri(number string) sip.Uri {
	t := &p.Target
	uri := sip.Uri{Scheme: "sip", User: number, Host: t.Host, Port: int(t.Port), UriParams: sip.NewParams()}
	if t.Proto != transport.UDP {
		uri.UriParams.Add("transport", t.Proto.String())
	}
	return uri
}

// status is a response's line, its phrase free of control characters.
func status(res *sip.Response) string {
	return header.Clean(res.StartLine()[len("SIP/2.0 "):])
}
