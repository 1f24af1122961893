package call

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"callseal/media"
	"callseal/media/srtp"
	"callseal/sdp"
)

// negotiation is what the two legs of a call have agreed on: an offer of one
// remote becomes ours to the other, that one's answer becomes ours to the
// first, and no key crosses. Both legs are alike: either may offer anew. Pure
// but for the randomness that it is given.
type negotiation struct {
	ends   [2]end
	random io.Reader

	first *proposal         // the offer that the call began with
	asked *offering         // ours to B that goes with it
	forks map[string]agreed // what each To tag of B answered to that
}

// end is one leg's session as it is in force.
type end struct {
	mode     sdp.Mode
	suites   []sdp.Suite
	local    sdp.Local
	said     *sdp.Description // what the remote described last; nil before it has
	stream   sdp.Stream       // the audio stream in it
	crossing string           // what the other leg was told of it
	key      *sdp.Crypto      // ours to send with; nil where the leg is plain
	layout   sdp.Layout
	told     []byte // the description of ours that the remote has
	heard    string // the codecs of the other leg that it agreed to
}

// endOf is a leg's session before anything was said.
func endOf(p Party) end { return end{mode: p.Mode, suites: p.Suites} }

// proposal is a remote's offer, until it is answered.
type proposal struct {
	from   side
	offer  *sdp.Description
	stream sdp.Stream
	key    *sdp.Crypto // ours to answer with; nil where the leg is plain
}

// offering is an offer of ours, until it is answered.
type offering struct {
	to     side
	keys   []sdp.Crypto
	layout sdp.Layout
	body   []byte
	heard  string // the codecs in it
}

// agreed is what one leg's remote and we settled on.
type agreed struct {
	said   *sdp.Description
	stream sdp.Stream
	key    *sdp.Crypto
	layout sdp.Layout
	heard  string // the codecs of an offer of ours that this answers; "" for a proposal
	final  bool   // of a fork: this is its answer, what comes later only repeats it
}

// What can be wrong with a message that had to carry a session description.
var (
	errNoSDP    = errors.New("no SDP")
	errNotReady = errors.New("the other leg has described nothing yet")
)

func newNegotiation(a, b Party, random io.Reader) *negotiation {
	return &negotiation{ends: [2]end{endOf(a), endOf(b)}, random: random, forks: make(map[string]agreed)}
}

// propose takes an offer of a remote. Nothing changes before it is answered.
func (n *negotiation) propose(from side, body []byte) (*proposal, error) {
	if len(body) == 0 {
		return nil, errNoSDP
	}
	offer, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	e := &n.ends[from]
	stream, err := e.readOffer(offer)
	if err != nil {
		return nil, err
	}
	p := &proposal{from: from, offer: offer, stream: stream}
	switch {
	case !stream.Secure:
	case e.key != nil && e.key.Suite == stream.Crypto.Suite:
		key := e.key.As(stream.Crypto)
		p.key = &key
	default:
		key, err := sdp.NewAnswerKey(stream.Crypto, n.random)
		if err != nil {
			return nil, err
		}
		p.key = &key
	}
	return p, n.check(p)
}

// readOffer reads an offer, the suite in force before all others.
func (e *end) readOffer(offer *sdp.Description) (sdp.Stream, error) {
	if e.key != nil {
		if stream, err := sdp.ReadOffer(offer, e.mode, []sdp.Suite{e.key.Suite}); err == nil && stream.Secure {
			return stream, nil
		}
	}
	return sdp.ReadOffer(offer, e.mode, e.suites)
}

// lateOffer are the codecs that B is offered where A leaves the offer to us
// (an INVITE without SDP): what every telephone network takes.
const lateOffer = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8 101\r\nc=IN IP4 192.0.2.1\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"

// late is a proposal in the place of the one that A did not make.
func (n *negotiation) late() (*proposal, error) {
	offer, err := sdp.Parse([]byte(lateOffer))
	if err != nil {
		return nil, err
	}
	stream, err := sdp.ReadOffer(offer, sdp.Off, nil)
	return &proposal{from: sideA, offer: offer, stream: stream}, err
}

// isLate tells whether A has still to hear our offer.
func (n *negotiation) isLate() bool { return n.ends[sideA].said == nil }

// locate says where our ends of the legs are, once ports are known.
func (n *negotiation) locate(a, b endpoint) error {
	ids := make([]byte, 16)
	if _, err := io.ReadFull(n.random, ids); err != nil {
		return err
	}
	n.ends[sideA].local = a.local(ids[:8])
	n.ends[sideB].local = b.local(ids[8:])
	return nil
}

// endpoint is one of our media sockets as the remote party reaches it.
type endpoint struct {
	addr      netip.Addr
	rtp, rtcp uint16
}

