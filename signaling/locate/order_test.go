package locate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

// Whatever the records and the dice: every record comes once, and none before one of a lower priority.
func TestPropertyArrange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := make([]srv, rapid.IntRange(0, 12).Draw(t, "records"))
		for i := range records {
			records[i] = srv{
				priority: uint16(rapid.IntRange(0, 3).Draw(t, "priority")), weight: uint16(rapid.SampledFrom([]int{0, 0, 1, 10, 65535}).Draw(t, "weight")),
				port: uint16(i), target: "h.",
			}
		}
		got := arrange(records, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "die") })
		if len(got) != len(records) {
			t.Fatalf("%d of %d records", len(got), len(records))
		}
		seen := map[uint16]bool{}
		for i, r := range got {
			if seen[r.port] || records[r.port] != r || i > 0 && got[i-1].priority > r.priority {
				t.Fatalf("order %v of %v", got, records)
			}
			seen[r.port] = true
		}
	})
}

// Each is first as often as its weight says; one of weight 0 hardly ever, but not never (RFC 2782).
func TestWeights(t *testing.T) {
	records := []srv{{weight: 60, port: 1}, {weight: 30, port: 2}, {weight: 10, port: 3}, {weight: 0, port: 4}, {priority: 1, weight: 65535, port: 5}}
	dice := rand.New(rand.NewPCG(1, 2))
	const draws = 20000
	first := map[uint16]int{}
	for range draws {
		first[arrange(records, dice.IntN)[0].port]++
	}
	for port, share := range map[uint16]float64{1: .6, 2: .3, 3: .1, 4: .01} {
		if got := float64(first[port]) / draws; got < share-.02 || got > share+.02 {
			t.Errorf("weight %d is first in %.3f, want about %.2f", records[port-1].weight, got, share)
		}
	}
	if first[4] == 0 || first[5] != 0 {
		t.Errorf("weight 0 first %d times, the next priority %d times", first[4], first[5])
	}
	for _, c := range []struct {
		die  int
		want []uint16
	}{{0, []uint16{4, 3, 2, 1, 5}}, {1 << 20, []uint16{1, 2, 3, 4, 5}}} {
		var ports []uint16
		for _, r := range arrange(records, func(n int) int { return min(c.die, n-1) }) {
			ports = append(ports, r.port)
		}
		if !slices.Equal(ports, c.want) {
			t.Errorf("with %d: %v, want %v", c.die, ports, c.want)
		}
	}
}

func TestServices(t *testing.T) {
	records := []naptr{
		{50, 50, "s", "SIP+D2T", "_sip._tcp.example.com."},
		{10, 20, "S", "sips+d2t", "_sips._tcp.backup.example.com."},
		{10, 10, "s", "SIPS+D2T", "_sips._tcp.example.com."},
		{20, 10, "s", "SIPS+D2T", "_sips._tcp.example.com."}, // again
		{5, 5, "u", "E2U+sip", "."},
		{5, 5, "a", "SIP+D2U", "host.example.com."},
		{5, 5, "s", "SIPS+D2T", "."},
		{90, 50, "s", "SIP+D2U", "_sip._udp.example.com."},
	}
	for _, c := range []struct {
		proto transport.Proto
		want  string
	}{
		{transport.TLS, "[_sips._tcp.example.com. _sips._tcp.backup.example.com.]"},
		{transport.TCP, "[_sip._tcp.example.com.]"},
		{transport.UDP, "[_sip._udp.example.com.]"},
		{0, "[]"},
	} {
		if got := fmt.Sprint(services(records, c.proto)); got != c.want {
			t.Errorf("%s: %s, want %s", c.proto, got, c.want)
		}
	}
	for proto, want := range map[transport.Proto]string{transport.TLS: "_sips._tcp.h", transport.TCP: "_sip._tcp.h", transport.UDP: "_sip._udp.h"} {
		if got := serviceName(proto, "h"); got != want {
			t.Errorf("%s: %s", proto, got)
		}
	}
}
