package bench

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	psdp "github.com/pion/sdp/v3"
)

const (
	profilePlain  = "RTP/AVP"
	profileSecure = "RTP/SAVP"
	payloadPCMU   = "0"
)

// audio is one end's audio stream as SDP shows it.
type audio struct {
	Addr    netip.AddrPort
	Profile string
	Keys    []crypto // in an answer at most one

	Direction string // "": sendrecv
	Version   uint64 // how often the description has changed (RFC 3264, section 8)
}

// describe writes an offer or an answer with one PCMU stream.
func (a audio) describe(session uint64) ([]byte, error) {
	family := "IP4"
	if a.Addr.Addr().Is6() {
		family = "IP6"
	}
	host := a.Addr.Addr().String()
	m := &psdp.MediaDescription{
		MediaName: psdp.MediaName{
			Media:   "audio",
			Port:    psdp.RangedPort{Value: int(a.Addr.Port())},
			Protos:  strings.Split(a.Profile, "/"),
			Formats: []string{payloadPCMU},
		},
	}
	for _, k := range a.Keys {
		m.WithValueAttribute("crypto", k.line())
	}
	m.WithValueAttribute("rtpmap", payloadPCMU+" PCMU/8000")
	m.WithValueAttribute("ptime", "20")
	m.WithPropertyAttribute(cmp.Or(a.Direction, sendrecv))
	s := &psdp.SessionDescription{
		Origin: psdp.Origin{
			Username: "-", SessionID: session, SessionVersion: 1 + a.Version,
			NetworkType: "IN", AddressType: family, UnicastAddress: host,
		},
		SessionName:           "-",
		ConnectionInformation: &psdp.ConnectionInformation{NetworkType: "IN", AddressType: family, Address: &psdp.Address{Address: host}},
		TimeDescriptions:      []psdp.TimeDescription{{}},
		MediaDescriptions:     []*psdp.MediaDescription{m},
	}
	return s.Marshal()
}

// readAudio reads the first audio stream of a description. Crypto lines that
// are not usable are left out.
func readAudio(body []byte) (audio, error) {
	var s psdp.SessionDescription
	if err := s.Unmarshal(body); err != nil {
		return audio{}, fmt.Errorf("%w: it does not parse", ErrMedia) // the parser's error may print the key
	}
	at := slices.IndexFunc(s.MediaDescriptions, func(m *psdp.MediaDescription) bool {
		return m.MediaName.Media == "audio" && m.MediaName.Port.Value != 0
	})
	if at < 0 {
		return audio{}, fmt.Errorf("%w: no audio", ErrMedia)
	}
	m := s.MediaDescriptions[at]
	if !slices.Contains(m.MediaName.Formats, payloadPCMU) {
		return audio{}, fmt.Errorf("%w: no PCMU", ErrMedia)
	}
	host, err := connection(&s, m)
	if err != nil {
		return audio{}, err
	}
	a := audio{
		Addr:    netip.AddrPortFrom(host, uint16(m.MediaName.Port.Value)),
		Profile: strings.Join(m.MediaName.Protos, "/"),
	}
	for _, attr := range slices.Concat(s.Attributes, m.Attributes) {
		switch attr.Key {
		case sendrecv, sendonly, recvonly, inactive:
			a.Direction = attr.Key // the stream's own, if it has one, is the last
		}
		if attr.Key != "crypto" {
			continue
		}
		if k, err := parseCrypto(attr.Value); err == nil {
			a.Keys = append(a.Keys, k)
		}
	}
	return a, nil
}

// connection is the address of the stream, or else of the session (RFC 8866,
// section 5.7).
func connection(s *psdp.SessionDescription, m *psdp.MediaDescription) (netip.Addr, error) {
	c := m.ConnectionInformation
	if c == nil {
		c = s.ConnectionInformation
	}
	if c == nil || c.Address == nil {
		return netip.Addr{}, fmt.Errorf("%w: no c= line", ErrMedia)
	}
	addr, err := netip.ParseAddr(c.Address.Address)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return addr, nil
}

// offer is what the caller says: every suite with a key of its own, or plain.
func offer(addr netip.AddrPort, allowed []Suite) (audio, error) {
	a := audio{Addr: addr, Profile: profilePlain}
	for i, s := range allowed {
		k, err := newCrypto(i+1, s)
		if err != nil {
			return audio{}, err
		}
		a.Profile = profileSecure
		a.Keys = append(a.Keys, k)
	}
	return a, nil
}

// answer is what the answerer says to an offer, and the offerer's key that it
// chose: its first line with an allowed suite. ErrMedia when the offer is
// plain and we are not, or the other way round.
func answer(offered audio, addr netip.AddrPort, allowed []Suite) (own audio, theirs crypto, err error) {
	own = audio{Addr: addr, Profile: offered.Profile}
	if len(allowed) == 0 {
		if strings.Contains(offered.Profile, "SAVP") {
			return audio{}, crypto{}, fmt.Errorf("%w: SRTP offered to a plain endpoint", ErrMedia)
		}
		return own, crypto{}, nil
	}
	for _, k := range offered.Keys {
		if !slices.Contains(allowed, k.Suite) {
			continue
		}
		// RFC 4568, section 5.1.2: the chosen line's tag and suite, and our
		// own key.
		mine, err := newCrypto(k.Tag, k.Suite)
		if err != nil {
			return audio{}, crypto{}, err
		}
		own.Keys = []crypto{mine}
		return own, k, nil
	}
	return audio{}, crypto{}, fmt.Errorf("%w: no SRTP suite in common", ErrMedia)
}

// settle finds the key pair that an answer to our offer chose.
func settle(offered, answered audio) (mine, theirs crypto, err error) {
	if len(offered.Keys) == 0 {
		if len(answered.Keys) > 0 || strings.Contains(answered.Profile, "SAVP") {
			return crypto{}, crypto{}, fmt.Errorf("%w: SRTP in the answer to a plain offer", ErrMedia)
		}
		return crypto{}, crypto{}, nil
	}
	if len(answered.Keys) == 0 || answered.Profile != offered.Profile {
		return crypto{}, crypto{}, ErrPlain
	}
	theirs = answered.Keys[0]
	for _, k := range offered.Keys {
		if k.Tag == theirs.Tag && k.Suite == theirs.Suite {
			return k, theirs, nil
		}
	}
	return crypto{}, crypto{}, fmt.Errorf("%w: answer with tag %d that was not offered", ErrKey, theirs.Tag)
}
