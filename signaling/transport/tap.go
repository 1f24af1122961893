package transport

import (
	"fmt"
	"net/netip"
	"time"
)

// Direction says which way a message went.
type Direction uint8

// The directions.
const (
	In  Direction = iota + 1 // received
	Out                      // sent
)

// String gives the name used in metrics: "in" or "out".
func (d Direction) String() string {
	switch d {
	case In:
		return "in"
	case Out:
		return "out"
	default:
		return fmt.Sprintf("direction(%d)", uint8(d))
	}
}

// Tapped is one message as it passed the wire.
type Tapped struct {
	Time      time.Time
	Direction Direction
	Role      Role
	Listener  string // "" on a dialled connection
	Trunk     string // "" on an accepted connection
	Proto     Proto
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Raw       []byte // the octets; keys and digests read REDACTED unless Config.TapSecrets. The receiver may keep it
}
