package e2e

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// A TLS connection that is cut does not end a call: audio goes on, and a BYE from either side arrives over a new connection.

func TestConnectionOfDialerIsCut(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		version    int
		dialerEnds bool
	}{
		{"the carrier of Asterisk 16 hangs up", 16, false},
		{"Asterisk 16 hangs up", 16, true},
		{"the carrier of Asterisk 22 hangs up", 22, false},
		{"Asterisk 22 hangs up", 22, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			needPeers(t)
			ca, sbcAddr, dialerAddr := newAuthority(t, "ca"), address(), address()
			line := startCutter(t, dialersOf(sbcAddr), dialerAddr)
			carrier := startAsterisk(t, "telco", address(), ca, asteriskConfig{
				Version: 22, Remote: netip.AddrPortFrom(sbcAddr, 5080), Sealed: true, Tone: carrierTone})
			dialer := startAsterisk(t, "dialer1", dialerAddr, ca, asteriskConfig{
				Version: row.version, Remote: dialersOf(line.addr), Sealed: true, Tone: dialerTone})
			s := startSBC(t, sbcAddr, ca, sbcConfig{
				trunks: []trunk{
					{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true},
					{role: "carrier", name: "telco", remote: carrier.sip()},
				},
				routes: []string{"dialer telco"},
				front:  line.addr,
			})
			wire := listen(t, dialer.Addr, carrier.Addr)
			dialer.dial(t, "agent", "900")
			eventually(t, "the call is up", func() bool { return s.metric(t, "callseal_srtp_legs") == 2 })
			time.Sleep(time.Second) // they talk
			line.cut(t)
			time.Sleep(2 * time.Second) // they talk on
			if n := s.metric(t, "callseal_calls_active"); n != 1 {
				t.Fatalf("%v calls after the connection was cut, want 1", n)
			}
			if row.dialerEnds {
				dialer.hangup()
				carrier.logs(t, "\nBYE sip")
			} else {
				carrier.hangup()
				dialer.logs(t, "\nBYE sip")
				if status, cause := dialer.result(t, "900"); status != "ANSWER" || cause != 16 {
					t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want ANSWER 16", status, cause)
				}
			}
			s.idle(t)
			carrier.idle(t)
			wantTone(t, dialer.heard(t, "agent"), carrierTone, 2500*time.Millisecond)
			wantTone(t, carrier.heard(t, "900"), dialerTone, 2500*time.Millisecond)
			if n := s.metric(t, "callseal_byes_unanswered_total"); n != 0 {
				t.Errorf("callseal_byes_unanswered_total is %v, want 0", n)
			}
			packets := wire.stop(t)
			wantSealed(t, with("dialer to callseal", packets, dialer.Addr))
			wantSealed(t, with("callseal to carrier", packets, carrier.Addr))
		})
	}
}

func TestConnectionOfPhoneIsCut(t *testing.T) {
	t.Parallel()
	needPeers(t)
	ca, sbcAddr := newAuthority(t, "ca"), address()
	line := startCutter(t, netip.AddrPortFrom(sbcAddr, 5061), phoneAddr)
	dialer := startAsterisk(t, "dialer1", address(), ca, asteriskConfig{Version: 16, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone})
	s := startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{{role: "dialer", name: "dialer1", remote: dialer.sip(), calls: true}},
		routes: []string{"phone dialer1"},
		front:  line.addr,
	})
	remote := netip.AddrPortFrom(line.addr, 5061)
	p := startPhone(t, ca, remote)
	wire := listen(t, line.addr, s.addr, dialer.Addr)
	p.dial(t, "900", remote)
	eventually(t, "the call is up", func() bool { return s.metric(t, "callseal_srtp_legs") == 2 })
	time.Sleep(time.Second) // they talk
	line.cut(t)
	time.Sleep(2 * time.Second) // they talk on
	p.hangup(t)
	dialer.logs(t, "\nBYE sip")
	s.idle(t)
	wantTone(t, p.heard(t), dialerTone, 2500*time.Millisecond)
	wantTone(t, dialer.heard(t, "900"), phoneTone, 2500*time.Millisecond)
	packets := wire.stop(t)
	wantSealed(t, between("phone to callseal", packets, phoneAddr, s.addr))
	wantSealed(t, with("callseal to dialer", packets, dialer.Addr))
}

// cutter relays TCP, until the test cuts its connections.
type cutter struct {
	addr netip.Addr // where it listens, on the port of the target
	to   netip.AddrPort
	from netip.Addr // where its connections to the target come from
	l    net.Listener
	open sync.WaitGroup // its goroutines

	mu    sync.Mutex
	conns []net.Conn // guarded by mu; all that were ever opened
}

// startCutter relays until the test ends.
func startCutter(t *testing.T, to netip.AddrPort, from netip.Addr) *cutter {
	t.Helper()
	c := &cutter{addr: address(), to: to, from: from}
	var err error
	if c.l, err = net.Listen("tcp", netip.AddrPortFrom(c.addr, to.Port()).String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.l.Close()
		c.closeAll()
		c.open.Wait()
	})
	c.open.Go(func() {
		for {
			near, err := c.l.Accept()
			if err != nil {
				return // closed by the cleanup above
			}
			c.relay(near)
		}
	})
	return c
}

// relay joins a connection to one to the target.
func (c *cutter) relay(near net.Conn) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.from, 0))}
	far, err := dialer.Dial("tcp", c.to.String())
	if err != nil {
		_ = near.Close()
		return
	}
	c.mu.Lock()
	c.conns = append(c.conns, near, far)
	c.mu.Unlock()
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		c.open.Go(func() {
			_, _ = io.Copy(pair[0], pair[1]) // until one of them is closed
			_ = pair[0].Close()
			_ = pair[1].Close()
		})
	}
}

// cut breaks all of its connections off, without a word in TLS.
func (c *cutter) cut(t *testing.T) {
	t.Helper()
	if n := c.closeAll(); n == 0 {
		t.Fatal("there is no connection to cut")
	}
}

func (c *cutter) closeAll() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.conns)
	for _, conn := range c.conns {
		_ = conn.(*net.TCPConn).SetLinger(0) // RST, as from a firewall that has forgotten it
		_ = conn.Close()
	}
	c.conns = nil
	return n
}
