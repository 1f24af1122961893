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

// speaks6 tells whether who is called is offered audio over IPv6: as its own
// media address says, or else its SIP address.
func (p Party) speaks6() bool {
	if p.Audio.Bind.IsValid() {
		return p.Audio.Bind.Is6()
	}
	var there netip.Addr
	if p.Trunk != nil {
		there, _ = netip.ParseAddr(p.Trunk.Target.Host)
	} else if f := p.Phone.Flow(); f != nil {
		there = f.Remote().Addr()
	}
	return there.Is6() && !there.Is4In6()
}
