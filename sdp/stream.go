package sdp

import "net/netip"

// Origin are the numbers of our o= line (RFC 8866 section 5.2). The version
// grows by one whenever the description changes.
type Origin struct{ ID, Version uint64 }

// Local is our own end of one leg, as its description shows it.
type Local struct {
	Addr      netip.Addr
	RTP, RTCP uint16
	Origin    Origin
}

// Stream is the one relayed audio stream as the remote described it.
type Stream struct {
	Index     int    // which m-line, from 0
	Proto     string // the m-line's profile as received
	RTP, RTCP netip.AddrPort
	Mux       bool // RTCP on the RTP port (RFC 5761)
	Secure    bool
	Crypto    Crypto // the chosen line, with the remote's key, when Secure
	Direction Direction
	Held      bool    // the remote does not want our audio
	Payloads  []uint8 // payload types as listed
}

// ReadOffer chooses the audio line of an offer.
func ReadOffer(offer *Description, mode Mode, accept []Suite) (Stream, error) {
	return Stream{}, ErrNoAudio
}

// ReadAnswer reads the answer to what WriteOffer wrote.
func ReadAnswer(answer *Description, mode Mode, offered []Crypto) (Stream, error) {
	return Stream{}, ErrRejected
}
