package media

import (
	"errors"
	"net/netip"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLongerThanThePath: packets that the path does not take whole go in fragments, the first one too.
func TestLongerThanThePath(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its network
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("only root can have a network of its own: ", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "mtu", "600", "up").CombinedOutput(); err != nil {
		t.Skipf("ip: %v: %s", err, out)
	}
	os, err := newBackend(0)
	if err != nil {
		t.Fatal(err)
	}
	defer os.close()
	var ends [2]socket
	for i := range ends {
		if ends[i], err = os.bind(netip.AddrPortFrom(loopback, uint16(20000+i))); err != nil {
			t.Fatal(err)
		}
		defer os.release(ends[i])
	}
	packet := make([]byte, maxPacket)
	for i, size := range []int{172, 1000, 1000, 172} {
		if err := os.send(ends[0], packet[:size], netip.AddrPortFrom(loopback, 20001)); err != nil {
			t.Fatalf("packet %d, %d bytes: %v", i, size, err)
		}
		n, _, err := os.receive(ends[1], packet)
		for deadline := time.Now().Add(patience); errors.Is(err, errAgain) && time.Now().Before(deadline); { // the kernel may take its time
			n, _, err = os.receive(ends[1], packet)
		}
		if err != nil || n != size {
			t.Fatalf("packet %d, %d bytes: %d received, %v", i, size, n, err)
		}
	}
}
