//go:build !linux

package transport

import (
	"net"
	"time"
)

// tune makes the kernel find dead idle connections.
func tune(c *net.TCPConn) {
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3})
}
