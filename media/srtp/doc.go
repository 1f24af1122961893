// Package srtp turns RTP and RTCP packets into SRTP and SRTCP packets and back (RFC 3711, RFC 6188, RFC 7714).
//
// A context is one way: a Protect seals what one party sends, an Unprotect opens it. Both work in the caller's
// buffer, allocate nothing for a packet they accept, and belong to one goroutine at a time.
//
// The way of a packet through the files: header.go (is it RTP at all), rollover.go (which 48-bit index has it),
// window.go (was that index used before), then the suite's transform (aescm.go or aesgcm.go), and only after the tag
// proved right the stream's state is made or moved (streams.go). A new suite is one file with its transform and one
// row in suite.go.
package srtp
