package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"callseal/signaling/transport"
)

const domain = `
example.com. 60 IN SOA ns.example.com. admin.example.com. 1 3600 600 86400 30
example.com. 60 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.edge.example.com.
example.com. 60 IN NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.example.com.
_sips._tcp.edge.example.com. 60 IN SRV 20 0 5061 backup.example.com.
_sips._tcp.edge.example.com. 60 IN SRV 10 1 5081 main.example.com.
_sip._udp.example.com. 60 IN SRV 0 0 5070 main.example.com.
_sip._tcp.example.com. 60 IN SRV 0 0 5090 alias.example.com.
_sips._tcp.shut.example.com. 60 IN SRV 0 0 0 .
_sip._udp.broken.example.com. 60 IN SRV 0 0 5060 nowhere.example.com.
shut.example.com. 60 IN A 192.0.2.99
main.example.com. 60 IN A 192.0.2.1
main.example.com. 60 IN AAAA 2001:db8::1
main.example.com. 60 IN A 192.0.2.2
backup.example.com. 60 IN A 192.0.2.3
alias.example.com. 60 IN CNAME backup.example.com.
plain.example.com. 60 IN A 192.0.2.4
`

func TestLocate(t *testing.T) {
	s := newNameServer(t, domain)
	l := newLookups(t, Config{Hosts: func(name string) []netip.Addr {
		if name == "hosted.example.com" {
			return []netip.Addr{netip.MustParseAddr("192.0.2.50")}
		}
		return nil
	}}, s)
	for _, c := range []struct {
		name  string
		proto transport.Proto
		host  string
		want  string // addresses, or the error
	}{
		{"NAPTR leads to SRV elsewhere", transport.TLS, "example.com", "[[2001:db8::1]:5081 192.0.2.1:5081 192.0.2.2:5081 192.0.2.3:5061]"},
		{"NAPTR of the transport", transport.UDP, "Example.COM.", "[[2001:db8::1]:5070 192.0.2.1:5070 192.0.2.2:5070]"},
		{"NAPTR of other transports only: the custom, and an alias", transport.TCP, "example.com", "[192.0.2.3:5090]"},
		{"no SRV", transport.TLS, "plain.example.com", "[192.0.2.4:5061]"},
		{"no SRV over UDP", transport.UDP, "plain.example.com", "[192.0.2.4:5060]"},
		{"an alias without SRV", transport.TLS, "alias.example.com", "[192.0.2.3:5061]"},
		{"a service that is not offered", transport.TLS, "shut.example.com", "no SIP server for tls"},
		{"the same for another transport", transport.TCP, "shut.example.com", "[192.0.2.99:5060]"},
		{"SRV to a host without address", transport.UDP, "broken.example.com", "no such host"},
		{"no such name", transport.TLS, "nothing.example.com", "no such host"},
		{"a literal", transport.TLS, "::ffff:192.0.2.7", "[192.0.2.7:5061]"},
		{"the hosts file", transport.TCP, "hosted.example.com", "[192.0.2.50:5060]"},
	} {
		got, err := l.Locate(context.Background(), c.proto, c.host)
		if text := fmt.Sprint(got); err == nil && text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		var d *net.DNSError
		if err != nil && (!strings.Contains(err.Error(), c.want) || !errors.As(err, &d) || !d.IsNotFound) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if s.count("A hosted.example.com.") != 0 || s.count("tcp") != 0 {
		t.Error("asked for what need not be asked")
	}
}

func TestLookupNetIP(t *testing.T) {
	s := newNameServer(t, domain)
	l := newLookups(t, Config{}, s)
	for _, c := range []struct{ network, host, want string }{
		{"ip", "main.example.com", "[2001:db8::1 192.0.2.1 192.0.2.2]"},
		{"ip4", "main.example.com", "[192.0.2.1 192.0.2.2]"},
		{"ip6", "main.example.com", "[2001:db8::1]"},
		{"ip6", "plain.example.com", "no aaaa record"},
		{"ip", "no.example.com", "no such host"},
		{"ip", "192.0.2.9", "[192.0.2.9]"},
	} {
		got, err := l.LookupNetIP(context.Background(), c.network, c.host)
		if text := fmt.Sprint(got, err); !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %s, want %s", c.network, c.host, text, c.want)
		}
	}
}

