package sdp

import "errors"

// What can be wrong with a description. Every error of this package wraps one
// of these and adds the place; none contains a key.
var (
	// ErrSyntax: the text is no session description, or its audio line
	// cannot be used. The error names the line number, counted from 1.
	ErrSyntax = errors.New("sdp: syntax")
	// ErrNoAudio: an offer without an active audio line.
	ErrNoAudio = errors.New("sdp: no audio offered")
	// ErrNoSuite: crypto lines are present, none of them usable.
	ErrNoSuite = errors.New("sdp: no usable crypto line")
	// ErrPlain: SRTP is required and the remote has none.
	ErrPlain = errors.New("sdp: SRTP required, plain RTP offered")
	// ErrRejected: the answer refuses our audio line.
	ErrRejected = errors.New("sdp: audio rejected")
	// ErrTag: the answer's crypto line is not one of those we offered.
	ErrTag = errors.New("sdp: answer to a crypto line that was not offered")
	// ErrProfile: the audio line has a transport profile that the leg's
	// mode or this package does not take.
	ErrProfile = errors.New("sdp: unusable profile")
	// ErrReuse: the remote answered with our own key.
	ErrReuse = errors.New("sdp: answer reuses the offered key")
)
