package capture

import (
	"encoding/binary"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ip4(protocol byte, options int, fragment uint16, segment []byte) []byte {
	head := make([]byte, 20+options)
	head[0] = 4<<4 | byte(len(head)/4)
	binary.BigEndian.PutUint16(head[6:], fragment)
	head[9] = protocol
	return append(head, segment...)
}

func ip6(protocol byte, segment []byte) []byte {
	head := make([]byte, 40)
	head[0], head[6] = 6<<4, protocol
	return append(head, segment...)
}

func udp(payload string) []byte {
	return append([]byte{0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0}, payload...)
}

func tcp(options int, payload string) []byte {
	head := make([]byte, 20+options)
	copy(head, []byte{0x12, 0x34, 0x56, 0x78})
	head[12] = byte(len(head)/4) << 4
	return append(head, payload...)
}

func TestDissect(t *testing.T) {
	for _, row := range []struct {
		name string
		ip   []byte
		want string // payload
		ok   bool
	}{
		{"UDP", ip4(protocolUDP, 0, 0, udp("x")), "x", true},
		{"UDP behind options", ip4(protocolUDP, 8, 0, udp("x")), "x", true},
		{"UDP over IPv6", ip6(protocolUDP, udp("x")), "x", true},
		{"TCP", ip4(protocolTCP, 0, 0, tcp(0, "x")), "x", true},
		{"TCP with options", ip6(protocolTCP, tcp(12, "x")), "x", true},
		{"TCP without payload", ip4(protocolTCP, 0, 0, tcp(0, "")), "", true},
		{"first fragment", ip4(protocolUDP, 0, 0x2000, udp("x")), "x", true},
		{"later fragment", ip4(protocolUDP, 0, 0x2001, udp("x")), "", false},
		{"ICMP", ip4(1, 0, 0, udp("x")), "", false},
		{"cut", ip4(protocolTCP, 0, 0, tcp(0, "")[:19]), "", false},
		{"TCP header longer than all", ip4(protocolTCP, 0, 0, append(tcp(0, "")[:12], 0xf0, 0, 0, 0, 0, 0, 0, 0)), "", false},
		{"IPv4 header too short", append([]byte{0x41}, ip4(protocolUDP, 0, 0, udp("x"))[1:]...), "", false},
		{"short IPv6", ip6(protocolUDP, nil)[:39], "", false},
		{"nothing", nil, "", false},
		{"ARP", []byte{0, 1, 8, 0}, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			from, to, payload, ok := dissect(row.ip)
			if ok != row.ok || string(payload) != row.want {
				t.Fatalf("payload %q, %v; want %q, %v", payload, ok, row.want, row.ok)
			}
			if ok && (from != 0x1234 || to != 0x5678) {
				t.Errorf("ports %#x, %#x", from, to)
			}
		})
	}
}

func FuzzDissect(f *testing.F) {
	f.Add(ip4(protocolUDP, 0, 0, udp("x")))
	f.Add(ip6(protocolTCP, tcp(12, "x")))
	f.Fuzz(func(t *testing.T, ip []byte) {
		if _, _, payload, ok := dissect(ip); ok && len(payload)+28 > len(ip) {
			t.Errorf("a payload of %d bytes in a packet of %d", len(payload), len(ip))
		}
	})
}

func TestTells(t *testing.T) {
	tells := newTells("AUDIO")
	for _, row := range []struct {
		payload string
		want    bool
	}{
		{"xxAUDIOxx", true},
		{"INVITE sip:1@h SIP/2.0\r\n", true},
		{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xx", true},
		{"AUDI", false},
		{"", false},
	} {
		if got := tells.in([]byte(row.payload)); got != row.want {
			t.Errorf("%q: %v", row.payload, got)
		}
	}
}

// On the real loopback interface each packet of an own port counts once, and
// those of others do not.
func TestCapture(t *testing.T) {
	c := New("AUDIO")
	err := c.Start()
	if errors.Is(err, ErrRoot) || errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	own, other := listen(t), listen(t)
	c.Own(uint16(own.LocalAddr().(*net.UDPAddr).Port))
	for _, text := range []string{"AUDIO", "sealed", "SIP/2.0 200 OK"} {
		for _, pair := range [][2]*net.UDPConn{{own, other}, {other, own}, {other, other}} {
			if _, err := pair[0].WriteTo([]byte(text), pair[1].LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := c.Close(), (Counts{Packets: 6, Readable: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
