package sdp

import "slices"

// Layout is what the m-lines of one leg's session look like: how many there
// are, and which of them is the audio. Lines never go away and never change
// places (RFC 3264 section 8), so an offer of ours inside the session has to
// follow it. The zero value is a leg without a session.
type Layout struct {
	lines []media
	audio int
}

// LayoutOf is the layout that an offer, ours or the remote's, gave its leg;
// index is its audio line.
func LayoutOf(offer *Description, index int) Layout {
	return Layout{lines: offer.media, audio: index}
}

// Within puts the audio line of d, which WriteOffer made, into its place in a
// session: with the profile that the leg's audio line has already, and among
// the leg's other lines, which stay refused.
func (d *Description) Within(l Layout) *Description {
	if l.audio < 0 || l.audio >= len(l.lines) || len(d.media) != 1 {
		return d
	}
	placed := &Description{session: d.session}
	for i := range l.lines {
		m := &l.lines[i]
		if i != l.audio {
			placed.media = append(placed.media, m.refused())
			continue
		}
		audio := newMedia("audio", d.media[0].rtpPortOrZero(), m.proto, d.media[0].formats)
		audio.sublines = d.media[0].sublines
		placed.media = append(placed.media, audio)
	}
	return placed
}

func (m *media) rtpPortOrZero() uint16 {
	port, err := m.rtpPort()
	if err != nil {
		return 0
	}
	return port
}

// Crossing is the part of a description that the other leg is told: codecs,
// their parameters, bandwidth and direction, without address, ports, keys and
// m-lines that are not relayed. Two descriptions with one Crossing differ in
// nothing that the other leg has to know of.
func Crossing(d *Description, s Stream) string {
	return string(WriteOffer(d, s, Local{}, Off, nil).Bytes())
}

// Covers tells whether every codec of other is one of s: whether what other
// lists may answer s.
func (s Stream) Covers(other Stream) bool {
	for _, payload := range other.Payloads {
		if !slices.Contains(s.Payloads, payload) {
			return false
		}
	}
	return true
}

// As is our key c under the tag and the suite's name of a line that a remote
// offered anew: the same key goes on where the suite stays (RFC 4568 section
// 7.1.4).
func (c Crypto) As(offered Crypto) Crypto {
	c.Tag, c.Name = offered.Tag, offered.Name
	return c
}
