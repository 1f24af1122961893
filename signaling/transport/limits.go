package transport

import "time"

// Defaults of Limits, and the fixed tunables of this package.
const (
	DefaultPerAddress   = 1024             // accepted connections per IPv4 address or IPv6 /64
	DefaultTotal        = 16384            // accepted connections in all
	DefaultHandshake    = 5 * time.Second  // TLS handshake of a remote that connects
	DefaultDial         = 3 * time.Second  // TLS handshake with a target; a caller hears silence meanwhile
	DefaultFirstRequest = 10 * time.Second // from accept (or handshake) to the first complete message
	DefaultPartial      = 10 * time.Second // from a message's first octet to its last
	DefaultWrite        = 5 * time.Second  // one write to a stream
	DefaultConnect      = 5 * time.Second  // name resolution and TCP connect, all addresses together
	DefaultMaxHeader    = 32 << 10         // octets of start line and headers
	DefaultMaxMessage   = 65535            // octets of a whole message
	DefaultLaneQueue    = 8192             // messages waiting per lane
	DefaultCallQueue    = 64               // messages waiting per lane behind which no new call waits: a few milliseconds' work
	DefaultWriteQueue   = 512 << 10        // octets waiting per connection

	laneCount     = 16                     // lanes; a Call-ID always meets the same one
	largeDatagram = 1300                   // octets from which a request over UDP is logged (RFC 3261 section 18.1.1)
	maxDatagram   = 65507                  // octets of payload a UDP datagram over IPv4 can carry
	readChunk     = 4 << 10                // octets of a connection's idle read buffer
	udpReadBuffer = 4 << 20                // octets asked of the kernel for a UDP socket
	resolveTTL    = 30 * time.Second       // how long a UDP trunk's addresses are kept
	resolveGrace  = 5 * time.Minute        // how much longer they serve while they are looked up again
	avoidFor      = time.Minute            // how long an address that was found dead comes behind the trunk's others
	stagger       = 250 * time.Millisecond // how long a connect may take before the next address is tried beside it (RFC 8305 section 5)
	linger        = 500 * time.Millisecond // how long a connection that we end waits for the remote's end ...
	lingerOctets  = 64 << 10               // ... and how much it still takes from it
	acceptPause   = 5 * time.Millisecond
	acceptPauseTo = time.Second
	retryAfter    = 10 * time.Second // what a caller is asked to wait for when there is no room
	answerWithin  = 40 * time.Second // longer than 64*T1: the client of a request other than INVITE has given up, and so has ours where it was passed on
	noteEvery     = time.Minute      // log lines about one misconfigured remote: one per this long
	noteRemotes   = 1024             // remotes remembered for that
)

// Limits bounds what remotes can make the endpoint hold or wait for. A zero field means its default.
type Limits struct {
	PerAddress   int           // accepted connections per IPv4 address or IPv6 /64
	Total        int           // accepted connections in all
	Handshake    time.Duration // TLS handshake of a remote that connects
	Dial         time.Duration // TLS handshake with a target
	FirstRequest time.Duration // accepted connection to its first complete message
	Partial      time.Duration // first octet of a message to its last
	Write        time.Duration // one write to a stream
	Connect      time.Duration // resolution and TCP connect of a target, all its addresses together
	MaxHeader    int           // octets of start line and headers
	MaxMessage   int           // octets of a whole message
	LaneQueue    int           // received messages waiting per lane
	CallQueue    int           // received messages waiting per lane, from which on new calls get 503
	WriteQueue   int           // octets waiting for one connection's writer
}

func (l Limits) withDefaults() Limits {
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&l.PerAddress, DefaultPerAddress)
	orInt(&l.Total, DefaultTotal)
	orTime(&l.Handshake, DefaultHandshake)
	orTime(&l.Dial, DefaultDial)
	orTime(&l.FirstRequest, DefaultFirstRequest)
	orTime(&l.Partial, DefaultPartial)
	orTime(&l.Write, DefaultWrite)
	orTime(&l.Connect, DefaultConnect)
	orInt(&l.MaxHeader, DefaultMaxHeader)
	orInt(&l.MaxMessage, DefaultMaxMessage)
	orInt(&l.LaneQueue, DefaultLaneQueue)
	orInt(&l.CallQueue, DefaultCallQueue)
	orInt(&l.WriteQueue, DefaultWriteQueue)
	return l
}
