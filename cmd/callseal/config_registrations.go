package main

import (
	"fmt"
	"net/netip"
	"time"

	"callseal/signaling"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// rawExpiry is how long registrations of phones hold.
type rawExpiry struct {
	Min time.Duration `yaml:"min"`
	Max time.Duration `yaml:"max"`
}

// registrations reads what the section phones says of REGISTER and of what is
// said to dialers for phones. It comes after phoneDirectory.
func (l *loader) registrations() {
	r := l.raw.Phones
	p := signaling.Phones{MinExpiry: r.Expiry.Min, MaxExpiry: r.Expiry.Max, AutoAnswer: r.AutoAnswer}
	l.span("phones.expiry.min", r.Expiry.Min, 10*time.Second, time.Hour)
	l.span("phones.expiry.max", r.Expiry.Max, 10*time.Second, 24*time.Hour)
	if r.Expiry.Max < r.Expiry.Min {
		l.fail("phones.expiry.max", fault{r.Expiry.Max.String() + " is less than min", "write " + r.Expiry.Min.String() + " or more"})
	}
	if r.Source != "" {
		p.Source = l.phoneSource(r.Source)
	}
	l.cfg.Signaling.Phones = p
	placed, listens := l.placesPhones(), false
	for i, ln := range l.cfg.Signaling.Listeners {
		if ln.Role != transport.Phone {
			continue
		}
		listens = true
		if !placed && len(ln.Sources) == 0 {
			l.warn(fmt.Sprintf("listeners[%d]", i), fault{"no phone may register or call here",
				"name the dialer of phones in phones.default or by a route, or add sources: [PREFIX], the networks of phones that call without registering"})
		}
	}
	if listens && placed && !p.Source.IsValid() {
		l.warn("phones.source", fault{"is missing: what phones say to a dialer has the address of its trunk, and chan_sip takes one for the other",
			"give this machine one more address, and write it here"})
	}
	for _, i := range l.trunkListeners() {
		if listens && placed && l.cfg.Signaling.Listeners[i].Address.Addr().Unmap() == p.Source.Addr().Unmap() {
			l.warn("phones.source", fault{fmt.Sprintf("%s is also where calls of trunks to a dialer leave from (listeners[%d]), and chan_sip takes one for the other", p.Source.Addr(), i),
				"write an address that is for phones alone; a dialers' listener at it comes behind those of other addresses"})
			break
		}
	}
}

// placesPhones tells whether a phone that registers belongs to a dialer.
func (l *loader) placesPhones() bool {
	a := &l.cfg.Signaling.Accounts
	return a.Plan.Default != "" || len(a.Plan.Map) > 0 || len(a.Users) > 0 || a.Directory
}

// trunkListeners are those at whose addresses calls of trunks to dialers leave: of
// all of the dialers' that listen at one address the first, and of UDP.
func (l *loader) trunkListeners() []int {
	var found []int
	first, udp := true, true
	for i, ln := range l.cfg.Signaling.Listeners {
		if ln.Role != transport.Dialer || !ln.Address.Addr().IsValid() || ln.Address.Addr().IsUnspecified() {
			continue
		}
		if first || udp && ln.Proto == transport.UDP {
			found = append(found, i)
		}
		first, udp = false, udp && ln.Proto != transport.UDP
	}
	return found
}

// phoneSource reads an address with or without a port.
func (l *loader) phoneSource(text string) netip.AddrPort {
	source, err := netip.ParseAddrPort(text)
	if err != nil {
		var addr netip.Addr
		addr, err = netip.ParseAddr(text)
		source = netip.AddrPortFrom(addr, 0)
	}
	if err != nil || source.Addr().IsUnspecified() || source.Addr().Zone() != "" {
		l.fail("phones.source", fault{quote(text) + " is no address of this machine", `write one like "10.0.0.10", for UDP also with a port of its own`})
		return netip.AddrPort{}
	}
	return source
}

// defaultDialer is the dialer of phones that nothing else places: the one that
// is named, else the first that routes say; "" where there is none.
func (l *loader) defaultDialer() string {
	if l.raw.Phones.Default != "" {
		return l.raw.Phones.Default
	}
	choice, err := l.cfg.Signaling.Table.Find(trunk.Wanted{Role: transport.Phone})
	if err != nil {
		return ""
	}
	for _, t := range choice.Trunks {
		if t.Role() == transport.Dialer {
			return t.Name()
		}
	}
	return ""
}