// What was said holds as long as it said, there is nothing as long as the SOA says, and each is asked once however many want it.
func TestAnswersAreKept(t *testing.T) {
	s := newNameServer(t, domain)
	l := newLookups(t, Config{}, s)
	look := func(host string) error {
		_, err := l.LookupNetIP(context.Background(), "ip4", host)
		return err
	}
	var many sync.WaitGroup
	for range 20 {
		many.Go(func() { _ = look("plain.example.com") })
	}
	many.Wait()
	_ = look("no.example.com")
	l.pass(29 * time.Second)
	_, _ = look("PLAIN.example.com"), look("no.example.com")
	if a, b := s.count("A plain.example.com."), s.count("A no.example.com."); a != 1 || b != 1 {
		t.Errorf("asked %d and %d times", a, b)
	}
	l.pass(2 * time.Second)
	_, _ = look("plain.example.com"), look("no.example.com")
	if a, b := s.count("A plain.example.com."), s.count("A no.example.com."); a != 1 || b != 2 {
		t.Errorf("after 31 s asked %d and %d times", a, b)
	}
	l.pass(30 * time.Second)
	_ = look("plain.example.com")
	if a := s.count("A plain.example.com."); a != 2 {
		t.Errorf("after 61 s asked %d times", a)
	}
	s.serve(t, strings.Replace(domain, "example.com. 60 IN SOA", "elsewhere.com. 60 IN SOA", 1))
	_, _ = look("new.example.com"), look("new.example.com")
	if a := s.count("A new.example.com."); a != 2 {
		t.Errorf("without an SOA asked %d times", a)
	}
	if got := l.counted(A, cached); got == 0 {
		t.Error("nothing counted")
	}
}

// A domain whose name servers are dead goes on as it was for as long as it may; what they say once they are back counts at once.
func TestStaleAnswers(t *testing.T) {
	s := newNameServer(t, domain)
	l := newLookups(t, Config{Stale: time.Hour, Timeout: 200 * time.Millisecond}, s)
	locate := func(want string) {
		t.Helper()
		got, err := l.Locate(context.Background(), transport.TLS, "example.com")
		if text := fmt.Sprint(got, err); !strings.Contains(text, want) {
			t.Errorf("%s, want %s", text, want)
		}
	}
	locate("192.0.2.3:5061")
	s.set(func(s *nameServer) { s.silent = true })
	l.pass(10 * time.Minute)
	locate("192.0.2.3:5061")
	if l.counted(SRV, outdated) == 0 || !strings.Contains(l.log.String(), "no name server answers") || !strings.Contains(l.log.String(), "stale_answer=true") {
		t.Errorf("stale answers counted %v, log %s", l.counted(SRV, outdated), l.log)
	}
	before := s.count("udp")
	began := time.Now()
	locate("192.0.2.3:5061")
	if took := time.Since(began); s.count("udp") != before {
		t.Errorf("asked again at once, took %v", took)
	}
	s.set(func(s *nameServer) { s.silent, s.rcode = false, dns.RcodeServerFailure })
	l.pass(time.Minute)
	locate("192.0.2.3:5061")
	s.set(func(s *nameServer) { s.rcode = 0 })
	s.serve(t, strings.ReplaceAll(domain, "192.0.2.3", "192.0.2.33"))
	l.pass(time.Minute)
	locate("192.0.2.33:5061")
	s.set(func(s *nameServer) { s.silent = true })
	l.pass(2 * time.Hour)
	locate("deadline exceeded")
	if got := l.counted(A, unanswered); got == 0 {
		t.Error("failures are not counted")
	}
}

// An answer that does not fit into a datagram is asked for over TCP.
func TestTruncated(t *testing.T) {
	var many strings.Builder
	many.WriteString(domain)
	for i := range 100 {
		fmt.Fprintf(&many, "many.example.com. 60 IN A 192.0.2.%d\n", i+1)
	}
	s := newNameServer(t, many.String())
	s.set(func(s *nameServer) { s.cut = true })
	l := newLookups(t, Config{}, s)
	got, err := l.LookupNetIP(context.Background(), "ip4", "many.example.com")
	if err != nil || len(got) != maxRecords || s.count("tcp") != 1 {
		t.Errorf("%d addresses, %v, asked %d times over TCP", len(got), err, s.count("tcp"))
	}
}

