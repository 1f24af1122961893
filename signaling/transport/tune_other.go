//go:build !linux

package transport

import (
	"net"
	"time"
)

// tune makes the kernel find dead idle connections.
func tune(stream net.Conn) {
	c, ok := stream.(*net.TCPConn)
	if !ok {
		return
	}
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3})
}
