package media

import (
	"strings"
	"testing"
)

// TestPortable: what the relay does by this system's own backend it does by the portable one as well.
func TestPortable(t *testing.T) {
	chosenBackend = func(int) (backend, error) { return newPortable() }
	defer func() { chosenBackend = nil }()
	for name, test := range map[string]func(*testing.T){
		"every suite": TestEverySuiteToEverySuite, "IPv4 to IPv6": TestIPv4ToIPv6, "mux": TestMux, "early": TestEarly,
		"never clear": TestNeverClear, "attackers": TestAttackers, "sealed follows": TestSealedFollows, "replay": TestReplay,
		"rekey": TestRekey, "send key returns": TestSendKeyReturns, "key reuse": TestKeyReuse, "hold": TestHold,
		"clear RTCP": TestClearRTCP, "junk": TestJunk, "exact bytes": TestExactBytes, "ports": TestPorts,
		"foreign ports": TestForeignPorts, "descriptors": TestDescriptors, "panic": TestPanic, "after run": TestAfterRun,
		"idle": TestIdle, "grid": TestGrid, "bleed and injection": TestBleedAndInjection, "rebinding": TestRebinding,
		"noise": TestNoise, "three wraps": TestThreeWraps, "events": TestFirstAudio,
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), test)
	}
}
