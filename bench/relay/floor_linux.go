package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ServeFloor relays UDP without looking at it until in ends: one thread, one
// epoll, one connected socket per leg, one receive and one send per packet. No
// relay in user space that passes every packet at once costs much less. It wants
// a process of its own, without asynchronous preemption (FloorEnvironment).
func ServeFloor(in io.Reader, out io.Writer) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // relay never gives its processor back
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return errors.Join(fmt.Errorf("eventfd: %w", err), unix.Close(poll))
	}
	s := &floorServer{poll: poll, wake: wake, calls: map[uint64][2]int{}}
	if err := s.watch(wake, -1); err != nil {
		return errors.Join(err, unix.Close(wake), unix.Close(poll))
	}
	ended := make(chan error)
	go func() { ended <- s.relay() }()
	served := s.control(in, out)
	_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // relay ends
	err = <-ended
	for call := range s.calls {
		s.shut(call)
	}
	return errors.Join(served, err, unix.Close(wake), unix.Close(poll))
}

// floorServer keeps a call's sockets; the epoll knows for each the one to send
// from.
type floorServer struct {
	poll, wake int
	mu         sync.Mutex // of relay's rounds, so that no socket is closed within one
	calls      map[uint64][2]int
}

// control obeys one line at a time.
func (s *floorServer) control(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if _, err := fmt.Fprintln(out, s.obey(lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (s *floorServer) obey(line string) string {
	var call uint64
	var a, b string
	if n, _ := fmt.Sscanf(line, "open %d %s %s", &call, &a, &b); n == 3 {
		ends, err := s.open(call, [2]string{a, b})
		if err != nil {
			return "error " + err.Error()
		}
		return fmt.Sprintf("ok %v %v", ends[0], ends[1])
	}
	if n, _ := fmt.Sscanf(line, "shut %d", &call); n == 1 {
		s.shut(call)
		return "ok"
	}
	return "error unknown command"
}

// open binds a socket per leg at the remote's own address, which on one machine
// is always there.
func (s *floorServer) open(call uint64, remotes [2]string) (ends [2]netip.AddrPort, err error) {
	var legs [2]int
	for i, text := range remotes {
		remote, err := netip.ParseAddrPort(text)
		if err == nil {
			legs[i], ends[i], err = bindLeg(remote)
		}
		if err != nil {
			if i == 1 {
				_ = unix.Close(legs[0])
			}
			return ends, err
		}
	}
	s.calls[call] = legs
	return ends, errors.Join(s.watch(legs[0], legs[1]), s.watch(legs[1], legs[0]))
}

// bindLeg makes a non-blocking socket that hears the remote only.
func bindLeg(remote netip.AddrPort) (fd int, local netip.AddrPort, err error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return 0, local, err
	}
	defer func() { _ = conn.Close() }()
	local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	file, err := conn.File() // a copy, which the runtime does not poll
	if err != nil {
		return 0, local, err
	}
	defer func() { _ = file.Close() }()
	if fd, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return 0, local, err
	}
	return fd, local, unix.SetNonblock(fd, true)
}

func (s *floorServer) watch(from, to int) error {
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, from, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(from), Pad: int32(to)})
}

func (s *floorServer) shut(call uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range s.calls[call] {
		if fd > 0 {
			_ = unix.Close(fd) // which also takes it out of the epoll
		}
	}
	delete(s.calls, call)
}

// floorBatch is how many sockets one round serves.
const floorBatch = 128

// relay moves packets until something is written to wake.
func (s *floorServer) relay() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, floorBatch)
	buf := make([]byte, 2048)
	for {
		n, err := wait(s.poll, events)
		if err != nil {
			return err
		}
		s.mu.Lock()
		for _, e := range events[:n] {
			if int(e.Fd) == s.wake {
				s.mu.Unlock()
				return nil
			}
			pass(int(e.Fd), int(e.Pad), buf)
		}
		s.mu.Unlock()
	}
}

// floorNap bounds a sleep, in ms, since Go's garbage collector waits for its end.
const floorNap = 50

// wait sleeps in the kernel without telling Go's scheduler, which would wake
// other threads for each packet.
func wait(poll int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(poll), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), floorNap, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("epoll: %w", errno)
}

// pass moves one packet.
func pass(from, to int, buf []byte) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(from), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
	if errno == 0 { // what is lost at the other end the bench counts
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(to), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), n)
	}
}
