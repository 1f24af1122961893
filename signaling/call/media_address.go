package call

import "net/netip"

// mediaAddress is where the relay binds for a leg of IPv6 or IPv4, and what
// SDP says of it: the party's own address, where it has one of that version.
func (c *Call) mediaAddress(p Party, v6 bool) (bind, show netip.Addr) {
	if own := p.Audio; own.Bind.IsValid() && own.Bind.Is6() == v6 {
		return own.Bind, own.Show
	}
	return c.house.MediaAddress(v6)
}

// speaks6 tells whether a trunk that we call is offered audio over IPv6: as
// its own media address says, or else its SIP address.
func (p Party) speaks6() bool {
	if p.Audio.Bind.IsValid() {
		return p.Audio.Bind.Is6()
	}
	host, _ := netip.ParseAddr(p.Trunk.Target.Host)
	return host.Is6() && !host.Is4In6()
}
