package locate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// message builds an answer out of records; a line that begins with "soa" stands in the authority section.
func message(t testing.TB, rcode int, records ...string) *dns.Msg {
	t.Helper()
	m := &dns.Msg{}
	m.Rcode = rcode
	for _, line := range records {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		if rr.Header().Rrtype == dns.TypeSOA {
			m.Ns = append(m.Ns, rr)
		} else {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

func TestRead(t *testing.T) {
	const soa = "example.com. 600 IN SOA ns.example.com. admin.example.com. 1 3600 600 86400 30"
	var loop []string
	for i := range maxAliases + 1 {
		loop = append(loop, fmt.Sprintf("h%d.example.com. 60 IN CNAME h%d.example.com.", i, i+1))
	}
	for _, c := range []struct {
		name    string
		q       question
		rcode   int
		records []string
		want    string // addresses, alias, ttl, error
	}{
		{"the shortest TTL", ask("h.example.com", A), 0, []string{"h.example.com. 60 IN A 192.0.2.1", "h.example.com. 40 IN A 192.0.2.2"}, "[192.0.2.1 192.0.2.2]  40s <nil>"},
		{"case does not matter", ask("H.example.com", A), 0, []string{"h.EXAMPLE.com. 60 IN A 192.0.2.1"}, "[192.0.2.1]  1m0s <nil>"},
		{"other names and types are not taken", ask("h.example.com", A), 0,
			[]string{"x.example.com. 60 IN A 192.0.2.9", "h.example.com. 60 IN AAAA 2001:db8::1", "h.example.com. 60 IN A 192.0.2.1"}, "[192.0.2.1]  1m0s <nil>"},
		{"through an alias, whose TTL counts", ask("h.example.com", A), 0,
			[]string{"h.example.com. 20 IN CNAME x.example.com.", "x.example.com. 60 IN A 192.0.2.1"}, "[192.0.2.1]  20s <nil>"},
		{"an alias to be asked for", ask("h.example.com", A), 0, []string{"h.example.com. 20 IN CNAME x.elsewhere.com."}, "[] x.elsewhere.com. 20s <nil>"},
		{"an alias to nothing", ask("h.example.com", A), 0, []string{"h.example.com. 20 IN CNAME x.example.com.", soa}, "[]  20s lookup h.example.com.: no a record"},
		{"an alias to no name", ask("h.example.com", A), dns.RcodeNameError, []string{"h.example.com. 60 IN CNAME x.example.com.", soa}, "[]  30s lookup h.example.com.: no such host"},
		{"aliases in a circle", ask("h.example.com", A), 0, []string{"h.example.com. 60 IN CNAME h.example.com."}, "[]  0s lookup h.example.com.: aliases lead"},
		{"too many aliases", ask("h0.example.com", A), 0, loop, "[]  0s lookup h0.example.com.: aliases lead"},
		{"nothing, by the SOA's minimum", ask("h.example.com", A), 0, []string{soa}, "[]  30s lookup h.example.com.: no a record"},
		{"nothing, by the SOA's TTL", ask("h.example.com", A), 0, []string{strings.Replace(soa, "600 IN", "7 IN", 1)}, "[]  7s lookup h.example.com.: no a record"},
		{"nothing, without an SOA", ask("h.example.com", A), dns.RcodeNameError, nil, "[]  0s lookup h.example.com.: no such host"},
		{"a TTL with its top bit set", ask("h.example.com", A), 0, []string{"h.example.com. 4294967295 IN A 192.0.2.1"}, "[192.0.2.1]  0s <nil>"},
	} {
		a, alias, ttl, err := read(c.q, message(t, c.rcode, c.records...))
		if got := fmt.Sprintf("%v %s %v %v", a.addrs, alias, ttl, err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.String()] || dns.TypeToString[k.wire()] != strings.ToUpper(k.String()) {
			t.Errorf("%d is %s, on the wire %d", k, k, k.wire())
		}
		seen[k.String()] = true
	}
	if Kind(0).wire() != dns.TypeNone || Kind(0).String() != "kind(0)" {
		t.Error("no kind has a type")
	}
}

// FuzzRead: whatever a name server answers, what is taken of it is bounded, of the kind asked for, and there, or the error says why not.
func FuzzRead(f *testing.F) {
	for _, m := range []*dns.Msg{
		message(f, 0, "h.example.com. 60 IN A 192.0.2.1", "h.example.com. 60 IN CNAME h.example.com."),
		message(f, dns.RcodeNameError, "example.com. 600 IN SOA ns.example.com. admin.example.com. 1 3600 600 86400 30"),
		message(f, 0, "h.example.com. 60 IN SRV 0 0 5060 x.", `h.example.com. 60 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.example.com.`),
	} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		for _, k := range Kinds() {
			a, alias, ttl, err := read(ask("h.example.com", k), m)
			n := len(a.addrs) + len(a.srvs) + len(a.naptrs)
			if n > maxRecords || (n > 0) != (err == nil && alias == "") || ttl < 0 || ttl > maxTTL || n > 0 && alias != "" {
				t.Fatalf("%s: %d records, alias %q, %v, %v", k, n, alias, ttl, err)
			}
			if len(arrange(a.srvs, func(n int) int { return n - 1 })) != len(a.srvs) {
				t.Fatal("records lost")
			}
			services(a.naptrs, 3)
		}
	})
}
