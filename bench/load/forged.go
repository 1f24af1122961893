package load

import (
	"context"
	"fmt"
	"net/netip"

	"callseal/bench"
	"callseal/bench/forge"
)

// forgedRate is how many packets a second the attacker sends.
const forgedRate = 5000

// forged sends packets to the server's RTP ports that only look as if they
// belonged to the calls. What of them arrives at the ends counts there as
// foreign, unauthentic or duplicated; what the server sends to the attacker is a
// fault of its own.
func forged() Hooks {
	var attacker *forge.Forger
	var end context.CancelFunc
	ended := make(chan struct{})
	ready := make(chan struct{})
	return Hooks{
		Tap: func(to netip.AddrPort, packet []byte) {
			select {
			case <-ready:
				attacker.Saw(to, packet)
			default:
			}
		},
		Begin: func(ctx context.Context) (err error) {
			if attacker, err = forge.New(netip.Addr{}); err != nil {
				return err
			}
			ctx, end = context.WithCancel(ctx)
			close(ready)
			go func() { // waited for by Done
				defer close(ended)
				attacker.Run(ctx, forgedRate)
			}()
			return nil
		},
		Done: func(record *bench.Record, _ error) {
			end()
			<-ended
			attacker.Close()
			verdict(record, attacker.Counts())
		},
	}
}

// verdict puts into the record what came of an attack.
func verdict(record *bench.Record, c forge.Counts) {
	text := fmt.Sprintf("An attacker sent %d packets to the server's RTP ports while calls ran", c.Total())
	for kind, n := range c.Sent {
		text += fmt.Sprintf(", %v: %d", forge.Kind(kind), n)
	}
	p := record.Packets
	record.Notes = append(record.Notes, fmt.Sprintf("%s; %d packets arrived at the ends that should not have, and %d at the attacker.",
		text, p.Foreign+p.Unauthentic+p.Duplicated, c.Stolen))
	switch {
	case c.Total() == 0:
		record.Faults = append(record.Faults, "the attacker found no call to attack")
	case c.Stolen > 0:
		record.Faults = append(record.Faults, fmt.Sprintf("the server sent %d packets to the attacker", c.Stolen))
	}
}
