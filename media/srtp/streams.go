package srtp

// maxStreams bounds the SSRCs that one context keeps apart. Only packets with a valid tag make a stream, so only the
// holder of the key can reach it. None is ever evicted: forgetting a stream would admit replays of it on the receiving
// side and reuse its key stream on the sending one. Beyond the bound a new SSRC is refused with ErrStreams until the
// next key.
const maxStreams = 256

// stream is the state of one SSRC under one key.
type stream struct {
	ssrc uint32
	rtp  window // indices are ROC || SEQ, 48 bits
	rtcp window // 31-bit indices
	peak uint64 // receiving: highest index ever authenticated, also across a restart of the sender
}

// streams finds the state of an SSRC. The first one, which is all that nearly all calls have, lies inline.
type streams struct {
	list   []stream
	last   int // where the last packet's stream was found
	inline [1]stream
}

// find returns the stream of ssrc or nil. The pointer is good until the next add.
func (s *streams) find(ssrc uint32) *stream {
	if s.last < len(s.list) && s.list[s.last].ssrc == ssrc {
		return &s.list[s.last]
	}
	for i := range s.list {
		if s.list[i].ssrc == ssrc {
			s.last = i
			return &s.list[i]
		}
	}
	return nil
}

// add makes the stream of an SSRC that find does not know, or returns nil at the bound.
func (s *streams) add(ssrc uint32) *stream {
	if s.list == nil {
		s.list = s.inline[:0]
	}
	if len(s.list) == maxStreams {
		return nil
	}
	s.list = append(s.list, stream{ssrc: ssrc})
	s.last = len(s.list) - 1
	return &s.list[s.last]
}
