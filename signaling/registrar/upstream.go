package registrar

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// told are the headers of a REGISTER, and of its answers, that cross besides.
var told = struct{ up, down []string }{
	up:   []string{"User-Agent", "Allow-Events"}, // of the phone: the dialer's own pages show it
	down: []string{"Date", "Retry-After", "Min-Expires"},
}

// request makes the REGISTER for the dialer. Everything in it that names the
// phone is the same whenever the same phone registers.
func (r *Registrar) request(theirs *sip.Request, a *Ask, t *transport.Target, seq uint32) *sip.Request {
	place := sip.Uri{Scheme: "sip", Host: t.Host, Port: int(t.Port), UriParams: sip.NewParams()}
	if strings.Contains(t.Host, ":") {
		place.Host = "[" + t.Host + "]"
	}
	if t.Proto != transport.UDP {
		place.UriParams.Add("transport", t.Proto.String())
	}
	req := sip.NewRequest(sip.REGISTER, place)
	maxForwards := sip.MaxForwardsHeader(70)
	if m := theirs.MaxForwards(); m != nil && *m > 0 {
		maxForwards = *m - 1
	}
	req.AppendHeader(&maxForwards)
	id := a.identity
	if a.Contact == nil { // all of an AOR's
		id = "aor"
	}
	callID, tag := dialogOf(token(a.User, id), "register", "")
	aor := sip.Uri{Scheme: "sip", User: a.User, Host: place.Host}
	params := sip.NewParams()
	params.Add("tag", tag)
	req.AppendHeader(&sip.FromHeader{DisplayName: header.Clean(theirs.From().DisplayName), Address: aor, Params: params})
	req.AppendHeader(&sip.ToHeader{Address: aor, Params: sip.NewParams()})
	ourID := sip.CallIDHeader(callID)
	req.AppendHeader(&ourID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: sip.REGISTER})
	header.Credentials(req, theirs)
	header.Copy(req, theirs, told.up)
	return req
}

// contact adds the Contact that stands for the phone's, and how long it is to
// hold.
func contact(req *sip.Request, a *Ask, f *transport.Flow, expiry time.Duration) {
	if a.Contact == nil && !a.All {
		return
	}
	text := strconv.Itoa(int(expiry.Seconds()))
	if a.All {
		req.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Wildcard: true, Host: "*"}})
	} else {
		params := sip.NewParams()
		params.Add("expires", text)
		req.AppendHeader(&sip.ContactHeader{Address: f.Contact(token(a.User, a.identity)), Params: params})
		for _, other := range a.others { // behind it: chan_sip reads the first, and has no others
			params := sip.NewParams()
			params.Add("expires", "0")
			req.AppendHeader(&sip.ContactHeader{Address: f.Contact(other), Params: params})
		}
	}
	req.AppendHeader(sip.NewHeader("Expires", text))
}

// granted is how long a dialer's 200 lets a contact of ours hold.
func granted(res *sip.Response, token string, wanted time.Duration) time.Duration {
	text := ""
	if h := res.GetHeader("expires"); h != nil {
		text = h.Value()
	}
	for _, h := range res.GetHeaders("contact") {
		if c, ok := h.(*sip.ContactHeader); ok && c.Address.User == token {
			text = c.Params.GetOr("expires", text)
		}
	}
	if d, ok := seconds(text); ok {
		return d
	}
	return wanted
}

// answer makes what the phone hears of the dialer's answer.
func (r *Registrar) answer(theirs *sip.Request, code int, phrase string) *sip.Response {
	res := sip.NewResponseFromRequest(theirs, code, phrase, nil)
	res.AppendHeader(sip.NewHeader("Server", r.userAgent()))
	return res
}

// Flow-Timer (RFC 5626 section 4.4.1) of a connection, in seconds.
const flowTimer = "120"

// welcome makes the 200: the contacts in the phone's own words, and what RFC
// 5626 and RFC 3327 want of a registrar.
func (r *Registrar) welcome(theirs *sip.Request, a *Ask, said *sip.Response, own string, expiry time.Duration) *sip.Response {
	res := r.answer(theirs, 200, "OK")
	for _, h := range said.GetHeaders("contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok || c.Address.User == own {
			continue
		}
		if known := r.table.contact(a.User, c.Address.User); known != nil { // others are nobody's business
			text := c.Params.GetOr("expires", "")
			if d, ok := seconds(text); ok {
				res.AppendHeader(withExpiry(known, d))
			}
		}
	}
	if own != "" && !a.Remove {
		res.AppendHeader(withExpiry(a.Contact, expiry))
		res.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(expiry.Seconds()))))
		for _, uri := range a.Path {
			res.AppendHeader(sip.NewHeader("Path", "<"+uri.String()+">"))
		}
	}
	if a.Outbound && !a.Remove {
		res.AppendHeader(sip.NewHeader("Require", "outbound"))
		res.AppendHeader(sip.NewHeader("Supported", "outbound, path"))
		res.AppendHeader(sip.NewHeader("Flow-Timer", flowTimer))
	}
	header.Challenges(res, said) // Authentication-Info
	header.Copy(res, said, told.down)
	return res
}

// withExpiry is a phone's contact as it wrote it, but for how long it holds.
func withExpiry(c *sip.ContactHeader, d time.Duration) *sip.ContactHeader {
	params := sip.NewParams()
	for _, p := range c.Params {
		if p.K != "expires" && p.K != "q" {
			params.Add(p.K, p.V)
		}
	}
	params.Add("expires", strconv.Itoa(int(d.Seconds())))
	return &sip.ContactHeader{Address: *c.Address.Clone(), Params: params}
}
