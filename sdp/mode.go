package sdp

import "fmt"

// Mode is one leg's media policy.
type Mode uint8

// The policies of a leg.
const (
	// Off offers RTP/AVP, takes RTP/AVP, and ignores crypto lines.
	Off Mode = iota
	// Preferred is best effort (RFC 8643): it offers RTP/AVP with crypto
	// lines, and takes SRTP where it is offered, plain RTP elsewhere.
	Preferred
	// Required offers RTP/SAVP and refuses whatever is not SRTP. It takes
	// RTP/AVP with crypto lines from a remote that offers that.
	Required
)

// String is the name that ParseMode takes.
func (m Mode) String() string {
	switch m {
	case Off:
		return "off"
	case Preferred:
		return "preferred"
	case Required:
		return "required"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode takes "off", "preferred" or "required".
func ParseMode(name string) (Mode, error) {
	for _, m := range []Mode{Off, Preferred, Required} {
		if name == m.String() {
			return m, nil
		}
	}
	return Off, fmt.Errorf("sdp: unknown media mode %q: want off, preferred or required", name)
}

// Direction is who sends, seen from the side that wrote the description
// (RFC 8866 section 6.7).
type Direction uint8

// The four directions. SendRecv holds where a description names none.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// String is the attribute's name.
func (d Direction) String() string {
	switch d {
	case SendRecv:
		return "sendrecv"
	case SendOnly:
		return "sendonly"
	case RecvOnly:
		return "recvonly"
	case Inactive:
		return "inactive"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// answering is the direction that may answer offered, as near to d as it can
// be: who does not send there is not heard here (RFC 3264 section 6.1).
func (d Direction) answering(offered Direction) Direction {
	sends := (d == SendRecv || d == SendOnly) && (offered == SendRecv || offered == RecvOnly)
	hears := (d == SendRecv || d == RecvOnly) && (offered == SendRecv || offered == SendOnly)
	switch {
	case sends && hears:
		return SendRecv
	case sends:
		return SendOnly
	case hears:
		return RecvOnly
	}
	return Inactive
}

// Mirror is the direction as the other side of the stream sees it.
func (d Direction) Mirror() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	case SendRecv, Inactive:
	}
	return d
}

// parseDirection reads an attribute's name.
func parseDirection(name string) (Direction, bool) {
	for _, d := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
		if name == d.String() {
			return d, true
		}
	}
	return SendRecv, false
}
