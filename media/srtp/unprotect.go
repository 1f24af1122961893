package srtp

import "encoding/binary"

// Unprotect opens the packets that one party sends under one key. It is owned by one goroutine at a time.
// A packet that is refused changes nothing, neither in the context nor in the buffer.
type Unprotect struct {
	streams    streams
	grace      uint8 // packets that may still show a restart of the sender
	recoveries Recoveries
	box        box
	before     *Unprotect // the context of the sender's last key; nil: none
}

// NewUnprotect derives the session keys of k for receiving. shared is for all contexts of the goroutine, or nil. Its
// errors are ErrProfile and ErrKeyLength.
func NewUnprotect(k Key, shared *Scratch) (*Unprotect, error) {
	u := &Unprotect{}
	if err := u.box.fill(k, shared); err != nil {
		return nil, err
	}
	return u, nil
}

// Recoveries returns how often a packet was opened under another rollover counter than the most likely one.
func (u *Unprotect) Recoveries() Recoveries { return u.recoveries }

// AllowRestart lets the sender go back to an earlier rollover counter once within its next packets, its sequence
// numbers carrying on. It is for an offer or answer that repeats a key: some senders then count rollovers from zero.
func (u *Unprotect) AllowRestart() { u.grace = restartGrace }

// Follow names the context of the sender's last key, which must live on: some senders go on with its rollover counters
// under the new key. For an SSRC that is new to u, RTP tries that counter too. What before followed is forgotten.
func (u *Unprotect) Follow(before *Unprotect) {
	u.before = before
	before.before = nil
}

// RTP opens the SRTP packet buf[:n] in place and returns its length without the tag. Errors: ErrShort, ErrHeader,
// ErrReplay, ErrAuth, ErrStreams.
func (u *Unprotect) RTP(buf []byte, n int) (int, error) { return u.RTPAhead(buf, n, nil) }

// RTPAhead is RTP for a packet that Ahead was called for. A MAC that has not come, or is not what the packet needs by now, is
// computed as if Ahead had not been called.
func (u *Unprotect) RTPAhead(buf []byte, n int, ahead *Ahead) (int, error) {
	packet := buf[:n]
	head, err := headerRTP(packet)
	if err != nil {
		return 0, err
	}
	tag, _ := u.box.overhead()
	if n < head+tag {
		return 0, ErrShort
	}
	seq, ssrc := binary.BigEndian.Uint16(buf[2:]), binary.BigEndian.Uint32(buf[8:])
	s := u.streams.find(ssrc)
	guess, fresh := uint64(seq), true
	if s != nil {
		guess = s.rtp.guess(seq)
		fresh = s.rtp.fresh(guess)
	}
	// RFC 3711 section 3.3: first the replay check on the estimated index, then the tag, then the state.
	if fresh && guess <= maxIndex && u.box.openRTP(packet, head, ssrc, guess, ahead) {
		return n - tag, u.accept(s, ssrc, guess)
	}
	if u.recover(s, packet, head, ssrc, guess) {
		return n - tag, nil
	}
	if !fresh {
		return 0, ErrReplay
	}
	return 0, ErrAuth
}

// likely returns the most likely index of an RTP packet.
func (u *Unprotect) likely(packet []byte) uint64 {
	seq := binary.BigEndian.Uint16(packet[2:])
	if s := u.streams.find(binary.BigEndian.Uint32(packet[8:])); s != nil {
		return s.rtp.guess(seq)
	}
	return uint64(seq)
}

// accept records an authenticated index; only here a stream comes into being.
func (u *Unprotect) accept(s *stream, ssrc uint32, index uint64) error {
	if s == nil {
		if s = u.streams.add(ssrc); s == nil {
			return ErrStreams
		}
	}
	s.rtp.mark(index)
	s.peak = max(s.peak, index)
	if u.grace > 0 {
		u.grace--
	}
	return nil
}

// recover tries the other rollover counters under which the packet may have been sealed.
func (u *Unprotect) recover(s *stream, packet []byte, head int, ssrc uint32, guess uint64) bool {
	list, n := s.candidates(guess, u.grace > 0)
	if s == nil && u.before != nil {
		if was := u.before.streams.find(ssrc); was != nil && was.rtp.top > maxSeq {
			list[n], n = candidate{was.rtp.guess(uint16(guess)), RecoveryKept}, n+1
		}
	}
	for _, c := range list[:n] {
		forward := s == nil || s.rtp.fresh(c.index)
		if !forward && c.way == RecoveryForward || !u.box.openRTP(packet, head, ssrc, c.index, nil) {
			continue
		}
		if !forward {
			s.rtp.reset(c.index)
			u.grace = 0
		}
		if u.accept(s, ssrc, c.index) != nil {
			return false
		}
		u.recoveries[c.way]++
		return true
	}
	return false
}

// RTCP opens the SRTCP packet buf[:n] in place and returns its length without index and tag. Errors: ErrShort,
// ErrHeader, ErrClear, ErrReplay, ErrAuth, ErrStreams.
func (u *Unprotect) RTCP(buf []byte, n int) (int, error) {
	packet := buf[:n]
	if err := headerRTCP(packet); err != nil {
		return 0, err
	}
	_, tag := u.box.overhead()
	if n < minRTCPHeader+tag {
		return 0, ErrShort
	}
	word := u.box.indexRTCP(packet)
	if word&encryptedFlag == 0 {
		return 0, ErrClear // RFC 3711 section 3.4: E=0 means not encrypted, which no SDES line of ours ever allows
	}
	index, ssrc := word&^encryptedFlag, binary.BigEndian.Uint32(buf[4:])
	s := u.streams.find(ssrc)
	if s != nil && !s.rtcp.fresh(uint64(index)) {
		return 0, ErrReplay
	}
	if !u.box.openRTCP(packet, ssrc, index) {
		return 0, ErrAuth
	}
	if s == nil {
		if s = u.streams.add(ssrc); s == nil {
			return 0, ErrStreams
		}
	}
	s.rtcp.mark(uint64(index))
	return n - tag, nil
}
