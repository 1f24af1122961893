package main

import (
	"fmt"
	"net/netip"
	"time"

	"callseal/signaling/locate"
)

// rawDNS is the section dns: how the hosts of trunks are found.
type rawDNS struct {
	Servers []string      `yaml:"servers"`
	Timeout time.Duration `yaml:"timeout"`
	Stale   time.Duration `yaml:"stale"`
}

func defaultDNS() rawDNS { return rawDNS{Timeout: locate.DefaultTimeout, Stale: locate.DefaultStale} }

// dnsConfig is that section; without servers those of the machine are asked.
type dnsConfig struct {
	Servers        []netip.AddrPort
	Timeout, Stale time.Duration
}

// dnsPort is where name servers listen.
const dnsPort = 53

// dns reads the section of that name.
func (l *loader) dns() {
	r := l.raw.DNS
	l.span("dns.timeout", r.Timeout, 100*time.Millisecond, 5*time.Second)
	if r.Stale != 0 {
		l.span("dns.stale", r.Stale, time.Second, 7*24*time.Hour)
	}
	l.cfg.DNS = dnsConfig{Timeout: r.Timeout, Stale: r.Stale}
	for i, text := range r.Servers {
		at, ok := nameServer(text)
		if !ok {
			l.fail(fmt.Sprintf("dns.servers[%d]", i), fault{quote(text) + " is no address of a name server", `write one like "10.0.0.53" or "10.0.0.53:5353"`})
			continue
		}
		l.cfg.DNS.Servers = append(l.cfg.DNS.Servers, at)
	}
}

// nameServer reads ADDRESS[:PORT]; IPv6 stands in brackets where a port follows.
func nameServer(text string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, dnsPort), !a.IsUnspecified()
	}
	at, err := netip.ParseAddrPort(text)
	return at, err == nil && at.Port() != 0 && !at.Addr().IsUnspecified()
}
