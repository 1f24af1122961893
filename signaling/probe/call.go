package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/sdp"
	"callseal/signaling/dialog"
	"callseal/signaling/transport"
)

// codecs are what every telephone network takes.
const codecs = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8\r\nc=IN IP4 192.0.2.1\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"

// byeTime bounds the wait for the answer to a BYE or CANCEL.
const byeTime = 5 * time.Second

// call calls a number, agrees on SRTP as a call of callseal does, listens, and
// hangs up.
func (p *prober) call(ctx context.Context) {
	if p.Call == "" {
		p.report.skip("not tried: it takes a call to a number that answers")
		return
	}
	ear, err := listen(p.audioAddress())
	if err != nil {
		p.report.add(Offer, Fault, "no port for audio: %s", err).Advice = "Our side: the address of media is none of this machine."
		p.report.skip("not tried after the fault above")
		return
	}
	defer ear.close()
	keys, body, err := p.offer(ear)
	if err != nil {
		p.report.add(Offer, Fault, "no offer can be made: %s", err)
		p.report.skip("not tried after the fault above")
		return
	}
	a := p.invite(ctx, body)
	if a.res == nil || !a.res.IsSuccess() {
		p.refused(a)
		p.report.skip("not tried after the fault above")
		return
	}
	p.acknowledge(a.invite, a.res, a.flow)
	defer p.hangUp(a)
	p.judge(ctx, ear, keys, a.res.Body())
}

// audioAddress is where our audio arrives.
func (p *prober) audioAddress() netip.Addr {
	if p.Bind.IsValid() {
		return p.Bind
	}
	a, err := netip.ParseAddr(strings.Trim(p.host, "[]"))
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return a
}

