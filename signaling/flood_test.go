package signaling

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// flood sends INVITEs of calls of their own over UDP from one address, so many per second, while another asks OPTIONS at the same listener.
type flood struct {
	from, to netip.AddrPort
	rate     int
	lasts    time.Duration
}

// toll is what a flood cost.
type toll struct {
	sent, answered int             // INVITEs, and answers to them
	waits          []time.Duration // of the OPTIONS that were answered, sorted
	lost           int             // OPTIONS that were not
}

func (t toll) quantile(q float64) time.Duration {
	if len(t.waits) == 0 {
		return 0
	}
	return t.waits[min(len(t.waits)-1, int(q*float64(len(t.waits))))]
}

const pace = 2 * time.Millisecond // the flood comes in bursts so far apart, and an OPTIONS with every second one

func (f flood) run(tb testing.TB) toll {
	tb.Helper()
	socket := listenUDP(tb, f.from)
	var answered int
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 2048)
		for {
			if _, _, err := socket.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
			answered++
		}
	})
	asker := newAsker(tb, f.to)
	t := toll{}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for began, n := time.Now(), 0; time.Since(began) < f.lasts; n++ {
		<-tick.C
		for due := int(float64(f.rate) * time.Since(began).Seconds()); t.sent < due; t.sent++ {
			if _, err := socket.WriteToUDPAddrPort(f.invite(t.sent), f.to); err != nil {
				tb.Fatal(err)
			}
		}
		if n%2 == 0 {
			asker.ask()
		}
	}
	t.waits, t.lost = asker.settle()
	_ = socket.Close()
	reading.Wait()
	t.answered = answered
	return t
}

func listenUDP(tb testing.TB, at netip.AddrPort) *net.UDPConn {
	tb.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		tb.Fatal(err)
	}
	_ = c.SetReadBuffer(4 << 20) // the kernel gives what it allows
	return c
}

func (f flood) invite(n int) []byte {
	return fmt.Appendf(nil, "INVITE sip:1%07d@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKflood%d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:7@%s>;tag=f%d\r\nTo: <sip:1@%s>\r\nCall-ID: flood%d@%s\r\nCSeq: 1 INVITE\r\nContact: <sip:7@%s>\r\n"+
		"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", n, f.to, f.from, n, f.from, n, f.to, n, f.from, f.from, len(offer), offer)
}

// asker asks OPTIONS, and notes how long the answers take.
type asker struct {
	socket  *net.UDPConn
	to      netip.AddrPort
	reading sync.WaitGroup

	mu    sync.Mutex // guards the rest
	asked map[string]time.Time
	n     int
	waits []time.Duration
}

func newAsker(tb testing.TB, to netip.AddrPort) *asker {
	a := &asker{socket: listenUDP(tb, netip.MustParseAddrPort(otherIP+":0")), to: to, asked: map[string]time.Time{}}
	a.reading.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, _, err := a.socket.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			a.heard(string(buf[:n]))
		}
	})
	return a
}

const otherIP = "127.0.11.3"

func (a *asker) ask() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	id := "ask" + strconv.Itoa(a.n)
	a.asked[id] = time.Now()
	_, _ = a.socket.WriteToUDPAddrPort(fmt.Appendf(nil, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:o@x>;tag=o\r\nTo: <sip:%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", a.to, a.socket.LocalAddr(), id, a.to, id), a.to)
}

func (a *asker) heard(text string) {
	id := message{text}.header("Call-ID")
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.asked[id]; ok && strings.HasPrefix(text, "SIP/2.0 200") {
		delete(a.asked, id)
		a.waits = append(a.waits, time.Since(at))
	}
}

// settle waits for what may still come.
func (a *asker) settle() (waits []time.Duration, lost int) {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // real sockets
		a.mu.Lock()
		left := len(a.asked)
		a.mu.Unlock()
		if left == 0 {
			break
		}
	}
	_ = a.socket.Close()
	a.reading.Wait()
	slices.Sort(a.waits)
	return a.waits, len(a.asked)
}

// floods are the sources of one: nobody that we know, a trunk that has all its calls, and one that sets up too many.
var floods = []struct {
	name string
	edit func(*Config)
}{
	{"stranger", func(c *Config) { c.Table.Trunks[0].Sources = nil }},
	{"ceiling of calls", func(c *Config) { c.Limits.Calls = -1 }},
	{"set-ups per second", func(c *Config) { c.Limits.Setups = 1 }},
}

// A flood of INVITEs from one source loses no OPTIONS of another, and leaves nothing behind.
func TestFlood(t *testing.T) {
	for _, c := range floods {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.edit)
			before := heap()
			got := flood{from: netip.MustParseAddrPort(dialerIP + ":0"), to: f.Addr("dialers"), rate: 3000, lasts: 500 * time.Millisecond}.run(t)
			if len(got.waits) == 0 || got.lost > len(got.waits)/20 { // the kernel's buffer may overflow where a machine stands still for a while
				t.Errorf("%d OPTIONS lost, %d answered", got.lost, len(got.waits))
			}
			if kept := int64(heap()) - int64(before); kept > int64(got.sent)*1024 {
				t.Errorf("%d octets are kept after %d INVITEs", kept, got.sent)
			}
			t.Logf("%d INVITEs, %d answers, OPTIONS p50 %v p99 %v", got.sent, got.answered, got.quantile(.5), got.quantile(.99))
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkFlood is 30,000 INVITEs per second for five seconds.
func BenchmarkFlood(b *testing.B) {
	for _, c := range floods {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				f := newFixture(b, c.edit)
				before := resident(b)
				got := flood{from: netip.MustParseAddrPort(dialerIP + ":0"), to: f.Addr("dialers"), rate: 30000, lasts: 5 * time.Second}.run(b)
				b.ReportMetric(float64(got.sent)/5, "INVITE/s")
				b.ReportMetric(float64(got.answered)/5, "answers/s")
				b.ReportMetric(float64(got.lost), "OPTIONS-lost")
				b.ReportMetric(float64(len(got.waits)), "OPTIONS")
				b.ReportMetric(float64(got.quantile(.5).Microseconds()), "p50-us")
				b.ReportMetric(float64(got.quantile(.99).Microseconds()), "p99-us")
				b.ReportMetric((resident(b)-before)/1e6, "RSS-MB")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// resident is the process's resident memory in octets.
func resident(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here to read the memory in use from")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages * os.Getpagesize())
}
