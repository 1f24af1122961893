package media

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := registry.Gather(); err != nil || len(got) != 0 {
		t.Errorf("without a relay: %v, %v", got, err)
	}
	r := startRelay(t, Config{Metrics: m})
	s, a, b := call(t, r, true, false)
	for range 3 {
		a.say("hello")
		b.hears("hello")
	}
	a.write([]byte{0, 1})
	settled(t, s, A, 4)
	want := `
# HELP callseal_media_legs Legs now set, by the suite that we send with; none is plain RTP.
# TYPE callseal_media_legs gauge
callseal_media_legs{suite="AEAD_AES_128_GCM"} 0
callseal_media_legs{suite="AEAD_AES_256_GCM"} 0
callseal_media_legs{suite="AES_CM_128_HMAC_SHA1_32"} 0
callseal_media_legs{suite="AES_CM_128_HMAC_SHA1_80"} 1
callseal_media_legs{suite="AES_256_CM_HMAC_SHA1_32"} 0
callseal_media_legs{suite="AES_256_CM_HMAC_SHA1_80"} 0
callseal_media_legs{suite="none"} 1
# HELP callseal_media_packets_total Packets that came to media ports, and that left them.
# TYPE callseal_media_packets_total counter
callseal_media_packets_total{direction="received",kind="rtcp"} 0
callseal_media_packets_total{direction="received",kind="rtp"} 4
callseal_media_packets_total{direction="sent",kind="rtcp"} 0
callseal_media_packets_total{direction="sent",kind="rtp"} 3
# HELP callseal_media_port_pairs Port pairs of the local addresses used so far, by state.
# TYPE callseal_media_port_pairs gauge
callseal_media_port_pairs{state="free"} 6
callseal_media_port_pairs{state="resting"} 0
callseal_media_port_pairs{state="used"} 2
# HELP callseal_media_sessions Sessions now open.
# TYPE callseal_media_sessions gauge
callseal_media_sessions 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"callseal_media_legs", "callseal_media_packets_total", "callseal_media_port_pairs", "callseal_media_sessions"); err != nil {
		t.Error(err)
	}
	if got := testutil.CollectAndCount(m, "callseal_media_drops_total"); got != int(dropCount)-1 {
		t.Errorf("%d causes of drops, want %d", got, dropCount-1)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	s.Close()
	if sum, sessions := r.figures(); sessions != 0 || sum.legs[0] != 0 || sum.drops[DropSTUN] != 1 {
		t.Errorf("after the call: %d sessions, legs %v, drops %v", sessions, sum.legs, sum.drops)
	}
}

// TestNames: every enum value has a name of its own.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for d := range dropCount {
		if name := d.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("drop %d is called %q", d, name)
		} else {
			seen[name] = true
		}
	}
	for got, want := range map[string]string{A.String(): "a", B.String(): "b", Side(2).String(): "unknown", dropCount.String(): "unknown"} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParsePortRange(t *testing.T) {
	for _, row := range []struct {
		text  string
		want  PortRange
		pairs int
	}{
		{"20000-29999", PortRange{20000, 29999}, 5000},
		{"20001-20004", PortRange{20001, 20004}, 1},
		{"0-5", PortRange{0, 5}, 2},
		{"65534-65535", PortRange{65534, 65535}, 1},
		{"20001-20002", PortRange{}, 0},
		{"30000-20000", PortRange{}, 0},
		{"20000", PortRange{}, 0},
		{"a-b", PortRange{}, 0},
		{"1-70000", PortRange{}, 0},
	} {
		got, err := ParsePortRange(row.text)
		if got != row.want || (err == nil) != (row.pairs > 0) || got.Pairs() != row.pairs {
			t.Errorf("%q: %v with %d pairs, %v", row.text, got, got.Pairs(), err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a relay without ports")
	}
}
