package transport

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// doorkeeper is a recorder that knows who is ours.
type doorkeeper struct {
	recorder
	mu     sync.Mutex // guards the rest
	known  map[netip.Addr]bool
	exempt map[netip.Addr]bool
	dialog string // its To tag
	phones bool   // may register where phones are
}

func (d *doorkeeper) Known(f *Flow) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[f.Remote().Addr()]
}

func (d *doorkeeper) InDialog(_, tag string) bool { return tag == d.dialog }

func (d *doorkeeper) Registers(at Role) bool { return d.phones && at == Phone }

func (d *doorkeeper) Challenges(f *Flow, method sip.RequestMethod) bool {
	return method == sip.MESSAGE && f.Role() == Dialer
}

func (d *doorkeeper) Exempt(a netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.exempt[a]
}

func (d *doorkeeper) let(a string, exempt bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[netip.MustParseAddr(a)] = true
	d.exempt[netip.MustParseAddr(a)] = exempt
}

func newDoorkeeper() *doorkeeper {
	return &doorkeeper{recorder: recorder{request: answerOK}, known: map[netip.Addr]bool{}, exempt: map[netip.Addr]bool{}, dialog: "ours"}
}

// callFrom connects to a listener from an address of one's own.
func callFrom(t *testing.T, b *bench, listener, from string) *caller {
	t.Helper()
	c, err := dialFrom(b, listener, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return newCaller(c)
}

func dialFrom(b *bench, listener, from string) (net.Conn, error) {
	local := netip.AddrPortFrom(netip.MustParseAddr(from), 0)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Timeout: patience}
	network := "tcp"
	if strings.HasPrefix(listener, "udp") {
		d.LocalAddr, network = net.UDPAddrFromAddrPort(local), "udp"
	}
	return d.Dial(network, b.Addr(listener).String())
}

// trusting runs an endpoint that bans at the fifth offence.
func trusting(t *testing.T, d *doorkeeper, drop bool) *bench {
	t.Helper()
	return start(t, Config{Handler: d, Trust: Trust{Drop: drop, Scanners: []string{"friendly-scanner"}, Ban: usual},
		Listeners: []Listener{at(UDP, Phone, "udp", nil), at(TCP, Phone, "tcp", nil), at(UDP, Dialer, "udpdialers", nil)}})
}

func options(proto Proto, n int) string {
	return text("OPTIONS", proto, fmt.Sprint("call", n), fmt.Sprint("z9hG4bK", n), 1, "", "")
}

// At its fifth request an unknown address is banned: at once, over the transport that it used and no other, and until the ban is lifted.
func TestBanAtTheFifthRequest(t *testing.T) {
	d := newDoorkeeper()
	b := trusting(t, d, true)
	d.let("127.0.0.9", false)
	probe := callFrom(t, b, "udp", "127.0.0.9")
	settled := func(n int) { // everything that was sent over UDP before has been handled
		probe.say(t, options(UDP, n))
		probe.hear(t)
	}
	for n := range 5 {
		c := callFrom(t, b, "udp", fmt.Sprintf("127.0.9.%d", n+1))
		for i := range n + 1 {
			c.say(t, options(UDP, i))
		}
	}
	settled(1)
	if bans := b.Bans(); len(bans) != 1 || bans[0].Who.String() != "127.0.9.5/32" || bans[0].Stream || bans[0].Why != OffenceUnknown {
		t.Fatalf("banned: %+v", bans)
	}
	if got := b.count(t, "callseal_banned"); got != 1 {
		t.Errorf("%v banned by the gauge", got)
	}
	if got := b.count(t, "callseal_sip_refused_total", "cause=unknown_source"); got != 15 {
		t.Errorf("%v dropped, want 15", got)
	}
	d.let("127.0.9.5", false) // known, but banned
	c := callFrom(t, b, "udp", "127.0.9.5")
	c.say(t, options(UDP, 1))
	settled(2)
	if got := b.count(t, "callseal_ban_drops_total", "transport=udp"); got != 1 || b.Bans()[0].Dropped != 1 {
		t.Errorf("%v datagrams dropped, %d by the list", got, b.Bans()[0].Dropped)
	}
	stream := callFrom(t, b, "tcp", "127.0.9.5") // its datagrams may have been forged
	stream.say(t, options(TCP, 11))
	if h := stream.hear(t); h.status() != 200 {
		t.Errorf("over TCP: %s", h.start)
	}
	if !b.Lift(netip.MustParseAddr("127.0.9.5")) || b.Lift(netip.MustParseAddr("127.0.9.5")) {
		t.Error("a ban is lifted once")
	}
	c.say(t, options(UDP, 12))
	if h := c.hear(t); h.status() != 200 {
		t.Errorf("after the ban: %s", h.start)
	}
	if n := strings.Count(b.log.String(), "request dropped without an answer"); n == 0 || n > 3 {
		t.Errorf("%d lines about 15 requests", n)
	}
	if !strings.Contains(b.log.String(), `msg="address banned" address=127.0.9.5/32 transport=udp cause=unknown for=5m0s`) {
		t.Error("the ban is not in the log")
	}
}

