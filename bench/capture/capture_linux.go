package capture

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 16 << 20 // bytes, in the kernel: a burst of 20,000 packets
	pollTime   = 100      // ms, until the end is noticed
)

// Capture reads all interfaces. Close ends it.
type Capture struct {
	own   ports
	tells tells
	fd    int // since Start
	ended sync.WaitGroup
	stop  atomic.Bool

	counts Counts // owned by read
}

// New does not capture yet. audio is what audio payloads begin with.
func New(audio string) *Capture { return &Capture{tells: newTells(audio)} }

// Start begins; call it once, and Close when there was no error.
func (c *Capture) Start() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(swap(unix.ETH_P_ALL)))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return ErrRoot
	}
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	// Past net.core.rmem_max where allowed; what is missed then is counted.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferSize) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bufferSize)
	}
	c.fd = fd
	c.ended.Go(c.read) // ends with Close
	return nil
}

// swap puts a number of 16 bits into network order.
func swap(n uint16) uint16 { return n<<8 | n>>8 }

// Own names a port of the bench; what passes it counts from now on.
func (c *Capture) Own(port uint16) { c.own.add(port) }

// Close ends the capture and gives the counts.
func (c *Capture) Close() Counts {
	c.stop.Store(true)
	c.ended.Wait()
	counts := c.counts
	if stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		counts.Missed = uint64(stats.Drops)
	}
	_ = unix.Close(c.fd)
	return counts
}

// read looks at packets until the end, and then at what is left.
func (c *Capture) read() {
	buf := make([]byte, math.MaxUint16)
	for {
		n, from, err := unix.Recvfrom(c.fd, buf, 0)
		switch {
		case err == nil:
			c.look(buf[:n], from)
		case c.stop.Load():
			return
		default:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, pollTime)
		}
	}
}

// look judges one IP packet. The loopback interface shows each one twice, as
// sent and as received.
func (c *Capture) look(ip []byte, from unix.Sockaddr) {
	link, ok := from.(*unix.SockaddrLinklayer)
	if ok && link.Hatype == unix.ARPHRD_LOOPBACK && link.Pkttype == unix.PACKET_OUTGOING {
		return
	}
	src, dst, payload, ok := dissect(ip)
	if !ok || len(payload) == 0 || !c.own.has(src) && !c.own.has(dst) {
		return
	}
	c.counts.Packets++
	if c.tells.in(payload) {
		c.counts.Readable++
	}
}
