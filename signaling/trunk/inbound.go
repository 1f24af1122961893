package trunk

import (
	"callseal/signaling/auth"
	"callseal/signaling/transport"
)

// Inbound is the account by which a trunk proves who it is when it sends us requests: by digest. The zero value: it is not asked.
type Inbound struct {
	User string
	Keys auth.Keys // for the realm of all trunks
}

// Proves tells whether a trunk has to prove itself, whatever address or certificate it comes with.
func (t *Trunk) Proves() bool { return t.Inbound.User != "" }

// Roams tells whether its password alone says who it is, from any address.
func (t *Trunk) Roams() bool {
	return t.Proves() && len(t.Sources) == 0 && !t.Certificate.Required
}

// Roams tells whether one of the role does.
func (t *Table) Roams(role transport.Role) bool {
	for _, tr := range t.Trunks {
		if tr.Role() == role && tr.Roams() {
			return true
		}
	}
	return false
}

// Account finds the trunk of a role that proves itself as user, or nil.
func (t *Table) Account(role transport.Role, user string) *Trunk {
	for _, tr := range t.Trunks {
		if tr.Role() == role && tr.Proves() && tr.Inbound.User == user {
			return tr
		}
	}
	return nil
}
