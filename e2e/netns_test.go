package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Telephones behind NAT: each has a network namespace of its own, and so has the router before it, whose line ends at an address of the
// machine. All names begin with the process's number, so that what a killed run has left is known and taken away by the next one.

// place is where a telephone runs.
type place struct {
	netns string // its network namespace; empty: the machine's own
	addr  netip.Addr
}

// run is a program as it is started there.
func (p place) run(command string, args []string) (string, []string) {
	if p.netns == "" {
		return command, args
	}
	return "ip", append([]string{"netns", "exec", p.netns, command}, args...)
}

// dial connects to what listens at an address there. A socket stays in the namespace that it was made in.
func (p place) dial(address string) (net.Conn, error) {
	if p.netns == "" {
		return net.Dial("tcp", address)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer func() { _ = own.Close() }()
	other, err := os.Open("/run/netns/" + p.netns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = other.Close() }()
	if err := unix.Setns(int(other.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", address)
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back) // this thread would go on with other goroutines
	}
	return conn, err
}

// router is a NAT: it stands between a private network and callseal, and has one public address.
type router struct {
	netns  string
	ours   netip.Addr // the machine's end of its line
	public netip.Addr
	phones int
}

// lan is the private network behind each router.
const lan = "192.168.1."

var lines atomic.Uint32

// startRouter makes a router that gives every flow a new port, and takes a packet from outside for none but that flow. Its line is a /29 of
// the addresses for measurements (RFC 2544), of which each process has a /24.
func startRouter(t *testing.T) *router {
	t.Helper()
	sweepNetns(t)
	n := lines.Add(1)
	pid := os.Getpid()
	base := [4]byte{198, byte(18 + pid>>8&1), byte(pid), byte(8 * (n % 32))}
	r := &router{netns: fmt.Sprintf("%s%d-%d", netnsPrefix, pid, n)}
	r.ours, base[3] = netip.AddrFrom4(base).Next(), base[3]+2
	r.public = netip.AddrFrom4(base)
	device := fmt.Sprintf("cs%d-%d", pid, n)
	r.namespace(t, r.netns)
	ip(t, "link add %s type veth peer name wan netns %s", device, r.netns)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "delete", device).Run() }) // it mostly ended with the namespace
	ip(t, "addr add %s/29 dev %s", r.ours, device)
	ip(t, "link set %s up", device)
	ip(t, "-n %s addr add %s/29 dev wan", r.netns, r.public)
	ip(t, "-n %s link set wan up", r.netns)
	ip(t, "-n %s route add default via %s", r.netns, r.ours)
	r.do(t, "iptables -w -t nat -A POSTROUTING -o wan -j MASQUERADE --random-fully")
	r.set(t, "ipv4/ip_forward", 1)
	return r
}

// namespace makes one, which ends with the test.
func (r *router) namespace(t *testing.T, name string) {
	t.Helper()
	ip(t, "netns add %s", name)
	t.Cleanup(func() { ip(t, "netns delete %s", name) })
	ip(t, "-n %s link set lo up", name)
}

// plug puts a telephone behind the router. The first one there has the same address behind every router.
func (r *router) plug(t *testing.T) place {
	t.Helper()
	r.phones++
	p := place{netns: fmt.Sprintf("%s-%d", r.netns, r.phones), addr: netip.MustParseAddr(lan + strconv.Itoa(9+r.phones))}
	device := fmt.Sprintf("lan%d", r.phones)
	r.namespace(t, p.netns)
	ip(t, "-n %s link add eth0 type veth peer name %s netns %s", p.netns, device, r.netns)
	ip(t, "-n %s addr add %s1/32 dev %s", r.netns, lan, device)
	ip(t, "-n %s link set %s up", r.netns, device)
	ip(t, "-n %s route add %s/32 dev %s", r.netns, p.addr, device)
	ip(t, "-n %s addr add %s/24 dev eth0", p.netns, p.addr)
	ip(t, "-n %s link set eth0 up", p.netns)
	ip(t, "-n %s route add default via %s1", p.netns, lan)
	return p
}

// renumber gives the router another public address, as providers do at night. All that it knew of its flows is gone.
func (r *router) renumber(t *testing.T) {
	t.Helper()
	ip(t, "-n %s addr delete %s/29 dev wan", r.netns, r.public)
	r.public = r.public.Next()
	ip(t, "-n %s addr add %s/29 dev wan", r.netns, r.public)
	ip(t, "-n %s route replace default via %s", r.netns, r.ours)
	r.forget(t)
}

// forget takes all flows away that the router knows.
func (r *router) forget(t *testing.T) { t.Helper(); r.do(t, "conntrack -F") }

// flows lists what it knows of one protocol.
func (r *router) flows(t *testing.T, protocol string) string {
	t.Helper()
	return output(t, "ip", "netns", "exec", r.netns, "conntrack", "-L", "-p", protocol)
}

// do runs a command on the router.
func (r *router) do(t *testing.T, command string) {
	t.Helper()
	output(t, "ip", append([]string{"netns", "exec", r.netns}, strings.Fields(command)...)...)
}

// set writes one of its kernel's settings under net.
func (r *router) set(t *testing.T, name string, value int) {
	t.Helper()
	output(t, "ip", "netns", "exec", r.netns, "sh", "-c", fmt.Sprintf("echo %d >/proc/sys/net/%s", value, name))
}

// ip runs the command of that name.
func ip(t *testing.T, format string, args ...any) {
	t.Helper()
	output(t, "ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

// output runs a command and gives what it says.
func output(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := exec.Command(command, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
	return string(out)
}

const netnsPrefix = "callseal-"

var sweepOnce sync.Once

// sweepNetns takes away, once, the namespaces of runs that were killed.
func sweepNetns(t *testing.T) {
	t.Helper()
	sweepOnce.Do(func() {
		for line := range strings.Lines(output(t, "ip", "netns", "list")) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			rest, ours := strings.CutPrefix(name, netnsPrefix)
			pid, _, _ := strings.Cut(rest, "-")
			if n, err := strconv.Atoi(pid); !ours || err != nil || n == os.Getpid() || unix.Kill(n, 0) == nil {
				continue
			}
			ip(t, "netns delete %s", name)
		}
	})
}

// needNAT skips the test where the peers are not installed, or fails it where they are required.
func needNAT(t *testing.T) {
	t.Helper()
	needPeers(t)
	for _, command := range []string{"ip", "iptables", "conntrack"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Fatalf("%v: run e2e/peers/install.sh", err)
		}
	}
}
