package call

import (
	"callseal/sdp"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// Party is the other end of a leg as the configuration knows it.
type Party struct {
	Role transport.Role
	// Name is the trunk's name, or the phones' listener's.
	Name string
	// Trunk is nil for a phone.
	Trunk  *trunk.Trunk
	Mode   sdp.Mode
	Suites []sdp.Suite
	// Audio is where its media goes through, where that is not the house's own
	// address.
	Audio trunk.Audio
}

// TrunkParty is a leg with a trunk.
func TrunkParty(t *trunk.Trunk) Party {
	return Party{Role: t.Role(), Name: t.Name(), Trunk: t, Mode: t.Media, Suites: t.Suites, Audio: t.Audio}
}
