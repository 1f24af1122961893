//go:build !linux

package stream

import (
	"net"
	"net/netip"
	"time"
)

type address = netip.AddrPort

func addressOf(a netip.AddrPort) address {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// socket is read by a goroutine of its own, which ends when it is closed.
type socket struct{ *net.UDPConn }

func listen(addr netip.Addr) (socket, netip.AddrPort, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return socket{}, netip.AddrPort{}, err
	}
	return socket{c}, addressOf(c.LocalAddr().(*net.UDPAddr).AddrPort()), nil
}

func (s socket) close() { _ = s.Close() }

// send tells whether the kernel took the packet.
func (s socket) send(packet []byte, to *address) bool {
	_, err := s.WriteToUDPAddrPort(packet, *to)
	return err == nil
}

type poller struct{}

func newPoller() (poller, error) { return poller{}, nil }

func (poller) close() {}

func (poller) watch(w *worker, s *Stream) error {
	go func() {
		buf := make([]byte, maxPacket)
		for {
			n, from, err := s.socket.ReadFromUDPAddrPort(buf)
			if err != nil {
				return // closed: UDP reads fail for no other reason that passes
			}
			now := Clock()
			w.mu.Lock()
			s.judge(buf[:n], addressOf(from), now)
			w.mu.Unlock()
		}
	}()
	return nil
}

func (poller) forget(_ *worker, s *Stream) { s.socket.close() }

func (poller) receive(*worker) (more bool) { return false }

func precise() {}

func sleepUntil(due int64) { time.Sleep(time.Duration(due - Clock())) }
