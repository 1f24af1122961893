package stream

import (
	"errors"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents is how many sockets are read per look, and maxLooks how often a
// round looks again for what came meanwhile.
const (
	maxEvents = 256
	maxLooks  = 4
)

// address is a socket address as the kernel has it; the rest is zero.
type address struct {
	raw  unix.RawSockaddrInet6
	size uint32
}

func addressOf(a netip.AddrPort) (out address) {
	port := [2]byte{byte(a.Port() >> 8), byte(a.Port())} // network order
	if host := a.Addr().Unmap(); host.Is4() {
		in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&out.raw))
		in4.Family, in4.Addr = unix.AF_INET, host.As4()
		*(*[2]byte)(unsafe.Pointer(&in4.Port)) = port
		out.size = unix.SizeofSockaddrInet4
		return out
	}
	out.raw.Family, out.raw.Addr = unix.AF_INET6, a.Addr().As16()
	*(*[2]byte)(unsafe.Pointer(&out.raw.Port)) = port
	out.size = unix.SizeofSockaddrInet6
	return out
}

// receiveRoom is asked of the kernel for what has come and was not read yet,
// and it gives what it allows: at 2,000 packets a second its default lasts for
// an eighth of a second.
const receiveRoom = 1 << 20

// socket is a non-blocking UDP socket. The Go runtime does not know it.
type socket int

// listen binds any port of the address, and has the kernel note when packets
// arrive.
func listen(addr netip.Addr) (socket, netip.AddrPort, error) {
	family, at := unix.AF_INET, unix.Sockaddr(nil)
	if addr = addr.Unmap(); addr.Is4() {
		at = &unix.SockaddrInet4{Addr: addr.As4()}
	} else {
		family, at = unix.AF_INET6, &unix.SockaddrInet6{Addr: addr.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveRoom)
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.Bind(fd, at))
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		return 0, netip.AddrPort{}, errors.Join(err, unix.Close(fd))
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return socket(fd), netip.AddrPortFrom(addr, uint16(at.Port)), nil
	case *unix.SockaddrInet6:
		return socket(fd), netip.AddrPortFrom(addr, uint16(at.Port)), nil
	}
	return 0, netip.AddrPort{}, errors.Join(unix.EAFNOSUPPORT, unix.Close(fd))
}

// overflowed is how many packets the kernel had no room for (SO_MEMINFO,
// SK_MEMINFO_DROPS).
func (s socket) overflowed() uint64 {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(s), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return uint64(info[len(info)-1])
}

func (s socket) close() { _ = unix.Close(int(s)) }

// send tells whether the kernel took the packet.
func (s socket) send(packet []byte, to *address) bool {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s), uintptr(unsafe.Pointer(unsafe.SliceData(packet))),
		uintptr(len(packet)), 0, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	return errno == 0
}

// poller waits for the sockets of a worker.
type poller struct {
	fd      int
	events  []unix.EpollEvent
	streams []*Stream // by descriptor
	in      *inbox
}

// inbox is where the kernel puts a packet. It does not move.
type inbox struct {
	message unix.Msghdr
	vector  unix.Iovec
	from    address
	control [8]uint64 // aligned
	packet  [maxPacket]byte
}

func newPoller() (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return poller{}, err
	}
	p := poller{fd: fd, events: make([]unix.EpollEvent, maxEvents), in: &inbox{}}
	in := p.in
	in.vector.Base = &in.packet[0]
	in.vector.SetLen(len(in.packet))
	in.message.Name = (*byte)(unsafe.Pointer(&in.from.raw))
	in.message.Iov = &in.vector
	in.message.SetIovlen(1)
	in.message.Control = (*byte)(unsafe.Pointer(&in.control[0]))
	return p, nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

func (p *poller) watch(_ *worker, s *Stream) error {
	p.streams = append(p.streams, make([]*Stream, max(0, int(s.socket)+1-len(p.streams)))...)
	p.streams[s.socket] = s
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(s.socket), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.socket)})
}

// forget reads what is left and closes the socket, which ends its watch.
func (p *poller) forget(_ *worker, s *Stream) {
	for ahead := skew(); p.read(s, ahead); {
	}
	s.counts.Overflowed = s.socket.overflowed()
	p.streams[s.socket] = nil
	s.socket.close()
}

// receive reads what has come; more says that there may be more already.
func (p *poller) receive(*worker) (more bool) {
	for range maxLooks {
		n, err := unix.EpollWait(p.fd, p.events, 0)
		if err != nil || n == 0 {
			return false
		}
		ahead := skew()
		for i := range p.events[:n] {
			p.read(p.streams[p.events[i].Fd], ahead)
		}
	}
	return true
}

// read takes one packet; false when there is none.
func (p *poller) read(s *Stream, ahead int64) bool {
	in := p.in
	in.from = address{}
	in.message.Namelen = unix.SizeofSockaddrInet6
	in.message.SetControllen(int(unsafe.Sizeof(in.control)))
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(s.socket), uintptr(unsafe.Pointer(&in.message)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return errno == unix.EINTR
	}
	in.from.size = in.message.Namelen
	s.judge(in.packet[:n], in.from, in.arrived(ahead))
	return true
}

// arrived is the Clock at which the kernel got the packet.
func (in *inbox) arrived(ahead int64) int64 {
	now := Clock()
	head := (*unix.Cmsghdr)(unsafe.Pointer(&in.control[0]))
	//nolint:unconvert // the length is 32 bits wide on 32-bit machines
	if uint64(in.message.Controllen) < uint64(unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{})))) ||
		head.Level != unix.SOL_SOCKET || head.Type != unix.SCM_TIMESTAMPNS {
		return now
	}
	at := (*unix.Timespec)(unsafe.Add(unsafe.Pointer(head), unix.CmsgLen(0)))
	return min(now, at.Nano()+ahead)
}

// skew is how far Clock is ahead of the wall clock, which the kernel stamps
// packets with and which may be set.
func skew() int64 { return Clock() - time.Now().UnixNano() }

// precise makes this thread wake on time; by default Linux lets 50 µs pass.
func precise() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// sleepUntil may return early.
func sleepUntil(due int64) {
	if left := due - Clock(); left > 0 {
		pause := unix.NsecToTimespec(left)
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &pause, nil)
	}
}