// offer writes our description: keys as for any call to this remote.
func (p *prober) offer(e *ear) ([]sdp.Crypto, []byte, error) {
	base, err := sdp.Parse([]byte(codecs))
	if err != nil {
		return nil, nil, err
	}
	stream, err := sdp.ReadOffer(base, sdp.Off, nil)
	if err != nil {
		return nil, nil, err
	}
	var keys []sdp.Crypto
	if p.Media != sdp.Off {
		if keys, err = sdp.NewOfferKeys(p.Suites, rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	show := p.Show
	if !show.IsValid() {
		show = e.local.Addr()
	}
	id := uint64(time.Now().UnixNano()) >> 2
	local := sdp.Local{Addr: show, RTP: e.local.Port(), RTCP: e.local.Port() + 1, Origin: sdp.Origin{ID: id, Version: 1}}
	return keys, sdp.WriteOffer(base, stream, local, p.Media, keys).Bytes(), nil
}

// attempt is an INVITE and its end.
type attempt struct {
	invite *sip.Request // as it was sent
	res    *sip.Response
	flow   *transport.Flow
	err    error
}

// invite calls the number. One that does not answer in time is cancelled.
func (p *prober) invite(ctx context.Context, body []byte) attempt {
	req := p.request(sip.INVITE, p.uri(p.Call))
	contentType := sip.ContentTypeHeader("application/sdp")
	req.AppendHeader(&contentType)
	req.SetBody(body)
	var a attempt
	_, _, err := p.answered(req, func(req *sip.Request) (*sip.Response, error) {
		a = p.ring(ctx, req)
		return a.res, a.err
	})
	a.err = err
	return a
}

var errNobodyAnswers = errors.New("nobody answered in time")

// ring sends one INVITE and waits for its final answer.
func (p *prober) ring(ctx context.Context, req *sip.Request) attempt {
	a := attempt{invite: req}
	over := make(chan transport.Result, 1)
	tx := p.endpoint.Send(context.WithoutCancel(ctx), transport.Outgoing{
		Request: req,
		Hop:     transport.Hop{Target: &p.Target},
		Prepare: p.complete,
		Each: func(r transport.Result) {
			switch {
			case r.Again:
				p.acknowledge(req, r.Response, r.Flow)
			case r.Err != nil || !r.Response.IsProvisional():
				over <- r
			}
		},
	})
	patience, cancel := context.WithTimeout(ctx, p.Ring)
	defer cancel()
	select {
	case r := <-over:
		a.res, a.flow, a.err = r.Response, r.Flow, r.Err
		return a
	case <-patience.Done():
	}
	tx.Cancel()
	select {
	case r := <-over:
		a.res, a.flow, a.err = r.Response, r.Flow, r.Err
		if r.Err == nil && r.Response.StatusCode == 487 {
			a.err = errNobodyAnswers
		}
	case <-time.After(byeTime):
		a.err = errNobodyAnswers
	}
	return a
}

// acknowledge sends the ACK of a 2xx.
func (p *prober) acknowledge(invite *sip.Request, res *sip.Response, f *transport.Flow) {
	if d, err := dialog.Calling(invite, res); err == nil {
		p.endpoint.SendAck(d.Ack(invite.CSeq().SeqNo), transport.Hop{Flow: f, Target: &p.Target})
	}
}

// refused says why there was no call.
func (p *prober) refused(a attempt) {
	var no *refusal
	switch {
	case errors.As(a.err, &no):
		p.report.add(Offer, Fault, "the call is answered %s: %s", status(no.res), no.why).
			Advice = "Our side: correct user and password of it; it asks for a password before it takes calls."
	case errors.Is(a.err, errNobodyAnswers):
		p.report.add(Offer, Fault, "nobody answered within %s, so no keys were agreed on", p.Ring).
			Advice = "Neither side: call a number that answers."
	case a.err != nil:
		p.unanswered(Offer, a.err)
	case a.res.StatusCode == 488 || a.res.StatusCode == 606 || a.res.StatusCode == 415:
		found := p.report.add(Offer, Fault, "the call is answered %s: it does not take our offer (%s)", status(a.res), p.offered())
		found.Advice = "Their side: enable SRTP with SDES there (Asterisk: encryption=yes, or media_encryption=sdes); " +
			"where it cannot, media: off with a plaintext reason on ours."
		if p.Media == sdp.Off {
			found.Advice = "Their side: it wants SRTP; set media: required on ours."
		}
	default:
		p.report.add(Offer, Fault, "the call is answered %s", status(a.res)).
			Advice = "Their side: it does not connect this number; try one that it knows, or ask its owner what the code means."
	}
}

// offered names what we offer.
func (p *prober) offered() string {
	if p.Media == sdp.Off {
		return "RTP without encryption"
	}
	var names []string
	for _, s := range p.Suites {
		names = append(names, sdp.SuiteName(s))
	}
	return p.Media.String() + ", " + strings.Join(names, ", ")
}

// judge looks at the answer's keys and listens.
func (p *prober) judge(ctx context.Context, e *ear, keys []sdp.Crypto, body []byte) {
	answer, err := sdp.Parse(body)
	var stream sdp.Stream
	if err == nil {
		stream, err = sdp.ReadAnswer(answer, p.Media, keys)
	}
	if err != nil {
		p.report.add(Offer, Fault, "it answers with keys that do not fit: %s", err).
			Advice = "Their side: its answer has to take one of the suites offered, by its tag (RFC 4568)."
		p.report.skip("not tried after the fault above")
		return
	}
	switch {
	case stream.Secure:
		p.report.add(Offer, Good, "offered %s, agreed on %s", p.offered(), stream.Crypto.Name)
	case p.Media == sdp.Off:
		p.report.add(Offer, Good, "agreed on RTP without encryption, as configured")
	default:
		p.report.add(Offer, Warning, "offered %s, agreed on RTP without encryption", p.offered()).
			Advice = "Their side: it knows no SRTP, or has it switched off; media: required on ours would refuse such calls."
	}
	var ours *sdp.Crypto
	for i := range keys {
		if keys[i].Tag == stream.Crypto.Tag {
			ours = &keys[i]
		}
	}
	h, err := e.exchange(ctx, stream, ours, p.Listen)
	p.heard(h, err)
}

// heard reports the audio.
func (p *prober) heard(h heard, err error) {
	r := &p.report
	switch {
	case err != nil:
		r.add(Media, Fault, "audio cannot be exchanged: %s", err)
	case h.good > 0:
		r.add(Media, Good, "%d packets of audio within %s, the first %s after the answer", h.good, p.Listen, spent(h.first))
	case h.plain > 0:
		r.add(Media, Fault, "%d packets came unencrypted though keys were agreed on", h.plain).
			Advice = "Their side: its SRTP is not in force; Asterisk needs res_srtp loaded."
	case h.wrong > 0:
		r.add(Media, Fault, "%d packets came, none with the key agreed on", h.wrong).Advice = "Their side: it encrypts with another key than the one in its answer."
	default:
		r.add(Media, Fault, "no audio came within %s", p.Listen).
			Advice = "Either side: a firewall drops UDP to our media ports, or media.advertise is not the address that it can reach; or whoever answered is silent."
	}
}

// hangUp ends the call.
func (p *prober) hangUp(a attempt) {
	d, err := dialog.Calling(a.invite, a.res)
	if err != nil {
		return
	}
	hop := transport.Hop{Flow: a.flow, Target: &p.Target}
	ctx, cancel := context.WithTimeout(context.Background(), byeTime)
	defer cancel()
	_, _, _ = p.answered(d.Request(sip.BYE), func(bye *sip.Request) (*sip.Response, error) { // nobody is left to hear of it
		return p.wait(ctx, transport.Outgoing{Request: bye, Hop: hop})
	})
}
