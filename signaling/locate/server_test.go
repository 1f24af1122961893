package locate

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// nameServer is a real one on a loopback address, over UDP and TCP.
type nameServer struct {
	addr netip.AddrPort
	stop func()

	mu      sync.Mutex // guards the rest
	records []dns.RR
	rcode   int             // answered to everything, where it is not 0
	silent  bool            // toward everything
	deaf    map[uint16]bool // types that get no answer
	cut     bool            // answers over UDP are cut
	asked   map[string]int  // by type and name, and "udp" and "tcp"
	reply   func(*dns.Msg)  // changes answers
}

func newNameServer(t testing.TB, records string) *nameServer {
	t.Helper()
	s := &nameServer{asked: map[string]int{}, deaf: map[uint16]bool{}}
	s.serve(t, records)
	for range 100 { // until a port is free for both
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if errors.Is(err, syscall.EADDRINUSE) {
			_ = udp.Close()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s.addr = udp.LocalAddr().(*net.UDPAddr).AddrPort()
		servers := []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}}
		var running sync.WaitGroup
		for _, server := range servers {
			ready := make(chan struct{})
			server.NotifyStartedFunc = func() { close(ready) }
			running.Go(func() { _ = server.ActivateAndServe() })
			<-ready
		}
		s.stop = sync.OnceFunc(func() {
			for _, server := range servers {
				_ = server.Shutdown()
			}
			running.Wait()
		})
		t.Cleanup(s.stop)
		return s
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil
}

// serve exchanges the records, one a line in the format of a zone file.
func (s *nameServer) serve(t testing.TB, records string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
	for line := range strings.Lines(records) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		s.records = append(s.records, rr)
	}
}

func (s *nameServer) set(change func(*nameServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// count is how often something was asked, like "SRV _sips._tcp.example.com.".
func (s *nameServer) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[what]
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, req *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, network := req.Question[0], w.RemoteAddr().Network()
	s.asked[network]++
	s.asked[dns.TypeToString[q.Qtype]+" "+q.Name]++
	if s.silent || s.deaf[q.Qtype] {
		return
	}
	res := new(dns.Msg)
	res.SetReply(req)
	switch {
	case s.rcode != 0:
		res.Rcode = s.rcode
	case s.cut && network == "udp":
		res.Truncated = true
	default:
		s.fill(res, q)
	}
	if s.reply != nil {
		s.reply(res)
	}
	_ = w.WriteMsg(res)
}

// fill answers as an authoritative server does that follows its own aliases.
func (s *nameServer) fill(res *dns.Msg, q dns.Question) {
	name, exists := strings.ToLower(q.Name), false
	for range 10 {
		alias := ""
		for _, rr := range s.records {
			if rr.Header().Name != name {
				continue
			}
			exists = true
			if c, ok := rr.(*dns.CNAME); ok {
				alias = c.Target
				res.Answer = append(res.Answer, rr)
			} else if rr.Header().Rrtype == q.Qtype {
				res.Answer = append(res.Answer, rr)
			}
		}
		if alias == "" {
			break
		}
		name, exists = alias, true
	}
	if len(res.Answer) == 0 || res.Answer[len(res.Answer)-1].Header().Rrtype == dns.TypeCNAME {
		if !exists {
			res.Rcode = dns.RcodeNameError
		}
		for _, rr := range s.records {
			if rr.Header().Rrtype == dns.TypeSOA && dns.IsSubDomain(rr.Header().Name, name) {
				res.Ns = append(res.Ns, rr)
			}
		}
	}
}

// lookups is a resolver under test, with a clock of its own.
type lookups struct {
	*Resolver
	mu    sync.Mutex // guards ahead
	ahead time.Duration
	log   *strings.Builder
}

func (l *lookups) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ahead += d
}

func newLookups(t testing.TB, c Config, servers ...*nameServer) *lookups {
	t.Helper()
	l := &lookups{log: &strings.Builder{}}
	if c.Servers == nil {
		c.Servers = func() (list []netip.AddrPort) {
			for _, s := range servers {
				list = append(list, s.addr)
			}
			return list
		}
	}
	c.Log = slog.New(slog.NewTextHandler(&lockedWriter{b: l.log}, nil))
	c.Metrics = NewMetrics(prometheus.NewPedanticRegistry())
	l.Resolver = New(c)
	l.now = func() time.Time {
		l.mu.Lock()
		defer l.mu.Unlock()
		return time.Now().Add(l.ahead)
	}
	t.Cleanup(l.Close)
	return l
}

func (l *lookups) counted(k Kind, o outcome) float64 {
	return testutil.ToFloat64(l.metrics.lookups.WithLabelValues(k.String(), o.String()))
}

type lockedWriter struct {
	mu sync.Mutex
	b  *strings.Builder
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
