package sdp

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// randomFrom is a stream of bytes that is the same for the same seed.
func randomFrom(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// crlf makes a description of lines.
func crlf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

// parse is Parse of a description that must be good.
func parse(t testing.TB, lines ...string) *Description {
	t.Helper()
	d, err := Parse(crlf(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// session is the head that most tests do not care about.
var session = []string{"v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0"}

// call is a description with that head.
func call(t testing.TB, lines ...string) *Description {
	t.Helper()
	return parse(t, append(append([]string(nil), session...), lines...)...)
}

var toB = Local{Addr: netip.MustParseAddr("203.0.113.9"), RTP: 20000, RTCP: 20001, Origin: Origin{ID: 77, Version: 1}}

// Keys that appear nowhere else, one per length: 30, 46, 28 and 44 bytes.
const (
	key30 = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
	key46 = "c2FsdGVkLWtleS1vZi1mb3J0eS1zaXgtYnl0ZXMtZm9yLWFlcy0yNTYtY20tMQ"
	key28 = "c2FsdGVkLWtleS1vZi0yOC1ieXRlcy1nY20tMQ"
	key44 = "c2FsdGVkLWtleS1vZi1mb3J0eS1mb3VyLWJ5dGVzLWZvci1nY20tMjU2LS0"
)

// keys are our own lines for the suites that most tests offer.
func keys(t testing.TB, suites ...Suite) []Crypto {
	t.Helper()
	if len(suites) == 0 {
		suites = Suites()
	}
	lines, err := NewOfferKeys(suites, randomFrom(1))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
