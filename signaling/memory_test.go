package signaling

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// What a call that is up and silent may keep: it keeps 20 KiB over UDP and without
// SRTP, and kept 30 besides a goroutine.
const keptPerCall = 25 << 10

// TestMemoryOfACall: a call that is up keeps little, although its INVITEs'
// transactions are not over, and has no goroutine.
func TestMemoryOfACall(t *testing.T) {
	f := newFixture(t, nil)
	up := func(n int) {
		f.dialer.send(f.invite(n, "", offer))
		f.carrier.answer(f.carrier.want("INVITE"), "200 OK", "carriertag", "Content-Type: application/sdp\n", answerSDP)
		ok := f.dialer.want("SIP/2.0 200")
		f.dialer.send(f.inDialog("ACK", 102, n, ok))
		f.carrier.want("ACK")
		f.dialer.seen, f.carrier.seen = nil, nil
	}
	quiet := func() (kept uint64, goroutines int) {
		f.logs.mu.Lock()
		f.logs.b = strings.Builder{}
		f.logs.mu.Unlock()
		return heap(), runtime.NumGoroutine()
	}
	const first, calls = 10, 60
	for n := range first { // what is made once and kept for all
		up(n)
	}
	before, had := quiet()
	for n := range calls {
		up(first + n)
	}
	end := time.Now().Add(10 * time.Second) // what is under way comes to rest
	for {
		after, have := quiet()
		each := (int64(after) - int64(before)) / calls
		if each <= keptPerCall && have < had+calls/2 {
			t.Logf("%d octets a call, %d goroutines more", each, have-had)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d octets a call, at most %d; %d goroutines for %d calls, before them %d", each, keptPerCall, have, calls, had)
		}
		time.Sleep(20 * time.Millisecond) // real sockets
	}
}