// A telephone that was registered before a restart of ours hears nothing until it registers again, and repeats what it asks (RFC 3261 section
// 17.1.2.2). That is one offence: else its address, and whoever shares it, were banned before it could.
func TestRepetitionsAreOneOffence(t *testing.T) {
	d := newDoorkeeper()
	b := trusting(t, d, true)
	d.let("127.0.0.9", false)
	probe, c := callFrom(t, b, "udp", "127.0.0.9"), callFrom(t, b, "udp", "127.0.8.1")
	banned := func(n int) int { // when everything that was sent before has been handled
		probe.say(t, options(UDP, n))
		probe.hear(t)
		return len(b.Bans())
	}
	for range 7 {
		for n := range 2 {
			c.say(t, options(UDP, n))
		}
	}
	if banned(1) != 0 {
		t.Fatal("banned for repetitions")
	}
	for n := range 3 {
		c.say(t, options(UDP, n+2))
	}
	if banned(2) != 1 {
		t.Error("not banned at the fifth request")
	}
}

// A ban cuts the connections that stand within 100 ms, takes no new one, and leaves those of an exempt address.
func TestBanCutsConnections(t *testing.T) {
	d := newDoorkeeper()
	b := trusting(t, d, true)
	d.let("127.0.9.8", true)
	for _, who := range []string{"127.0.9.7", "127.0.9.8"} {
		idle, c := callFrom(t, b, "tcp", who), callFrom(t, b, "tcp", who)
		eventually(t, "both are taken", func() bool { return b.count(t, "callseal_connections") >= 2 })
		started := time.Now()
		for i := range 5 {
			_, _ = io.WriteString(c, crlf(strings.Replace(options(TCP, i), "CSeq: 1", "CSeq: x", 1)))
		}
		if who == "127.0.9.8" { // a trunk's: its messages are answered and nothing else happens
			for range 5 {
				if h := c.hear(t); h.status() != 400 {
					t.Errorf("the trunk hears %s", h.start)
				}
			}
			idle.say(t, options(TCP, 9))
			if h := idle.hear(t); h.status() != 200 {
				t.Errorf("the trunk's other connection: %s", h.start)
			}
			continue
		}
		idle.closedWithin(t, patience)
		t.Logf("cut after %v", time.Since(started))
		again, err := dialFrom(b, "tcp", who)
		if err == nil { // the kernel took it
			newCaller(again).closedWithin(t, patience)
			_ = again.Close()
		}
		if got := b.count(t, "callseal_connections_refused_total", "cause=banned"); got != 1 {
			t.Errorf("%v connections closed at once", got)
		}
		eventually(t, "the cut ones are counted", func() bool { return b.count(t, "callseal_connections_closed_total", "cause=banned") == 2 })
	}
	if bans := b.Bans(); len(bans) != 1 || !bans[0].Stream || bans[0].Transports() != "tcp, tls" || bans[0].Who.Addr().String() != "127.0.9.7" {
		t.Errorf("banned: %+v", bans)
	}
}

