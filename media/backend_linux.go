package media

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holdTime is for how many milliseconds a worker sleeps at most while it keeps its processor of Go's scheduler.
const holdTime = 100

// wakeToken is the token of the eventfd.
const wakeToken = ^uint64(0)

// epoll is the backend of Linux: raw non-blocking sockets in one epoll set, and an eventfd that wakes it. Reading and
// writing go by plain system calls with addresses in fields, because the wrappers of package unix allocate them.
//
// All calls go around Go's scheduler, also those that sleep, but for a long wait: a worker keeps its processor of the
// scheduler while it has sessions, and Relay.Run sees to it that there is one more for each worker. The scheduler's
// thread would otherwise watch each sleep, wake others to take the processor over, and do that a few thousand times a
// second, for a tenth of the worker's cost. And where it is taken over there is one more thread of goroutines than
// processors, above all while garbage is collected: each waits for the others in the queues of the kernel, and a call
// that is being set up for all of them. The scheduler's signals end the sleep when the world has to stop.
type epoll struct {
	// Never changed.
	set, event int
	dscp       int // of the IP headers of what is sent

	// Owned by the worker.
	events  [maxTokens]unix.EpollEvent
	awaited [1]unix.PollFd // by nap
	timeout unix.Timespec
	from    unix.RawSockaddrAny
	fromLen uint32
	to4     unix.RawSockaddrInet4
	to6     unix.RawSockaddrInet6
}

// newBackend returns an epoll backend whose packets bear a DSCP. Its owner calls close.
func newBackend(dscp int) (backend, error) {
	e := &epoll{dscp: dscp}
	var err error
	if e.set, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, describe("epoll_create1", err)
	}
	if e.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(e.set) // the first error is the one that counts
		return nil, describe("eventfd", err)
	}
	if err := e.attach(socket(e.event), wakeToken); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *epoll) bind(at netip.AddrPort) (socket, error) {
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return 0, describe("socket", err)
	}
	var address unix.Sockaddr = &unix.SockaddrInet4{Port: int(at.Port())}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
		address = &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	} else {
		address.(*unix.SockaddrInet4).Addr = at.Addr().As4()
	}
	e.mark(fd, family)
	whole(fd, family, unix.IP_PMTUDISC_DO)
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err != nil {
		_ = unix.Close(fd) // the first error is the one that counts
		return 0, describe("bind "+at.String(), err)
	}
	return socket(fd), nil
}

// mark sets a socket's DSCP. One that takes none still carries the call.
func (e *epoll) mark(fd, family int) {
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, e.dscp<<2)
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, e.dscp<<2)
}

// whole sets what becomes of packets that are longer than the path takes, of IPv4. IP_PMTUDISC_DO refuses them with EMSGSIZE and saves all
// others the number that fragments would need, IP_PMTUDISC_WANT makes fragments of them. Without either the system's default remains.
func whole(fd, family, way int) {
	if family == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, way)
	}
}

func (e *epoll) attach(s socket, token uint64) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(token), Pad: int32(token >> 32)}
	if err := unix.EpollCtl(e.set, unix.EPOLL_CTL_ADD, int(s), &event); err != nil {
		return describe("epoll_ctl", err)
	}
	return nil
}

func (e *epoll) wait(tokens []uint64, long bool) ([]uint64, error) {
	var n uintptr
	var errno unix.Errno
	if long { // the processor is given back
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.set), uintptr(unsafe.Pointer(&e.events)), maxTokens, ^uintptr(0), 0, 0)
	} else {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.set), uintptr(unsafe.Pointer(&e.events)), maxTokens, holdTime, 0, 0)
	}
	if errno == unix.EINTR {
		return tokens, nil
	}
	if errno != 0 {
		return tokens, describe("epoll_wait", errno)
	}
	for _, event := range e.events[:n] {
		token := uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32
		if token != wakeToken {
			tokens = append(tokens, token)
			continue
		}
		var count [8]byte
		_, _ = unix.Read(e.event, count[:]) // sets the eventfd back to zero; it fails only when it is zero
	}
	return tokens, nil
}

// nap polls the eventfd alone. Other than the sleeps of the clock, a poll of a millisecond ends within microseconds
// without a privilege, and other than epoll_pwait2 every kernel and every seccomp profile lets it through.
func (e *epoll) nap(d time.Duration) {
	e.awaited[0] = unix.PollFd{Fd: int32(e.event), Events: unix.POLLIN}
	e.timeout = unix.NsecToTimespec(int64(d))
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&e.awaited)), 1, uintptr(unsafe.Pointer(&e.timeout)), 0, 0, 0) // how it ends is no matter
}

func (e *epoll) receive(s socket, buf []byte) (int, netip.AddrPort, error) {
	e.fromLen = unix.SizeofSockaddrAny
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)),
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, uintptr(unsafe.Pointer(&e.from)), uintptr(unsafe.Pointer(&e.fromLen)))
	if errno != 0 {
		if errno == unix.EAGAIN {
			return 0, netip.AddrPort{}, errAgain
		}
		return 0, netip.AddrPort{}, errno
	}
	switch e.from.Addr.Family {
	case unix.AF_INET:
		from := (*unix.RawSockaddrInet4)(unsafe.Pointer(&e.from))
		return int(n), netip.AddrPortFrom(netip.AddrFrom4(from.Addr), swapped(from.Port)), nil
	case unix.AF_INET6:
		from := (*unix.RawSockaddrInet6)(unsafe.Pointer(&e.from))
		return int(n), netip.AddrPortFrom(netip.AddrFrom16(from.Addr), swapped(from.Port)), nil
	}
	return int(n), netip.AddrPort{}, nil
}

func (e *epoll) send(s socket, packet []byte, to netip.AddrPort) error {
	var address unsafe.Pointer
	var size uintptr
	if to.Addr().Is4() {
		e.to4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swapped(to.Port()), Addr: to.Addr().As4()}
		address, size = unsafe.Pointer(&e.to4), unix.SizeofSockaddrInet4
	} else {
		e.to6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swapped(to.Port()), Addr: to.Addr().As16()}
		address, size = unsafe.Pointer(&e.to6), unix.SizeofSockaddrInet6
	}
	errno := sendTo(s, packet, address, size)
	if errno == unix.EMSGSIZE && to.Addr().Is4() { // from now on this socket sends fragments
		whole(int(s), unix.AF_INET, unix.IP_PMTUDISC_WANT)
		errno = sendTo(s, packet, address, size)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

func sendTo(s socket, packet []byte, address unsafe.Pointer, size uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s), uintptr(unsafe.Pointer(unsafe.SliceData(packet))), uintptr(len(packet)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(address), size)
	return errno
}

func (e *epoll) release(s socket) { _ = unix.Close(int(s)) } // the descriptor is gone whatever it returns

func (e *epoll) wake() {
	one := [8]byte{}
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(e.event, one[:]) // fails only when the counter is full, and then it wakes as well
}

func (e *epoll) close() {
	_ = unix.Close(e.event)
	_ = unix.Close(e.set) // nothing can be done about either
}

// swapped converts a port between host and network byte order.
func swapped(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}
