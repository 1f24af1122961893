package load

import (
	"context"
	"fmt"
	"net/netip"

	"callseal/bench"
	"callseal/bench/capture"
	"callseal/bench/stream"
)

// witness captures the wire of a run and puts into the record how much of it
// could be read. ports are those of SIP: the server's, and the answerer's.
// sealed says that nothing may be readable.
func witness(sealed bool, ports ...uint16) Hooks {
	wire := capture.New(stream.Magic)
	for _, port := range ports {
		wire.Own(port)
	}
	return Hooks{
		Bound: func(at netip.AddrPort) { wire.Own(at.Port()) },
		Begin: func(context.Context) error {
			if err := wire.Start(); err != nil {
				return fmt.Errorf("--wire: %w", err)
			}
			return nil
		},
		Done: func(record *bench.Record, _ error) {
			c := wire.Close()
			record.Wire = &struct{ Packets, Readable uint64 }{c.Packets, c.Readable}
			if sealed && c.Readable > 0 {
				record.Faults = append(record.Faults, fmt.Sprintf("%d of %d packets on the wire could be read", c.Readable, c.Packets))
			}
			if c.Packets == 0 {
				record.Faults = append(record.Faults, "nothing was captured on the wire, so nothing is proven about it")
			}
			if c.Missed > 0 {
				record.Notes = append(record.Notes, fmt.Sprintf("The capture of the wire was too slow for %d packets, of which nothing is known.", c.Missed))
			}
		},
	}
}
