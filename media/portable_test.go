package media

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestPortable: what the relay does by this system's own backend it does by the portable one as well.
func TestPortable(t *testing.T) {
	chosenBackend = func(int) (backend, error) { return newPortable() }
	defer func() { chosenBackend = nil }()
	for name, test := range map[string]func(*testing.T){
		"every suite": TestEverySuiteToEverySuite, "IPv4 to IPv6": TestIPv4ToIPv6, "mux": TestMux, "early": TestEarly, "before the answer": TestAudioBeforeTheAnswer,
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

// TestReleasedWhileReading: a socket that is released between the arrival of a packet and its hand-over is not reported
// any more, or every wait would return at once.
func TestReleasedWhileReading(t *testing.T) {
	b, err := newPortable()
	if err != nil {
		t.Fatal(err)
	}
	p := b.(*portable)
	at := netip.AddrPortFrom(loopback, freeRange(t, 1).Min)
	s, err := p.bind(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.attach(s, 1); err != nil {
		t.Fatal(err)
	}
	from, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	p.mu.Lock()
	released := make(chan struct{})
	go func() {
		p.release(s)
		close(released)
	}()
	time.Sleep(10 * time.Millisecond) // until release waits for the lock, and then the reader behind it: neither shows
	if _, err := from.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // until the reader has it and waits for the lock: it does not show either
	p.mu.Unlock()
	<-released
	p.close()
	if tokens := p.look(nil); len(tokens) > 0 {
		t.Errorf("tokens %v of a released socket", tokens)
	}
}