// Where phones register, a ban leaves them one door: their REGISTERs, and what belongs to calls of ours. Only who does wrong by registering loses
// that too.
func TestTheDoorOfABan(t *testing.T) {
	d := newDoorkeeper()
	d.phones = true
	b := trusting(t, d, true)
	d.let("127.0.0.9", false)
	probe, c := callFrom(t, b, "udp", "127.0.0.9"), callFrom(t, b, "udp", "127.0.8.2")
	settled := 1000                         // no repetition
	heard := func(say string, status int) { // 0: nothing
		t.Helper()
		c.say(t, say)
		if status != 0 {
			if h := c.hear(t); h.status() != status {
				t.Errorf("%s, want %d", h.start, status)
			}
			return
		}
		settled++
		probe.say(t, options(UDP, settled))
		probe.hear(t)
	}
	register := func(n int) string {
		return text("REGISTER", UDP, fmt.Sprint("r", n), fmt.Sprint("z9hG4bKr", n), 1, "", "")
	}
	tagged := func(n int, tag string) string {
		return strings.Replace(options(UDP, n), "To: <sip:bob@127.0.0.1>", "To: <sip:bob@127.0.0.1>;tag="+tag, 1)
	}
	for n := range 2 * usual.After {
		heard(tagged(n, "before"), 200) // the handler's answer
	}
	if len(b.Bans()) != 0 {
		t.Fatal("banned for what belongs to old calls")
	}
	for n := range usual.After {
		heard(options(UDP, 100+n), 0)
	}
	if bans := b.Bans(); len(bans) != 1 || !bans[0].Door {
		t.Fatalf("banned: %+v", bans)
	}
	heard(options(UDP, 200), 0)
	heard("GET / HTTP/1.0\n\n", 0)
	heard(tagged(201, "before"), 0)
	if got := b.Bans()[0].Dropped; got != 3 {
		t.Errorf("%d dropped, want 3", got)
	}
	heard(register(1), 200)
	heard(tagged(202, "ours"), 200)
	d.let("127.0.0.8", false)
	elsewhere, witness := callFrom(t, b, "udpdialers", "127.0.8.2"), callFrom(t, b, "udpdialers", "127.0.0.8")
	elsewhere.say(t, register(2))
	witness.say(t, options(UDP, 300))
	witness.hear(t)
	if got := b.Bans()[0].Dropped; got != 4 {
		t.Errorf("%d dropped, want the one where no phone registers too", got)
	}
	for n := range usual.After {
		heard(strings.Replace(register(10+n), "CSeq: 1", "CSeq: x", 1), 400)
	}
	if bans := b.Bans(); len(bans) != 1 || bans[0].Door || bans[0].Why != OffenceMalformed {
		t.Errorf("banned: %+v", bans)
	}
	heard(register(3), 0)
	if got := b.Bans()[0].Dropped; got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
	d.let("127.0.8.2", true) // it has registered from elsewhere
	heard(register(4), 200)
	if bans := b.Bans(); len(bans) != 0 {
		t.Errorf("still listed: %+v", bans)
	}
}

// The same over connections: that of who did wrong is cut, so that a phone comes back and registers; others of its address stay, and new ones are taken.
func TestTheDoorOfABanOverStreams(t *testing.T) {
	d := newDoorkeeper()
	d.phones = true
	b := trusting(t, d, true)
	idle, c := callFrom(t, b, "tcp", "127.0.8.3"), callFrom(t, b, "tcp", "127.0.8.3")
	for n := range usual.After {
		_, _ = io.WriteString(c, crlf(options(TCP, n)))
	}
	c.closedWithin(t, patience)
	for i, phone := range []*caller{idle, callFrom(t, b, "tcp", "127.0.8.3")} {
		phone.say(t, options(TCP, 100+i)) // dropped
		phone.say(t, text("REGISTER", TCP, fmt.Sprint("r", i), fmt.Sprint("z9hG4bKr", i), 1, "", ""))
		if h := phone.hear(t); h.status() != 200 || !strings.HasSuffix(h.Get("CSeq"), "REGISTER") {
			t.Errorf("connection %d: %s", i, h.start)
		}
	}
	if bans := b.Bans(); len(bans) != 1 || !bans[0].Door || bans[0].Dropped != 2 {
		t.Errorf("banned: %+v", bans)
	}
}

