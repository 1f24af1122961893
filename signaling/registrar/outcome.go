package registrar

import "fmt"

// Outcome is what became of a REGISTER.
type Outcome uint8

// The outcomes. The zero value is none of them.
const (
	Registered    Outcome = iota + 1 // the dialer said 200, and the phone is known
	Refreshed                        // the same of one that was known already
	Moved                            // the same of one that came by another flow
	Removed                          // the phone took itself off
	Queried                          // it only asked
	Challenged                       // the dialer asks for a password
	Refused                          // the dialer says no, callseal's own word included
	Unreachable                      // the dialer did not answer
	WrongPassword                    // the dialer asks again, or says no, although a password was shown
)

// String is the label of the metric.
func (o Outcome) String() string {
	switch o {
	case Registered:
		return "registered"
	case Refreshed:
		return "refreshed"
	case Moved:
		return "moved"
	case Removed:
		return "removed"
	case Queried:
		return "queried"
	case Challenged:
		return "challenged"
	case Refused:
		return "refused"
	case Unreachable:
		return "unreachable"
	case WrongPassword:
		return "wrong_password"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}
