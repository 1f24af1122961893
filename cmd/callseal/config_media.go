package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/trunk"
)

// portsPerCall: RTP and RTCP on either side.
const portsPerCall = 4

// maxCoalesce is a fifth of the 20 ms between two packets of a stream.
const maxCoalesce = 4 * time.Millisecond

// asteriskPorts is what Asterisk takes for RTP unless rtp.conf says otherwise.
var asteriskPorts = media.PortRange{Min: 10000, Max: 20000}

// media reads the section of that name.
func (l *loader) media() {
	r := l.raw.Media
	m := &l.cfg.Signaling.Media
	if r.Address == "" && r.Address6 == "" {
		l.fail("media.address", fault{"is missing", "give the IPv4 address on which RTP is received (or address6)"})
	}
	m.V4, m.AdvertiseV4 = l.mediaAddress("media.address", r.Address, r.Advertise, netip.Addr.Is4, "IPv4")
	m.V6, m.AdvertiseV6 = l.mediaAddress("media.address6", r.Address6, r.Advertise6, netip.Addr.Is6, "IPv6")
	l.cfg.Media.Ports = l.portRange("media.ports", r.Ports)
	if r.Workers < 0 || r.Workers > 256 {
		l.fail("media.workers", fault{strconv.Itoa(r.Workers) + " is out of bounds", "write 1 to 256, or 0 for one for every two processors"})
	}
	l.dscp("media.dscp", r.DSCP)
	l.cfg.Media.DSCP = r.DSCP
	l.span("media.rest", r.Rest, 0, 10*time.Minute)
	l.span("media.coalesce", r.Coalesce, 0, maxCoalesce)
	l.cfg.Media.Grid = r.Coalesce
	l.cfg.Media.Workers, l.cfg.Media.Rest = r.Workers, r.Rest
}

// mediaAddress reads an address and the one that SDP shows instead of it.
func (l *loader) mediaAddress(place, address, advertise string, is func(netip.Addr) bool, family string) (own, shown netip.Addr) {
	at := strings.LastIndex(place, "address")
	other := place[:at] + strings.Replace(place[at:], "address", "advertise", 1)
	parse := func(place, text string) netip.Addr {
		addr, err := netip.ParseAddr(text)
		if err != nil || !is(addr) || addr.IsMulticast() || addr.Zone() != "" {
			l.fail(place, fault{quote(text) + " is no " + family + " address", "write the address itself, no name and no port"})
			return netip.Addr{}
		}
		return addr
	}
	if address == "" {
		if advertise != "" {
			l.fail(other, fault{"there is no " + place, "give " + place + " too, or remove this"})
		}
		return own, shown
	}
	own = parse(place, address)
	shown = own
	if advertise != "" {
		shown = parse(other, advertise)
	}
	if shown.IsValid() && own.IsValid() && shown.Unmap().Is4() != own.Unmap().Is4() {
		l.fail(other, fault{shown.String() + " is of another IP version than " + own.String(), "give both of the same"})
	}
	if shown.IsValid() && shown.IsUnspecified() {
		l.fail(other, fault{"SDP cannot say " + shown.String(), "give the address at which the other side reaches this one"})
	}
	return own, shown
}

// audio reads the media address of one trunk, or of the phones of a listener.
func (l *loader) audio(place, address, advertise string) trunk.Audio {
	own, shown := l.mediaAddress(place+".media_address", address, advertise, netip.Addr.IsValid, "IP")
	return trunk.Audio{Bind: own.Unmap(), Show: shown.Unmap()}
}

// dscp checks a codepoint of IP headers (RFC 2474).
func (l *loader) dscp(place string, n int) {
	if n < 0 || n > 63 {
		l.fail(place, fault{strconv.Itoa(n) + " is out of bounds", "write 0 to 63, such as 46 for EF or 24 for CS3"})
	}
}

func (l *loader) portRange(place, text string) media.PortRange {
	first, last, _ := strings.Cut(text, "-")
	low, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	high, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	r := media.PortRange{Min: uint16(low), Max: uint16(high)}
	switch {
	case err1 != nil || err2 != nil:
		l.fail(place, fault{quote(text) + " is no range of ports", `write one like "20000-29999"`})
	case low < 1024:
		l.fail(place, fault{quote(text) + " has ports that only root may bind", "begin at 1024 or above"})
	case low%2 != 0:
		l.fail(place, fault{quote(text) + " begins with an odd port", fmt.Sprintf("begin with %d: RTP takes even ports", low+1)})
	case high < low || portCount(r) < portsPerCall:
		l.fail(place, fault{quote(text) + " has no room for a call", fmt.Sprintf("end at %d or above: a call takes four ports", low+portsPerCall-1)})
	default:
		if r.Min < asteriskPorts.Max && r.Max > asteriskPorts.Min {
			l.warn(place, fault{quote(text) + " overlaps Asterisk's default range 10000-20000",
				"take another one if an Asterisk runs on this machine"})
		}
		return r
	}
	return media.PortRange{}
}

func portCount(r media.PortRange) int {
	if r.Max == 0 {
		return 0
	}
	return int(r.Max) - int(r.Min) + 1
}

// mode reads a media policy; empty is the default.
func (l *loader) mode(place, text string) sdp.Mode {
	if text == "" {
		text = defaultMedia
	}
	m, err := sdp.ParseMode(text)
	if err != nil {
		l.fail(place, fault{quote(text) + " is no SRTP policy", "write required, preferred or off"})
		return sdp.Required
	}
	return m
}

// suites reads a list of SRTP suites; an empty one is the default.
func (l *loader) suites(place string, names []string, byDefault []sdp.Suite) []sdp.Suite {
	if len(names) == 0 {
		return byDefault
	}
	suites := make([]sdp.Suite, 0, len(names))
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", place, i)
		s, ok := sdp.ParseSuite(name)
		switch {
		case !ok:
			l.fail(at, fault{quote(name) + " is no SRTP suite", "known are " + strings.Join(suiteNames(), ", ")})
		case slices.Contains(suites, s):
			l.fail(at, fault{name + " is there twice", "remove it"})
		default:
			suites = append(suites, s)
		}
	}
	return suites
}

func suiteNames() []string {
	var names []string
	for _, s := range sdp.Suites() {
		names = append(names, sdp.SuiteName(s))
	}
	return names
}