// What counts against whom, and who gets an answer.
func TestOffences(t *testing.T) {
	const scanner = "User-Agent: Friendly-Scanner/1\n"
	bad := strings.Replace(options(UDP, 1), "CSeq: 1", "CSeq: x", 1)
	for _, c := range []struct {
		name          string
		known, exempt bool
		drop          bool
		listener      string
		say           string
		status        int // 0: none
		why           Offence
	}{
		{"unknown", false, false, true, "udp", options(UDP, 1), 0, OffenceUnknown},
		{"unknown and answered", false, false, false, "udp", options(UDP, 1), 200, OffenceUnknown},
		{"unknown and malformed", false, false, true, "udp", bad, 0, OffenceUnknown},
		{"unknown and malformed and answered", false, false, false, "udp", bad, 400, OffenceUnknown},
		{"unknown and unreadable", false, false, true, "udp", strings.Replace(options(UDP, 1), "Content-Length: 0", "Content-Length: 7", 1), 0, OffenceMalformed},
		{"unknown inside of a dialog", false, false, true, "udp", strings.Replace(options(UDP, 1), "To: <sip:bob@127.0.0.1>", "To: <sip:bob@127.0.0.1>;tag=ours", 1), 200, 0},
		{"unknown in no dialog of ours", false, false, true, "udp", strings.Replace(options(UDP, 1), "To: <sip:bob@127.0.0.1>", "To: <sip:bob@127.0.0.1>;tag=x", 1), 0, OffenceUnknown},
		{"to be challenged", false, false, true, "udpdialers", text("MESSAGE", UDP, "i", "z9hG4bKi", 1, "", ""), 200, 0},
		{"to be challenged but for its method", false, false, true, "udpdialers", options(UDP, 1), 0, OffenceUnknown},
		{"to be challenged, and rubbish", false, false, true, "udpdialers", strings.Replace(text("MESSAGE", UDP, "i", "z9hG4bKi", 1, "", ""), "CSeq: 1", "CSeq: x", 1), 400, OffenceMalformed},
		{"to be challenged but for a scanner's name", false, false, true, "udpdialers", text("MESSAGE", UDP, "i", "z9hG4bKi", 1, scanner, ""), 0, OffenceScanner},
		{"an ACK", false, false, true, "udp", text("ACK", UDP, "a", "z9hG4bKa", 1, "", ""), 0, 0},
		{"noise", true, false, true, "udp", "GET / HTTP/1.0\n\n", 0, OffenceMalformed},
		{"a keep-alive", false, false, true, "udp", "\n\n", 0, 0},
		{"a phone", true, false, true, "udp", options(UDP, 1), 200, 0},
		{"a phone that sends rubbish", true, false, true, "udp", bad, 400, OffenceMalformed},
		{"a registered phone that sends rubbish", true, true, true, "udp", bad, 400, 0},
		{"a scanner", false, false, false, "udp", text("OPTIONS", UDP, "s", "z9hG4bKs", 1, scanner, ""), 0, OffenceScanner},
		{"a scanner at a phone's address", true, false, false, "udp", text("OPTIONS", UDP, "s", "z9hG4bKs", 1, scanner, ""), 0, OffenceScanner},
		{"a registered phone with a scanner's name", true, true, true, "udp", text("OPTIONS", UDP, "s", "z9hG4bKs", 1, scanner, ""), 200, 0},
		{"a dialer with a scanner's name", true, false, true, "udpdialers", text("OPTIONS", UDP, "s", "z9hG4bKs", 1, scanner, ""), 200, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoorkeeper()
			b := trusting(t, d, c.drop)
			const who = "127.0.9.9"
			if c.known {
				d.let(who, c.exempt)
			}
			d.let("127.0.0.9", false)
			remote, probe := callFrom(t, b, c.listener, who), callFrom(t, b, c.listener, "127.0.0.9")
			for n := range usual.After {
				remote.say(t, strings.Replace(c.say, "z9hG4bK", fmt.Sprint("z9hG4bK", n, "x"), 1)) // a repetition is none
				probe.say(t, options(UDP, 7))                                                      // of another lane, perhaps
				probe.hear(t)
				if c.status == 0 {
					continue
				}
				if h := remote.hear(t); h.status() != c.status {
					t.Fatalf("%s, want %d", h.start, c.status)
				}
			}
			if c.why == 0 {
				if bans := b.Bans(); len(bans) > 0 {
					t.Errorf("banned: %+v", bans)
				}
				return
			}
			eventually(t, "a ban", func() bool { return len(b.Bans()) == 1 })
			if got := b.Bans()[0].Why; got != c.why {
				t.Errorf("banned for %s, want %s", got, c.why)
			}
			if got := b.count(t, "callseal_bans_total", "reason="+c.why.String()); got != 1 {
				t.Errorf("%v counted", got)
			}
		})
	}
}

