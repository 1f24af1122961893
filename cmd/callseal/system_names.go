package main

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"callseal/signaling/locate"
)

// newResolver finds the hosts of trunks, by the name servers of the
// configuration that is in effect or those of this machine.
func newResolver(config func() dnsConfig, log *slog.Logger, metrics *locate.Metrics) *locate.Resolver {
	machine, now := newSystemNames(), config()
	servers := func() []netip.AddrPort {
		if own := config().Servers; len(own) > 0 {
			return own
		}
		return machine.nameServers()
	}
	return locate.New(locate.Config{Servers: servers, Hosts: machine.addresses, Timeout: now.Timeout, Stale: now.Stale, Log: log, Metrics: metrics})
}

// systemNames is what this machine knows of names: its name servers and its
// hosts file. Both are read again when they have changed, and looked at every
// few seconds at most.
type systemNames struct {
	resolv, hosts watched
}

func newSystemNames() *systemNames {
	return &systemNames{resolv: watched{path: "/etc/resolv.conf"}, hosts: watched{path: "/etc/hosts"}}
}

// lookAgain is how often a file is looked at.
const lookAgain = 5 * time.Second

// watched is a small file and what was last read of it.
type watched struct {
	path string

	mu      sync.Mutex // guards the rest
	looked  time.Time
	was     fs.FileInfo
	servers []netip.AddrPort
	names   map[string][]netip.Addr
}

// nameServers are those of resolv.conf; where there are none, as libc has it,
// one on this machine.
func (s *systemNames) nameServers() []netip.AddrPort {
	s.resolv.mu.Lock()
	defer s.resolv.mu.Unlock()
	if text, changed := s.resolv.read(time.Now()); changed {
		s.resolv.servers = serversIn(text)
	}
	return s.resolv.servers
}

// addresses are those that the hosts file has for a name in lower case.
func (s *systemNames) addresses(name string) []netip.Addr {
	s.hosts.mu.Lock()
	defer s.hosts.mu.Unlock()
	if text, changed := s.hosts.read(time.Now()); changed {
		s.hosts.names = namesIn(text)
	}
	return s.hosts.names[name]
}

// read gives the file's text where it is not the one that was read last; that
// of a file that cannot be read is empty. The caller holds mu.
func (w *watched) read(now time.Time) (text []byte, changed bool) {
	if !w.looked.IsZero() && now.Sub(w.looked) < lookAgain {
		return nil, false
	}
	first := w.looked.IsZero()
	w.looked = now
	is, err := os.Stat(w.path)
	if err != nil {
		is = nil
	}
	if !first && same(w.was, is) {
		return nil, false
	}
	w.was = is
	if is == nil {
		return nil, true
	}
	text, err = os.ReadFile(w.path)
	if err != nil {
		return nil, true
	}
	return text, true
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// serversIn reads the name servers of a resolv.conf(5).
func serversIn(text []byte) []netip.AddrPort {
	var list []netip.AddrPort
	if c, err := dns.ClientConfigFromReader(bytes.NewReader(text)); err == nil {
		for _, s := range c.Servers {
			if a, err := netip.ParseAddr(s); err == nil {
				list = append(list, netip.AddrPortFrom(a, dnsPort))
			}
		}
	}
	if len(list) == 0 {
		list = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)}
	}
	return list
}

// namesIn reads a hosts(5).
func namesIn(text []byte) map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			names[name] = append(names[name], a.Unmap())
		}
	}
	return names
}
