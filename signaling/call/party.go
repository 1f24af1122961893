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
	// Transfer is what becomes of its REFERs, and of its INVITEs with Replaces.
	Transfer trunk.Transfer
}

// TrunkParty is a leg with a trunk. A carrier never transfers: nobody outside
// makes calls of ours.
func TrunkParty(t *trunk.Trunk) Party {
	p := Party{Role: t.Role(), Name: t.Name(), Trunk: t, Mode: t.Media, Suites: t.Suites, Audio: t.Audio, Transfer: t.Transfer}
	if p.Role == transport.Carrier {
		p.Transfer = trunk.Refuse
	}
	return p
}