// local gives the endpoint an o= identity of its own, at most 62 bits so that
// every parser's integer holds it.
func (e endpoint) local(id []byte) sdp.Local {
	var n uint64
	for _, b := range id {
		n = n<<8 | uint64(b)
	}
	return sdp.Local{Addr: e.addr, RTP: e.rtp, RTCP: e.rtcp, Origin: sdp.Origin{ID: n >> 2, Version: 1}}
}

// tell writes a description of ours for this leg. Where it differs from the
// one that the remote has, its version grows (RFC 3264 section 8).
func (e *end) tell(write func(sdp.Local) *sdp.Description) (d *sdp.Description, body []byte) {
	d = write(e.local)
	body = d.Bytes()
	if e.told != nil && !bytes.Equal(body, e.told) {
		e.local.Origin.Version++
		d = write(e.local)
		body = d.Bytes()
	}
	e.told = body
	return d, body
}

// offer writes an offer for one leg out of what the other's remote described:
// with fresh keys where the leg has none yet or renew says so, else with the
// one in force alone (RFC 4568 section 7.1.4).
func (n *negotiation) offer(to side, said *sdp.Description, stream sdp.Stream, renew bool) (*offering, error) {
	e := &n.ends[to]
	o := &offering{to: to, heard: codecs(said, stream)}
	var err error
	switch {
	case e.key != nil && !renew:
		o.keys = []sdp.Crypto{*e.key}
	case e.key != nil:
		o.keys, err = sdp.NewOfferKeys([]sdp.Suite{e.key.Suite}, n.random)
	case e.said == nil && e.mode != sdp.Off:
		o.keys, err = sdp.NewOfferKeys(e.suites, n.random)
	}
	if err != nil {
		return nil, err
	}
	d, body := e.tell(func(local sdp.Local) *sdp.Description {
		return sdp.WriteOffer(said, stream, local, e.mode, o.keys).Within(e.layout)
	})
	o.layout, o.body = e.layout, body
	if e.said == nil {
		o.layout = sdp.LayoutOf(d, 0)
	}
	return o, nil
}

// refresh is an offer to one leg of what it has already. ErrNotReady where the
// other leg has described nothing yet.
func (n *negotiation) refresh(to side, renew bool) (*offering, error) {
	from := &n.ends[to.other()]
	if from.said == nil {
		return nil, errNotReady
	}
	return n.offer(to, from.said, from.stream, renew)
}

// read takes the answer to an offer of ours. Nothing changes yet.
func (n *negotiation) read(o *offering, body []byte) (agreed, error) {
	if len(body) == 0 {
		return agreed{}, errNoSDP
	}
	said, err := sdp.Parse(body)
	if err != nil {
		return agreed{}, err
	}
	a := agreed{said: said, layout: o.layout, heard: o.heard}
	if a.stream, err = sdp.ReadAnswer(said, n.ends[o.to].mode, o.keys); err != nil {
		return agreed{}, err
	}
	if !a.stream.Secure {
		return a, nil
	}
	for i := range o.keys {
		if o.keys[i].Tag == a.stream.Crypto.Tag {
			a.key = &o.keys[i]
			return a, nil
		}
	}
	return agreed{}, fmt.Errorf("crypto tag %q: %w", a.stream.Crypto.Tag, sdp.ErrTag)
}

// agree puts what was settled with a remote in force.
func (n *negotiation) agree(s side, a agreed) {
	e := &n.ends[s]
	e.said, e.stream, e.key, e.layout = a.said, a.stream, a.key, a.layout
	e.crossing = sdp.Crossing(a.said, a.stream)
	if a.heard != "" {
		e.heard = a.heard
	}
}

// codecs is what the other leg is told of a description, but for the
// direction.
func codecs(said *sdp.Description, stream sdp.Stream) string {
	stream.Direction = sdp.SendRecv
	return sdp.Crossing(said, stream)
}

// isNews tells whether what the other leg's remote said last is more than this
// one's knows: other codecs than it was told and than it chose itself, or a
// direction that is not its own one's mirror.
func (n *negotiation) isNews(to side) bool {
	e, other := &n.ends[to], &n.ends[to.other()]
	said := codecs(other.said, other.stream)
	return said != e.heard && (e.said == nil || said != codecs(e.said, e.stream)) || other.stream.Direction != e.stream.Direction.Mirror()
}

