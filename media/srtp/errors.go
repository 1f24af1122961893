package srtp

import "errors"

// The reasons for which a packet or a key is refused. None of them ever carries key material.
var (
	// ErrProfile: the key names a protection profile that this package does not implement.
	ErrProfile = errors.New("srtp: unknown protection profile")
	// ErrKeyLength: master key and salt together have not the length that the profile demands.
	ErrKeyLength = errors.New("srtp: wrong length of master key and salt")
	// ErrShort: the packet is too short to be what it claims to be.
	ErrShort = errors.New("srtp: packet too short")
	// ErrHeader: not an RTP or RTCP header of version 2.
	ErrHeader = errors.New("srtp: bad header")
	// ErrAuth: the authentication tag is wrong under every rollover counter that was tried.
	ErrAuth = errors.New("srtp: authentication failed")
	// ErrReplay: the index was seen before or is older than the replay window. On a Protect context: the index
	// was already used for sending, encrypting it again would reuse key stream.
	ErrReplay = errors.New("srtp: replayed or too old")
	// ErrClear: an SRTCP packet whose E bit is 0, which is to say that it was not encrypted.
	ErrClear = errors.New("srtp: unencrypted SRTCP")
	// ErrIndex: the key has protected as many packets as RFC 3711 section 9.2 allows.
	ErrIndex = errors.New("srtp: key exhausted")
	// ErrStreams: the context has already seen as many synchronisation sources as it can keep apart.
	ErrStreams = errors.New("srtp: too many SSRCs under one key")
	// ErrRoom: the buffer has no room for the authentication tag.
	ErrRoom = errors.New("srtp: no room for the tag")
)
