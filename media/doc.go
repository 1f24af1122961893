// Package media relays RTP and RTCP between the two sides of a call.
//
// A Relay has a few workers. Each is one OS thread that sleeps in one epoll set and owns its sessions for life: their
// sockets, keys, counters, everything. While packets come it wakes up on a grid, for many of them at once. It has its
// lock for all the packets of a wake-up; other goroutines have it in between, to ask or to change something. So there
// is no lock, and no allocation, on the way of a packet.
//
// The way of a packet, by file: round.go takes all that have come from the system (backend_linux.go), while warm.go has
// what they will need loaded; forward.go leads each through the rest: classify.go says what it is, latch.go whether it
// may come from there, srtp opens it, source.go follows the remote's numbering, sender.go gives it ours (rtcp.go for
// reports), srtp seals it; round.go sends them all. What comes before the answer waits in early.go, for a second at most.
//
// What never happens, whatever comes in: a packet leaves in the clear on a side with a key, or at all before the side
// was set; a sealed side's packets go to an address from which no packet with a valid tag came, other than the one of
// the SDP; a key, SSRC and index are used twice.
package media
