package srtp

import "encoding/binary"

// Protect seals the packets that one party sends under one key. It is owned by one goroutine at a time.
type Protect struct {
	streams streams
	box     box
}

// NewProtect derives the session keys of k for sending. shared is for all contexts of the goroutine, or nil. Its errors
// are ErrProfile and ErrKeyLength, the latter also for a key with an MKI: keys of our own never have one.
func NewProtect(k Key, shared *Scratch) (*Protect, error) {
	if k.MKI != 0 {
		return nil, ErrKeyLength
	}
	p := &Protect{}
	if err := p.box.fill(k, shared); err != nil {
		return nil, err
	}
	return p, nil
}

// RTP seals the RTP packet buf[:n] in place and returns its new length. cap(buf) must have room for the tag.
// The index is found as a receiver finds it, so packets may come out of order within the replay window; an index that
// was sealed before is refused with ErrReplay, for its key stream must not be used twice (RFC 3711 section 9.1).
// Other errors: ErrShort, ErrHeader, ErrRoom, ErrIndex, ErrStreams.
func (p *Protect) RTP(buf []byte, n int) (int, error) {
	head, err := headerRTP(buf[:n])
	if err != nil {
		return 0, err
	}
	if tag, _ := p.box.overhead(); cap(buf) < n+tag {
		return 0, ErrRoom
	}
	seq, ssrc := binary.BigEndian.Uint16(buf[2:]), binary.BigEndian.Uint32(buf[8:])
	s := p.streams.find(ssrc)
	if s == nil {
		if s = p.streams.add(ssrc); s == nil {
			return 0, ErrStreams
		}
	}
	index := s.rtp.guess(seq)
	if index > maxIndex {
		return 0, ErrIndex // RFC 3711 section 9.2: at most 2^48 packets under one key
	}
	if !s.rtp.fresh(index) {
		return 0, ErrReplay
	}
	s.rtp.mark(index)
	return p.box.sealRTP(buf[:n], head, ssrc, index), nil
}

// RTCP seals the compound RTCP packet buf[:n] in place and returns its new length. cap(buf) must have room for index
// and tag. Errors: ErrShort, ErrHeader, ErrRoom, ErrIndex, ErrStreams.
func (p *Protect) RTCP(buf []byte, n int) (int, error) {
	if err := headerRTCP(buf[:n]); err != nil {
		return 0, err
	}
	if _, tag := p.box.overhead(); cap(buf) < n+tag {
		return 0, ErrRoom
	}
	ssrc := binary.BigEndian.Uint32(buf[4:])
	s := p.streams.find(ssrc)
	if s == nil {
		if s = p.streams.add(ssrc); s == nil {
			return 0, ErrStreams
		}
	}
	index := s.rtcp.top + 1 // RFC 3711 section 3.4: incremented by one for each packet; the first that is used is 1
	if index > maxRTCPIndex {
		return 0, ErrIndex // RFC 3711 section 9.2
	}
	s.rtcp.mark(index)
	return p.box.sealRTCP(buf[:n], ssrc, uint32(index)), nil
}
