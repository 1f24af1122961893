package dialog

import "errors"

// What can be wrong with a message that would open a dialog or belongs to
// one.
var (
	ErrNoContact  = errors.New("no Contact with a URI")
	ErrNoTag      = errors.New("no To tag")
	ErrOutOfOrder = errors.New("sequence number out of order")
)