// fork takes what a To tag of B answers to the INVITE: in a response that is
// not final or reliable it may still change. A response without SDP repeats what
// its tag said before; a tag that has said nothing is errNoSDP.
func (n *negotiation) fork(tag string, body []byte, final bool) (agreed, error) {
	a, known := n.forks[tag]
	switch {
	case len(body) == 0 && !known:
		return agreed{}, errNoSDP
	case len(body) > 0 && !a.final:
		var err error
		if a, err = n.read(n.asked, body); err != nil {
			return agreed{}, err
		}
		a.final = final
		n.forks[tag] = a
	}
	n.agree(sideB, a)
	return a, nil
}

// begun lets go of what only the first offer and its answer needed.
func (n *negotiation) begun() { n.first, n.asked, n.forks = nil, nil, nil }

// settled is what a proposal comes to once it is answered.
func (p *proposal) settled() agreed {
	return agreed{said: p.offer, stream: p.stream, key: p.key, layout: sdp.LayoutOf(p.offer, p.stream.Index)}
}

// answer writes the answer to a proposal out of what the other leg's remote
// said last.
func (n *negotiation) answer(p *proposal) []byte {
	other := &n.ends[p.from.other()]
	said := other.said
	n.ends[p.from].heard = codecs(said, other.stream)
	_, body := n.ends[p.from].tell(func(local sdp.Local) *sdp.Description {
		return sdp.WriteAnswer(p.offer, p.stream, said, local, p.key)
	})
	return body
}

// isLocal tells whether a proposal changes nothing that the other leg has to
// know of: an address, a key, or nothing at all. It can be answered at once.
func (n *negotiation) isLocal(p *proposal) bool {
	e, other := &n.ends[p.from], &n.ends[p.from.other()]
	return e.said != nil && other.said != nil && sdp.Crossing(p.offer, p.stream) == e.crossing && p.stream.Covers(other.stream)
}

// remote is what the relay has to know of a leg.
func (a agreed) remote() media.Remote {
	r := media.Remote{
		RTP: a.stream.RTP, RTCP: a.stream.RTCP, Mux: a.stream.Mux,
		Hold: a.stream.Held, Mute: mute(a.stream.Direction), NoRTCP: a.stream.NoRTCP, ReceiveLife: a.stream.Crypto.Lifetime,
	}
	if a.stream.Secure {
		r.Receive, r.Send = srtpKey(&a.stream.Crypto), srtpKey(a.key)
	}
	return r
}

// mute tells whether a party that describes its audio so will send none.
func mute(d sdp.Direction) bool { return d == sdp.RecvOnly || d == sdp.Inactive }

func srtpKey(c *sdp.Crypto) *srtp.Key {
	return &srtp.Key{Profile: c.Suite, Master: []byte(c.Key), MKI: c.MKILen}
}

// fault says in a status line's words, and in a counter's, what is wrong with
// the description that party sent, and what its administrator has to change.
func fault(party Party, err error) (phrase, cause, advice string) {
	who := party.Name
	switch {
	case errors.Is(err, sdp.ErrPlain):
		return who + " offered no SRTP but it is required", "srtp_required",
			"switch SRTP (SDES) on at " + who + ", or set its media policy to preferred or off with a plaintext acceptance"
	case errors.Is(err, sdp.ErrNoSuite):
		return who + " shares no SRTP suite with us", "no_suite",
			"allow one of the suites that " + who + " speaks under suites"
	case errors.Is(err, sdp.ErrNoAudio):
		return who + " sent no audio in its SDP", "no_audio", "callseal relays audio calls: let " + who + " offer an audio stream"
	case errors.Is(err, sdp.ErrRejected):
		return who + " refused the audio stream", "rejected", "compare the codecs allowed at " + who + " with those of the caller"
	case errors.Is(err, sdp.ErrProfile):
		return who + " offers a media profile that is not taken", "profile",
			"let " + who + " use SDES (RTP/SAVP or RTP/AVP); DTLS is not built, and SRTP where media is off is refused"
	case errors.Is(err, media.ErrFamily):
		return who + " wants audio by another IP version", "family",
			"give " + who + " an address of the IP version that media has on this leg, or configure media addresses of both versions"
	case errors.Is(err, sdp.ErrReuse), errors.Is(err, media.ErrKeyReuse):
		return who + " answered with our own key", "key_reuse", who + " echoes SRTP keys instead of making its own: its SRTP is at fault"
	case errors.Is(err, sdp.ErrTag):
		return who + " chose no crypto line of ours", "crypto_tag", "the answer of " + who + " names a crypto tag that was not offered: its SRTP is at fault"
	case errors.Is(err, errNoSDP):
		return who + " sent no SDP", "no_sdp", "let " + who + " answer the offer that it got: one in an INVITE in its 2xx, one in a 2xx in its ACK"
	}
	return who + " sent SDP that cannot be read", "syntax", "look at the SDP that " + who + " sends"
}
