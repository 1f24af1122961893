package transport

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledged is how long sent octets may stay unacknowledged before the kernel gives the connection up; its own idea is 15 minutes, and
// a request would wait that long on a dead path.
const unacknowledged = 20 * time.Second

// tune makes the kernel find dead connections, idle or not.
func tune(stream net.Conn) {
	c, ok := stream.(*net.TCPConn)
	if !ok {
		return
	}
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3})
	if rc, err := c.SyscallConn(); err == nil {
		_ = rc.Control(func(fd uintptr) { // without it, timers B and F find out, only later
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
		})
	}
}