// An address that becomes one of ours is taken again at once, and one that the list no longer has is not banned again for what it did.
func TestTrustChanges(t *testing.T) {
	d := newDoorkeeper()
	b := trusting(t, d, true)
	f := &Flow{proto: TLS, remote: netip.MustParseAddrPort("127.0.9.9:5061")}
	for range usual.After {
		b.Misbehaved(f, OffenceDigest, true)
	}
	if len(b.Bans()) != 1 || !b.banned(f.remote.Addr(), TLS, Phone) {
		t.Fatal("not banned")
	}
	d.let("127.0.9.9", true)
	if b.banned(f.remote.Addr(), TLS, Phone) {
		t.Error("banned although it is ours")
	}
	b.SetTrust(Trust{})
	if bans := b.Bans(); len(bans) != 0 {
		t.Errorf("still listed: %+v", bans)
	}
	d.let("127.0.9.9", false)
	for range 2 * usual.After {
		b.Misbehaved(f, OffenceDigest, true)
	}
	if len(b.Bans()) != 0 {
		t.Error("banned without a rule")
	}
}

// A ban ends by itself, and the gauge with it.
func TestBanEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoorkeeper()
		b := start(t, Config{Handler: d, Trust: Trust{Ban: usual}, Listeners: nil})
		f := &Flow{proto: UDP, remote: netip.MustParseAddrPort("192.0.2.9:5060")}
		for i := range usual.After {
			time.Sleep(time.Duration(i) * time.Second)
			b.Misbehaved(f, OffenceDigest, true)
		}
		time.Sleep(usual.For - time.Millisecond)
		synctest.Wait()
		if !b.banned(f.remote.Addr(), UDP, Phone) || b.count(t, "callseal_banned") != 1 {
			t.Error("not banned for the whole time")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if b.banned(f.remote.Addr(), UDP, Phone) || b.count(t, "callseal_banned") != 0 || len(b.Bans()) != 0 {
			t.Error("banned for longer")
		}
		b.stop()
	})
}

// BenchmarkBannedDatagram is what a datagram of a banned address costs.
func BenchmarkBannedDatagram(b *testing.B) {
	bench := start(b, Config{Handler: newDoorkeeper(), Trust: Trust{Ban: usual}})
	f := &Flow{proto: UDP, remote: netip.MustParseAddrPort("192.0.2.9:5060")}
	for range usual.After {
		bench.Misbehaved(f, OffenceUnknown, false)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !bench.banned(f.remote.Addr(), UDP, Phone) {
			b.Fatal("not banned")
		}
	}
}
