package stream

import "time"

// Counts is what one end saw of the audio of its calls.
type Counts struct {
	Sent        uint64 // packets
	Unsent      uint64 // of Sent: this machine's kernel did not take them
	Received    uint64 // authentic packets of this call, each counted once
	Lost        uint64 // sent by the other end and never received
	Overflowed  uint64 // for want of room in this end's socket: the generator read too late
	Clipped     uint64 // sent before the first one that was received
	Duplicated  uint64
	Reordered   uint64
	Unauthentic uint64 // from the server, but failed the SRTP tag, or a broken payload
	Foreign     uint64 // authentic, but of another call, direction or SSRC
	Strange     uint64 // not authentic, and not from the server either
	Readable    uint64 // packets of this end whose audio was in the clear on the wire, both ways
	Changed     uint64 // payload bytes differed from what the other end put on the wire
	Same        uint64 // payload bytes were the same
	Tones       uint64 // streams whose tone was looked for in every packet
	WrongTones  uint64 // of Tones: in some packet it was not the other end's

	FirstPacket time.Duration // from Open to the first packet; the longest of several calls
}

// Plus sums up the counts of two ends or calls.
func (c Counts) Plus(o Counts) Counts {
	c.Sent += o.Sent
	c.Unsent += o.Unsent
	c.Received += o.Received
	c.Lost += o.Lost
	c.Overflowed += o.Overflowed
	c.Clipped += o.Clipped
	c.Duplicated += o.Duplicated
	c.Reordered += o.Reordered
	c.Unauthentic += o.Unauthentic
	c.Foreign += o.Foreign
	c.Strange += o.Strange
	c.Readable += o.Readable
	c.Changed += o.Changed
	c.Same += o.Same
	c.Tones += o.Tones
	c.WrongTones += o.WrongTones
	c.FirstPacket = max(c.FirstPacket, o.FirstPacket)
	return c
}

// Packets is how many crossed this end's sockets, both ways.
func (c Counts) Packets() uint64 {
	return c.Sent + c.Received + c.Duplicated + c.Unauthentic + c.Foreign + c.Strange
}
