package media

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDSCP: what leaves bears the DSCP in its IP header, RTP and RTCP, IPv4 and IPv6.
func TestDSCP(t *testing.T) {
	for _, local := range []netip.Addr{loopback, netip.IPv6Loopback()} {
		t.Run(fmt.Sprint(local), func(t *testing.T) {
			r := startRelay(t, Config{DSCP: DefaultDSCP})
			s, err := r.Open(local, local)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			a, b := newParty(t, s, A, nil, nil), newParty(t, s, B, nil, nil)
			set(t, s, A, a.remote())
			set(t, s, B, b.remote())
			watchTOS(t, b.rtp)
			watchTOS(t, b.rtcp)
			a.say("marked")
			a.writeRTCP(report(a, b))
			for _, c := range []*net.UDPConn{b.rtp, b.rtcp} {
				if got := readTOS(t, c); got != DefaultDSCP<<2 {
					t.Errorf("TOS %#x", got)
				}
			}
		})
	}
}

// watchTOS makes a socket tell the TOS byte, or traffic class, of what it receives.
func watchTOS(t *testing.T, c *net.UDPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if address(c).Addr().Is4() {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readTOS(t *testing.T, c *net.UDPConn) byte {
	t.Helper()
	buf, control := make([]byte, 1500), make([]byte, 128)
	_, n, _, _, err := c.ReadMsgUDPAddrPort(buf, control)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("control %x, %v", control[:n], err)
	}
	return messages[0].Data[0]
}
