package load

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"callseal/bench"
	"callseal/bench/capture"
	"callseal/bench/scenario"
)

const attacked = `
duration: 4s
calls: 4
pace: {rate: 20}
mix: [{talk: 2s}]
media: {attacks: [forged]}
`

// Without a server between the ends nobody holds the attacker off: the replays
// arrive, and the run says so.
func TestForged(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, attacked)
	rec, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if p := rec.Packets; p.Duplicated == 0 || p.Lost > 0 || p.Received != 4*2*100 {
		t.Errorf("packets %+v", p)
	}
	text := strings.Join(rec.Faults, "\n")
	if !strings.Contains(text, "arrived twice") || strings.Contains(text, "attacker") {
		t.Errorf("faults: %s", text)
	}
	if !slices.ContainsFunc(rec.Notes, func(n string) bool {
		return strings.Contains(n, "An attacker sent") && strings.Contains(n, "bad tag") && strings.HasSuffix(n, " 0 at the attacker.")
	}) {
		t.Errorf("notes: %q", rec.Notes)
	}
}

func TestUnknownAttack(t *testing.T) {
	cfg, _ := direct(t, bench.TCP, strings.Replace(attacked, "[forged]", "[siege]", 1))
	if _, err := Run(t.Context(), cfg); !errors.Is(err, scenario.ErrScenario) || !strings.Contains(err.Error(), `"siege" is unknown: write forged`) {
		t.Errorf("error %v", err)
	}
}

// The witness on the wire finds what is readable, and only that.
func TestWire(t *testing.T) {
	for _, row := range []struct {
		name     string
		proto    bench.Proto
		plain    bool
		readable bool
	}{
		{"sealed", bench.TLS, false, false},
		{"SIP in the clear", bench.TCP, false, true},
		{"audio in the clear", bench.TLS, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, _ := direct(t, row.proto, strings.Replace(attacked, "media: {attacks: [forged]}", "", 1))
			cfg.Wire, cfg.Sealed = true, [2]bool{true, true}
			if row.plain {
				cfg.Caller.Suites, cfg.Answerers[0].Suites = nil, nil
			}
			rec, err := Run(t.Context(), cfg)
			if errors.Is(err, capture.ErrRoot) || errors.Is(err, capture.ErrUnsupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Wire.Packets < rec.Packets.Received {
				t.Errorf("%d packets on the wire of %d", rec.Wire.Packets, rec.Packets.Received)
			}
			fault := slices.ContainsFunc(rec.Faults, func(f string) bool { return strings.Contains(f, "packets on the wire could be read") })
			if (rec.Wire.Readable > 0) != row.readable || fault != row.readable {
				t.Errorf("%d readable packets, faults %q", rec.Wire.Readable, rec.Faults)
			}
		})
	}
}
