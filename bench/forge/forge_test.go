package forge

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestForged(t *testing.T) {
	original := bytes.Repeat([]byte{7}, 182)
	for _, row := range []struct {
		kind   Kind
		differ [2]int // the bytes that may
	}{
		{Foreign, [2]int{8, 182}},
		{Tampered, [2]int{181, 182}},
		{Altered, [2]int{2, 4}},
		{Replayed, [2]int{0, 0}},
	} {
		t.Run(row.kind.String(), func(t *testing.T) {
			got := forged(row.kind, bytes.Clone(original))
			a, b := row.differ[0], row.differ[1]
			if !bytes.Equal(got[:a], original[:a]) || !bytes.Equal(got[b:], original[b:]) {
				t.Error("bytes changed that should not")
			}
			if bytes.Equal(got, original) != (row.kind == Replayed) {
				t.Errorf("same as the original: %v", row.kind != Replayed)
			}
		})
	}
}

// A server that falls for it shows: here it answers the attacker.
func TestRun(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	server, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	at := server.LocalAddr().(*net.UDPAddr).AddrPort()
	f, err := New(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packet := bytes.Repeat([]byte{7}, 182)
	f.Saw(at, packet)
	f.targets[0].first = time.Now().Add(-young)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(ctx, 2000) }()
	defer func() { cancel(); <-ended }()
	from := map[netip.AddrPort]int{}
	replays := 0
	buf := make([]byte, maxPacket)
	if err := server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		f.Saw(at, packet)
		n, remote, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		from[remote]++
		if bytes.Equal(buf[:n], packet) {
			replays++
		}
		if _, err := server.WriteToUDPAddrPort(buf[:n], remote); err != nil {
			t.Fatal(err)
		}
	}
	if len(from) != sockets || replays < 20 || replays > 30 {
		t.Errorf("%d source ports and %d replays of 100; want %d and 25", len(from), replays, sockets)
	}
	_ = server.Close()
	for end := time.Now().Add(5 * time.Second); f.Counts().Stolen < 100 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // what was sent on real sockets is under way
	}
	if c := f.Counts(); c.Total() < 100 || c.Stolen != 100 {
		t.Errorf("sent %v, stolen %d; want 100 and more, and 100", c.Sent, c.Stolen)
	}
}
