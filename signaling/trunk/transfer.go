package trunk

import "fmt"

// Transfer is what becomes of a remote's wish that somebody else takes its
// place in a call: a REFER (RFC 3515), or an INVITE with Replaces (RFC 3891).
type Transfer uint8

// The policies of a party.
const (
	// Refuse answers 403.
	Refuse Transfer = iota
	// Relay lets the other leg's remote do what is asked.
	Relay
	// Execute places the new leg here, by the route table.
	Execute
)

// String is the name that ParseTransfer takes.
func (t Transfer) String() string {
	switch t {
	case Refuse:
		return "refuse"
	case Relay:
		return "relay"
	case Execute:
		return "execute"
	}
	return fmt.Sprintf("Transfer(%d)", uint8(t))
}

// ParseTransfer takes "relay", "execute" or "refuse".
func ParseTransfer(name string) (Transfer, error) {
	for _, t := range []Transfer{Refuse, Relay, Execute} {
		if name == t.String() {
			return t, nil
		}
	}
	return Refuse, fmt.Errorf("trunk: unknown transfer policy %q: want relay, execute or refuse", name)
}