// Which name server answers does not matter, as long as one does.
func TestSeveralNameServers(t *testing.T) {
	good := newNameServer(t, domain)
	dead := newNameServer(t, domain)
	dead.stop() // the kernel refuses for it
	for _, c := range []struct {
		name   string
		first  func(*nameServer)
		within time.Duration
		want   string
	}{
		{"SERVFAIL", func(s *nameServer) { s.rcode = dns.RcodeServerFailure }, time.Second, "[192.0.2.4]"},
		{"REFUSED", func(s *nameServer) { s.rcode = dns.RcodeRefused }, time.Second, "[192.0.2.4]"},
		{"silent", func(s *nameServer) { s.silent = true }, time.Second, "[192.0.2.4]"},
		{"answers another question", func(s *nameServer) { s.reply = func(m *dns.Msg) { m.Question[0].Name = "x." } }, time.Second, "[192.0.2.4]"},
		{"asks back", func(s *nameServer) { s.reply = func(m *dns.Msg) { m.Response = false } }, time.Second, "[192.0.2.4]"},
		{"knows it better", func(s *nameServer) { s.rcode = dns.RcodeNameError }, time.Second, "no such host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := newNameServer(t, domain)
			first.set(c.first)
			l := newLookups(t, Config{}, first, dead, good)
			began := time.Now()
			got, err := l.LookupNetIP(context.Background(), "ip4", "plain.example.com")
			if text := fmt.Sprint(got, err); !strings.Contains(text, c.want) {
				t.Errorf("%s, want %s", text, c.want)
			}
			t.Logf("took %v", time.Since(began))
			if first.count("A plain.example.com.") == 0 {
				t.Error("the first was not asked")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		l := newLookups(t, Config{}, dead)
		_, err := l.LookupNetIP(context.Background(), "ip4", "plain.example.com")
		var d *net.DNSError
		if !errors.As(err, &d) || d.IsNotFound || d.IsTimeout || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%v", err)
		}
	})
	t.Run("forged answers pass by", func(t *testing.T) {
		s := newNameServer(t, domain)
		s.set(func(s *nameServer) { s.reply = func(m *dns.Msg) { m.Id++ } })
		l := newLookups(t, Config{Timeout: 100 * time.Millisecond}, s)
		if got, err := l.LookupNetIP(context.Background(), "ip4", "plain.example.com"); err == nil {
			t.Errorf("took %v", got)
		}
	})
}

// A name server that is silent about IPv6 or NAPTR, as some are, costs little.
func TestNameServerThatKnowsNoSuchType(t *testing.T) {
	s := newNameServer(t, domain)
	s.set(func(s *nameServer) { s.deaf[dns.TypeAAAA], s.deaf[dns.TypeNAPTR] = true, true })
	l := newLookups(t, Config{Timeout: 400 * time.Millisecond}, s)
	for proto, want := range map[transport.Proto]string{transport.UDP: "[192.0.2.1:5070 192.0.2.2:5070]", transport.TCP: "[192.0.2.3:5090]"} {
		got, err := l.Locate(context.Background(), proto, "example.com")
		if text := fmt.Sprint(got); err != nil || text != want {
			t.Errorf("%s: %s, %v, want %s", proto, text, err, want)
		}
	}
}

// fixed is an operating system that knows some names.
type fixed map[string][]netip.Addr

func (f fixed) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := f[host]; ok {
		return a, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// Names without a dot are the operating system's, and all names where there is no name server.
func TestNamesOfTheSystem(t *testing.T) {
	s := newNameServer(t, domain)
	system := fixed{"dialer1": {netip.MustParseAddr("::ffff:10.0.0.11")}, "plain.example.com": {netip.MustParseAddr("10.0.0.12")}, "empty": nil}
	l := newLookups(t, Config{System: system}, s)
	none := newLookups(t, Config{System: system, Servers: func() []netip.AddrPort { return nil }})
	for _, c := range []struct {
		name string
		l    *lookups
		host string
		want string
	}{
		{"without a dot", l, "dialer1", "[10.0.0.11:5061]"},
		{"with one", l, "plain.example.com", "[192.0.2.4:5061]"},
		{"without name servers", none, "plain.example.com", "[10.0.0.12:5061]"},
		{"nobody", l, "dialer2", "no such host"},
		{"no address", l, "empty", "no address"},
	} {
		got, err := c.l.Locate(context.Background(), transport.TLS, c.host)
		if text := fmt.Sprint(got, err); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
	if s.count("A dialer1.") != 0 {
		t.Error("a name server was asked for a name of the system")
	}
}

// Whoever gives up does not end the question for others, and Close ends it for all.
func TestGivingUp(t *testing.T) {
	s := newNameServer(t, domain)
	s.set(func(s *nameServer) { s.silent = true })
	l := newLookups(t, Config{Timeout: time.Hour}, s)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.LookupNetIP(ctx, "ip4", "plain.example.com"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	late := make(chan error, 1)
	go func() { // waited for below
		_, err := l.LookupNetIP(context.Background(), "ip4", "plain.example.com")
		late <- err
	}()
	l.Close()
	if err := <-late; err == nil {
		t.Error("answered by nobody")
	}
	if _, err := l.LookupNetIP(context.Background(), "ip", "plain.example.com"); err == nil {
		t.Error("answered after Close")
	}
}
