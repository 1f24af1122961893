package call

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"callseal/media"
	"callseal/media/srtp"
	"callseal/sdp"
)

// negotiation is the offer and the answer of a call as its two legs see them:
// A's offer becomes ours to B, B's answer becomes ours to A, and no key
// crosses. Pure but for the randomness that it is given.
type negotiation struct {
	a, b   Party
	random io.Reader

	offer  *sdp.Description // A's
	stream sdp.Stream       // the audio stream in it
	aLocal sdp.Local        // our end of each leg
	bLocal sdp.Local
	aKey   *sdp.Crypto  // our key on leg A; nil on a plain leg
	bKeys  []sdp.Crypto // our keys offered on leg B
	bSent  *sdp.Crypto  // the one of them that B chose

	answers map[string]answer // by B's To tag
	last    []byte            // the answer that A saw last
}

// answer is what A is told because of one dialog of B.
type answer struct {
	theirs *sdp.Description
	body   []byte
	remote media.Remote
	secure bool
	sent   *sdp.Crypto // our key that B chose; nil on a plain leg
}

// errNoSDP is a message that had to carry a session description.
var errNoSDP = errors.New("no SDP")

func newNegotiation(a, b Party, random io.Reader) *negotiation {
	return &negotiation{a: a, b: b, random: random, answers: make(map[string]answer)}
}

// readOffer takes A's offer.
func (n *negotiation) readOffer(body []byte) error {
	if len(body) == 0 {
		return errNoSDP
	}
	offer, err := sdp.Parse(body)
	if err != nil {
		return err
	}
	stream, err := sdp.ReadOffer(offer, n.a.Mode, n.a.Suites)
	if err != nil {
		return err
	}
	n.offer, n.stream = offer, stream
	if !stream.Secure {
		return nil
	}
	key, err := sdp.NewAnswerKey(stream.Crypto, n.random)
	if err != nil {
		return err
	}
	n.aKey = &key
	return nil
}

// locate says where our ends of the legs are, once ports are known.
func (n *negotiation) locate(a, b endpoint) error {
	ids := make([]byte, 16)
	if _, err := io.ReadFull(n.random, ids); err != nil {
		return err
	}
	n.aLocal = a.local(ids[:8])
	n.bLocal = b.local(ids[8:])
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

// offerB writes the offer for B, each crypto line with a key of its own.
func (n *negotiation) offerB() ([]byte, error) {
	if n.b.Mode != sdp.Off {
		keys, err := sdp.NewOfferKeys(n.b.Suites, n.random)
		if err != nil {
			return nil, err
		}
		n.bKeys = keys
	}
	return sdp.WriteOffer(n.offer, n.stream, n.bLocal, n.b.Mode, n.bKeys).Bytes(), nil
}

// readAnswer takes the session description of a response of B with this To
// tag and writes ours to A. A response without one repeats what its tag said
// before; a tag that has said nothing is errNoSDP.
func (n *negotiation) readAnswer(tag string, body []byte) (answer, error) {
	if len(body) == 0 {
		known, ok := n.answers[tag]
		if !ok {
			return answer{}, errNoSDP
		}
		return n.take(tag, known), nil
	}
	theirs, err := sdp.Parse(body)
	if err != nil {
		return answer{}, err
	}
	stream, err := sdp.ReadAnswer(theirs, n.b.Mode, n.bKeys)
	if err != nil {
		return answer{}, err
	}
	remote := media.Remote{RTP: stream.RTP, RTCP: stream.RTCP, Mux: stream.Mux, Hold: stream.Held, Mute: mute(stream.Direction), ReceiveLife: stream.Crypto.Lifetime}
	ours := answer{theirs: theirs, remote: remote, secure: stream.Secure}
	if stream.Secure {
		if ours.sent, err = n.chosen(stream.Crypto.Tag); err != nil {
			return answer{}, err
		}
		ours.remote.Receive, ours.remote.Send = srtpKey(&stream.Crypto), srtpKey(ours.sent)
	}
	return n.take(tag, ours), nil
}

// take makes the answer of a tag the one in force. It is written anew: A may
// have seen another fork's since.
func (n *negotiation) take(tag string, ours answer) answer {
	ours.body = n.writeAnswer(ours.theirs)
	n.bSent = ours.sent
	n.answers[tag] = ours
	return ours
}

// writeAnswer makes the answer for A; where it differs from what A saw last,
// its version grows (RFC 3264 section 8).
func (n *negotiation) writeAnswer(theirs *sdp.Description) []byte {
	body := sdp.WriteAnswer(n.offer, n.stream, theirs, n.aLocal, n.aKey).Bytes()
	if n.last != nil && string(body) != string(n.last) {
		n.aLocal.Origin.Version++
		body = sdp.WriteAnswer(n.offer, n.stream, theirs, n.aLocal, n.aKey).Bytes()
	}
	n.last = body
	return body
}

func (n *negotiation) chosen(tag string) (*sdp.Crypto, error) {
	for i := range n.bKeys {
		if n.bKeys[i].Tag == tag {
			return &n.bKeys[i], nil
		}
	}
	return nil, fmt.Errorf("crypto tag %q: %w", tag, sdp.ErrTag)
}

// remoteA is leg A for the relay.
func (n *negotiation) remoteA() media.Remote {
	r := media.Remote{RTP: n.stream.RTP, RTCP: n.stream.RTCP, Mux: n.stream.Mux, Hold: n.stream.Held, Mute: mute(n.stream.Direction), ReceiveLife: n.stream.Crypto.Lifetime}
	if n.stream.Secure {
		r.Receive, r.Send = srtpKey(&n.stream.Crypto), srtpKey(n.aKey)
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
		return who + " sent no SDP", "no_sdp", "let " + who + " put its offer into the INVITE; late offers are not built yet"
	}
	return who + " sent SDP that cannot be read", "syntax", "look at the SDP that " + who + " sends"
}
