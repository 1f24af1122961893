package versus

import (
	"io"
	"os"

	"callseal/bench/relay"
)

// FloorCmd is the hidden `callseal-bench relay-floor`, which the bench starts
// by itself.
type FloorCmd struct{}

// Run relays until standard input ends.
func (FloorCmd) Run(out io.Writer) error { return relay.ServeFloor(os.Stdin, out) }
