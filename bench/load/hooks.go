package load

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"callseal/bench"
	"callseal/bench/scenario"
)

// Hooks join a run: what attacks it, or watches its wire. Each may be nil.
type Hooks struct {
	Bound func(netip.AddrPort)                    // told of each RTP port of ours before it is used
	Tap   func(to netip.AddrPort, packet []byte)  // sees each packet that is sent, on the engine's goroutines
	Begin func(ctx context.Context) error         // before the first call; ctx ends after the last one
	Done  func(record *bench.Record, ended error) // after the last call, before the observers; ended is why the run broke off
}

// attacks are those that scenario files may name.
var attacks = map[string]func() Hooks{"forged": forged}

// hooks are those that were given, and those that the run asks for.
func (c Config) hooks() ([]Hooks, error) {
	hooks := slices.Clone(c.Hooks)
	if c.Wire { // first, as it is what may be refused
		var ports []uint16
		for _, t := range c.targets() {
			ports = append(ports, t.Port)
		}
		for _, a := range c.Answerers {
			ports = append(ports, a.Local.Port())
		}
		hooks = append(hooks, witness(c.Sealed[0] && c.Sealed[1], ports...))
	}
	for _, name := range c.Scenario.Media.Attacks {
		attack := attacks[name]
		if attack == nil {
			return nil, fmt.Errorf("%w: %s: media.attacks: %q is unknown: write %s", scenario.ErrScenario, c.Scenario.Name, name,
				strings.Join(slices.Sorted(maps.Keys(attacks)), ", "))
		}
		hooks = append(hooks, attack())
	}
	return hooks, nil
}
